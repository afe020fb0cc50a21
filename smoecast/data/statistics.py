"""Statistics of the training times only."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

RELATIVE_FLOOR = 1e-6
"""A spread is never smaller than this share of the mean's size, so that nothing divides by zero."""

_BLOCK = 256


def mean_and_std(
    fields: NDArray[np.float32] | xr.DataArray, chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation by channel over the chosen times, in one pass.

    Parameters
    ----------
    fields : (T, ..., C, H, W) float32
        A lazy one is read block by block.
    chosen : (T,) bool
        The training times.

    Returns
    -------
    mean, std : (C,) float64

    Notes
    -----
    Sums are taken about the first field's mean, so that a large offset (Z500) loses no digits.
    """
    axes = tuple(i for i in range(fields.ndim) if i != fields.ndim - 3)
    indices = np.flatnonzero(chosen)
    shift = np.asarray(fields[indices[0]], np.float64).mean(axis=tuple(a - 1 for a in axes[1:]))
    count, total, squares = 0, np.zeros_like(shift), np.zeros_like(shift)
    for block in np.array_split(indices, max(1, len(indices) // _BLOCK)):
        values = np.asarray(fields[block], np.float64) - shift[:, None, None]
        count += values.size // len(shift)
        total += values.sum(axis=axes)
        squares += (values**2).sum(axis=axes)
    mean = shift + total / count
    std = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))
    return mean, floored(std, mean)


def floored(std: NDArray[np.float64], mean: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spread, at least `RELATIVE_FLOOR` of the mean's size; 1 where both are 0."""
    floor = RELATIVE_FLOOR * np.abs(mean)
    result: NDArray[np.float64] = np.where((std == 0) & (floor == 0), 1.0, np.maximum(std, floor))
    return result
