"""The constants of a planet, and what follows from them before anything moves.

Two planets differ by their `Climate` alone: the truth is one instance, a forecasting centre's
imperfect copy another.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoecast.data.sources.planet import geography, spectral

Array = NDArray[np.floating]

RADIUS = 6.371e6
ROTATION = 7.292e-5
DAY = 86400.0
OROGRAPHY = 5.0 / 9000.0
"""Relative change of f per metre of height: a lower layer of 9 km, mountains 5 times as strong."""
GAUSSIAN = (32, 64)
"""Latitudes and longitudes of the grid on which products are formed; alias-free at T21."""


@dataclass(frozen=True)
class Climate:
    """The constants of one planet; another instance is another planet, or an imperfect copy.

    Attributes
    ----------
    truncation : int
        Largest total wavenumber.
    step : float
        Time step, s.
    deformation_radius : float
        Rd, m.
    relaxation_days, friction_days, diffusion_days : float
        Times of thermal relaxation, of Ekman friction over the sea, of diffusion at the truncation.
    diffusion_order : int
        Power of the Laplacian in D.
    contrast : float
        A: strength of the thermal contrast between equator and pole, m2 s-1.
    season : float
        Relative change of A between midsummer and midwinter of a hemisphere.
    land_contrast, land_steady : float
        Share of A by which land is driven colder than the sea in winter (and warmer in summer),
        and colder in the mean of the year.
    land_friction, mountain_friction : float
        Additional friction over land, and at 3 km height, relative to the sea.
    mountain_factor : float
        Factor on the height of all mountains.
    mountain_smoothing : float
        e-folding total wavenumber of a Gaussian filter on the mountains; 0 for none.
    ocean_days : float
        Memory of the sea surface.
    terrain_bias : float
        Amplitude of a seasonal, terrain-bound error of near-surface temperature, K.
    """

    truncation: int = 21
    step: float = 7200.0
    deformation_radius: float = 7.0e5
    relaxation_days: float = 20.0
    friction_days: float = 3.0
    diffusion_days: float = 2.0
    diffusion_order: int = 4
    contrast: float = 1.41e8
    season: float = 0.35
    land_contrast: float = 0.15
    land_steady: float = 0.5
    land_friction: float = 0.8
    mountain_friction: float = 0.5
    mountain_factor: float = 1.0
    mountain_smoothing: float = 0.0
    ocean_days: float = 45.0
    terrain_bias: float = 0.0


def ground(climate: Climate) -> Array:
    """Return the coefficients (M, 2, N) of this climate's mountains in metres."""
    grid, quadrature = spectral.gaussian_pair(climate.truncation, *GAUSSIAN)
    latitude = np.rad2deg(np.arcsin(grid.sin_latitude))[:, None]
    height = geography.mountain_height(latitude, np.rad2deg(grid.longitude)[None, :])
    coefficients = climate.mountain_factor * spectral.analyse(quadrature, height)
    if climate.mountain_smoothing > 0:
        n = np.arange(climate.truncation + 1)
        coefficients *= np.round(np.exp(-((n / climate.mountain_smoothing) ** 2)), spectral.SETTLED)
    return coefficients


def equilibrium(grid: spectral.Grid, climate: Climate, land: Array) -> Array:
    """Return tau_eq (2, latitude, longitude): its mean and its part that follows the season.

    In the winter of a hemisphere the contrast is stronger and land is colder than the sea. Cold is
    a low tau in the north and, f being negative there, a high tau in the south, where winter comes
    half a year later: so the seasonal part has the same sign in both hemispheres.
    """
    s = grid.sin_latitude[:, None]
    warmth = (land - land.mean(axis=1, keepdims=True)) * np.minimum(np.abs(2.0 * s), 1.0)
    steady = s * np.abs(s) + climate.land_steady * np.sign(s) * warmth
    seasonal = climate.season * s**2 + climate.land_contrast * warmth
    return -climate.contrast * np.stack([steady, seasonal])


def land_and_height(grid: spectral.Grid, climate: Climate) -> tuple[Array, Array]:
    """Return land fraction and height (m) of the mountains as the flow feels them."""
    latitude = np.rad2deg(np.arcsin(grid.sin_latitude))[:, None]
    land = geography.land_fraction(latitude, np.rad2deg(grid.longitude)[None, :])
    return land, spectral.synthesise(grid, ground(climate))
