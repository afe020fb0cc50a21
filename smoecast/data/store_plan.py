"""What `preprocess` would make, told before anything is made."""

from typing import Any

import numpy as np

from smoecast.config.run import Config
from smoecast.data import raw
from smoecast.data.sources.registry import requests_of, source_of
from smoecast.data.sources.source import Request
from smoecast.errors import InputError
from smoecast.fields.left_out import left_out_of, to_plain
from smoecast.fields.store.writer import rows_per_chunk


def plan_stores(config: Config) -> dict[str, Any]:
    """Say how large the stores of a run will be, without making them.

    From the raw files where they are there, otherwise from the config alone.

    Returns
    -------
    dict
        For each store ``store`` (path), ``raw`` (whether the raw files are there), ``shape``,
        ``bytes``, ``chunks`` (parts of work, each remembered when a run is killed) and
        ``left_out``: what of the raw files would not be read.

    Raises
    ------
    InputError
        A file of source `files` is missing, or a raw file that is there is damaged.
    ConfigError
        The source does not have what the config asks for.
    """
    return {asked.kind: _plan_store(asked) for asked in requests_of(config)}


def _plan_store(asked: Request) -> dict[str, Any]:
    source = source_of(asked)
    try:
        source.find(asked)
        there = True
    except InputError:
        there = False
        if source.size is None:
            raise
    if there or source.size is None:
        content = raw.content(asked, identity="")
        fields, left_out = content["fields"], to_plain(left_out_of(content))
        shape = dict(zip(map(str, fields.dims), fields.shape, strict=True))
    else:
        shape, left_out = source.size(asked), []
    rows, *rest = shape.values()
    row_bytes = 4 * int(np.prod(rest))
    return {
        "store": str(asked.store),
        "raw": there,
        "shape": shape,
        "bytes": rows * row_bytes // (2 if asked.is_half else 1),
        "chunks": -(-rows // rows_per_chunk(rows, row_bytes)),
        "left_out": left_out,
    }
