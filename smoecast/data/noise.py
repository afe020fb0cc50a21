"""Smooth random fields on the sphere, the same again for the same seed."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smoecast.fields.grid import Grid

EARTH_KM = 6371.0

WAVES = 256
"""Plane waves that make a field; with few the fields would not be normal from run to run."""

BAND_VALUES = 2**23
"""Of the waves on a band of rows, at most, unless one row has more."""


class SmoothNoise:
    """Gaussian noise of variance 1 whose correlation falls with distance as exp(-d^2 / 2 l^2).

    A field is a sum of plane waves through the ball in which the globe lies (random Fourier
    features: Rahimi and Recht 2007), so that it has no seam and no poles, on any grid. The waves
    are drawn once, their amplitudes for each field.

    Parameters
    ----------
    grid : Grid
    length_km : float
        The length l; d is the straight distance through the Earth.
    seed : int
    """

    def __init__(self, grid: Grid, length_km: float, seed: int) -> None:
        self.grid, self.seed = grid, seed
        rng = np.random.default_rng(_unsigned(seed))
        self.waves = rng.normal(size=(3, WAVES)) * (EARTH_KM / length_km)

    def fields(self, count: int, key: Sequence[int]) -> NDArray[np.float32]:
        """Return independent fields.

        Parameters
        ----------
        count : int
            How many, C.
        key : sequence of int
            Of the draw: the same key gives the same fields.

        Returns
        -------
        ndarray of float32, shape (C, H, W)
        """
        rng = np.random.default_rng([_unsigned(number) for number in (self.seed, *key)])
        amplitudes = rng.normal(size=(count, 2 * WAVES)) / np.sqrt(WAVES)
        height, width = self.grid.shape
        made = np.empty((count, height, width), np.float32)
        step = max(1, BAND_VALUES // (2 * WAVES * width))
        for begin in range(0, height, step):
            band = slice(begin, begin + step)
            phase = self._points(band) @ self.waves  # (P, 3) x (3, K)
            basis = np.concatenate([np.cos(phase), np.sin(phase)], axis=1)
            made[:, band] = (amplitudes @ basis.T).reshape(count, -1, width)  # (C, P)
        return made

    def _points(self, band: slice) -> NDArray[np.float64]:
        """Return points of the unit sphere, (P, 3)."""
        latitude = np.deg2rad(self.grid.latitude[band])[:, None]
        longitude = np.deg2rad(self.grid.longitude)[None, :]
        parts = (
            np.cos(latitude) * np.cos(longitude),
            np.cos(latitude) * np.sin(longitude),
            np.broadcast_to(np.sin(latitude), (latitude.size, longitude.size)),
        )
        return np.stack(parts, axis=-1).reshape(-1, 3)  # (h, W, 3) -> (P, 3)


def _unsigned(number: int) -> int:
    """Return a number as a seed takes it: dates before 1970 are negative."""
    return number & 0xFFFFFFFFFFFFFFFF
