"""Even spacing in time: what a store and a history need of a series of fields."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.data import Split
from smoecast.errors import ConfigError, InputError, NotPublishedError
from smoecast.fields.canonical.time_axes import starts_as_analyses
from smoecast.fields.times import as_hours, as_ns, check_step, iso

PARTS = ("train", "validation", "test")


def split_times(
    times: NDArray[np.datetime64], split: Split, source: str
) -> dict[str, NDArray[np.bool_]]:
    """Return a mask over `times` for each part.

    Parameters
    ----------
    times : (T,) datetime64
        Ascending.
    split : Split
        Fractions in order of time, or first and last days.
    source : str
        Names the files in messages.

    Raises
    ------
    ConfigError
        A part reaches outside the years that times can have.
    InputError
        A part that was asked for holds no time.
    """
    masks: dict[str, NDArray[np.bool_]] = {}
    position = np.arange(len(times))
    begin = 0.0
    for part in PARTS:
        value = getattr(split, part)
        if isinstance(value, tuple):
            days = np.array(value, "datetime64[D]")
            first, last = as_ns(days, f"the {part} split", ConfigError)
            masks[part] = (times >= first) & (times < last + np.timedelta64(24, "h"))
        else:
            # round() keeps 0.7 + 0.1 of 10 at 8 whatever the binary fractions say
            low, high = round(begin * len(times)), round((begin + value) * len(times))
            masks[part] = (position >= low) & (position < high)
            begin += value
        if value != 0.0 and not masks[part].any():
            shown = value if isinstance(value, float) else f"{value[0]} to {value[1]}"
            raise InputError(
                f"{source}: the {part} split ({shown}) holds none of the {len(times)} times from "
                f"{iso(times[0])} to {iso(times[-1])}; change the split (data.split, of ensembles "
                "postprocess.split), or bring more data"
            )
    return masks


HOUR = np.timedelta64(1, "h")


def evenly(dataset: xr.Dataset, step_hours: int, source: str) -> xr.Dataset:
    """Keep the times that lie `step_hours` apart, of which none is missing.

    Raises
    ------
    InputError
        See `as_analyses`; or a time between two others is missing.
    """
    dataset = as_analyses(dataset, source)
    times = dataset["time"].values
    chosen = dataset.isel(time=is_on_step(times, step_hours, offset_of(times, step_hours)))
    check_step(chosen["time"].values, step_hours, source)
    return chosen


def on_step(
    dataset: xr.Dataset, step_hours: int, source: str, offset: np.timedelta64 = 0 * HOUR
) -> xr.Dataset:
    """Keep the times at multiples of `step_hours` from midnight UTC, or from `offset` after it.

    Raises
    ------
    InputError
        See `as_analyses`; or no time falls on the step.
    """
    dataset = as_analyses(dataset, source)
    times = dataset["time"].values.astype("datetime64[ns]")
    chosen = is_on_step(times, step_hours, offset)
    if not chosen.any():
        begin = "midnight" if not offset else f"{offset / HOUR:g} UTC"
        raise InputError(
            f"{source}: no time falls on a multiple of {step_hours} h from {begin}, at which the "
            f"model starts (its data.step_hours), but {iso(times[0])}: bring analyses of such times"
        )
    return dataset.isel(time=chosen)


def is_on_step(
    times: NDArray[np.datetime64] | np.datetime64,
    step_hours: int,
    offset: np.timedelta64 = 0 * HOUR,
) -> NDArray[np.bool_]:
    """Tell which times lie at multiples of `step_hours` from `offset` after midnight UTC."""
    return np.asarray(_into_step(times, step_hours) == offset % (step_hours * HOUR))


def offset_of(times: NDArray[np.datetime64], step_hours: int) -> np.timedelta64:
    """Return how long after midnight UTC, or a step from it, the earliest of some times lies.

    That is 0 for what has a time at midnight, and 12 h for what is daily at 12 UTC.
    """
    earliest: np.timedelta64 = _into_step(times, step_hours).min()
    return earliest


def _into_step(
    times: NDArray[np.datetime64] | np.datetime64, step_hours: int
) -> NDArray[np.timedelta64]:
    each = np.asarray(times)
    into_day: NDArray[np.timedelta64] = each - each.astype("datetime64[D]")
    return np.asarray(into_day % (step_hours * HOUR))


def as_analyses(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return analyses along ``time``: forecasts of no hours, without members, are such.

    Raises
    ------
    InputError
        The dataset is no series of analyses.
    """
    dataset = starts_as_analyses(dataset)
    if "time" not in dataset.dims:
        taken = "{step: 0, number: 0}" if "number" in dataset.dims else "{step: 0}"
        raise InputError(
            f"{source}: these are forecasts (init_time, lead_time), but analyses (time) are "
            f"needed: take their starts alone, by data.select: {taken}, or other files"
        )
    return dataset


def leads(dataset: xr.Dataset, lead_hours: Sequence[int], source: str) -> xr.Dataset:
    """Keep the given lead times of a set of forecasts.

    Raises
    ------
    InputError
        The dataset holds no forecasts, or a lead time is not there.
    """
    if "lead_time" not in dataset.dims:
        raise InputError(
            f"{source}: these are analyses (time), but forecasts (init_time, lead_time) are "
            "needed: name files of ensembles (postprocess.files)"
        )
    there = as_hours(dataset["lead_time"].values).round().astype(int)
    missing = sorted(set(lead_hours) - set(there.tolist()))
    if missing:
        raise InputError(
            f"{source}: lead time {missing[0]} h is not there, only "
            f"{', '.join(map(str, there.tolist()))} h; correct postprocess.lead_hours"
        )
    return dataset.isel(lead_time=[int(np.flatnonzero(there == h)[0]) for h in lead_hours])


def check_age(newest: np.datetime64, oldest: np.datetime64 | None) -> None:
    """Refuse what is older than it may be.

    Parameters
    ----------
    newest : datetime64
        The latest analysis, or the latest start of an ensemble.
    oldest : datetime64, optional
        That it may be.

    Raises
    ------
    NotPublishedError
        It is older.
    """
    if oldest is not None and newest < oldest:
        raise NotPublishedError(
            f"the newest input is that of {iso(newest)}, older than the {iso(oldest)} that "
            "--max-age asks for: run the same command again when one has come"
        )
