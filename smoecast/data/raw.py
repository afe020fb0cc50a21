"""Where a run's raw files and its truth are."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import xarray as xr

from smoecast.config.run import Config
from smoecast.data import time_selection
from smoecast.data.sources import registry
from smoecast.data.sources.ens10 import source as ens10_source
from smoecast.data.sources.ens10.open import open_fields
from smoecast.data.sources.files import expand
from smoecast.data.sources.opendata import analyses
from smoecast.data.sources.registry import Kind
from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels, missing
from smoecast.fields.canonical.canonical import KEPT_ATTRIBUTES
from smoecast.fields.channels import pack
from smoecast.fields.derived import derive
from smoecast.fields.missing import name_files, trim_leading
from smoecast.fields.read.open import open_files
from smoecast.fields.regrid import grid_by_name, regrid
from smoecast.fields.store.store import open_store

_SUMS = {"tp6h", "lntp6h"}


def content(config: Config, kind: Kind, identity: str) -> xr.Dataset:
    """Return what a store of this kind holds, lazily; opened once in each process.

    Parameters
    ----------
    config : Config
        The run.
    kind : str
        ``analyses`` or ``ensembles``.
    identity : str
        Of config and raw files: what was opened of another is not given again.

    Returns
    -------
    xr.Dataset
        ``fields`` (time or init_time, ..., channel, latitude, longitude), a mask of each part of
        the split, and ``constant_*``.

    Raises
    ------
    InputError
        A raw file is missing, damaged or incomplete, or has no channel of that name.
    """
    return _content(config.model_dump_json(), kind, identity)


@lru_cache(maxsize=1)
def _content(text: str, kind: Kind, _identity: str) -> xr.Dataset:
    config = Config.model_validate_json(text)
    if kind == "analyses":
        dataset, split = _analyses(config), config.data.split
    else:
        dataset, split = _ensembles(config), config.postprocess.split
    along = str(dataset["fields"].dims[0])
    source = missing.name_files(raw_files(config, kind))
    for part, mask in time_selection.split_times(dataset[along].values, split, source).items():
        dataset[part] = xr.DataArray(mask, dims=along)
    return dataset


def _analyses(config: Config) -> xr.Dataset:
    paths, wanted = raw_files(config, "analyses"), config.data
    source = missing.name_files(paths)
    groups = [paths]
    if wanted.source == "era5" and _SUMS & set(wanted.channels):
        # the sums need every hour of precipitation, the rest came at the step of the store
        hourly = [path for path in paths if "_accumulated_" in path.name]
        groups = [hourly, [path for path in paths if path not in hourly]]
    parts = [_at_step(group, config) for group in groups if group]
    dataset = xr.merge(parts, join="inner", combine_attrs="override")
    dataset = time_selection.evenly(dataset, wanted.step_hours, source)
    if wanted.grid:
        dataset = regrid(dataset, grid_by_name(wanted.grid), wanted.regrid)
    dataset = derive(dataset, wanted.channels, wanted.constants, source)
    packed = xr.Dataset({"fields": channels.pack(dataset, wanted.channels, source)})
    for name in wanted.constants:
        packed[f"constant_{name}"] = _constant(dataset, name, source)
    return packed


def _at_step(paths: list[Path], config: Config) -> xr.Dataset:
    """Open files and keep the times of the store; sums are made before the others go."""
    wanted, source = config.data, missing.name_files(paths)
    late = wanted.source == "weatherbench"  # tp and tisr begin seven hours after the rest
    dataset = open_files(paths, trim_start=late)
    if _SUMS & set(wanted.channels) and channels.has_field(dataset, "tp"):
        dataset = derive(dataset, ["tp6h"], (), source)
    dataset = trim_leading(dataset, (*wanted.channels, "tp6h"), source)
    return time_selection.evenly(dataset, wanted.step_hours, source)


def _constant(dataset: xr.Dataset, name: str, source: str) -> xr.DataArray:
    """Return a field without time, in memory."""
    field = channels.field(dataset, name, source)
    extra = [d for d in field.dims if d not in ("latitude", "longitude")]
    field = field.isel(dict.fromkeys(extra, 0), drop=True)
    values = field.drop_vars([n for n in field.coords if n not in field.dims]).astype("float32")
    loaded: xr.DataArray = values.compute(scheduler="synchronous")
    if not bool(loaded.notnull().all()):
        raise InputError(f"{source}: the constant {name} has missing values; leave it out")
    return loaded


def _ensembles(config: Config) -> xr.Dataset:
    settings = config.postprocess
    paths = raw_files(config, "ensembles")
    if settings.source == "ens10":
        fields = open_fields(paths, settings)
        return xr.Dataset({"fields": fields.assign_attrs(license=ens10_source.ABOUT.licence)})
    source = missing.name_files(paths)
    opened = open_files(paths, any_grid=True)
    dataset = time_selection.leads(opened, settings.lead_hours, source)
    fields = stack_ensemble(dataset, settings.channels, source)
    if settings.source == "opendata":
        fields.attrs["license"] = analyses.ABOUT.licence
    return xr.Dataset({"fields": fields})


def stack_ensemble(dataset: xr.Dataset, names: Sequence[str], source: str) -> xr.DataArray:
    """Stack channels of an ensemble; what its files say of themselves comes along as attributes.

    Returns
    -------
    xr.DataArray
        ``(init_time, lead_time, [number,] channel, latitude, longitude)``, or the axes of a
        projection, which then comes along too.

    Raises
    ------
    InputError
        A channel is not there.
    """
    fields = channels.pack(dataset, names, source)
    leading = [d for d in ("init_time", "lead_time", "number") if d in fields.dims]
    fields = fields.transpose(*leading, ...)
    return fields.assign_attrs({k: dataset.attrs[k] for k in KEPT_ATTRIBUTES if k in dataset.attrs})


def raw_files(config: Config, kind: registry.Kind) -> list[Path]:
    """Return the raw files of a run: its analyses or its ensembles.

    Raises
    ------
    InputError
        They are not there yet, or not any more.
    ConfigError
        The run has none of this kind.
    """
    if registry.is_remote(config, kind):
        return registry.find_raw_files(config, kind)
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
    if registry.is_remote(config, "ensembles") or config.postprocess.files:
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
    return pack(open_files(paths, any_grid=True), config.postprocess.targets, name_files(paths))
