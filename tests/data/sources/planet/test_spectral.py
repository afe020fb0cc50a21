"""Transforms: round trips and eigenvalues hold to rounding error."""

import numpy as np
import pytest

from smoecast.data.sources.planet import spectral
from smoecast.errors import ConfigError

T = 21


@pytest.fixture(scope="module")
def pair():
    return spectral.gaussian_pair(T, 32, 64)


@pytest.fixture
def coefficients():
    rng = np.random.default_rng(3)
    m, n = np.arange(T + 1)[:, None], np.arange(T + 1)[None, :]
    c = rng.standard_normal((3, T + 1, 2, T + 1)) * (n >= m)[:, None, :]
    c[:, 0, 1] = 0.0
    return c


def test_worked_harmonics(pair):
    grid, _ = pair
    s = grid.sin_latitude
    np.testing.assert_allclose(grid.legendre[0, 1], np.sqrt(3.0) * s, rtol=1e-13)
    np.testing.assert_allclose(grid.legendre[0, 2], np.sqrt(5.0) * (1.5 * s**2 - 0.5), rtol=1e-12)
    np.testing.assert_allclose(grid.legendre[1, 1], np.sqrt(1.5) * np.sqrt(1 - s**2), rtol=1e-13)


def test_gaussian_weights_integrate_the_sphere():
    sines, weights = spectral.gaussian_latitudes(32)
    assert sines[0] > sines[-1]
    np.testing.assert_allclose([weights.sum(), (weights * sines**2).sum()], [1.0, 1.0 / 3.0])


def test_round_trip(pair, coefficients):
    grid, quadrature = pair
    back = spectral.analyse(quadrature, spectral.synthesise(grid, coefficients))
    np.testing.assert_allclose(back, coefficients, atol=1e-12)


def test_parseval(pair, coefficients):
    grid, _ = pair
    values = spectral.synthesise(grid, coefficients)
    _, weights = spectral.gaussian_latitudes(32)
    mean_square = (values**2).mean(axis=-1) @ weights
    np.testing.assert_allclose(spectral.power(coefficients).sum(axis=-1), mean_square, rtol=1e-12)


def test_divergence_of_gradient_is_the_laplacian(pair, coefficients):
    grid, quadrature = pair
    found = spectral.divergence(quadrature, *spectral.gradient(grid, coefficients))
    expected = coefficients * spectral.laplacian(T)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_gradient_of_a_known_field(pair):
    grid, quadrature = pair
    s = grid.sin_latitude[:, None]
    cos, lon = np.sqrt(1.0 - s**2), grid.longitude[None, :]
    east, north = spectral.gradient(grid, spectral.analyse(quadrature, cos * s * np.cos(lon)))
    np.testing.assert_allclose(east, -cos * s * np.sin(lon), atol=1e-13)
    np.testing.assert_allclose(north, cos * (1.0 - 2.0 * s**2) * np.cos(lon), atol=1e-13)


def test_a_coarse_grid_is_refused():
    with pytest.raises(ConfigError, match="aliases on 31 x 64"):
        spectral.gaussian_pair(T, 31, 64)
    with pytest.raises(ConfigError, match="at least 32 x 64"):
        spectral.gaussian_pair(T, 32, 63)
