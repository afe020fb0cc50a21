"""How sure a difference between two forecasts is: a paired bootstrap over blocks of starts."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from smoecast.scores.aggregate import Partial
from smoecast.scores.pointwise import Values

LEAST = 5
"""Blocks below which no interval is given: resampling so few says little."""

QUANTILES = (0.025, 0.975)
"""Ends of the interval: 95 %."""


def blocks_of(starts: NDArray[np.datetime64], days: int) -> NDArray[np.intp]:
    """Return for each start the number of its block of `days` days, counted from the first start.

    Starts of one block are drawn together: errors of following days depend on each other, and an
    interval from single starts would be too narrow (Kuensch 1989, doi:10.1214/aos/1176347265;
    Hamill 1999, doi:10.1175/1520-0434(1999)014<0155:HTFENP>2.0.CO;2).

    Parameters
    ----------
    starts : ndarray, shape (init_time,)
        Ascending.
    days : int
        Length of a block.

    Returns
    -------
    ndarray of int, shape (init_time,)
        From 0, without gaps.
    """
    numbers = (starts - starts[0]) // np.timedelta64(24 * days, "h")
    return np.unique(numbers, return_inverse=True)[1]


def difference_interval(
    pair: tuple[Partial, Partial],
    cases: NDArray[np.bool_],
    blocks: NDArray[np.intp],
    score: Callable[[Partial], Values],
    resamples: int,
    rng: np.random.Generator,
    compare: Callable[[Values, Values], Values] = np.subtract,
) -> tuple[Values, Values]:
    """Return the 95 % interval of score(first) - score(second), or of another comparison.

    Both are resampled with the same blocks (paired), with replacement, as many blocks as there
    are; the interval runs between the 2.5 and 97.5 % quantiles of the comparisons.

    Parameters
    ----------
    pair : two Partials
        Of one statistic of two forecasts, shapes (init_time, lead_time, region).
    cases : ndarray of bool, shape (init_time, lead_time)
        Which count.
    blocks : ndarray of int, shape (init_time,)
        Of `blocks_of`.
    score : callable
        From sums to score, such as `aggregate.rmse`.
    resamples : int
        How many; 0: no interval is asked for.
    rng : numpy.random.Generator
        Same generator state, same interval.
    compare : callable
        From the two scores to what the interval is of, such as `aggregate.skill`.

    Returns
    -------
    tuple of two ndarrays, shape (lead_time, region)
        Low and high end; NaN where fewer than `LEAST` blocks have a case, or without resamples.
    """
    if not resamples:
        return (np.full(pair[0].total.shape[1:], np.nan),) * 2
    count = int(blocks.max()) + 1
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=resamples)  # (B, N)
    scores = []
    for part in pair:
        total, weight = (_by_block(p, cases, blocks, count) for p in (part.total, part.weight))
        with threadpool_limits(1, user_api="blas"):  # products too small to share among threads
            resampled = Partial(np.tensordot(drawn, total, 1), np.tensordot(drawn, weight, 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            scores.append(score(resampled))  # (B, L, R)
    filled = _by_block(np.ones_like(pair[0].total), cases, blocks, count) > 0
    enough = filled.sum(axis=0) >= LEAST  # (L, R)
    compared = np.where(enough, compare(scores[0], scores[1]), 0.0)
    with np.errstate(invalid="ignore"):  # a skill against no error at all is minus infinity
        low, high = np.nanquantile(compared, QUANTILES, axis=0)
    return np.where(enough, low, np.nan), np.where(enough, high, np.nan)


def _by_block(
    values: Values, cases: NDArray[np.bool_], blocks: NDArray[np.intp], count: int
) -> Values:
    """Sum (I, L, R) over the starts of each block: (N, L, R)."""
    summed = np.zeros((count, *values.shape[1:]))
    np.add.at(summed, blocks, values * cases[:, :, None])
    return summed
