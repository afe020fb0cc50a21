"""Quantiles and probabilities of events, of distributions and of members. Numpy in and out."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, ndtr

from smoecast.calibration.distributions import Distribution

Values = NDArray[np.float64]


def beyond(distribution: Distribution, threshold: float, above: bool) -> Values:
    """Return the probability of a value above a threshold, or below it.

    Where there is no spread it is 1 or 0. At 0 itself, which variables that are never negative
    reach with a probability of their own, neither counts it.

    Parameters
    ----------
    distribution : Distribution
    threshold : float
        In its unit.
    above : bool
        False: below.

    Returns
    -------
    ndarray of float64
        Of the distribution's shape.
    """
    location, scale = distribution.location, distribution.scale
    if distribution.name == "csg":
        certain = location - distribution.shift
        sure = scale <= 1e-5 * location
        width = np.where(sure, np.maximum(location, 1.0), scale)
        unit = width**2 / np.maximum(location, 1e-300)
        exceeded = max(threshold, 0.0) + distribution.shift
        share = 1.0 - gammainc((location / width) ** 2, exceeded / unit)
    else:
        certain, sure = location, scale <= 0
        width = np.where(sure, 1.0, scale)
        share = ndtr((location - threshold) / width)
        if distribution.name == "truncated_normal":
            share = np.minimum(share / ndtr(location / width), 1.0)
    bounded = distribution.name != "normal"
    if above:
        share = np.where(sure, certain > threshold, share)
        return np.ones_like(share) if bounded and threshold < 0 else share
    share = np.where(sure, certain < threshold, 1.0 - share)
    return np.zeros_like(share) if bounded and threshold <= 0 else share


def member_quantiles(members: ArrayLike, axis: int, levels: Sequence[float] | Values) -> Values:
    """Return quantiles of the members that are there.

    The i-th of n members is the quantile (i - 1/2) / n, as in `members.ecc`; between them it is
    linear, beyond them the outermost member (Hazen 1914).

    Returns
    -------
    (Q, *shape without axis) float64
    """
    values = np.asarray(members, np.float64)
    return np.asarray(np.nanquantile(values, levels, axis=axis, method="hazen"))


def member_share(members: ArrayLike, axis: int, threshold: float, above: bool) -> Values:
    """Return the share of the members that are there beyond a threshold, without `axis`."""
    values = np.asarray(members)
    there = np.isfinite(values)
    found = (values > threshold if above else values < threshold) & there
    return np.asarray(found.sum(axis=axis) / there.sum(axis=axis))
