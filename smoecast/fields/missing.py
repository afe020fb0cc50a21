"""Series whose first times are missing, as accumulations at the beginning of an archive are."""

from collections.abc import Sequence
from pathlib import Path

import dask
import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of


def check_finite(fields: xr.DataArray, paths: Sequence[Path], gaps: bool = False) -> bool:
    """Refuse missing or infinite values anywhere in a store's fields.

    Parameters
    ----------
    fields : xr.DataArray
        ``(time or init_time, ..., channel, latitude, longitude)``, read in blocks.
    paths : sequence of Path
        The files they came from, for the message.
    gaps : bool
        Whether members may be missing: a field of a channel that is NaN throughout, as long as
        two members of that start and lead time have it.

    Returns
    -------
    bool
        Whether a member is missing somewhere.

    Raises
    ------
    InputError
        Names the channel, the first time affected and the files.
    """
    gaps = gaps and "number" in fields.dims
    found = False
    along = str(fields.dims[0])
    size = max(1, int(6.4e7) // int(np.prod(fields.shape[1:])))
    for begin in range(0, fields.sizes[along], size):
        block = fields.isel({along: slice(begin, begin + size)}).load()
        bad = block.copy(data=~np.isfinite(block.values))
        if gaps and bool(bad.any()):
            gone = block.isnull().all(block.dims[-2:])
            found = found or bool(gone.any())
            bad = bad & ~(gone & ((~gone).sum("number") >= 2))
        if bool(bad.any()):
            first = bad.any([d for d in bad.dims if d != along]).values.argmax()
            here = bad.isel({along: int(first)})
            channel = here.any([d for d in here.dims if d != "channel"]).idxmax("channel")
            when = np.datetime_as_string(block[along].values[first], unit="h")
            raise InputError(
                f"{name_files(paths)}: {channel.item()} has {int(here.sum())} missing values at "
                f"{when}; fill them or leave the channel or the time out"
            )
    return found


def name_files(paths: Sequence[Path]) -> str:
    """Return the files as a message names them: one by name, more as first, last and count."""
    if len(paths) == 1:
        return str(paths[0])
    return f"{paths[0]} ... {paths[-1].name} ({len(paths)} files)"


MOST = 24
"""Times that may be missing at the beginning; more is a damaged file."""


def trim_leading(
    dataset: xr.Dataset, channels: Sequence[str], source: str = "the data"
) -> xr.Dataset:
    """Leave out the first times at which a whole field of some channel is missing.

    WeatherBench, for one, has no precipitation for the first seven hours of 1979. Of each channel
    one time is read, and where that is missing a day's. What is missing elsewhere, or a field that
    is missing in part, stays, and `check_finite` refuses it when it is read.

    Parameters
    ----------
    dataset : xarray.Dataset
        Canonical analyses, lazy or not.
    channels : sequence of str
        Channels that must be there; those that `dataset` lacks or that have no time count not.
    source : str
        File name for messages.

    Returns
    -------
    xarray.Dataset
        From the first time at which every channel is there.

    Raises
    ------
    InputError
        If all of the first `MOST` times of a channel are missing, or all there are.
    """
    late = 0
    for name in set(channels) & set(channels_of(dataset)):
        field = field_of(dataset, name)
        if "time" in field.dims:
            late = max(late, _count_missing(field, f"{source}: {name}"))
    return dataset.isel(time=slice(late, None)) if late else dataset


def _count_missing(field: xr.DataArray, what: str) -> int:
    """Return how many of the first fields are missing as a whole."""
    if not _empty(field.isel(time=slice(0, 1))).all():
        return 0
    empty = _empty(field.isel(time=slice(0, MOST)))
    if empty.all():
        raise InputError(
            f"{what} is missing at all of the first {len(empty)} times: leave it out or begin later"
        )
    return int(np.argmin(empty))


def _empty(field: xr.DataArray) -> np.ndarray:
    """Return whether each time has no value at all, (T,) bool."""
    with dask.config.set(scheduler="synchronous"):  # netCDF-C is not asked from several threads
        values = np.isnan(field.transpose("time", ...).values)
    return np.asarray(values.reshape(len(values), -1).all(axis=1))  # (T, H * W)
