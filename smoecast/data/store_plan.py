"""What `preprocess` would make, told before anything is made."""

from calendar import isleap
from pathlib import Path
from typing import Any

import numpy as np

from smoecast.config.run import Config
from smoecast.data import raw
from smoecast.data.sources import registry
from smoecast.data.sources.ens10 import source
from smoecast.data.sources.era5 import source as era5_source
from smoecast.data.sources.planet.periods import period
from smoecast.data.sources.registry import Kind
from smoecast.errors import InputError
from smoecast.fields.regrid import grid_by_name
from smoecast.fields.store import writer as drafts

_GRIDS = {
    "planet": (32, 64),
    "ncep": (73, 144),
    "weatherbench": (32, 64),
    "weatherbench2": (32, 64),
    "opendata": (721, 1440),
    "ens10": (361, 720),
}


_YEARS_OF_ENS10 = 20


def analyses(config: Config) -> dict[str, int]:
    """Return the size of each dimension of a store of analyses.

    Raises
    ------
    ConfigError
        There is no grid of that name.
    """
    data = config.data
    if data.grid:
        height, width = grid_by_name(data.grid).shape
    elif data.source == "era5":
        height, width = era5_source.shape(data.era5.grid_degrees, data.era5.area)
    else:
        height, width = _GRIDS[data.source]
    sizes = {"time": _times(config), "channel": len(data.channels)}
    return {**sizes, "latitude": height, "longitude": width}


def _times(config: Config) -> int:
    data = config.data
    if data.source == "opendata":
        return len(config.sample.history_hours)
    if data.source == "planet":
        first, end = period(data.planet.start, data.planet.years)
        hours = int((end - first).astype("timedelta64[h]").astype(int))
    else:
        hours = 24 * sum(366 if isleap(year) else 365 for year in set(data.years))
    return hours // data.step_hours


def ensembles(config: Config) -> dict[str, int]:
    """Return the size of each dimension of a store of ensemble forecasts."""
    wanted = config.postprocess
    height, width = _GRIDS[wanted.source]
    if wanted.source == "ens10":
        months = wanted.ens10.months or range(1, 13)
        starts = _YEARS_OF_ENS10 * sum(day.month in months for day in source.DATES)
        members = 10
    elif wanted.source == "opendata":
        starts, members = 1, 51
    else:
        # two starts a week
        starts = round(config.data.planet.ensemble_years * 365.25 * 2 / 7)
        members = config.data.planet.members
    sizes = {"init_time": starts, "lead_time": len(wanted.lead_hours), "number": members}
    place = {"channel": len(wanted.channels), "latitude": height, "longitude": width}
    if wanted.source == "ens10" and wanted.ens10.keep == "statistics":
        del sizes["number"]  # mean and spread of each channel in the place of members
        place["channel"] *= 2
    return {**sizes, **place}


def kinds_of(config: Config) -> list[Kind]:
    """Return which stores a run has: of analyses, of ensembles, or of both."""
    kinds: list[Kind] = [] if config.data.source == "none" else ["analyses"]
    return [*kinds, "ensembles"] if raw.has_ensembles(config) else kinds


def store_of(config: Config, kind: Kind) -> Path:
    """Return the store of a kind."""
    return config.store if kind == "analyses" else config.ensemble_store


def plan_stores(config: Config) -> dict[str, Any]:
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
    return {kind: _plan_store(config, kind) for kind in kinds_of(config)}


def _plan_store(config: Config, kind: Kind) -> dict[str, Any]:
    there = _is_there(config, kind)
    if there:
        fields = raw.content(config, kind, identity="")["fields"]
        shape = dict(zip(map(str, fields.dims), fields.shape, strict=True))
    else:
        shape = (analyses if kind == "analyses" else ensembles)(config)
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
        if registry.name_of(config, kind) == "files":
            raise
        return False
    return True
