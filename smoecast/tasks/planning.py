"""What `preprocess` would make, told before anything is made."""

from pathlib import Path
from typing import Any

import numpy as np

from smoecast.config import Config
from smoecast.data import archive, raw, sizes, sources
from smoecast.data.sources import Kind
from smoecast.errors import InputError
from smoecast.fields import draft as drafts


def kinds_of(config: Config) -> list[Kind]:
    """Return which stores a run has: of analyses, of ensembles, or of both."""
    kinds: list[Kind] = [] if config.data.source == "none" else ["analyses"]
    return [*kinds, "ensembles"] if raw.has_ensembles(config) else kinds


def store_of(config: Config, kind: Kind) -> Path:
    """Return the store of a kind."""
    return config.store if kind == "analyses" else config.ensemble_store


def plan(config: Config) -> dict[str, Any]:
    """Say how large the stores of a run will be, without making them.

    From the raw files where they are there, otherwise from the config alone.

    Returns
    -------
    dict
        For each store ``store`` (path), ``raw`` (whether the raw files are there), ``shape``,
        ``bytes`` and ``chunks`` (parts of work, each remembered when a run is killed).

    Raises
    ------
    InputError
        A file of source `files` is missing, or a raw file that is there is damaged.
    ConfigError
        The source does not have what the config asks for.
    """
    return {kind: _planned(config, kind) for kind in kinds_of(config)}


def _planned(config: Config, kind: Kind) -> dict[str, Any]:
    there = _is_there(config, kind)
    if there:
        fields = archive.content(config, kind, identity="")["fields"]
        shape = dict(zip(map(str, fields.dims), fields.shape, strict=True))
    else:
        shape = (sizes.analyses if kind == "analyses" else sizes.ensembles)(config)
    rows, *rest = shape.values()
    row_bytes = 4 * int(np.prod(rest))
    half = kind == "analyses" and config.data.precision == "float16"
    return {
        "store": str(store_of(config, kind)),
        "raw": there,
        "shape": shape,
        "bytes": rows * row_bytes // (2 if half else 1),
        "chunks": -(-rows // drafts.rows_per_chunk(rows, row_bytes)),
    }


def _is_there(config: Config, kind: Kind) -> bool:
    """Whether the raw files are on disk; those of source `files` have to be."""
    try:
        raw.raw_files(config, kind)
    except InputError:
        if sources.name_of(config, kind) == "files":
            raise
        return False
    return True
