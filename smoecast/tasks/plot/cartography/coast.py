"""Coastlines: the Earth's from Natural Earth, the simulated planet's from its own geography."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoecast.data.sources.planet import geography

Lines = list[NDArray[np.floating[Any]]]
"""Each (N, 2): longitude -180 to 180 and latitude, degrees."""

FILE = Path(__file__).with_name("coastlines.npz")
CREDIT = "coastlines: Natural Earth"

_PER_DEGREE = 100
_NARROW = 70.0
"""Degrees: a map that is less wide shows more of a coast."""
_RESOLUTION = 1.0
"""Degrees between the points at which the planet is asked where land begins."""


@cache
def earth(width: float = 360.0) -> Lines:
    """Return the Earth's coastlines, by how many degrees a map is wide.

    Natural Earth at 1:110 million, for narrow maps at 1:50 million without the smallest islands;
    public domain. How the file was made stands in decision 47.
    """
    name = "region" if width < _NARROW else "world"
    with np.load(FILE, allow_pickle=False) as file:
        steps, lengths = file[f"{name}_steps"], file[f"{name}_lengths"]
    # 16 bits wrap round where a step is longer than they hold, and back
    points = np.cumsum(steps, axis=0, dtype=np.int16) / _PER_DEGREE
    return list(np.split(points, np.cumsum(lengths)[:-1]))


@cache
def planet() -> Lines:
    """Return the coastlines of the simulated planet: where half of the ground is land."""
    latitude = np.arange(90, -90 - _RESOLUTION, -_RESOLUTION)
    longitude = np.arange(-180, 180 + _RESOLUTION, _RESOLUTION)
    land = geography.land_fraction(latitude[:, None], longitude[None, :] % 360)
    axes = Figure().add_subplot()
    segments = axes.contour(longitude, latitude, land, levels=[0.5]).allsegs[0]
    return [np.asarray(segment) for segment in segments if len(segment) > 1]
