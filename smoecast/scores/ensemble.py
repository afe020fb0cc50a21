"""How an ensemble stands to the truth: mean, variance, spread and skill, ranks, PIT.

Numpy arrays in and out, float64 inside. A member that is NaN is missing; what is left of the
ensemble at that point is used wherever that has a meaning.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoecast.scores.pointwise import Values, member_errors, z_score


def member_quantiles(members: NDArray[np.floating], levels: Values) -> Values:
    """Return quantiles, linear between members, of those present: numpy's nanquantile, fast.

    Parameters
    ----------
    members : ndarray, shape (M, ...)
        NaN where a member is missing.
    levels : ndarray, shape (Q,)
        Between 0 and 1.

    Returns
    -------
    ndarray of float64, shape (Q, ...)
        NaN where every member is missing.
    """
    # neighbours in memory sort ten times faster: (M, ...) -> (P, M)
    columns = np.moveaxis(members, 0, -1)
    ascending = np.sort(columns.reshape(-1, members.shape[0]), axis=-1)
    last = np.maximum((~np.isnan(ascending)).sum(axis=-1) - 1, 0)
    points = np.arange(len(ascending))
    found = np.empty((len(levels), len(ascending)))
    for out, level in zip(found, levels, strict=True):
        place = level * last
        lower = np.floor(place).astype(np.intp)
        start = ascending[points, lower].astype(np.float64)
        end = ascending[points, np.minimum(lower + 1, last)]
        out[...] = start + (place - lower) * (end - start)
    return found.reshape(len(levels), *members.shape[1:])  # (Q, P) -> (Q, ...)


Counts = NDArray[np.int64]
"""Ranks and numbers of members or cases."""


def ensemble_mean(members: ArrayLike, axis: int) -> Values:
    """Mean over the members that are present.

    Parameters
    ----------
    members : array_like
        Ensemble.
    axis : int
        The members' axis, which the result lacks.

    Returns
    -------
    ndarray of float64
        NaN where every member is missing.
    """
    return ensemble_moments(members, axis)[0]


def ensemble_moments(members: ArrayLike, axis: int) -> tuple[Values, Values, Values]:
    """Mean, variance and number of the members that are present.

    For numpy the one place; on a device `calibration.network.member_moments` has the same.

    Parameters
    ----------
    members : array_like
        Ensemble.
    axis : int
        The members' axis, which the results lack.

    Returns
    -------
    tuple of three ndarrays of float64
        Mean, NaN where n = 0; variance with n - 1 in the denominator, NaN where n < 2; n.
    """
    ensemble = np.moveaxis(np.asarray(members), axis, 0)
    missing = np.isnan(ensemble)
    some = bool(missing.any())  # seldom
    count = np.full(ensemble.shape[1:], float(len(ensemble)))
    if some:
        count -= missing.sum(axis=0)
        ensemble = np.where(missing, 0.0, ensemble)
    squares = np.zeros(count.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = ensemble.sum(axis=0, dtype=np.float64) / count
        for member, gone in zip(ensemble, missing, strict=True):  # without a copy of all of them
            departure = member - mean
            squares += np.square(np.where(gone, 0.0, departure) if some else departure)
        return mean, np.where(count > 1, squares / (count - 1.0), np.nan), count


def spread_skill(observation: ArrayLike, members: ArrayLike, axis: int) -> tuple[Values, Values]:
    """Per point, what the spread and the error of the ensemble mean are made of.

    Parameters
    ----------
    observation : array_like
        Truth; its shape broadcasts to that of `members` without `axis`.
    members : array_like
        Ensemble in the same unit.
    axis : int
        The members' axis.

    Returns
    -------
    tuple of two ndarrays of float64
        Variance x (n + 1) / n, and squared error of the ensemble mean. In a calibrated ensemble
        their means are equal, whatever the number of members n; both are NaN where fewer than
        two members or no observation is present.

    Notes
    -----
    Fortin, Abaza, Anctil and Turcotte (2014), doi:10.1175/JHM-D-14-0008.1, equation 15.
    """
    mean, variance, count = ensemble_moments(members, axis)
    with np.errstate(divide="ignore", invalid="ignore"):
        inflated = variance * (count + 1.0) / count
    squared = np.square(mean - np.asarray(observation, np.float64))
    missing = np.isnan(inflated) | np.isnan(squared)
    return np.where(missing, np.nan, inflated), np.where(missing, np.nan, squared)


def spread_skill_ratio(mean_variance: ArrayLike, mean_squared_error: ArrayLike) -> Values:
    """Spread over RMSE, from the means of the two parts of `spread_skill`.

    Parameters
    ----------
    mean_variance, mean_squared_error : array_like
        Weighted means over the cases of interest, one unit.

    Returns
    -------
    ndarray of float64
        1 for a calibrated ensemble, below 1 for one that is too sure. Without an error it is
        infinite, without error and spread NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.divide(mean_variance, mean_squared_error, dtype=np.float64))


def ranks(
    observation: ArrayLike, members: ArrayLike, axis: int, rng: np.random.Generator
) -> Counts:
    """Rank of the observation among the members, ties broken by the generator.

    Parameters
    ----------
    observation : array_like
        Truth; broadcasts with the shape of `members` without `axis`.
    members : array_like
        Ensemble of M members in the same unit.
    axis : int
        The members' axis.
    rng : numpy.random.Generator
        An observation equal to k members takes one of the k + 1 ranks with equal chance.

    Returns
    -------
    ndarray of int64
        0 (below all members) to M (above all); -1 where the observation or any member is
        missing, since ranks among different numbers of members cannot be counted together.
    """
    distance = member_errors(observation, members, axis)
    below = np.count_nonzero(distance < 0, axis=0)
    tied = np.count_nonzero(distance == 0, axis=0)
    rank = below + rng.integers(0, tied, endpoint=True)
    return np.where(np.isnan(distance).any(axis=0), -1, rank)


def pit_gaussian(observation: ArrayLike, mean: ArrayLike, std: ArrayLike) -> Values:
    """Probability integral transform: what chance the forecast gave to values below the truth.

    Parameters
    ----------
    observation, mean, std : array_like
        Truth, and mean and standard deviation of a normal forecast: one unit, shapes that
        broadcast.

    Returns
    -------
    ndarray of float64
        In [0, 1], uniform for a calibrated forecast; 0, 0.5 or 1 where `std` is 0.

    Raises
    ------
    InputError
        If a standard deviation is negative.
    """
    from scipy.special import ndtr  # noqa: PLC0415  # a third of a second

    return np.asarray(ndtr(z_score(observation, mean, std)))
