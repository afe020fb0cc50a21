"""Over which hours sums are taken: a variable is read only where these compare.

Precipitation of a forecast is summed since its start, or over some hours before the time at which
it holds. A file of GFS may have the sum from 0 to 6 h and that from 6 to 9 h: read as one variable
the second would seem to be half of the first. Maxima, such as gusts, may be over any hours.

The worker of ecCodes imports this: it needs no xarray.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import xarray as xr

Interval = tuple[int, int]
"""Begin and end in nanoseconds since the start of the forecast."""

_KEY = "smoecast_intervals"
"""Of a variable's encoding, in memory alone."""
_HOUR, _MINUTE = 3600 * 10**9, 60 * 10**9


def note_intervals(array: "xr.DataArray", intervals: Iterable[Interval]) -> None:
    """Note over which hours the fields of `array` are sums."""
    array.variable.encoding[_KEY] = tuple(dict.fromkeys(intervals))


def intervals_of(array: "xr.DataArray") -> tuple[Interval, ...]:
    """Return over which hours the fields of `array` are sums; none where it does not say."""
    found: tuple[Interval, ...] = array.variable.encoding.get(_KEY, ())
    return found


def find_clash(intervals: Iterable[Interval]) -> tuple[Interval, Interval] | None:
    """Return two that do not compare; None where all begin at the start, or are of one length.

    A sum over no time at all, as ECMWF has it at step 0, goes with every other.
    """
    given = [one for one in dict.fromkeys(intervals) if one[0] != one[1]]
    later = next((one for one in given if one[0]), None)
    if later is None:
        return None
    odd = next((one for one in given if _length(one) != _length(later)), None)
    if odd is None:
        return None
    first, second = sorted((odd, later), key=given.index)
    return first, second


def in_words(interval: Interval) -> str:
    """Return an interval as a person says it: ``0 to 6 h``."""
    begin, end = (f"{value / _HOUR:g}" for value in interval)
    return f"{begin} to {end} h"


def select_alike(intervals: Iterable[Interval]) -> str:
    """Return the setting that leaves those that do not compare with most of them."""
    given = list(dict.fromkeys(intervals))
    since_start = [one for one in given if not one[0]]
    by_length = [[one for one in given if _length(one) == _length(each)] for each in given]
    kept = max([since_start, *by_length], key=len)
    gone = [_step_range(one) for one in given if one not in kept]
    said = gone[0] if len(gone) == 1 else f"[{', '.join(gone)}]"
    return f"data.select: {{not: {{stepRange: {said}}}}}"


def _length(interval: Interval) -> int:
    return interval[1] - interval[0]


def _step_range(interval: Interval) -> str:
    """Return an interval as ecCodes writes it: ``6-9``, or ``30m-90m``."""
    if any(value % _HOUR for value in interval):
        return "-".join(f"{value // _MINUTE}m" for value in interval)
    return "-".join(f"{value // _HOUR}" for value in interval)
