"""Quantiles of the members that are present, fast where there are many."""

import numpy as np
from numpy.typing import NDArray

from smoecast.scores.pointwise import Values


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
