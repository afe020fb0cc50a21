"""Times: how they are written, which axes are refused, and what holds when.

Every time in memory is ``datetime64[ns]`` in UTC, every lead time ``timedelta64[ns]``. What does
not fit there numpy wraps around without a word (the year 1677 into 2261, 0 into 1754), so every
time that comes from outside goes through `as_ns`, every lead time through `as_lead`, and sums and
differences of the two are taken in seconds.

The worker of ecCodes imports this: it needs no xarray.
"""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from smoecast.errors import ConfigError, InputError, SmoecastError

HOUR = np.timedelta64(1, "h")
YEAR_DAYS, JULIAN_YEAR_DAYS = 365.2425, 365.25
"""Of the calendar, on average; and as networks were trained with, and as the planet goes round."""
YEARS = (1678, 2261)
"""The first and the last that nanoseconds of 64 bits hold whole."""

_LONGEST_HOURS = 2_500_000  # 285 years; nanoseconds hold 292
_ISO = re.compile(
    r"^(?P<date>\d{4}-\d{2}-\d{2})([T ](?P<hour>\d{2})(:(?P<minute>\d{2})(:00)?)?Z?)?$"
)


def as_ns(
    times: npt.ArrayLike, what: str = "a time", refusal: type[SmoecastError] = InputError
) -> np.ndarray:
    """Return times as ``datetime64[ns]``, rounded to the second.

    Float time axes ("days since ...") miss whole seconds by nanoseconds, and newer versions of
    pandas and xarray keep other resolutions; both end here.

    Parameters
    ----------
    times : array_like of datetime64
        Of any resolution.
    what : str
        Thing to name in the message.
    refusal : type of SmoecastError
        `ConfigError` for what a user typed.

    Raises
    ------
    SmoecastError
        A `refusal`, if a time lies outside `YEARS`.
    """
    array = np.asarray(times)
    years = array.astype("datetime64[Y]").astype(np.int64) + 1970
    outside = ((years < YEARS[0]) | (years > YEARS[1])) & ~np.isnat(array)
    if outside.any():
        raise refusal(f"{what} reaches outside the years {YEARS[0]} to {YEARS[1]}")
    if array.dtype == np.dtype("datetime64[ns]"):
        array = array + np.timedelta64(500_000_000, "ns")
    return array.astype("datetime64[s]").astype("datetime64[ns]")


def as_hours(lead_times: npt.ArrayLike) -> np.ndarray:
    """Return ``timedelta64`` lead times as float64 hours."""
    return np.asarray(np.asarray(lead_times).astype("timedelta64[s]") / np.timedelta64(3600, "s"))


def as_lead(
    hours: npt.ArrayLike, what: str = "a lead time", refusal: type[SmoecastError] = InputError
) -> np.ndarray:
    """Return hours as ``timedelta64[ns]``.

    Parameters
    ----------
    hours : array_like of float
    what, refusal
        As for `as_ns`.

    Raises
    ------
    SmoecastError
        A `refusal`, if a lead time is missing or centuries long.
    """
    given = np.asarray(hours, dtype=np.float64)
    wrong = ~(np.abs(given) <= _LONGEST_HOURS)  # NaN compares false
    if wrong.any():
        first = given[wrong][0]
        how = "missing" if np.isnan(first) else f"{first:g} hours, and 285 years are the most"
        raise refusal(f"{what} is {how}")
    seconds = np.round(given * 3600).astype("timedelta64[s]")
    return np.asarray(seconds.astype("timedelta64[ns]"))


def later(times: np.ndarray, lead_times: np.ndarray, what: str = "a time") -> np.ndarray:
    """Return `times` plus `lead_times`, which broadcast.

    Raises
    ------
    InputError
        If a sum lies outside `YEARS`; `what` names it.
    """
    return as_ns(times.astype("datetime64[s]") + lead_times.astype("timedelta64[s]"), what)


def leads_between(starts: np.ndarray, times: np.ndarray, what: str = "a lead time") -> np.ndarray:
    """Return `times` minus `starts`, which broadcast.

    Raises
    ------
    InputError
        If they lie centuries apart or one is missing; `what` names the difference.
    """
    return as_lead(as_hours(times.astype("datetime64[s]") - starts.astype("datetime64[s]")), what)


def iso(time: np.datetime64) -> str:
    """Return a time to the minute: ``2013-01-01T06:00``."""
    return str(time.astype("datetime64[m]"))


def check_axis(times: np.ndarray, name: str) -> None:
    """Refuse a time axis that repeats itself or runs backwards.

    Parameters
    ----------
    times : numpy.ndarray
        (T,) datetime64.
    name : str
        File or thing to name in the message.

    Raises
    ------
    InputError
        Naming the first time that is repeated or stands before its predecessor, or is no time.
    """
    if np.isnat(times).any():
        raise InputError(
            f"{name}: a time is missing from the time axis, so the fields have no date"
        )
    if len(times) < 2:
        return
    steps = np.diff(times.astype("datetime64[s]")).astype(np.int64)
    if (steps > 0).all():
        return
    first = int(np.argmax(steps <= 0)) + 1
    what = "is there twice" if times[first] in times[:first] else "stands after a later one"
    raise InputError(
        f"{name}: the time {iso(times[first])} {what}: times must ascend without repeats"
    )


def check_step(times: np.ndarray, step_hours: int, name: str) -> None:
    """Refuse a time axis with a gap, or one whose spacing is not `step_hours`.

    Parameters
    ----------
    times : numpy.ndarray
        (T,) datetime64, ascending (see `check_axis`).
    step_hours : int
        Hours between one time and the next.
    name : str
        File or thing to name in the message.

    Raises
    ------
    InputError
        Naming the first time that is missing, or the one that is too many.
    """
    times = times.astype("datetime64[s]")
    step = np.timedelta64(step_hours * 3600, "s")
    wrong = np.flatnonzero(np.diff(times) != step)
    if not len(wrong):
        return
    before, after = times[wrong[0]], times[wrong[0] + 1]
    if after - before > step:
        raise InputError(
            f"{name}: the time {iso(before + step)} is missing between {iso(before)} and "
            f"{iso(after)}, and every {step_hours} hours are needed: correct data.step_hours, or "
            "bring what is missing"
        )
    raise InputError(
        f"{name}: the time {iso(after)} follows {iso(before)} after less than {step_hours} hours: "
        "give data.step_hours as the files have it, or thin them"
    )


def parse_time(text: str) -> np.datetime64:
    """Read one ISO time in UTC: ``2013-01-01``, ``2013-01-01T06``, ``2013-01-01T06:00Z``.

    Raises
    ------
    ConfigError
        If `text` is no such time, names a day that does not exist, or one outside `YEARS`.
    """
    match = _ISO.match(text.strip())
    try:
        if match is None:
            raise ValueError(text)
        written = f"{match['date']}T{match['hour'] or '00'}:{match['minute'] or '00'}"
        time = np.datetime64(written, "s")
    except ValueError:
        raise ConfigError(f"{text!r} is no time: write it as 2013-01-01T06, in UTC") from None
    checked: np.datetime64 = as_ns([time], f"the time {text!r}", ConfigError)[0]
    return checked


def parse_times(
    texts: Iterable[str], every_hours: int, step_hours: int = 0, offset: np.timedelta64 = 0 * HOUR
) -> np.ndarray:
    """Read times and ranges of times.

    Parameters
    ----------
    texts : iterable of str
        Each one time, or a range ``A/B`` with both ends included; a `B` without an hour means
        the whole of that day.
    every_hours : int
        Spacing inside a range.
    step_hours : int
        Spacing of the times that there are: a range begins with the first of them in it. 0: with
        its own first time.
    offset : timedelta64
        Of these from midnight.

    Returns
    -------
    numpy.ndarray
        (N,) datetime64[ns], ascending, without repeats.

    Raises
    ------
    ConfigError
        If a text is no time, or a range ends before it begins or holds none of these times.
    """
    every: np.timedelta64 = as_lead([every_hours], "the spacing of starts", ConfigError)[0]
    found: list[np.ndarray] = []
    for text in texts:
        first, slash, last = text.partition("/")
        begin = parse_time(first)
        end = parse_time(last) if slash else begin
        if slash and "T" not in last and " " not in last.strip():
            end = end + np.timedelta64(24 * 60 - 1, "m")
        if end < begin:
            raise ConfigError(f"{text!r} ends before it begins: write first/last")
        if slash and step_hours:
            of_day = begin - begin.astype("datetime64[D]")
            begin = begin + (offset - of_day) % (step_hours * HOUR)
        if end < begin:
            raise ConfigError(
                f"{text!r} holds none of the times that there are, of which the next is "
                f"{iso(begin)}: let it reach there"
            )
        found.append(np.arange(begin, end + np.timedelta64(1, "ns"), every))
    return np.unique(np.concatenate(found)) if found else np.array([], dtype="datetime64[ns]")


def valid_times(init_time: np.ndarray, lead_time: np.ndarray) -> np.ndarray:
    """Return the times at which forecasts hold, (init_time, lead_time) datetime64[ns].

    Raises
    ------
    InputError
        If one lies outside `YEARS`.
    """
    return later(init_time[:, np.newaxis], lead_time[np.newaxis, :], "the end of a forecast")


def find_known(
    init_time: np.ndarray, lead_time: np.ndarray, truth_times: np.ndarray
) -> npt.NDArray[np.intp]:
    """Return which forecasts have their truth at every lead time.

    Parameters
    ----------
    init_time : (I,) datetime64
    lead_time : (L,) timedelta64
    truth_times : (T,) datetime64
        At which the truth is known, ascending.

    Returns
    -------
    numpy.ndarray
        Their places among the I, ascending.

    Raises
    ------
    InputError
        If no forecast has all its truth.
    """
    valid = valid_times(init_time, lead_time)
    known = np.flatnonzero(np.isin(valid, truth_times).all(axis=1))
    if not len(known):
        raise InputError(
            f"no forecast has its truth at every lead time: forecasts hold from {iso(valid.min())} "
            f"to {iso(valid.max())}, the truth from {iso(truth_times[0])} to {iso(truth_times[-1])}"
        )
    return known
