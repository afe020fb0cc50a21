"""Statistics of the training times only, in one pass, the same however the pass is cut."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

RELATIVE_FLOOR = 1e-6
"""A spread is never smaller than this share of the mean's size, so that nothing divides by zero."""

_BLOCK, _VALUES = 256, 1 << 25
"""Of a lazy series, times and values that are in memory at once, at most."""


def moments(values: NDArray[np.float32]) -> dict[str, Any]:
    """Return number, mean and sum of squares about it, by channel, of some times.

    Parameters
    ----------
    values : (T, ..., C, H, W) float32
        Of training times; T may be 0. NaN is left out: a member that is missing.

    Returns
    -------
    dict
        ``count`` (values), ``mean`` and ``squares``, C numbers each: JSON values.
    """
    axes = tuple(i for i in range(values.ndim) if i != values.ndim - 3)
    count = np.isfinite(values).sum(axis=axes)
    if values.size and (count == values.size // len(count)).all():
        mean = values.mean(axis=axes, dtype=np.float64)
        rows = values.reshape(-1, *values.shape[-3:])  # each in the cache, not all in float64
        squares = np.add.reduce([_sum_squares(row, mean) for row in rows], axis=0)
    else:
        mean = np.nansum(values, axis=axes, dtype=np.float64) / np.maximum(count, 1)
        squares = np.nansum((values - mean[:, None, None]) ** 2, axis=axes)
    return {"count": count.tolist(), "mean": mean.tolist(), "squares": squares.tolist()}


def _sum_squares(row: NDArray[np.float32], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of squares about the mean of one row of fields, (C,)."""
    away: NDArray[np.float64] = row - mean[:, None, None]
    return np.asarray(np.square(away, out=away).sum(axis=(1, 2)))


def merge_moments(
    parts: Iterable[dict[str, Any]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation by channel from the moments of parts, in their order.

    Chan, Golub & LeVeque 1983 (doi:10.1080/00031305.1983.10483115), pairwise update; large
    offsets (Z500) lose no digits.

    Parameters
    ----------
    parts : iterable of dict
        From `moments`; at least one counts something.

    Returns
    -------
    mean, std : (C,) float64
        The spread floored, see `floor_spread`.
    """
    count, mean, squares = np.zeros(1, np.int64), np.zeros(1), np.zeros(1)
    for part in parts:
        more = np.asarray(part["count"])
        if not more.any():
            continue
        change = np.asarray(part["mean"]) - mean
        whole = np.maximum(count + more, 1)
        squares = squares + np.asarray(part["squares"]) + change**2 * (count * more / whole)
        mean = mean + change * (more / whole)
        count = count + more
    return mean, floor_spread(np.sqrt(squares / count), mean)


def mean_and_std(
    fields: NDArray[np.float32] | xr.DataArray, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation by channel over the chosen times.

    Parameters
    ----------
    fields : (T, ..., C, H, W) float32
        A lazy one is read block by block.
    chosen : (T,) bool
        The training times.

    Returns
    -------
    mean, std : (C,) float64
    """
    indices = np.flatnonzero(chosen)
    size = max(1, min(_BLOCK, _VALUES // int(np.prod(fields.shape[1:]))))
    blocks = np.array_split(indices, max(1, len(indices) // size))
    return merge_moments(moments(np.asarray(fields[block])) for block in blocks)


def floor_spread(std: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spread, at least `RELATIVE_FLOOR` of the mean's size; 1 where both are 0."""
    floor = RELATIVE_FLOOR * np.abs(mean)
    result: NDArray[np.float64] = np.where((std == 0) & (floor == 0), 1.0, np.maximum(std, floor))
    return result
