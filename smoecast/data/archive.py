"""The raw files of a run as one lazy dataset: what a store of it holds."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import xarray as xr

from smoecast.config import Config
from smoecast.data import channels, checks, ens10, ens10fields, opendata, raw, series, splits
from smoecast.data.sources import Kind
from smoecast.errors import InputError
from smoecast.fields.canonical import KEPT_ATTRIBUTES
from smoecast.fields.derived import derive
from smoecast.fields.leading import leading_trimmed
from smoecast.fields.reader import open_files
from smoecast.fields.regrid import named_grid, regrid

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
    source = checks.named(raw.raw_files(config, kind))
    for part, mask in splits.split_times(dataset[along].values, split, source).items():
        dataset[part] = xr.DataArray(mask, dims=along)
    return dataset


def _analyses(config: Config) -> xr.Dataset:
    paths, wanted = raw.raw_files(config, "analyses"), config.data
    source = checks.named(paths)
    groups = [paths]
    if wanted.source == "era5" and _SUMS & set(wanted.channels):
        # the sums need every hour of precipitation, the rest came at the step of the store
        hourly = [path for path in paths if "_accumulated_" in path.name]
        groups = [hourly, [path for path in paths if path not in hourly]]
    parts = [_at_step(group, config) for group in groups if group]
    dataset = xr.merge(parts, join="inner", combine_attrs="override")
    dataset = series.evenly(dataset, wanted.step_hours, source)
    if wanted.grid:
        dataset = regrid(dataset, named_grid(wanted.grid), wanted.regrid)
    dataset = derive(dataset, wanted.channels, wanted.constants, source)
    packed = xr.Dataset({"fields": channels.pack(dataset, wanted.channels, source)})
    for name in wanted.constants:
        packed[f"constant_{name}"] = _constant(dataset, name, source)
    return packed


def _at_step(paths: list[Path], config: Config) -> xr.Dataset:
    """Open files and keep the times of the store; sums are made before the others go."""
    wanted, source = config.data, checks.named(paths)
    late = wanted.source == "weatherbench"  # tp and tisr begin seven hours after the rest
    dataset = open_files(paths, trim_start=late)
    if _SUMS & set(wanted.channels) and channels.has_field(dataset, "tp"):
        dataset = derive(dataset, ["tp6h"], (), source)
    dataset = leading_trimmed(dataset, (*wanted.channels, "tp6h"), source)
    return series.evenly(dataset, wanted.step_hours, source)


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
    paths = raw.raw_files(config, "ensembles")
    if settings.source == "ens10":
        fields = ens10fields.open_fields(paths, settings)
        return xr.Dataset({"fields": fields.assign_attrs(license=ens10.ABOUT.licence)})
    source = checks.named(paths)
    opened = open_files(paths, any_grid=True)
    dataset = series.leads(opened, settings.lead_hours, source)
    fields = packed_ensemble(dataset, settings.channels, source)
    if settings.source == "opendata":
        fields.attrs["license"] = opendata.ABOUT.licence
    return xr.Dataset({"fields": fields})


def packed_ensemble(dataset: xr.Dataset, names: Sequence[str], source: str) -> xr.DataArray:
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
