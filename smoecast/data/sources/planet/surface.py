"""From the state of the flow to what a weather service would analyse, on the 32 x 64 grid.

Geopotential and temperature follow from the streamfunction by the linear balance equation
(lap Phi = div(f grad psi), Lorenz 1960, doi:10.3402/tellusa.v12i4.9406), so lows turn the right way
and the poles are cold in both hemispheres. Near the ground a recipe takes over whose constants
change from point to point; see `near_surface`.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoecast.data.sources.planet import dynamics, geography, spectral
from smoecast.data.sources.planet.climate import RADIUS, ROTATION, Climate, ground
from smoecast.fields.times import JULIAN_YEAR_DAYS

Array = NDArray[np.floating]

LATITUDE = 87.1875 - 5.625 * np.arange(32)
LONGITUDE = 5.625 * np.arange(64)
"""The grid of WeatherBench at 5.625 degrees, north to south."""

GRAVITY = 9.80665
DRY_AIR = 287.05
LAPSE = 6.5e-3
MEAN_Z500 = 54_100.0
MEAN_T850 = 281.0
HEIGHT_850 = 1457.0
LOW_LEVEL = 1.3
"""How much stronger temperature varies at 850 hPa than in the mean of 250 to 750 hPa."""


@dataclass(frozen=True)
class Ground:
    """Matrices to the product grid, and what is peculiar to each of its points.

    Attributes
    ----------
    grid : spectral.Grid
        The product grid.
    balance, eastward, northward : (M, N, latitude) array
        From psi to geopotential (s-1) and to winds (m-1).
    height, land : (latitude, longitude) array
        Height in m, share of land.
    slope : (2, latitude, longitude) array
        Eastward and northward slope of the mountains.
    hollow, response, mixing, front, bias : (latitude, longitude) array
        0 to 1, how cold air collects; factor on temperature anomalies over land; how quickly the
        sea surface follows the air; steady offset of the sea, K; error by terrain, K.
    """

    grid: spectral.Grid
    balance: Array
    eastward: Array
    northward: Array
    height: Array
    land: Array
    slope: Array
    hollow: Array
    response: Array
    mixing: Array
    front: Array
    bias: Array


def balance_matrix(truncation: int) -> Array:
    """Return the linear balance (M, N, N): coefficients of psi times it give those of Phi.

    lap Phi = div(f grad psi) couples each n with n - 1 and n + 1; the mean of Phi is zero.
    """
    eps = spectral.legendre_factors(truncation)
    size = truncation + 1
    matrix = np.zeros((size, size, size))
    for n in range(1, size):
        matrix[:, n - 1, n] = (n - 1) / n * eps[:, n]
        if n < truncation:
            matrix[:, n + 1, n] = (n + 2) / (n + 1) * eps[:, n + 1]
    return 2.0 * ROTATION * matrix


def lay_ground(climate: Climate) -> Ground:
    """Survey the ground of a climate on the product grid.

    Its mountains, as the flow feels them, give the slopes; heights are those of the true ones, to
    which an imperfect copy refers its temperatures too.
    """
    sines = np.sin(np.deg2rad(LATITUDE))
    grid = spectral.make_grid(climate.truncation, sines, LONGITUDE.size)
    cosines = np.sqrt(1.0 - sines**2)
    latitude, longitude = LATITUDE[:, None], LONGITUDE[None, :]
    land = geography.land_fraction(latitude, longitude)
    mountains, true = ground(climate), ground(Climate(truncation=climate.truncation))
    rough = [geography.texture(latitude, longitude, kind) for kind in range(5)]
    smooth = spectral.synthesise(grid, true)
    height = np.maximum(smooth, 0.0) + land * (450.0 + 400.0 * rough[0])
    slope = np.stack(spectral.gradient(grid, mountains))
    low = np.clip(1.0 - height / 3000.0, 0.0, 1.0)
    return Ground(
        grid=grid,
        balance=balance_matrix(climate.truncation) @ grid.legendre,
        eastward=-grid.legendre_slope / (RADIUS * cosines),
        northward=grid.legendre / (RADIUS * cosines),
        height=height,
        land=land,
        slope=slope / (RADIUS * cosines[:, None]),
        hollow=0.5 * (1.0 + rough[1]) * low,
        response=0.8 + 0.6 * rough[2],
        mixing=0.35 + 0.3 * rough[3],
        front=4.0 * rough[4],
        bias=climate.terrain_bias * (rough[3] * land + height / 2000.0),
    )


def upper_air(ground: Ground, flow: dynamics.Flow, state: dynamics.State) -> dict[str, Array]:
    """Return the products that the flow alone determines.

    Parameters
    ----------
    ground : Ground
        From `lay_ground`.
    flow : dynamics.Flow
        The planet.
    state : dynamics.State
        With any leading axes.

    Returns
    -------
    dict of (..., latitude, longitude) arrays
        z500 in m2 s-2, t850 in K, u250, v250, u750, v750 in m s-1, and ``sea`` in K: t850 as the
        sea remembers it.
    """
    psi = dynamics.streamfunction(flow, state.pv)
    per_kelvin = LOW_LEVEL / (DRY_AIR * math.log(750.0 / 250.0))
    mean = psi.mean(axis=-4)
    warm = np.stack([dynamics.thickness(flow, state.pv), state.slow])
    z = spectral.to_grid(spectral.to_latitudes(mean, ground.balance), ground.grid.fourier)
    t = spectral.to_grid(spectral.to_latitudes(warm, ground.balance), ground.grid.fourier)
    u = spectral.to_grid(spectral.to_latitudes(psi, ground.eastward), ground.grid.fourier)
    v = spectral.to_grid(spectral.to_latitudes(psi, ground.northward), ground.grid.fourier_slope)
    return {
        "z500": MEAN_Z500 + z,
        "t850": MEAN_T850 + per_kelvin * t[0],
        "u250": u[..., 0, :, :],
        "v250": v[..., 0, :, :],
        "u750": u[..., 1, :, :],
        "v750": v[..., 1, :, :],
        "sea": MEAN_T850 + per_kelvin * t[1],
    }


def sunshine(time: NDArray[np.datetime64]) -> tuple[Array, Array]:
    """Return daily insolation and the diurnal wave at dates.

    Parameters
    ----------
    time : (...) array of datetime64
        UTC.

    Returns
    -------
    strength : (..., latitude, 1) array
        Cosine of the noon zenith angle, 0 in the polar night.
    wave : (..., 1, longitude) array
        Cosine of local solar time, 1 at 15 h.
    """
    year = time.astype("datetime64[Y]")
    days = (time - year) / np.timedelta64(1, "D")
    declination = np.deg2rad(23.44) * np.sin(2.0 * np.pi * (days - 79.0) / JULIAN_YEAR_DAYS)
    zenith = np.deg2rad(LATITUDE)[:, None] - declination[..., None, None]
    hour = (days % 1.0)[..., None, None] * 24.0 + LONGITUDE / 15.0
    return np.maximum(np.cos(zenith), 0.0), np.cos(2.0 * np.pi * (hour - 15.0) / 24.0)


def near_surface(ground: Ground, air: dict[str, Array], time: NDArray[np.datetime64]) -> Array:
    """Return t2m in K: what the ground makes of the air above it.

    Over land, t850 carried down to the ground by the lapse rate, with anomalies damped or
    amplified by the soil, cold air collecting in hollows when it is cold and calm, warmth in
    downslope wind, and a diurnal wave that follows the sun. Over sea, mostly what the sea
    remembers, mixed more strongly when cold air blows over warm water.

    Parameters
    ----------
    ground : Ground
        From `lay_ground`.
    air : dict of (..., latitude, longitude) arrays
        From `upper_air`.
    time : (...) array of datetime64
        When, broadcastable to the leading axes of `air`.

    Returns
    -------
    (..., latitude, longitude) array
    """
    free = air["t850"] + LAPSE * (HEIGHT_850 - ground.height)
    calm = np.exp(-(air["u750"] ** 2 + air["v750"] ** 2) / 15.0**2)
    strength, wave = sunshine(time)
    usual = air["sea"] + LAPSE * (HEIGHT_850 - ground.height)
    soil = usual + ground.response * (free - usual)
    cold = 1.0 / (1.0 + np.exp((free - 272.0) / 4.0))
    pool = ground.hollow * (0.3 + 0.7 * calm) * 16.0 * cold
    upslope = air["u750"] * ground.slope[0] + air["v750"] * ground.slope[1]
    foehn = -4.0 * np.tanh(upslope / 0.015)
    diurnal = (3.0 + 4.0 * ground.hollow) * (0.4 + 0.6 * calm) * strength * wave
    over_land = soil - pool + foehn + diurnal
    water = air["sea"] + LAPSE * HEIGHT_850 + ground.front
    contrast = free - water
    over_sea = water + ground.mixing * contrast + 1.5 * np.minimum(contrast / 10.0, 0.0)
    terrain = ground.bias * (strength - 0.5) * 2.0
    mixed: Array = ground.land * (over_land + terrain) + (1.0 - ground.land) * over_sea
    return mixed


def products(
    ground: Ground, flow: dynamics.Flow, state: dynamics.State, time: NDArray[np.datetime64]
) -> dict[str, Array]:
    """Return z500, t850, u250, v250, u750, v750 and t2m, each (..., latitude, longitude)."""
    fields = upper_air(ground, flow, state)
    fields["t2m"] = near_surface(ground, fields, time)
    del fields["sea"]
    return fields
