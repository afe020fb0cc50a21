"""Spherical harmonics by matrix products: Legendre matrices and real Fourier matrices.

A field is held as real coefficients of shape (..., M, 2, N): zonal wavenumber m, real and imaginary
part, total wavenumber n (zero where n < m), M = N = truncation + 1. Its value is

    f(lon, lat) = sum over m, n of (2 - [m = 0]) Re(c[m, n] exp(i m lon)) P[m, n](sin lat)

with P normalised so that the mean of f^2 over the sphere is the sum of (2 - [m = 0]) |c|^2. On a
grid it has shape (..., latitude, longitude). Every transform is a matrix product over leading axes,
so layers, members and start dates cost one call. Why not an FFT or torch-harmonics: see
``docs/decisions/0003-planet-transforms.md``. Formulas: Durran, *Numerical Methods for Fluid
Dynamics*, section 6.4; Hoskins & Simmons (1975), doi:10.1002/qj.49710142918.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import ConfigError

SETTLED = 13
"""Decimals to which sines, exponentials and nodes are rounded: processors differ in the last."""

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Grid:
    """Matrices between coefficients and one set of latitudes and equidistant longitudes.

    Attributes
    ----------
    sin_latitude : (latitude,) array
        Sine of the latitudes, in the order of the grid.
    longitude : (longitude,) array
        Radians from 0, equidistant.
    legendre : (M, N, latitude) array
        P[m, n] at the latitudes.
    legendre_slope : (M, N, latitude) array
        (1 - s^2) dP/ds, s the sine of latitude.
    fourier : (2M, longitude) array
        From coefficients (m, part) to longitudes.
    fourier_slope : (2M, longitude) array
        The same for the derivative with longitude.
    """

    sin_latitude: Array
    longitude: Array
    legendre: Array
    legendre_slope: Array
    fourier: Array
    fourier_slope: Array


@dataclass(frozen=True)
class Quadrature:
    """Matrices from the values on a Gaussian grid back to coefficients.

    Attributes
    ----------
    projection : (M, latitude, N) array
        Gaussian weights times P.
    zonal, meridional : (M, latitude, N) array
        The two halves of a divergence: weights times P / (1 - s^2), and minus the weights times
        dP/ds, for fluxes that already carry a factor cos(latitude).
    fourier : (longitude, 2M) array
        From longitudes to coefficients (m, part).
    fourier_slope : (longitude, 2M) array
        The same for the derivative with longitude.
    """

    projection: Array
    zonal: Array
    meridional: Array
    fourier: Array
    fourier_slope: Array


def gaussian_latitudes(count: int) -> tuple[Array, Array]:
    """Return sines of the Gaussian latitudes, north to south, and weights that add up to 1."""
    nodes, weights = np.polynomial.legendre.leggauss(count)
    return np.round(nodes[::-1], SETTLED), np.round(weights[::-1] / 2.0, SETTLED)


def legendre_factors(truncation: int) -> Array:
    """Return epsilon[m, n] = sqrt((n^2 - m^2) / (4 n^2 - 1)), zero for n <= m; (M, N + 1)."""
    m = np.arange(truncation + 1)[:, None]
    n = np.arange(truncation + 2)[None, :]
    epsilon: Array = np.sqrt(np.maximum(n**2 - m**2, 0) / np.maximum(4 * n**2 - 1, 1))
    return epsilon


def legendre_matrices(truncation: int, sin_latitude: Array) -> tuple[Array, Array]:
    """Return P[m, n] and (1 - s^2) dP/ds at the given sines of latitude.

    Parameters
    ----------
    truncation : int
        Largest total wavenumber T.
    sin_latitude : (latitude,) array
        Sines of latitude, s.

    Returns
    -------
    values, slopes : (T + 1, T + 1, latitude) array
        Indexed [m, n, latitude], zero where n < m.
    """
    size = truncation + 1
    eps = legendre_factors(truncation)
    p = np.zeros((size, size + 1, sin_latitude.size))
    cos_latitude = np.sqrt(1.0 - sin_latitude**2)
    p[0, 0] = 1.0
    for m in range(size):
        if m > 0:
            p[m, m] = np.sqrt((2 * m + 1) / (2 * m)) * cos_latitude * p[m - 1, m - 1]
        p[m, m + 1] = sin_latitude * p[m, m] / eps[m, m + 1]
        for n in range(m + 2, size + 1):
            p[m, n] = (sin_latitude * p[m, n - 1] - eps[m, n - 1] * p[m, n - 2]) / eps[m, n]
    degree = np.arange(size)[None, :, None]
    below = np.concatenate([np.zeros_like(p[:, :1]), p[:, : size - 1]], axis=1)
    slopes = (degree + 1) * eps[:, :size, None] * below - degree * eps[:, 1:, None] * p[:, 1:]
    return p[:, :size], slopes


def fourier_matrices(truncation: int, longitude: Array) -> tuple[Array, Array]:
    """Return the (2M, longitude) matrices that sum the Fourier series and its derivative."""
    m = np.arange(truncation + 1)[:, None]
    twice = np.where(m > 0, 2.0, 1.0)
    angle = m * longitude[None, :]
    real = twice * np.round(np.cos(angle), SETTLED)
    imaginary = -twice * np.round(np.sin(angle), SETTLED)
    values = np.stack([real, imaginary], axis=1)  # (M, 2, longitude)
    slopes = np.stack([m * imaginary, -m * real], axis=1)
    shape = (2 * (truncation + 1), longitude.size)
    return values.reshape(shape), slopes.reshape(shape)


def make_grid(truncation: int, sin_latitude: Array, longitudes: int) -> Grid:
    """Build the matrices of `Grid` for these latitudes and so many longitudes from 0 eastward."""
    longitude = np.arange(longitudes) * (2.0 * np.pi / longitudes)
    values, slopes = legendre_matrices(truncation, sin_latitude)
    fourier, fourier_slope = fourier_matrices(truncation, longitude)
    return Grid(sin_latitude, longitude, values, slopes, fourier, fourier_slope)


def gaussian_pair(truncation: int, latitudes: int, longitudes: int) -> tuple[Grid, Quadrature]:
    """Build a Gaussian grid on which products of two fields are transformed without aliasing.

    Raises
    ------
    ConfigError
        The grid is too coarse for quadratic terms at this truncation (3 T + 1 longitudes, half as
        many latitudes; Orszag 1970, doi:10.1175/1520-0469(1970)027<0890:TMFTCO>2.0.CO;2).
    """
    if longitudes < 3 * truncation + 1 or 2 * latitudes < 3 * truncation + 1:
        raise ConfigError(
            f"truncation T{truncation} aliases on {latitudes} x {longitudes} points: take at least "
            f"{(3 * truncation + 2) // 2} x {3 * truncation + 1}"
        )
    sines, weights = gaussian_latitudes(latitudes)
    grid = make_grid(truncation, sines, longitudes)
    per_cos = weights / (1.0 - sines**2)
    twice = np.repeat(np.where(np.arange(truncation + 1) > 0, 2.0, 1.0), 2)
    back = twice * longitudes
    quadrature = Quadrature(
        projection=np.ascontiguousarray((grid.legendre * weights).swapaxes(1, 2)),
        zonal=np.ascontiguousarray((grid.legendre * per_cos).swapaxes(1, 2)),
        meridional=np.ascontiguousarray((-grid.legendre_slope * per_cos).swapaxes(1, 2)),
        fourier=np.ascontiguousarray((grid.fourier / back[:, None]).T),
        fourier_slope=np.ascontiguousarray((-grid.fourier_slope / back[:, None]).T),
    )
    return grid, quadrature


def to_latitudes(coefficients: Array, matrix: Array) -> Array:
    """Sum over n: (..., M, 2, N) and (M, N, latitude) give Fourier coefficients (..., 2M, lat)."""
    at_latitudes = coefficients @ matrix  # (..., M, 2, latitude)
    shape = at_latitudes.shape
    return at_latitudes.reshape(*shape[:-3], 2 * shape[-3], shape[-1])


def to_grid(at_latitudes: Array, fourier: Array) -> Array:
    """Sum over m: (..., 2M, latitude) and (2M, longitude) give (..., latitude, longitude)."""
    return at_latitudes.swapaxes(-1, -2) @ fourier


def synthesise(grid: Grid, coefficients: Array) -> Array:
    """Return the values (..., latitude, longitude) of coefficients (..., M, 2, N)."""
    return to_grid(to_latitudes(coefficients, grid.legendre), grid.fourier)


def gradient(grid: Grid, coefficients: Array) -> tuple[Array, Array]:
    """Return cos(lat) times the gradient on the unit sphere, eastward and northward.

    Both have shape (..., latitude, longitude), for coefficients of shape (..., M, 2, N).
    """
    east = to_grid(to_latitudes(coefficients, grid.legendre), grid.fourier_slope)
    north = to_grid(to_latitudes(coefficients, grid.legendre_slope), grid.fourier)
    return east, north


def _to_fourier(values: Array, fourier: Array) -> Array:
    """Fourier analysis: (..., latitude, longitude) to (..., M, 2, latitude)."""
    parts = fourier.T @ values.swapaxes(-1, -2)  # (..., 2M, latitude)
    shape = parts.shape
    return parts.reshape(*shape[:-2], shape[-2] // 2, 2, shape[-1])


def analyse(quadrature: Quadrature, values: Array) -> Array:
    """Return the coefficients (..., M, 2, N) of values (..., latitude, longitude)."""
    return _to_fourier(values, quadrature.fourier) @ quadrature.projection


def divergence(quadrature: Quadrature, east: Array, north: Array) -> Array:
    """Return the coefficients of the divergence on the unit sphere.

    Parameters
    ----------
    quadrature : Quadrature
        From `gaussian_pair`.
    east, north : (..., latitude, longitude) array
        The flux times cos(latitude).

    Returns
    -------
    (..., M, 2, N) array
        Coefficients; the northward part is integrated by parts, so no derivative of the grid is
        taken and the mean of the divergence is zero exactly.
    """
    from_east = _to_fourier(east, quadrature.fourier_slope) @ quadrature.zonal
    from_north = _to_fourier(north, quadrature.fourier) @ quadrature.meridional
    return from_east + from_north


def laplacian(truncation: int) -> Array:
    """Return the eigenvalues -n (n + 1) of the Laplacian on the unit sphere, shape (N,)."""
    n = np.arange(truncation + 1)
    return -(n * (n + 1.0))


def power(coefficients: Array) -> Array:
    """Return the mean square over the sphere, by total wavenumber: (..., M, 2, N) to (..., N)."""
    twice = np.where(np.arange(coefficients.shape[-3]) > 0, 2.0, 1.0)[:, None, None]
    by_wavenumber: Array = np.sum(twice * coefficients**2, axis=(-3, -2))
    return by_wavenumber


def in_single(record: object) -> dict[str, Any]:
    """Return the arrays of a dataclass, and of dataclasses in it, in single precision.

    For ``dataclasses.replace(record, **in_single(record))``.
    """
    parts: dict[str, Any] = {}
    for name, part in vars(record).items():
        if isinstance(part, np.ndarray):
            parts[name] = part.astype(np.float32)
        elif isinstance(part, Grid | Quadrature):
            parts[name] = replace(part, **in_single(part))
    return parts
