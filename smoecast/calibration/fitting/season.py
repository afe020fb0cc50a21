"""Coefficients that follow the season: functions of the day of the year, and sums at dates."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.fields.times import YEAR_DAYS

Values = NDArray[np.float64]


def season_columns(kind: str, starts: ArrayLike | None, dates: int) -> Values:
    """Return the functions of the season that coefficients are made of.

    Parameters
    ----------
    kind : {"none", "harmonic"}
        Constant, or also sine and cosine of the day of the year.
    starts : array_like of datetime64, shape (N,), optional
        Needed for "harmonic".
    dates : int
        N.

    Returns
    -------
    ndarray of float64, shape (N, 1) or (N, 3)
        1, sine, cosine.

    Raises
    ------
    ConfigError
        If `kind` is neither word.
    InputError
        If there are not as many starts as dates.
    """
    if kind == "none":
        return np.ones((dates, 1))
    if kind != "harmonic":
        raise ConfigError(f"a calibration knows no season '{kind}'; say none or harmonic")
    given = np.asarray([] if starts is None else starts, "datetime64[s]")
    if given.shape != (dates,):
        raise InputError(
            f"coefficients that follow the season need the start of each of {dates} forecasts; "
            f"{given.size} are given"
        )
    days = (given - given.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    angle = 2.0 * np.pi * days / YEAR_DAYS
    return np.stack([np.ones(dates), np.sin(angle), np.cos(angle)], axis=1)


def at_dates(
    value: Values, season: str, shape: tuple[int, ...], starts: ArrayLike | None
) -> Values:
    """Return a fitted coefficient at each date and point.

    Parameters
    ----------
    value : ndarray, shape () or (*space); with a season (B,) or (B, *space)
        As fitted.
    season, starts
        As in `season_columns`.
    shape : tuple of int
        (N, *space) of the forecasts.

    Returns
    -------
    ndarray of float64
        Broadcasts to `shape`.

    Raises
    ------
    ModelError
        If the coefficient is of another grid.
    InputError
        If a start is not given.
    """
    space = value.shape if season == "none" else value.shape[1:]
    if space and space != shape[1:]:
        raise ModelError(
            f"this calibration was fitted on a grid of shape {space}, the ensemble has "
            f"{shape[1:]}; fit it again on this grid"
        )
    if season == "none":
        return value
    followed = np.tensordot(season_columns(season, starts, shape[0]), value, 1)
    # (N,) -> (N, 1, 1) where one coefficient serves all points
    return followed if space else followed.reshape(-1, *[1] * (len(shape) - 1))
