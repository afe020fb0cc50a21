"""CRPS of a censored, shifted gamma distribution with its slopes: the formulae, in NumPy.

`smoecast.calibration.crps` says what it is. A fit asks for it at every case in each of its steps;
NumPy's calls take less time than torch's, and its arrays of one block stay in the cache.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smoecast.calibration.incomplete_gamma import incomplete_gamma, log_gamma

Values = NDArray[np.float64]

_BLOCK = 25_000
"""Cases handled at once."""
_LOG_TWO = math.log(2.0)
_TINY = 1e-300
_POINT = 1e-5
"""A gamma distribution with a std below this share of its mean counts as one number: its shape
would be past 10^10, where log-gamma has no digits left."""


def slopes_of_cases(mean: Values, std: Values, shift: Values, target: Values) -> Values:
    """Return score and slopes in mean, std and shift.

    Parameters
    ----------
    mean, std, shift, target : ndarray, shape (N,)
        As in `smoecast.calibration.crps.crps_csg`.

    Returns
    -------
    ndarray, shape (4, N)
        Of float64.
    """
    found = np.empty((4, mean.size))
    for first in range(0, mean.size, _BLOCK):
        part = slice(first, first + _BLOCK)
        _fill(found[:, part], mean[part], std[part], shift[part], target[part])
    return found


def _fill(found: Values, mean: Values, std: Values, shift: Values, target: Values) -> None:
    wide = std > _POINT * mean
    if wide.all():
        found[:] = _slopes_where_wide(mean, std, shift, target)
        return
    spread = np.where(wide, std, np.maximum(mean, _TINY))
    found[:] = _slopes_where_wide(mean, spread, shift, target)
    point = ~wide
    certain = mean[point] - shift[point]
    error = np.maximum(certain, 0.0) - target[point]
    by_level = np.sign(error) * (certain > 0)
    found[:, point] = np.abs(error), by_level, np.zeros_like(error), -by_level


def _slopes_where_wide(
    mean: Values, std: Values, shift: Values, target: Values
) -> tuple[Values, Values, Values, Values]:
    least = np.maximum(mean, _TINY)
    scale = std * std
    scale /= least
    k = mean / std
    k *= k
    c = shift / scale
    y = target / scale
    y += c
    score, by_k, by_y, square = _standard_slopes(k, y, c)
    # the score is scale x score(k, y, c)
    by_scale = score - by_y * y
    by_scale += square * c
    by_k *= k
    by_mean = 2.0 * by_k
    by_mean -= by_scale
    by_mean *= scale
    by_mean /= least
    by_scale -= by_k
    by_scale *= 2.0
    by_scale *= scale
    by_scale /= std
    by_y -= square
    score *= scale
    return score, by_mean, by_scale, by_y


def _standard_slopes(k: Values, y: Values, c: Values) -> tuple[Values, Values, Values, Values]:
    """Return the score of shape k and scale 1, its slopes in k and y, and P(k, c)^2."""
    half, pull, of_y, of_c, (below_two, turn_two) = _functions(k, y, c)
    (below_y, turn_y, step_y, grow_y), (below_c, turn_c, step_c, grow_c) = of_y, of_c
    half *= k
    pairs = half * (1.0 - below_two)
    square, away, rest = below_c * below_c, k - c, step_y - below_y
    both = below_c * step_c
    both *= 2.0
    by_y = 2.0 * below_y
    by_y -= 1.0
    score = y * by_y
    score += 2.0 * k * rest
    score += k
    score -= pairs
    score += away * square
    score -= k * both
    by_k = (y - k) * turn_y
    by_k += rest
    by_k += k * grow_y
    away *= below_c
    away -= k * step_c
    away *= turn_c
    by_k += away
    by_k -= k * below_c * grow_c
    by_k += half * turn_two
    by_k *= 2.0
    by_k += 1.0
    by_k += square
    by_k -= both
    pull += 1.0 / k
    pull *= pairs
    by_k -= pull
    return score, by_k, by_y, square


def _functions(
    k: Values, y: Values, c: Values
) -> tuple[Values, Values, Sequence[Values], Sequence[Values], Sequence[Values]]:
    """Return what of the gamma function the score is made of.

    Gamma(k + 1 / 2) / (sqrt(pi) Gamma(k + 1)) and the derivative of its logarithm. Of (k, y), and
    of (k, c), what `incomplete_gamma` returns and how the last of it grows with k; of (2 k, 2 c)
    the first two.
    """
    shape, x = np.empty((3, k.size)), np.empty((3, k.size))
    shape[:2], x[0], x[1] = k, y, c
    np.multiply(k, 2.0, out=shape[2])
    np.multiply(c, 2.0, out=x[2])
    log_next, slope_next = np.empty_like(shape), np.empty_like(shape)
    (log_half, log_one), (slope_half, slope_one) = log_gamma(np.add.outer([0.5, 1.0], k))
    log_next[:2], slope_next[:2] = log_one, slope_one
    # Gamma(2 k + 1) = 4^k Gamma(k + 1 / 2) Gamma(k + 1) / sqrt(pi)
    log_two, slope_two = log_next[2], slope_next[2]
    np.multiply(k, 2.0 * _LOG_TWO, out=log_two)
    log_two += log_half
    log_two += log_one
    log_two -= 0.5 * math.log(math.pi)
    np.add(slope_half, slope_one, out=slope_two)
    slope_two *= 0.5
    slope_two += _LOG_TWO
    found = incomplete_gamma(shape, x, log_next, slope_next)
    grow = np.log(np.maximum(x[:2], _TINY))
    grow -= slope_one
    grow *= found[2][:2]
    log_half -= log_one
    half = np.exp(log_half, out=log_half)
    half /= math.sqrt(math.pi)
    slope_half -= slope_one
    of_y, of_c = ([*(v[row] for v in found), grow[row]] for row in (0, 1))
    return half, slope_half, of_y, of_c, [v[2] for v in found[:2]]
