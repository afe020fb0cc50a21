"""What a result holds, in words that GRIB has: channels, members, moments, quantiles, events."""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from smoecast.errors import InputError
from smoecast.events import Event
from smoecast.fields.times import as_hours
from smoecast.names import parse_channel

_ENDINGS = ("_mean", "_std", "_quantile", "_probability_above", "_probability_below", "")
"""Of the names of variables, after that of their channel."""

_MINUTE = 60 * 10**9  # nanoseconds


@dataclass(frozen=True)
class Content:
    """What of every channel is to be written.

    Attributes
    ----------
    channels : tuple of str
    hours : tuple of float
        Lead times.
    numbers : tuple of int or None
        Of the members that are written; None: no members.
    size : int
        Members of the ensemble, written or not; 1: no ensemble.
    values : bool
        Whether the values themselves are written, as members or as the one forecast.
    mean, std : bool
    quantiles : tuple of float
        0 to 1.
    events : tuple of Event
        Whose probabilities are written.
    accumulation_hours : int or None
        Over which sums and maxima are; 0: since the start of the forecast; None: not known.
    calibrated : bool
        Whether it is corrected.
    """

    channels: tuple[str, ...]
    hours: tuple[float, ...]
    numbers: tuple[int, ...] | None = None
    size: int = 1
    values: bool = True
    mean: bool = False
    std: bool = False
    quantiles: tuple[float, ...] = ()
    events: tuple[Event, ...] = ()
    accumulation_hours: int | None = None
    calibrated: bool = False


def content_of(
    dataset: xr.Dataset,
    path: Path,
    members: int,
    accumulation_hours: int | None,
    calibrated: bool,
) -> Content:
    """Return what a dataset holds.

    Parameters
    ----------
    dataset : xarray.Dataset
        Forecasts, each channel a variable, and what `postprocess` makes of them.
    path : pathlib.Path
        Of the result, for messages.
    members : int
        Of the ensemble, where there is no dimension `number` to tell.
    accumulation_hours : int or None
    calibrated : bool
        See `Content`.

    Raises
    ------
    InputError
        It lacks a dimension of forecasts, or has a variable of another kind.
    """
    for dimension in ("init_time", "lead_time"):
        if dimension not in dataset.dims:
            raise InputError(f"{path}: GRIB results are forecasts, this data has no {dimension}")
    if (dataset["init_time"].values.astype("datetime64[ns]").astype(int) % _MINUTE).any():
        raise InputError(f"{path}: readers of GRIB know starts of whole minutes, not of seconds")
    channels: dict[str, None] = {}
    found: dict[str, set[str]] = {ending: set() for ending in _ENDINGS}
    for name in map(str, dataset.data_vars):
        ending = next(e for e in _ENDINGS if name.endswith(e))
        channel = name.removesuffix(ending)
        if parse_channel(channel) is None:
            raise InputError(f"{path}: {name} is nothing that a GRIB result holds")
        found[ending].add(channel)
        channels[channel] = None
    events = [
        Event(channel, above, threshold)
        for above, side in ((True, "above"), (False, "below"))
        for channel in sorted(found[f"_probability_{side}"])
        for threshold in dataset[f"{channel}_threshold_{side}"].values.tolist()
    ]
    numbers = tuple(dataset["number"].values.tolist()) if "number" in dataset.dims else None
    return Content(
        channels=tuple(channels),
        hours=tuple(as_hours(dataset["lead_time"].values).tolist()),
        numbers=numbers,
        size=members if numbers is None else len(numbers),
        values=bool(found[""]),
        mean=bool(found["_mean"]),
        std=bool(found["_std"]),
        quantiles=tuple(dataset["quantile"].values.tolist()) if found["_quantile"] else (),
        events=tuple(events),
        accumulation_hours=accumulation_hours,
        calibrated=calibrated,
    )
