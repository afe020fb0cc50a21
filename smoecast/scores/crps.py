"""Proper scores of a probability forecast: CRPS of a Gaussian and of an ensemble, log score.

All take and return numpy arrays, calculate in float64, and are NaN where nothing can be said.
Lower is better; the CRPS has the unit of the observation and equals the absolute error where
the forecast is one number.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from smoecast.scores.pointwise import Values, error, member_errors, z_score

_ROOT_PI = np.sqrt(np.pi)
_ROOT_TWO_PI = np.sqrt(2.0 * np.pi)


def crps_gaussian(observation: ArrayLike, mean: ArrayLike, std: ArrayLike) -> Values:
    """Continuous ranked probability score of a normal distribution, in closed form.

    Parameters
    ----------
    observation, mean, std : array_like
        Truth, and mean and standard deviation of the forecast: one unit, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        The score per point; abs(observation - mean) where `std` is 0.

    Raises
    ------
    InputError
        If a standard deviation is negative.

    Notes
    -----
    Gneiting, Raftery, Westveld and Goldman (2005), doi:10.1175/MWR2904.1, equation 5.
    """
    z = z_score(observation, mean, std)
    with np.errstate(over="ignore"):
        density = np.exp(-0.5 * z * z) / _ROOT_TWO_PI
    sharpness = np.asarray(std, np.float64) * (2.0 * density - 1.0 / _ROOT_PI)
    return np.asarray(error(observation, mean) * (2.0 * ndtr(z) - 1.0) + sharpness)


def log_score_gaussian(observation: ArrayLike, mean: ArrayLike, std: ArrayLike) -> Values:
    """Negative log density of a normal distribution at the observation.

    Parameters
    ----------
    observation, mean, std : array_like
        As in `crps_gaussian`.

    Returns
    -------
    ndarray of float64
        The score per point. Where `std` is 0 it is plus infinity if the mean is wrong, minus
        infinity if it is exactly right.

    Raises
    ------
    InputError
        If a standard deviation is negative.
    """
    z = z_score(observation, mean, std)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        score = 0.5 * z * z + np.log(np.asarray(std, np.float64) * _ROOT_TWO_PI)
    return np.where(np.isinf(z), np.inf, score)


def crps_ensemble(
    observation: ArrayLike, members: ArrayLike, axis: int, fair: bool = False
) -> Values:
    """Continuous ranked probability score of an ensemble.

    Parameters
    ----------
    observation : array_like
        Truth; broadcasts with the shape of `members` without `axis`.
    members : array_like
        Ensemble; a member that is NaN is missing, and the others are the ensemble there.
    axis : int
        The members' axis.
    fair : bool
        Score the distribution that the members are drawn from instead of the members
        themselves: unbiased in their number, and possibly negative.

    Returns
    -------
    ndarray of float64
        mean |x - y| - sum |x - x'| / (2 n^2), or / (2 n (n - 1)) when fair, n members being
        present. NaN where the observation or every member is missing; a fair score is NaN also
        where one member stands alone.

    Raises
    ------
    InputError
        If the shapes do not broadcast.

    Notes
    -----
    Ferro (2014), doi:10.1002/qj.2270. The double sum is taken over the sorted errors,
    sum |x - x'| / 2 = sum_i (2 i - n - 1) x_(i): M log M, and no digits are lost to a large
    mean such as that of geopotential.
    """
    distance = np.sort(member_errors(observation, members, axis), axis=0)
    missing = np.isnan(distance)
    count = distance.shape[0] - missing.sum(axis=0, dtype=np.float64)
    distance[missing] = 0.0
    error_sum = np.zeros(distance.shape[1:])
    pairs = np.zeros(distance.shape[1:])
    # NaN was sorted to the end, so the first n ranks are the members present
    for rank, member in enumerate(distance, start=1):
        error_sum += np.abs(member)
        pairs += (2.0 * rank - count - 1.0) * member
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(error_sum / count - pairs / (count * (count - 1.0 if fair else count)))
