"""The lie of the land: continents, mountains, fine structure, as functions of position.

Everything is analytic, so it can be asked for on any grid, and fixed: it does not depend on a seed.
The map is loosely that of the Earth, because storm tracks need oceans and standing waves need
mountains of about the right length; it claims no more than that.

Values are rounded far above the last digit of a double, because exponentials and sines differ there
from processor to processor, and the weather over other ground is other weather after some weeks.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]

CONTINENTS = (
    # latitude, longitude, half height, half width (degrees of arc), clockwise turn (degrees)
    (52.0, 258.0, 20.0, 26.0, -10.0),
    (36.0, 265.0, 12.0, 18.0, 0.0),
    (-8.0, 300.0, 16.0, 17.0, 0.0),
    (-32.0, 292.0, 20.0, 9.0, 0.0),
    (50.0, 45.0, 17.0, 30.0, 5.0),
    (55.0, 95.0, 18.0, 28.0, 0.0),
    (30.0, 85.0, 16.0, 26.0, 10.0),
    (15.0, 15.0, 18.0, 26.0, 0.0),
    (-12.0, 26.0, 22.0, 14.0, 0.0),
    (-25.0, 134.0, 12.0, 17.0, 0.0),
    (74.0, 318.0, 10.0, 11.0, 0.0),
    (-90.0, 0.0, 20.0, 20.0, 0.0),
)
MOUNTAINS = (
    # latitude, longitude, half height, half width (degrees of arc), turn (degrees), height (m)
    (46.0, 246.0, 17.0, 8.0, -12.0, 2200.0),
    (-22.0, 290.0, 24.0, 6.5, 0.0, 3000.0),
    (34.0, 88.0, 8.5, 17.0, 8.0, 3000.0),
    (45.0, 12.0, 6.0, 9.0, 0.0, 1100.0),
    (52.0, 110.0, 9.0, 16.0, 20.0, 1200.0),
    (2.0, 36.0, 14.0, 8.0, 0.0, 1300.0),
    (73.0, 319.0, 8.0, 8.0, 0.0, 2000.0),
    (-87.0, 60.0, 14.0, 14.0, 0.0, 2400.0),
)


def _bump(latitude: Array, longitude: Array, shape: tuple[float, ...]) -> Array:
    """Gaussian bump of height 1 on the sphere, elliptic; angles in degrees."""
    lat0, lon0, tall, wide, turn = shape[:5]
    east = np.rad2deg(
        np.cos(np.deg2rad(latitude)) * np.sin(np.deg2rad(longitude - lon0))
    )  # the axis that points east at the centre
    away = np.deg2rad(longitude - lon0)
    phi, phi0 = np.deg2rad(latitude), np.deg2rad(lat0)
    north = np.rad2deg(np.cos(phi0) * np.sin(phi) - np.sin(phi0) * np.cos(phi) * np.cos(away))
    facing = np.sin(phi0) * np.sin(phi) + np.cos(phi0) * np.cos(phi) * np.cos(away)
    t = np.deg2rad(turn)
    x, y = east * np.cos(t) - north * np.sin(t), east * np.sin(t) + north * np.cos(t)
    bump: Array = np.exp(-((x / wide) ** 2) - (y / tall) ** 2) * (facing > 0)
    return bump


def land_fraction(latitude: Array, longitude: Array) -> Array:
    """Return the share of land, 0 to 1, at broadcast latitudes and longitudes in degrees."""
    total = sum(
        (_bump(latitude, longitude, shape) for shape in CONTINENTS),
        start=np.zeros(np.broadcast(latitude, longitude).shape),
    )
    return np.round(1.0 / (1.0 + np.exp(-(total - 0.42) / 0.035)), 9)


def mountain_height(latitude: Array, longitude: Array) -> Array:
    """Return the height of the smooth mountain ranges in metres, at most about 3 km."""
    total = sum(
        (shape[5] * _bump(latitude, longitude, shape) for shape in MOUNTAINS),
        start=np.zeros(np.broadcast(latitude, longitude).shape),
    )
    return np.round(total, 6)


def texture(latitude: Array, longitude: Array, kind: int) -> Array:
    """Return fine structure of the ground between -1 and 1: valleys, soils, shelf seas.

    A sum of short plane waves whose directions follow from `kind` alone. It varies from one point
    of a 5.6 degree grid to the next, as sub-grid terrain does.
    """
    rng = np.random.default_rng(7919 + kind)
    phi, lam = np.deg2rad(latitude), np.deg2rad(longitude)
    x, y, z = np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)
    total = np.zeros(np.broadcast(latitude, longitude).shape)
    for _ in range(12):
        way = rng.standard_normal(3)
        way *= rng.uniform(9.0, 24.0) / np.linalg.norm(way)
        total += np.sin(way[0] * x + way[1] * y + way[2] * z + rng.uniform(0, 2 * np.pi))
    return np.asarray(np.round(np.tanh(total / np.sqrt(6.0)), 9))
