"""Two-layer quasi-geostrophic flow on the sphere: the law by which the planet's weather moves.

Streamfunctions psi1 (about 250 hPa) and psi2 (about 750 hPa), tau = psi1 - psi2, Rd the deformation
radius, f the Coriolis parameter, h the height of the ground:

    q1 = lap psi1 - tau / Rd^2 + f
    q2 = lap psi2 + tau / Rd^2 + f (1 + 5 h / 9000 m)
    dq1/dt = -div(v1 q1) + H - D q1'
    dq2/dt = -div(v2 q2) - H - D q2' - div(k grad psi2)
    H = (tau - tau_eq) / (Rd^2 tau_R)

q' is q without f and mountains; it is the model's state. The model is Marshall & Molteni's (1993,
doi:10.1175/1520-0469(1993)050<1792:TADUOP>2.0.CO;2) with two levels instead of three and an
analytic forcing that follows the season.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smoecast.data.sources.planet import spectral
from smoecast.data.sources.planet.climate import (
    DAY,
    GAUSSIAN,
    OROGRAPHY,
    RADIUS,
    ROTATION,
    Climate,
    equilibrium,
    land_and_height,
)
from smoecast.fields.times import JULIAN_YEAR_DAYS

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Flow:
    """A climate worked out into the matrices and fields that a time step needs.

    Attributes
    ----------
    climate : Climate
        What it was built from.
    grid, quadrature
        The Gaussian pair on which products are formed.
    invert_own, invert_other : (N,) array
        psi of a layer from q' of the same and of the other layer, m2.
    relax_own, relax_other : (N,) array
        Linear part of the tendency from q' of the same and of the other layer, s-1.
    background : (2, M, 2, N) array
        f and mountains: q - q'.
    forcing : (2, M, 2, N) array
        Tendency of q1' (and, with the other sign, q2') by tau_eq: its steady part and the part
        that follows the cosine of the season, s-2.
    friction : (latitude, longitude) array
        k on the Gaussian grid, s-1.
    """

    climate: Climate
    grid: spectral.Grid
    quadrature: spectral.Quadrature
    invert_own: Array
    invert_other: Array
    relax_own: Array
    relax_other: Array
    background: Array
    forcing: Array
    friction: Array


def _linear(climate: Climate) -> tuple[Array, Array, Array, Array]:
    """Inversion of PV and linear tendencies, by total wavenumber."""
    n = np.arange(climate.truncation + 1)
    barotropic = spectral.laplacian(climate.truncation) / RADIUS**2
    baroclinic = barotropic - 2.0 / climate.deformation_radius**2
    # n = 0 carries no flow: its streamfunction is set to zero
    sums = np.divide(1.0, barotropic, out=np.zeros(n.size), where=n > 0)
    differences = np.where(n > 0, 1.0 / baroclinic, 0.0)
    pull = 1.0 / (climate.deformation_radius**2 * climate.relaxation_days * DAY)
    top = climate.truncation * (climate.truncation + 1.0)
    damping = (n * (n + 1.0) / top) ** climate.diffusion_order / (climate.diffusion_days * DAY)
    own, other = (sums + differences) / 2.0, (sums - differences) / 2.0
    return own, other, pull * differences - damping, -pull * differences


def build(climate: Climate) -> Flow:
    """Work a climate out into a `Flow`."""
    grid, quadrature = spectral.gaussian_pair(climate.truncation, *GAUSSIAN)
    own, other, relax_own, relax_other = _linear(climate)
    land, height = land_and_height(grid, climate)
    coriolis = np.broadcast_to(2.0 * ROTATION * grid.sin_latitude[:, None], land.shape)
    background = np.stack([coriolis, coriolis * (1.0 + OROGRAPHY * height)])
    pull = 1.0 / (climate.deformation_radius**2 * climate.relaxation_days * DAY)
    friction = 1.0 + climate.land_friction * land + climate.mountain_friction * height / 3000.0
    return Flow(
        climate=climate,
        grid=grid,
        quadrature=quadrature,
        invert_own=own,
        invert_other=other,
        relax_own=relax_own,
        relax_other=relax_other,
        background=spectral.analyse(quadrature, background),
        forcing=-pull * spectral.analyse(quadrature, equilibrium(grid, climate, land)),
        friction=friction / (climate.friction_days * DAY),
    )


def streamfunction(flow: Flow, pv: Array) -> Array:
    """Return psi (..., 2, M, 2, N) in m2 s-1 of the state q' of the same shape."""
    return flow.invert_own * pv + flow.invert_other * pv[..., ::-1, :, :, :]


def potential_vorticity(flow: Flow, psi: Array) -> Array:
    """Return the state q' (..., 2, M, 2, N) in s-1 of streamfunctions of the same shape."""
    tau = (psi[..., :1, :, :, :] - psi[..., 1:, :, :, :]) / flow.climate.deformation_radius**2
    stretching = np.concatenate([-tau, tau], axis=-4)
    pv: Array = stretching + psi * spectral.laplacian(flow.climate.truncation) / RADIUS**2
    return pv


def tendency(flow: Flow, pv: Array, forcing: Array) -> Array:
    """Return dq'/dt in s-2.

    Parameters
    ----------
    flow : Flow
        The planet.
    pv : (..., 2, M, 2, N) array
        State q', s-1.
    forcing : (M, 2, N) array
        Pull of tau_eq on q1' at this season, from `seasonal_forcing`.

    Returns
    -------
    (..., 2, M, 2, N) array
    """
    psi = streamfunction(flow, pv)
    grid = flow.grid
    along = spectral.to_latitudes(psi, grid.legendre)
    v = spectral.to_grid(along, grid.fourier_slope)
    u = spectral.to_grid(spectral.to_latitudes(psi, grid.legendre_slope), grid.fourier)
    q = spectral.synthesise(grid, pv + flow.background)
    # the signs of u and of the whole divergence are folded: east, north = minus the flux
    east, north = u * q, v * q
    east[..., 1, :, :] -= flow.friction * v[..., 1, :, :]
    north[..., 1, :, :] += flow.friction * u[..., 1, :, :]
    np.negative(north, out=north)
    out = spectral.divergence(flow.quadrature, east, north)
    out *= 1.0 / RADIUS**2
    out += flow.relax_own * pv
    out += flow.relax_other * pv[..., ::-1, :, :, :]
    out[..., 0, :, :, :] += forcing
    out[..., 1, :, :, :] -= forcing
    return out


def step(flow: Flow, pv: Array, forcing: Array) -> Array:
    """Return the state one time step later, by the classical Runge-Kutta method of order 4."""
    dt = flow.climate.step
    first = tendency(flow, pv, forcing)
    second = tendency(flow, pv + first * (dt / 2), forcing)
    third = tendency(flow, pv + second * (dt / 2), forcing)
    fourth = tendency(flow, pv + third * dt, forcing)
    second += third
    second *= 2.0
    second += first
    second += fourth
    second *= dt / 6.0
    second += pv
    return second


def season(time: np.datetime64) -> float:
    """Return the cosine of the season: 1 in the middle of northern winter (16 January)."""
    year = time.astype("datetime64[Y]")
    days = (time - year) / np.timedelta64(1, "D")
    length = ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")).astype(float)
    return round(
        math.cos(2.0 * math.pi * (days / length - 15.0 / JULIAN_YEAR_DAYS)), spectral.SETTLED
    )


def seasonal_forcing(flow: Flow, time: np.datetime64) -> Array:
    """Return the pull of tau_eq on q1' at a date, (M, 2, N), s-2."""
    forcing: Array = flow.forcing[0] + season(time) * flow.forcing[1]
    return forcing


def equilibrium_thickness(flow: Flow, season: float) -> Array:
    """Return tau_eq (M, 2, N) in m2 s-1 at a value of the season, see `season`."""
    climate = flow.climate
    pull = 1.0 / (climate.deformation_radius**2 * climate.relaxation_days * DAY)
    tau: Array = -(flow.forcing[0] + season * flow.forcing[1]) / pull
    return tau


@dataclass(frozen=True)
class State:
    """Everything that the planet remembers from one step to the next.

    Attributes
    ----------
    pv : (..., 2, M, 2, N) array
        q' of both layers, s-1.
    slow : (..., M, 2, N) array
        tau as the sea remembers it, m2 s-1.
    """

    pv: Array
    slow: Array


def advance(flow: Flow, state: State, forcing: Array) -> State:
    """Return the state one time step later: the flow, and the memory of the sea behind it."""
    kept = math.exp(-flow.climate.step / (flow.climate.ocean_days * DAY))
    share = round(1.0 - kept, spectral.SETTLED)
    slow = state.slow + share * (thickness(flow, state.pv) - state.slow)
    return State(step(flow, state.pv, forcing), slow)


def thickness(flow: Flow, pv: Array) -> Array:
    """Return tau = psi1 - psi2, (..., M, 2, N) in m2 s-1."""
    difference = pv[..., 0, :, :, :] - pv[..., 1, :, :, :]
    return difference * (flow.invert_own - flow.invert_other)
