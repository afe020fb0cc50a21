"""Sums over space, kept start by start: what means, seasons and intervals are made of.

A `Sums` maps the name of a statistic to its `Partial` of shape (init_time, lead_time, region). It
is small whatever the grid, so fields are scored block by block of starts and forgotten.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from smoecast.errors import InputError
from smoecast.scores.aggregate import Partial, partial
from smoecast.scores.pointwise import Values

Sums = Mapping[str, Partial]
"""Statistic to its sums."""


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


def concatenate(parts: Sequence[Sums]) -> dict[str, Partial]:
    """Put the sums of blocks of starts one after the other."""
    return {
        name: Partial(
            np.concatenate([part[name].total for part in parts]),
            np.concatenate([part[name].weight for part in parts]),
        )
        for name in parts[0]
    }


def add_cases(sums: Sums, cases: NDArray[np.bool_]) -> dict[str, Partial]:
    """Add up the cases of a season.

    Parameters
    ----------
    sums : Sums
        Shapes (init_time, lead_time, region).
    cases : ndarray of bool, shape (init_time, lead_time)
        Which belong to it.

    Returns
    -------
    dict of Partial
        Shapes (lead_time, region).
    """
    some = cases[:, :, None]
    return {
        name: Partial((p.total * some).sum(axis=0), (p.weight * some).sum(axis=0))
        for name, p in sums.items()
    }


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
