"""The planet's own course: one long run, the truth of everything else.

The run is sequential and deterministic: it depends on the seed, the climate and the first day, and
on nothing about how its states are later used.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smoecast.data.sources.planet import dynamics
from smoecast.data.sources.planet.climate import Climate

SPIN_UP = np.timedelta64(180, "D")
"""Run before the first day and thrown away; the memory of the sea needs longer than the flow."""


def first_state(flow: dynamics.Flow, seed: int, season: float) -> dynamics.State:
    """Return the thermal equilibrium of a season with small eddies drawn from `seed`."""
    truncation = flow.climate.truncation
    rng = np.random.default_rng([seed, 1])
    tau = dynamics.equilibrium_thickness(flow, season)
    psi = np.stack([tau, np.zeros_like(tau)])
    m, n = np.arange(truncation + 1)[:, None], np.arange(truncation + 1)[None, :]
    eddies = 1e6 * rng.standard_normal(psi.shape) * ((n >= m) & (n > 0) & (n < 12))[:, None, :]
    eddies[:, 0, 1] = 0.0
    return dynamics.State(dynamics.potential_vorticity(flow, psi + eddies), tau)


def start_weather(flow: dynamics.Flow, seed: int, start: np.datetime64) -> dynamics.State:
    """Return the state at `start`, after the spin-up."""
    state = first_state(flow, seed, dynamics.season(start - SPIN_UP))
    for time, later in run(flow, state, start - SPIN_UP):
        if time >= start:
            state = later
            break
    return state


@lru_cache(maxsize=1)
def begin(
    climate: Climate, seed: int, start: np.datetime64
) -> tuple[dynamics.Flow, dynamics.State]:
    """Return a planet and its weather at `start`, with which analyses and ensembles begin."""
    flow = dynamics.build(climate)
    return flow, start_weather(flow, seed, start)


def run(
    flow: dynamics.Flow, state: dynamics.State, start: np.datetime64
) -> Iterator[tuple[np.datetime64, dynamics.State]]:
    """Yield (time, state) from `start` on, one per time step, without end."""
    length = np.timedelta64(round(flow.climate.step), "s")
    time = start.astype("datetime64[s]")
    day = time.astype("datetime64[D]")
    forcing = dynamics.seasonal_forcing(flow, day)
    while True:
        yield time, state
        if time.astype("datetime64[D]") != day:
            day = time.astype("datetime64[D]")
            forcing = dynamics.seasonal_forcing(flow, day)
        state = dynamics.advance(flow, state, forcing)
        time = time + length


def collect(
    flow: dynamics.Flow,
    state: dynamics.State,
    start: np.datetime64,
    stop: np.datetime64,
    *,
    wanted: NDArray[np.datetime64],
    tell: Callable[[np.datetime64], None],
) -> tuple[dynamics.State, dynamics.State]:
    """Run from `start` to `stop` and keep the states at some of the times between.

    Parameters
    ----------
    flow : dynamics.Flow
        The planet.
    state : dynamics.State
        At `start`.
    start, stop : datetime64
        Whole time steps apart.
    wanted : (time,) array of datetime64
        Ascending, from `start` to before `stop`, at time steps.
    tell : callable
        Told the time about once a week of the run.

    Returns
    -------
    kept, last : dynamics.State
        With a leading axis of time; at `stop`.
    """
    kept = dynamics.State(
        np.empty((wanted.size, *state.pv.shape)), np.empty((wanted.size, *state.slow.shape))
    )
    count = 0
    for step, (time, later) in enumerate(run(flow, state, start)):
        if count < wanted.size and time == wanted[count]:
            kept.pv[count], kept.slow[count] = later.pv, later.slow
            count += 1
        if step % 84 == 0:
            tell(time)
        if time >= stop:
            state = later
            break
    return kept, state
