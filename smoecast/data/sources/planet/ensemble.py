"""A forecasting centre on the planet: an imperfect model, an imperfect analysis, some members.

The centre's model has smoother and lower mountains, other friction over land, no land-sea contrast
in its driving, and a seasonal error of near-surface temperature by terrain. Its analysis is the
truth plus a growing error; its members start from perturbed analyses as far from it as it is from
the truth, but know nothing of the model's errors: so the raw ensemble is biased and
under-dispersive in a way that differs from place to place.

Growing errors are bred (Toth & Kalnay 1997, doi:10.1175/1520-0493(1997)125<3297:EFANAT>2.0.CO;2):
random perturbations of the truth a day and a half earlier run up to the start of the forecast; what
has grown by then is scaled to the size of an analysis error.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from smoecast.data.sources.planet import dynamics, spectral, surface
from smoecast.data.sources.planet.climate import Climate

Array = NDArray[np.floating]

CENTRE = replace(
    Climate(),
    mountain_factor=0.8,
    mountain_smoothing=18.0,
    land_friction=0.5,
    land_contrast=0.0,
    land_steady=0.0,
    terrain_bias=0.4,
)
"""The forecasting centre's idea of the planet."""
BREEDING = np.timedelta64(36, "h")
LEADS = np.array([0, 24, 48], dtype="timedelta64[h]")
ANALYSIS_ERROR = 125.0
MEMBER_SPREAD = 122.0
"""Root mean square of Z500 at the start: error of the analysis, and of members about it, m2 s-2."""
STARTS = 4
"""Start dates run at once: more would fall out of the cache."""


@dataclass(frozen=True)
class Centre:
    """The centre's flow and its survey of the ground, in single precision."""

    flow: dynamics.Flow
    ground: surface.Ground


@dataclass(frozen=True)
class Starts:
    """Some starts of forecasts.

    Attributes
    ----------
    dates : (start,) array of datetime64
        00 UTC.
    before, truth : dynamics.State
        The planet's states `BREEDING` before each start and at it; leading axis (start,).
    """

    dates: NDArray[np.datetime64]
    before: dynamics.State
    truth: dynamics.State

    def part(self, some: slice) -> "Starts":
        """Return some of them."""
        states = (dynamics.State(s.pv[some], s.slow[some]) for s in (self.before, self.truth))
        return Starts(self.dates[some], *states)


def set_up_centre(climate: Climate = CENTRE) -> Centre:
    """Set up a forecasting centre that takes `climate` for the planet's."""
    flow, ground = dynamics.build(climate), surface.lay_ground(climate)
    return Centre(
        replace(flow, **spectral.in_single(flow)), replace(ground, **spectral.in_single(ground))
    )


def forecast(centre: Centre, starts: Starts, members: int, seed: int) -> dict[str, Array]:
    """Run the centre's ensemble from several start dates at once.

    Parameters
    ----------
    centre : Centre
        From `set_up_centre`.
    starts : Starts
        When, and what the planet's weather is.
    members : int
        Ensemble size.
    seed : int
        The planet's; with the date it decides the perturbations, whatever else is run beside.

    Returns
    -------
    dict of (start, lead, member, latitude, longitude) float32 arrays
        As `surface.products`.
    """
    dates, slow = starts.dates, starts.truth.slow
    pv = analyses(centre, starts, members, seed)
    slow = np.broadcast_to(slow[:, None], (dates.size, members, *slow.shape[1:]))
    state = dynamics.State(pv, slow.astype(np.float32))
    fields: dict[str, list[Array]] = {}
    for i, lead in enumerate(LEADS):
        if i:
            state = run(centre.flow, state, dates + LEADS[i - 1], lead - LEADS[i - 1])
        now = (dates + lead)[:, None]
        for name, values in surface.products(centre.ground, centre.flow, state, now).items():
            fields.setdefault(name, []).append(values.astype(np.float32))
    return {name: np.stack(values, axis=1) for name, values in fields.items()}


def forecast_all(
    centre: Centre, starts: Starts, members: int, seed: int
) -> Iterator[dict[str, Array]]:
    """Yield the forecasts of `forecast` for `STARTS` start dates after another, on all cores.

    The values do not depend on the number of cores: a thread runs whole groups of start dates.
    """

    def some(first: int) -> dict[str, Array]:
        return forecast(centre, starts.part(slice(first, first + STARTS)), members, seed)

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        yield from pool.map(some, range(0, starts.dates.size, STARTS))


def analyses(centre: Centre, starts: Starts, members: int, seed: int) -> Array:
    """Return perturbed analyses: q' (start, member, 2, M, 2, N), float32; see `forecast`."""
    before, truth, shape = starts.before, starts.truth, starts.truth.pv.shape[1:]
    noise = np.stack([_noise(shape, members + 1, seed, day) for day in starts.dates])
    pv = (before.pv[:, None] + noise).astype(np.float32)
    slow = np.broadcast_to(before.slow[:, None], (*pv.shape[:2], *before.slow.shape[1:]))
    state = dynamics.State(pv, slow.astype(np.float32))
    grown = run(centre.flow, state, starts.dates - BREEDING, BREEDING).pv
    grown -= grown.mean(axis=1, keepdims=True)
    grown /= size_of(centre.flow, grown)[..., None, None, None, None]
    error, spread = grown[:, :1], grown[:, 1:]
    spread = spread - spread.mean(axis=1, keepdims=True)
    analysis = truth.pv[:, None].astype(np.float32) + np.float32(ANALYSIS_ERROR) * error
    perturbed: Array = analysis + np.float32(MEMBER_SPREAD) * spread
    return perturbed


def size_of(flow: dynamics.Flow, pv: Array) -> Array:
    """Return the root mean square of Z500, m2 s-2, of perturbations (..., 2, M, 2, N)."""
    psi = dynamics.streamfunction(flow, pv).mean(axis=-4)
    size: Array = np.sqrt(spectral.power(psi).sum(axis=-1)) * np.float32(1e-4)
    return size


def _noise(shape: tuple[int, ...], count: int, seed: int, day: np.datetime64) -> Array:
    """Random perturbations of q' on the scales of eddies, decided by the seed and the date."""
    rng = np.random.default_rng([seed, 2, int(day.astype("datetime64[D]").astype(int))])
    size = shape[-1]
    m, n = np.arange(size)[:, None], np.arange(size)[None, :]
    room = ((n >= m) & (n > 2) & (n < 16))[:, None, :]
    noise: Array = 1e-6 * rng.standard_normal((count, *shape)) * room
    noise[..., 0, 1, :] = 0.0
    return noise


def run(
    flow: dynamics.Flow,
    state: dynamics.State,
    starts: NDArray[np.datetime64],
    length: np.timedelta64,
) -> dynamics.State:
    """Run states (start, member, ...) on by `length`, each with the season of its own date."""
    hours = round(flow.climate.step / 3600.0)
    day = np.array([], dtype="datetime64[D]")
    for step in range(int(length / np.timedelta64(hours, "h"))):
        now = (starts + np.timedelta64(step * hours, "h")).astype("datetime64[D]")
        if not np.array_equal(now, day):
            day = now
            season = np.stack([dynamics.seasonal_forcing(flow, d) for d in day])
            forcing = season[:, None]  # (start, 1, M, 2, N)
        state = dynamics.advance(flow, state, forcing)
    return state
