"""Sums over space, kept start by start: what means, seasons and intervals are made of.

They are small whatever the grid, so fields are scored block by block of starts and forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoecast.errors import InputError
from smoecast.scores.aggregate import Partial, partial
from smoecast.scores.pointwise import Values


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums of one forecast over the points of each region; those of other starts add up.

    Attributes
    ----------
    starts : ndarray of datetime64, shape (I,)
        Ascending.
    statistics : mapping of str to Partial
        Of shape (I, L, R) each.
    kind : str
        What is counted in `bins`: ``rank``, ``pit``, ``reliability``, or nothing.
    bins : ndarray, shape (I, L, R, K) or (I, L, R, 3, K), optional
        Of `histograms.shares_by_start` or `reliability.table_by_start`.
    """

    starts: NDArray[np.datetime64]
    statistics: Mapping[str, Partial]
    kind: str = ""
    bins: Values | None = None

    def __add__(self, other: "Sums") -> "Sums":
        """Return the sums of the starts of both, in the order of time."""
        starts = np.concatenate([self.starts, other.starts])
        order = np.argsort(starts)

        def join(first: Values, second: Values) -> Values:
            return np.concatenate([first, second])[order]

        statistics = {}
        for name, one in self.statistics.items():
            two = other.statistics[name]
            statistics[name] = Partial(join(one.total, two.total), join(one.weight, two.weight))
        if self.bins is None or other.bins is None:
            return Sums(starts[order], statistics)
        return Sums(starts[order], statistics, self.kind, join(self.bins, other.bins))

    def over(self, cases: NDArray[np.bool_]) -> dict[str, Partial]:
        """Return the sums over the cases of a season; see `add_cases`."""
        return {name: add_cases(part, cases) for name, part in self.statistics.items()}


def by_start(values: ArrayLike, weights: ArrayLike) -> Partial:
    """Sum a statistic over the points of each region.

    Parameters
    ----------
    values : array_like, shape (init_time, lead_time, latitude, longitude)
        A statistic per case and point, NaN where it is missing.
    weights : array_like, shape (region, latitude, longitude)
        Of `regions.region_weights`.

    Returns
    -------
    Partial
        Of shape (init_time, lead_time, region).

    Raises
    ------
    InputError
        The shapes do not fit.
    """
    cases, share = np.asarray(values, np.float64), np.asarray(weights, np.float64)
    if cases.ndim != 4 or cases.shape[2:] != share.shape[1:]:
        raise InputError(
            "scores by region need (init_time, lead_time, latitude, longitude) and weights "
            f"(region, latitude, longitude), not {cases.shape} and {share.shape}"
        )
    missing = np.isnan(cases)
    flat = share.reshape(len(share), -1).T  # (R, H, W) -> (H * W, R)
    shape = (*cases.shape[:2], -1)  # (I, L, H, W) -> (I, L, H * W)
    if missing.any():
        there = (~missing).astype(np.float64).reshape(shape) @ flat
        return Partial(np.where(missing, 0.0, cases).reshape(shape) @ flat, there)
    total = cases.reshape(shape) @ flat
    return Partial(total, np.broadcast_to(flat.sum(axis=0), total.shape).copy())


def add_cases(part: Partial, cases: NDArray[np.bool_]) -> Partial:
    """Add up the cases of a season.

    Parameters
    ----------
    part : Partial
        Of shape (init_time, lead_time, region).
    cases : ndarray of bool, shape (init_time, lead_time)
        Which belong to it.

    Returns
    -------
    Partial
        Of shape (lead_time, region).
    """
    return Partial(add_over(part.total, cases), add_over(part.weight, cases))


def add_over(values: Values, cases: NDArray[np.bool_]) -> Values:
    """Add up the cases of a season: (I, L, ...) to (L, ...), see `add_cases`."""
    some = cases.reshape(*cases.shape, *[1] * (values.ndim - 2))
    return np.asarray((values * some).sum(axis=0))


def mean_of_roots(squared: Partial, cases: NDArray[np.bool_]) -> Values:
    """Return ClimaX's order of mean and root, lower than the RMSE, see `aggregate`.

    Parameters
    ----------
    squared : Partial
        Squared errors, shape (init_time, lead_time, region).
    cases : ndarray of bool, shape (init_time, lead_time)
        Over which the mean of the roots is taken.

    Returns
    -------
    ndarray, shape (lead_time, region)
    """
    roots = np.sqrt(squared.value())
    return partial(roots, cases[:, :, None].astype(np.float64), axes=0).value()


def season_of(times: NDArray[np.datetime64]) -> NDArray[np.str_]:
    """Return DJF, MAM, JJA or SON for each time."""
    month = times.astype("datetime64[M]").astype(np.int64) % 12
    return np.asarray(["DJF", "MAM", "JJA", "SON"])[(month + 1) % 12 // 3]
