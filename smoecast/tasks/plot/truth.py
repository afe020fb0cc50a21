"""Fields beside the truth: the analyses of the times at which they hold, and the difference."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields import channels, times
from smoecast.fields.grid import place_of, same_place
from smoecast.tasks.plot.opening import Opened, choose_leads, choose_start, open_input

MOST_LEADS = 3
"""Lead times that are drawn beside their truth unless others are asked for."""


def open_truth(patterns: Sequence[str], opened: Opened) -> Opened:
    """Open the analyses that files are held against.

    Parameters
    ----------
    patterns : sequence of str
        Files, folders, globs and Zarr groups.
    opened : Opened
        What is held against them.

    Raises
    ------
    InputError
        A file is refused, holds no single field a time, or is on another grid.
    """
    truth = open_input(patterns, "--truth")
    if "time" not in truth.dataset.dims or "number" in truth.dataset.dims:
        kind = "members" if "number" in truth.dataset.dims else "forecasts"
        raise InputError(
            f"{truth.source}: holds {kind} and no analyses along time: give analyses as --truth"
        )
    here, there = place_of(opened.dataset), place_of(truth.dataset)
    if not same_place(here, there):
        raise InputError(
            f"{opened.source}: is on {here.describe()}, the truth on {there.describe()}: give a "
            "truth on the same grid"
        )
    return truth


def choose_known(
    opened: Opened, truth: Opened, init_time: str | None, leads: Sequence[float]
) -> xr.Dataset:
    """Choose one start (or of analyses one time) and lead times whose truth is there.

    Unless they are asked for these are the last start that has any, and up to three of its lead
    times.

    Raises
    ------
    ConfigError
        See `opening.choose_times`.
    InputError
        The file does not have what is asked for, or the truth does not have its time.
    """
    dataset, source, known = opened.dataset, opened.source, truth.dataset["time"].values
    if leads:
        dataset = choose_leads(dataset, source, leads)
    if init_time is None:
        dataset = keep_known(dataset, source, truth, whole=bool(leads))
    dataset = choose_start(dataset, source, init_time)
    if not leads and "lead_time" in dataset.dims:
        there = np.flatnonzero(np.isin(_valid(dataset), known))
        if len(there):
            dataset = choose_leads(dataset.isel(lead_time=there), source, (), MOST_LEADS)
    valid = _valid(dataset)
    missing = valid[~np.isin(valid, known)]
    if len(missing):
        raise _miss(truth, source, missing)
    return dataset


def keep_known(dataset: xr.Dataset, source: str, truth: Opened, *, whole: bool) -> xr.Dataset:
    """Keep the starts, or times of analyses, that have a truth: at any lead time, or at all.

    Raises
    ------
    InputError
        None has.
    """
    axis = next((name for name in ("init_time", "time") if name in dataset.dims), "")
    if not axis:
        return dataset
    valid = _valid(dataset)
    found = np.isin(valid, truth.dataset["time"].values).reshape(dataset.sizes[axis], -1)
    wanted = np.flatnonzero(found.all(axis=1) if whole else found.any(axis=1))
    if not len(wanted):
        raise _miss(truth, source, valid)
    return dataset.isel({axis: wanted})


def take_truth(field: xr.DataArray, channel: str, truth: Opened) -> xr.DataArray:
    """Return the truth of a field of one start, as that stands in time and place.

    Parameters
    ----------
    field : xr.DataArray
        ([lead_time], H, W), of times whose truth is there.
    channel : str
    truth : Opened
        Of the same region.

    Raises
    ------
    InputError
        The truth does not have the channel.
    """
    series = channels.field(truth.dataset, channel, truth.source)
    found = series.sel(time=_valid(field)).values
    return field.copy(data=found.reshape(field.shape))


def _valid(data: xr.Dataset | xr.DataArray) -> NDArray[np.datetime64]:
    """Return the times at which fields hold: (L,), or (I, L) of several starts."""
    starts = data["init_time" if "init_time" in data.coords else "time"].values
    if "lead_time" not in data.coords:
        return np.atleast_1d(starts)
    leads = np.atleast_1d(data["lead_time"].values)
    return times.later(starts, leads) if not starts.ndim else times.valid_times(starts, leads)


def _miss(truth: Opened, source: str, wanted: NDArray[np.datetime64]) -> InputError:
    there = truth.dataset["time"].values
    first, last = times.iso(wanted.min()), times.iso(wanted.max())
    when = first if first == last else f"{first} to {last}"
    return InputError(
        f"{truth.source}: holds no truth of {source} at {when}, but of {times.iso(there[0])} to "
        f"{times.iso(there[-1])}: give the analyses of that time as --truth"
    )
