"""Where a run's raw files and its truth are."""

from pathlib import Path

import xarray as xr

from smoecast.config import Config
from smoecast.data import sources
from smoecast.data.channels import pack
from smoecast.data.checks import named
from smoecast.data.files import expand
from smoecast.errors import ConfigError
from smoecast.fields.reader import open_files
from smoecast.fields.store import open_store


def raw_files(config: Config, kind: sources.Kind) -> list[Path]:
    """Return the raw files of a run: its analyses or its ensembles.

    Raises
    ------
    InputError
        They are not there yet, or not any more.
    ConfigError
        The run has none of this kind.
    """
    if sources.is_remote(config, kind):
        return sources.fetched(config, kind)
    wanted = config.data if kind == "analyses" else config.postprocess
    if wanted.source == "files":
        if not wanted.files:
            raise ConfigError("postprocess.source is files, but postprocess.files names none")
        key = "data.files" if kind == "analyses" else "postprocess.files"
        return expand(wanted.files, key)
    prefix = "planet_ens_" if kind == "ensembles" else "planet_[0-9]"
    return expand([str(config.raw / f"{prefix}*.nc")], "the planet (run `smoecast download`)")


def has_ensembles(config: Config) -> bool:
    """Whether a run has ensembles of its own: fetched, given as files, or simulated."""
    if sources.is_remote(config, "ensembles") or config.postprocess.files:
        return True
    simulated = config.data.source == "planet" and config.data.planet.ensemble_years > 0
    return simulated and config.postprocess.source == "planet"


def truth_of(config: Config) -> xr.DataArray:
    """Return the analyses that ensembles are fitted to and scored against.

    Returns
    -------
    xr.DataArray
        ``(time, channel, latitude, longitude)``: `postprocess.truth`, or the run's store.
    """
    if not config.postprocess.truth:
        return open_store(config.store)["fields"]
    paths = expand(config.postprocess.truth, "postprocess.truth")
    return pack(open_files(paths, any_grid=True), config.postprocess.targets, named(paths))
