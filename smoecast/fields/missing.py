"""Values that are missing: refused by name, but for the first times of an archive's accumulations.

An archive may have the metadata of a day and none of its values: public stores have had that by
mistake, and a Zarr store whose chunks did not come reads so.
"""

from collections.abc import Sequence
from pathlib import Path

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.read.open import open_file
from smoecast.fields.read.zarr.group_file import folder_of
from smoecast.variables import VARIABLES


def check_finite(
    fields: xr.DataArray,
    paths: Sequence[Path],
    gaps: bool = False,
    series: xr.DataArray | None = None,
) -> bool:
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
    series : xr.DataArray, optional
        What `fields` are a block of, where a day may go on in the next one.

    Returns
    -------
    bool
        Whether a member is missing somewhere.

    Raises
    ------
    InputError
        Names the channel, the first time affected and the files; if there is no value all that
        day, the day and the file that has it.
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
            channel = here.any([d for d in here.dims if d != "channel"]).idxmax("channel").item()
            when = block[along].values[int(first)]
            if bool(block.sel(channel=channel).isel({along: int(first)}).isnull().all()):
                _refuse_empty_day(fields if series is None else series, channel, when, paths)
            raise InputError(
                f"{name_files(paths)}: {channel} has {int(here.sum())} missing values at "
                f"{np.datetime_as_string(when, unit='h')}; fill them, or leave the channel "
                "(data.channels) or the time out"
            )
    return found


def _refuse_empty_day(
    series: xr.DataArray, channel: str, when: np.datetime64, paths: Sequence[Path]
) -> None:
    """Refuse a day of which no field of a channel has a value; others pass."""
    along, day = str(series.dims[0]), when.astype("datetime64[D]")
    that_day = np.flatnonzero(_days(series[along]) == day)
    fields = series.sel(channel=channel).isel({along: that_day})
    with dask.config.set(scheduler="synchronous"):  # netCDF-C is not asked from several threads
        empty = bool(fields.isnull().all().compute())
    if empty:
        source = _name_holder(paths, channel, along, day)
        raise InputError(_describe_empty_day(source, channel, fields[along]))


def _describe_empty_day(source: str, channel: str, times: xr.DataArray) -> str:
    """Return why a channel is refused that has no value at any of these times of a day."""
    hours = np.datetime_as_string(times.values[[0, -1]], unit="m")
    first, last = (hour[11:].removesuffix(":00") for hour in hours.tolist())
    span = f"{first} UTC" if first == last else f"{first} to {last} UTC"
    return (
        f"{source}: {channel} has no value anywhere on {_days(times)[0]} ({span}): leave the "
        "channel or the day out, or bring the file anew once it has been mended"
    )


def _days(times: xr.DataArray) -> NDArray[np.datetime64]:
    return np.asarray(times.values.astype("datetime64[D]"))


def _name_holder(paths: Sequence[Path], channel: str, along: str, day: np.datetime64) -> str:
    """Return the file that has a channel on a day, or all of them: a channel may be computed."""
    for path in paths if len(paths) > 1 else ():
        try:
            dataset = open_file(path, any_grid=True)
        except InputError:  # of which too much or too little was read to open it alone
            return name_files(paths)
        there = channel in channels_of(dataset) and along in dataset.coords
        if there and day in _days(dataset[along]):
            return _name(path)
    return name_files(paths) if len(paths) > 1 else _name(paths[0])


def _name(path: Path) -> str:
    """Return a file as a message names it, a Zarr store by its folder."""
    return str(folder_of(path))


def name_files(paths: Sequence[Path]) -> str:
    """Return the files as a message names them: one by name, more as first, last and count."""
    if len(paths) == 1:
        return _name(paths[0])
    return f"{_name(paths[0])} ... {folder_of(paths[-1]).name} ({len(paths)} files)"


ACCUMULATED = [v.name for v in VARIABLES.values() if v.step == "accum"]
"""Channels over the time before, which the first field of an archive may not have."""

MOST = 24
"""Times that may be missing at the beginning; more is a damaged file."""


def trim_leading(
    dataset: xr.Dataset, channels: Sequence[str], source: str = "the data"
) -> xr.Dataset:
    """Leave out the first times at which a whole field of some channel is missing.

    WeatherBench, for one, has no precipitation for the first seven hours of 1979. Of each channel
    one time is read, and where that is missing a day's. What is missing elsewhere, or a field that
    is missing in part, stays, and `check_finite` refuses it when it is read. No whole day is left
    out: archives begin within one.

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
        If all of the first `MOST` times of a channel are missing, or all there are, or a whole day
        is; one field of an accumulation may be.
    """
    late = 0
    for name in set(channels) & set(channels_of(dataset)):
        field = field_of(dataset, name)
        if "time" in field.dims:
            missing = _count_missing(field, f"{source}: {name}")
            _refuse_whole_days(field["time"], missing, name, source)
            late = max(late, missing)
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


def _refuse_whole_days(times: xr.DataArray, missing: int, name: str, source: str) -> None:
    """Refuse a series of which the missing first times make a day, (T,) datetime64."""
    days, begun = _days(times), times.values[0]
    if name in ACCUMULATED:
        whole = missing > 1 and times.values[missing] - begun >= np.timedelta64(24, "h")
    else:
        whole = missing > 0 and days[missing] > days[0]
    if whole:
        raise InputError(_describe_empty_day(source, name, times[days == days[0]]))


def _empty(field: xr.DataArray) -> np.ndarray:
    """Return whether each time has no value at all, (T,) bool."""
    with dask.config.set(scheduler="synchronous"):  # netCDF-C is not asked from several threads
        values = np.isnan(field.transpose("time", ...).values)
    return np.asarray(values.reshape(len(values), -1).all(axis=1))  # (T, H * W)
