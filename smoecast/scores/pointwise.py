"""Statistics of one forecast value against one true value, point by point.

Nothing is averaged here: `smoecast.scores.aggregate` adds these up with their weights. All take
and return numpy arrays whose shapes broadcast, and calculate in float64.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoecast.errors import InputError

Values = NDArray[np.float64]
"""Every score and statistic of this folder: an array of float64."""


def error(forecast: ArrayLike, truth: ArrayLike) -> Values:
    """Forecast minus truth; its mean is the bias.

    Parameters
    ----------
    forecast, truth : array_like
        One unit, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        In the same unit; NaN where either is missing.
    """
    return np.asarray(np.subtract(forecast, truth, dtype=np.float64))


def absolute_error(forecast: ArrayLike, truth: ArrayLike) -> Values:
    """Size of forecast minus truth; its mean is the MAE.

    Parameters
    ----------
    forecast, truth : array_like
        One unit, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        In the same unit; NaN where either is missing.
    """
    return np.asarray(np.abs(error(forecast, truth)))


def squared_error(forecast: ArrayLike, truth: ArrayLike) -> Values:
    """Square of forecast minus truth; the root of its mean is the RMSE.

    Parameters
    ----------
    forecast, truth : array_like
        One unit, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        In that unit squared; NaN where either is missing.
    """
    return np.asarray(np.square(error(forecast, truth)))


def anomalies(
    forecast: ArrayLike, truth: ArrayLike, climatology: ArrayLike
) -> tuple[Values, Values]:
    """Forecast and truth as departures from what is normal.

    Parameters
    ----------
    forecast, truth, climatology : array_like
        One unit, shapes that broadcast.

    Returns
    -------
    tuple of two ndarrays of float64
        In the same unit and of the same shape; both NaN where any input is missing.
    """
    own, true = np.broadcast_arrays(error(forecast, climatology), error(truth, climatology))
    missing = np.isnan(own) | np.isnan(true)
    if missing.any():
        own, true = (np.where(missing, np.nan, values) for values in (own, true))
    return own, true


def anomaly_products(own: Values, true: Values) -> tuple[Values, Values, Values]:
    """Three moments whose means make the anomaly correlation (`aggregate.acc`).

    Parameters
    ----------
    own, true : ndarray of float64
        Forecast and truth as departures, from `anomalies`.

    Returns
    -------
    tuple of three ndarrays of float64
        own x true, own squared and true squared; all three NaN at the same points, so that their
        means are taken over the same.
    """
    return own * true, own * own, true * true


def z_score(observation: ArrayLike, mean: ArrayLike, std: ArrayLike) -> Values:
    """How many standard deviations the observation lies above the mean.

    Parameters
    ----------
    observation, mean, std : array_like
        One unit, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        Without unit. Where `std` is 0: an infinity with the sign of the error, or 0 where the
        mean is exactly right.

    Raises
    ------
    InputError
        If a standard deviation is negative, which no distribution has.
    """
    scale = np.asarray(std, np.float64)
    if np.any(scale < 0):
        raise InputError("a standard deviation is negative; pass the root of the variance")
    difference = error(observation, mean)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = difference / scale
    return np.where((difference == 0) & (scale == 0), 0.0, quotient)


def member_errors(observation: ArrayLike, members: ArrayLike, axis: int) -> Values:
    """Every member minus the observation, the members' axis moved to the front.

    Parameters
    ----------
    observation : array_like
        Truth; broadcasts with the shape of `members` without `axis`.
    members : array_like
        Ensemble in the same unit.
    axis : int
        The members' axis.

    Returns
    -------
    ndarray of float64
        Shape (M, ...), NaN where the member or the observation is missing.

    Raises
    ------
    InputError
        If the shapes do not broadcast.
    """
    truth, ensemble = np.asarray(observation), np.moveaxis(np.asarray(members), axis, 0)
    try:
        shape = np.broadcast_shapes(truth.shape, ensemble.shape[1:])
    except ValueError:
        raise InputError(
            f"observations of shape {truth.shape} do not fit members of shape "
            f"{np.shape(members)} with the members on axis {axis}; align them first"
        ) from None
    size = ensemble.shape[0]
    # (M, *S) -> (M, 1, ..., 1, *S): as many axes as the observation, so that M stays in front
    spread = ensemble.reshape(size, *[1] * (len(shape) - ensemble.ndim + 1), *ensemble.shape[1:])
    return error(spread, truth)
