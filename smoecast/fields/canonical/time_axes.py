"""Time axes of foreign files: an analysis has `time`, a forecast `init_time` and `lead_time`.

Files say the same thing in many ways: cfgrib and WeatherBench 2 call the start of a forecast
`time`; Iris writes scalar coordinates; others give a start and the times for which fields hold.
"""

import re

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.times import (
    YEARS,
    as_hours,
    as_lead,
    as_ns,
    check_axis,
    later,
    leads_between,
)
from smoecast.variables import VARIABLES

_CLOCKS = ("time", "init_time", "lead_time")
_STANDARD = ("standard", "gregorian", "proleptic_gregorian")
_UNDECODABLE = re.compile(r"unable to decode time units '(.*?)' with [\"']([^\"]*?)[\"']\. ")
NO_YEAR = (
    f"outside the years {YEARS[0]} to {YEARS[1]}: a climatology is not read, and fields of real "
    "dates need their real years"
)
NO_DATES = (
    f"no dates in the years {YEARS[0]} to {YEARS[1]}: a climatology is not read, and fields of "
    "real dates need units such as 'hours since 1970-01-01'"
)
_HOURS = ("h", "hr", "hrs", "hour", "hours")


def decode_time(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with `time`, or with `init_time` and `lead_time`, as dimensions.

    Fields that are constant by nature have neither.

    Raises
    ------
    InputError
        If the times cannot be read as one of the two, are in another calendar, or do not ascend.
    """
    dataset = _to_nanoseconds(dataset, source)
    moving = [name for name in dataset.data_vars if not _constant(str(name))]
    if not moving:
        return _still(dataset, source)
    if "time" in dataset.sizes and "init_time" in dataset.sizes:
        raise InputError(f"{source}: both time and init_time are dimensions: give lead times")
    if "lead_time" in dataset.sizes or "init_time" in dataset.sizes:
        dataset = _by_start(dataset, source)
    else:
        dataset = _by_valid_time(dataset, source)
    for name in ("time", "init_time"):
        if name in dataset.sizes:
            check_axis(dataset[name].values, source)
    if "lead_time" in dataset.sizes:
        leads = dataset["lead_time"].values
        if (np.diff(as_hours(leads)) <= 0).any():
            raise InputError(f"{source}: the lead times do not ascend: sort the file by lead time")
        later(dataset["init_time"].values[-1:], leads[-1:], f"{source}: the end of a forecast")
    return _still(dataset, source)


def _constant(name: str) -> bool:
    return name in VARIABLES and VARIABLES[name].vertical == "constant"


def _to_nanoseconds(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with its times in nanoseconds."""
    for name in ("time", "init_time"):
        if name not in dataset.coords:
            if name in dataset.sizes:
                raise InputError(f"{source}: the dimension {name} has no values, so no dates")
            continue
        times = dataset[name]
        _check_along(times, source)
        if not np.issubdtype(times.dtype, np.datetime64):
            raise InputError(f"{source}: {name} is {_describe_dates(times)}")
        values = as_ns(times.values, f"{source}: {name}")
        dataset = dataset.assign_coords({name: (times.dims, values)})
    if "lead_time" in dataset.coords:
        lead = dataset["lead_time"]
        _check_along(lead, source)
        dataset = dataset.assign_coords(lead_time=(lead.dims, _lead(lead, source)))
    elif "lead_time" in dataset.sizes:
        raise InputError(f"{source}: the dimension lead_time has no values, so no hours")
    return dataset


def _describe_dates(times: xr.DataArray) -> str:
    """Say what times are that numpy has no dates for, and the mend."""
    dates = [date for date in times.values.flat if hasattr(date, "year")]
    calendar = dates[0].calendar if dates else ""
    outside = [date.year for date in dates if not YEARS[0] <= date.year <= YEARS[1]]
    if outside and calendar in _STANDARD:
        return f"in the year {outside[0]}, {NO_YEAR}"
    if calendar:
        return f"in the calendar {calendar}: convert it to the standard calendar first"
    return f"no dates but {times.dtype}: say from when on they count, in units 'hours since ...'"


def explain_undecodable(problem: Exception) -> str:
    """Say why xarray could not read times; empty where something else went wrong.

    Parameters
    ----------
    problem : Exception
        That it raised.
    """
    found = _UNDECODABLE.search(str(problem))
    return "" if found is None else f"its times, in {found[1]} with {found[2]}, are {NO_DATES}"


def _check_along(clock: xr.DataArray, source: str) -> None:
    """Refuse times that change with place, level or member."""
    strange = [name for name in clock.dims if name not in _CLOCKS]
    if strange:
        raise InputError(
            f"{source}: {clock.name} changes along {strange[0]}: select one of its points"
        )


def _lead(lead: xr.DataArray, source: str) -> np.ndarray:
    if np.issubdtype(lead.dtype, np.timedelta64):
        if np.isnat(lead.values).any():
            raise InputError(f"{source}: a lead time is missing")
        return as_lead(as_hours(lead.values), f"{source}: a lead time")
    unit = str(lead.attrs.get("units", "")).lower()
    if unit not in _HOURS or not np.issubdtype(lead.dtype, np.number):
        raise InputError(f"{source}: the lead time has the unit {unit!r}: hours are expected")
    return as_lead(lead.values, f"{source}: a lead time")


def _by_start(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Bring to (init_time, lead_time) a file where at least one of them is a dimension."""
    if "init_time" not in dataset.coords:
        if "time" not in dataset.coords:
            raise InputError(f"{source}: the file does not say when its forecasts start")
        if dataset["time"].dims == ("lead_time",):
            starts = np.unique(_starts(dataset, source))
            if len(starts) > 1:
                raise InputError(f"{source}: times and lead times belong to several starts")
            dataset = dataset.drop_vars("time").assign_coords(init_time=starts[0])
        else:
            dataset = dataset.rename(time="init_time")
    elif "lead_time" not in dataset.coords:
        if "time" in dataset.coords and dataset["time"].dims == ("init_time",):
            leads = np.unique(_leads(dataset, source))
            if len(leads) > 1:
                raise InputError(f"{source}: every start has another lead time")
            dataset = dataset.assign_coords(lead_time=leads[0])
        else:
            dataset = dataset.assign_coords(lead_time=as_lead(0))
    dataset = dataset.drop_vars("time", errors="ignore")
    lead = dataset["lead_time"]
    if lead.ndim == 0 and not as_hours(lead.values) and "number" not in dataset.sizes:
        return dataset.drop_vars("lead_time").rename(init_time="time")  # analyses, as cfgrib says
    return _expand(dataset, ("init_time", "lead_time"))


def _by_valid_time(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Bring a file with `time`, and perhaps a start or a lead time beside it, to our axes."""
    if "time" not in dataset.coords:
        if "init_time" not in dataset.coords:
            raise InputError(f"{source}: the file does not say when its fields hold")
        lead = dataset["lead_time"].values if "lead_time" in dataset.coords else as_lead(0)
        ends = later(dataset["init_time"].values, lead, f"{source}: the end of a forecast")
        dataset = dataset.assign_coords(time=ends)
    if dataset["time"].ndim == 0:
        dataset = _expand(dataset, ("time",))
    times = dataset["time"].values
    if "init_time" in dataset.coords:
        leads = np.broadcast_to(_leads(dataset, source), times.shape)
    elif "lead_time" in dataset.coords:
        leads = np.broadcast_to(dataset["lead_time"].values, times.shape)
    else:
        leads = np.zeros(times.shape, dtype="timedelta64[ns]")
    dataset = dataset.drop_vars(["init_time", "lead_time"], errors="ignore")
    if not as_hours(leads).any() and "number" not in dataset.sizes:
        return dataset
    starts = later(times, -leads, f"{source}: the start of a forecast")
    if len(np.unique(leads)) == 1:
        dataset = dataset.rename(time="init_time").assign_coords(
            init_time=starts, lead_time=leads[0]
        )
    elif len(np.unique(starts)) == 1:
        dataset = dataset.rename(time="lead_time").assign_coords(
            lead_time=leads, init_time=starts[0]
        )
    else:
        raise InputError(f"{source}: times of several starts and lead times along one dimension")
    return _expand(dataset, ("init_time", "lead_time"))


def _starts(dataset: xr.Dataset, source: str) -> np.ndarray:
    times, leads = dataset["time"].values, dataset["lead_time"].values
    return later(times, -leads, f"{source}: the start of a forecast")


def _leads(dataset: xr.Dataset, source: str) -> np.ndarray:
    starts, times = dataset["init_time"].values, dataset["time"].values
    return leads_between(starts, times, f"{source}: a lead time")


def _expand(dataset: xr.Dataset, dimensions: tuple[str, ...]) -> xr.Dataset:
    """Give every field that changes with time the `dimensions` that are scalars so far."""
    scalars = [name for name in dimensions if dataset[name].ndim == 0]
    values = {name: dataset[name].values[np.newaxis] for name in scalars}
    fields = {
        name: array.drop_vars(scalars, errors="ignore")
        if _constant(str(name))
        else array.drop_vars(scalars, errors="ignore").expand_dims(values)
        for name, array in dataset.data_vars.items()
    }
    return dataset.drop_vars(scalars).assign_coords(values).assign(fields)


def starts_as_analyses(dataset: xr.Dataset) -> xr.Dataset:
    """Return forecasts of no hours, without members, as analyses; others as they are."""
    forecasts = {"init_time", "lead_time"} <= set(dataset.dims) and "number" not in dataset.dims
    if not forecasts or as_hours(dataset["lead_time"].values).any():
        return dataset
    return dataset.isel(lead_time=0, drop=True).rename(init_time="time")


def _still(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Take the first of the fields that are constant by nature, if the last one is the same.

    Two fields are read for this; everything else stays on disk.
    """
    still = {
        name: first_field(array, f"{source}: {name}")
        for name, array in dataset.data_vars.items()
        if _constant(str(name))
    }
    dataset = dataset.assign(still)
    used = {dimension for array in dataset.data_vars.values() for dimension in array.dims}
    unused = [name for name in dataset.sizes if name not in used]
    return dataset.drop_dims(unused)


def first_field(array: xr.DataArray, what: str) -> xr.DataArray:
    """Return a field that is constant by nature without its times and members.

    Raises
    ------
    InputError
        If its last field is not its first; `what` names file and variable.
    """
    for dimension in ("time", "init_time", "lead_time", "number"):
        if dimension in array.dims:
            first = array.isel({dimension: 0}, drop=True)
            if not same_constant(first, array.isel({dimension: -1}, drop=True)):
                raise InputError(
                    f"{what} is constant by nature, but changes from the first field to the last: "
                    "it is another quantity, or its level is not stated: say which with "
                    "data.assume ({'*.nc': {level: 500}})"
                )
            return first_field(first, what)
    scalars = ("time", "init_time", "lead_time", "number")
    return array.drop_vars(scalars, errors="ignore")


def same_constant(first: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether two constant fields differ by no more than the step of a 16-bit packed file."""
    one, two = np.asarray(first.values), np.asarray(other.values)
    return np.allclose(one, two, rtol=0, atol=1e-3 * np.nanmax(np.abs(one), initial=1.0))
