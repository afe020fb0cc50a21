"""What `preprocess` reads of ENS-10: members, or mean and spread over them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.config.postprocess import Postprocess
from smoecast.data import time_selection
from smoecast.data.members import moment_names, over_land
from smoecast.errors import InputError
from smoecast.fields import channels
from smoecast.fields.missing import name_files
from smoecast.fields.read.open import open_files

_ORDER = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")


def open_fields(paths: Sequence[Path], settings: Postprocess) -> xr.DataArray:
    """Open what stays of the files of a run, as an ensemble store holds it.

    Parameters
    ----------
    paths : sequence of Path
        From `reduce.make`; those of levels and those of the surface continue each other
        in channels.
    settings : Postprocess
        With source ens10.

    Returns
    -------
    xr.DataArray
        ``(init_time, lead_time, number, channel, latitude, longitude)``, or without `number` and
        with the channels of `data.members.moment_names`. The starts are those that both kinds
        of file have.

    Raises
    ------
    InputError
        A file is damaged, or two do not fit together.
    """
    kinds: dict[str, list[Path]] = {}
    for path in paths:
        kinds.setdefault(path.name.split("_")[1], []).append(path)
    keeps_members = settings.ens10.keep == "members"
    reader = _open_members if keeps_members else _open_statistics
    dataset = _merge([reader(found) for found in kinds.values()], name_files(paths))
    dataset = time_selection.leads(dataset, settings.lead_hours, name_files(paths))
    names = settings.channels if keeps_members else moment_names(settings.channels)
    if keeps_members:
        parts = [channels.field(dataset, name, name_files(paths)) for name in names]
    else:
        parts = [dataset[name] for name in names]
    bare = [_bare(part) for part in parts]
    fields = xr.concat(bare, dim="channel", coords="minimal", compat="override", join="exact")
    order = [dimension for dimension in _ORDER if dimension in fields.dims]
    fields = fields.assign_coords(channel=list(names)).transpose(*order)
    return fields.rename("fields").drop_attrs()


def _bare(array: xr.DataArray) -> xr.DataArray:
    """Return an array without pressures, heights and times beside its dimensions."""
    return array.drop_vars([name for name in array.coords if name not in array.dims])


def _merge(opened: Sequence[xr.Dataset], what: str) -> xr.Dataset:
    """Put the channels of both kinds of file side by side, at the starts that both have."""
    starts = opened[0]["init_time"].values
    for dataset in opened[1:]:
        starts = np.intersect1d(starts, dataset["init_time"].values)
    if not len(starts):
        raise InputError(f"{what}: no start is in the files of both kinds: fetch more of them")
    chosen = [dataset.sel(init_time=starts) for dataset in opened]
    try:
        return xr.merge(chosen, join="exact", compat="override", combine_attrs="override")
    except ValueError as problem:
        raise InputError(f"{what}: they do not fit together ({problem})") from None


def _open_members(paths: Sequence[Path]) -> xr.Dataset:
    return over_land(open_files(paths))


def _open_statistics(paths: Sequence[Path]) -> xr.Dataset:
    """Open files of mean and spread, one field a chunk, as one dataset along their starts."""
    opened = [_open(path) for path in paths]
    try:
        joined = xr.concat(
            opened,
            dim="init_time",
            data_vars="minimal",
            coords="minimal",
            compat="override",
            join="exact",
            combine_attrs="override",
        )
    except ValueError as problem:
        raise InputError(f"{name_files(paths)}: they do not fit together ({problem})") from None
    return joined.sortby("init_time")


def _open(path: Path) -> xr.Dataset:
    try:
        return xr.open_dataset(path, engine="netcdf4", decode_timedelta=True, chunks={})
    except (OSError, RuntimeError, ValueError) as problem:
        raise InputError(f"{path}: it cannot be read ({problem}): fetch the file again") from None
