"""The planet's calendar: how long a series lasts, and its parts by calendar year."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import ConfigError
from smoecast.fields.times import JULIAN_YEAR_DAYS, as_ns

Part = tuple[int, np.datetime64, np.datetime64]
"""A calendar year, the first moment inside it, the moment after the last."""


def period(start: date, years: float) -> tuple[np.datetime64, np.datetime64]:
    """Return the first moment of a series and the moment after its last day.

    Whole years go by the calendar; what is left over counts as a share of 365.25 days.

    Raises
    ------
    ConfigError
        The series would not last a day, or reach outside the years that times can have.
    """
    beyond = f"the planet's {years:g} years from {start}"
    try:
        whole = int(years)
        leap_day = (start.month, start.day) == (2, 29)
        end = date(start.year + whole, 3, 1) if leap_day else start.replace(year=start.year + whole)
        end += timedelta(days=round((years - whole) * JULIAN_YEAR_DAYS))
    except (ValueError, OverflowError):  # past the year 9999
        raise ConfigError(f"{beyond} never end: take at most 500") from None
    if end <= start:
        raise ConfigError(
            f"a planet of {years:g} years is less than a day long: take at least 0.01"
        )
    first, last = as_ns(np.array([start, end], "datetime64[D]"), beyond, ConfigError)
    return first.astype("datetime64[s]"), last.astype("datetime64[s]")


def by_year(start: np.datetime64, end: np.datetime64) -> list[Part]:
    """Cut the period from `start` to before `end` at every New Year."""
    parts = []
    while start < end:
        year = int(str(start)[:4])
        stop = min(end, np.datetime64(f"{year + 1:04d}-01-01", "s"))
        parts.append((year, start, stop))
        start = stop
    return parts


def moments(
    origin: np.datetime64, first: np.datetime64, stop: np.datetime64, hours: int
) -> NDArray[np.datetime64]:
    """Return the times from `first` to before `stop` that lie whole steps after `origin`."""
    step = np.timedelta64(hours, "h").astype("timedelta64[s]")
    skipped = -((origin - first) // step)
    return np.arange(origin + skipped * step, stop, step)


def twice_a_week(first: np.datetime64, stop: np.datetime64) -> NDArray[np.datetime64]:
    """Return 00 UTC of every Monday and Thursday from `first` to before `stop`."""
    days = np.arange(first.astype("datetime64[D]"), stop.astype("datetime64[D]"))
    weekday = (days.astype(int) + 3) % 7  # 1970-01-01 was a Thursday, 3 after Monday
    starts: NDArray[np.datetime64] = days[(weekday == 0) | (weekday == 3)].astype("datetime64[s]")
    return starts
