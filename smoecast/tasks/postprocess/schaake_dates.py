"""Fields of earlier dates, whose order the Schaake shuffle gives to calibrated members."""

from collections.abc import Callable, Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.time_selection import HOUR
from smoecast.errors import InputError
from smoecast.fields.grid import Grid, ProjectedGrid, place_of, same_place
from smoecast.fields.times import YEAR_DAYS, iso

History = Callable[[np.datetime64, int], NDArray[np.float32]]
"""A start and a number of dates N to the truth of that many earlier ones, (L, N, D, H, W)."""


def earlier_truth(
    truth: xr.DataArray,
    targets: Sequence[str],
    lead_hours: Sequence[int],
    place: Grid | ProjectedGrid,
) -> History:
    """Return what gives the truth of earlier dates, lead time by lead time.

    The dates are those of the season: nearest in the day of the year, at the start's hour of the
    day, later ones first among equals. All that is taken holds before the start.

    Parameters
    ----------
    truth : xr.DataArray
        ``(time, channel, latitude, longitude)``, or the axes of a projection; lazy.
    targets : sequence of str
        D channels.
    lead_hours : sequence of int
        L of them.
    place : Grid or ProjectedGrid
        Where the ensemble is.

    Raises
    ------
    InputError
        The truth lies elsewhere; on a call, fewer than two dates come before.
    """
    if not same_place(place, place_of(truth)):
        raise InputError(
            f"the truth is on {place_of(truth).describe()}, the ensemble on {place.describe()}; "
            "reordering schaake needs a truth on the ensemble's grid"
        )
    known = truth["time"].values
    leads = np.asarray(lead_hours) * HOUR

    def history(start: np.datetime64, count: int) -> NDArray[np.float32]:
        dates = season(known, start, leads, count)
        valid = dates[None, :] + leads[:, None]  # (L, N)
        fields: xr.DataArray = truth.sel(time=valid.ravel(), channel=list(targets))
        # (L N, D, H, W) -> (L, N, D, H, W)
        return fields.values.reshape(*valid.shape, *fields.shape[1:])

    return history


def season(
    known: NDArray[np.datetime64],
    start: np.datetime64,
    leads: NDArray[np.timedelta64],
    count: int,
) -> NDArray[np.datetime64]:
    """Return `count` earlier dates, ascending, or all there are.

    Parameters
    ----------
    known : (T,) datetime64
        Times of the truth.
    start : datetime64
    leads : (L,) timedelta64
        From each date as from the start.
    count : int

    Raises
    ------
    InputError
        There are not two.
    """
    day = np.timedelta64(1, "D")
    whole = np.isin(known[:, None] + leads[None, :], known).all(axis=1)
    before = known + leads.max() < start
    same_hour = (start - known) % day == np.timedelta64(0)
    dates = known[whole & before & same_hour]
    if len(dates) < 2:
        raise InputError(
            f"before {iso(start)} the truth has {len(dates)} dates at that hour of the day with "
            "all lead times, and the Schaake shuffle needs two: bring more truth, or choose "
            "another postprocess.reordering"
        )
    apart = ((start - dates) / day) % YEAR_DAYS
    away = np.minimum(apart, YEAR_DAYS - apart).round()
    nearest = np.lexsort((start - dates, away))[:count]
    return np.asarray(np.sort(dates[nearest]))
