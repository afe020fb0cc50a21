"""Where scores are taken: boxes of latitude and longitude, and other points, as weights."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.names import Box
from smoecast.scores.pointwise import Values

EDGE = 1e-6
"""Degrees by which a point may lie outside a box and still belong to it: rounding, no more."""


def inside(boxes: Sequence[Box], latitude: Values, longitude: Values) -> NDArray[np.bool_]:
    """Tell which points of a grid lie in one of the boxes, edges included.

    Parameters
    ----------
    boxes : sequence of (north, west, south, east)
        Degrees; a box may cross the meridian of Greenwich or the date line (west below east in any
        count of degrees).
    latitude : ndarray, shape (H,)
    longitude : ndarray, shape (W,)
        Degrees east, in [0, 360) or [-180, 180).

    Returns
    -------
    ndarray of bool, shape (H, W)
    """
    found = np.zeros((len(latitude), len(longitude)), np.bool_)
    for north, west, south, east in boxes:
        rows = (latitude <= north + EDGE) & (latitude >= south - EDGE)
        # EDGE is added before the remainder, so that a point just west of the edge is not 360 east
        columns = (longitude - west + EDGE) % 360.0 <= east - west + 2 * EDGE
        found |= rows[:, None] & columns[None, :]
    return found


def region_weights(
    regions: Mapping[str, NDArray[np.bool_]], latitude: Values, plain: bool = False
) -> Values:
    """Return cos(latitude) inside each region and 0 outside.

    Parameters
    ----------
    regions : dict of str to ndarray of bool, shape (H, W)
        Which points belong to each, as `inside` tells it of boxes.
    latitude : ndarray, shape (H,)
        Of the grid.
    plain : bool
        Weigh all points inside alike, in the place of cos(latitude).

    Returns
    -------
    ndarray of float64, shape (R, H, W)
        Divided by the mean of cos(latitude) over all rows, as in WeatherBench 1 and 2; in a mean
        over a region only their ratios matter.

    Raises
    ------
    InputError
        A region holds no point of the grid.
    """
    cosine = np.clip(np.cos(np.deg2rad(latitude)), 0.0, None)
    rows = np.ones_like(cosine) if plain else cosine / cosine.mean()
    weights = []
    for name, found in regions.items():
        if not found.any():
            raise InputError(
                f"the region {name} holds no point of this grid; leave it out of evaluate.regions "
                "and evaluate.boxes"
            )
        weights.append(np.where(found, rows[:, None], 0.0))
    return np.stack(weights)
