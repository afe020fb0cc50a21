"""Means over time and space that can be put together from pieces.

A score of a long forecast is summed file by file, or chunk by chunk, or on several workers: each
gives a `Partial`, a weighted sum and the sum of the weights. Partials add up; the division comes
once, at the end, and a root is taken after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from smoecast.errors import InputError
from smoecast.scores.pointwise import Values


@dataclass(frozen=True, eq=False)
class Partial:
    """A weighted sum and the sum of its weights, for one score or an array of scores.

    Attributes
    ----------
    total : ndarray of float64
        Sum of value x weight.
    weight : ndarray of float64
        Sum of weight over the values that were there; same shape.
    """

    total: Values
    weight: Values

    def __add__(self, other: "Partial") -> "Partial":
        """Return the partial of both sets of cases together.

        Raises
        ------
        InputError
            If they hold different numbers of scores (other lead times, for instance).
        """
        if self.total.shape != other.total.shape:
            raise InputError(
                f"partial scores of shape {self.total.shape} and {other.total.shape} do not add "
                "up; score every part at the same lead times"
            )
        return Partial(self.total + other.total, self.weight + other.weight)

    def value(self) -> Values:
        """Return the weighted mean; NaN where nothing was there."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.total / self.weight)


def partial(
    values: ArrayLike, weights: ArrayLike = 1.0, axes: int | Sequence[int] | None = None
) -> Partial:
    """Sum values and weights over some axes, leaving out the values that are missing.

    Parameters
    ----------
    values : array_like
        A statistic per case, NaN where it is missing. An infinity stays and shows in the mean.
    weights : array_like
        Not negative; broadcasts to the shape of `values`.
    axes : int or sequence of int, optional
        Axes to sum over; all of them if not given.

    Returns
    -------
    Partial
        Without NaN.

    Raises
    ------
    InputError
        If the weights do not broadcast to the values.
    """
    cases = np.asarray(values, np.float64)
    over = tuple(range(cases.ndim)) if axes is None else axes
    over = (over,) if isinstance(over, int) else tuple(over)
    try:
        share = np.broadcast_to(np.asarray(weights, np.float64), cases.shape)
    except ValueError:
        raise InputError(
            f"weights of shape {np.shape(weights)} do not fit values of shape {cases.shape}"
        ) from None
    missing = np.isnan(cases)
    if not np.all(weights):  # an infinity without weight counts as little as all else there
        missing |= share == 0
    if missing.any():
        cases, share = (np.where(missing, 0.0, array) for array in (cases, share))
    else:  # laid out as with a hole, so that sums round alike
        share = share.copy()
    total, weight = (cases * share).sum(axis=over), share.sum(axis=over)
    return Partial(np.asarray(total), np.asarray(weight))


def rmse(squared_errors: Partial) -> Values:
    """Root of the mean squared error: mean over time and space first, root last.

    Parameters
    ----------
    squared_errors : Partial
        Of `pointwise.squared_error`, over all cases.

    Returns
    -------
    ndarray of float64
        Unit of the forecast. This is the RMSE of WeatherBench 1 and 2 and of WeatherBench-X
        (Rasp et al. 2020, doi:10.1029/2020MS002203; Rasp et al. 2024, arXiv 2308.15560).
    """
    return np.sqrt(squared_errors.value())


def acc(products: Sequence[Partial]) -> Values:
    """Anomaly correlation coefficient, uncentred, from its three moments.

    Parameters
    ----------
    products : three Partials
        Of the three results of `pointwise.anomaly_products`, in that order.

    Returns
    -------
    ndarray of float64
        In [-1, 1]; NaN where forecast or truth never leaves the climatology.

    Raises
    ------
    InputError
        If there are not three.
    """
    if len(products) != 3:
        raise InputError(f"acc takes the three moments of anomaly_products, not {len(products)}")
    cross, own, true = (product.value() for product in products)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(cross / np.sqrt(own * true))


def skill(score: ArrayLike, reference: ArrayLike) -> Values:
    """Skill against a reference, as in the CRPSS: 1 - score / reference.

    Parameters
    ----------
    score, reference : array_like
        Mean scores (lower is better) over the same cases, shapes that broadcast.

    Returns
    -------
    ndarray of float64
        1 for a perfect forecast, 0 for one no better than the reference; NaN where neither
        has an error, minus infinity where only the reference has none.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(1.0 - np.divide(score, reference, dtype=np.float64))
