"""Raw files of the simulated planet, laid out as a reanalysis and a forecast archive would be.

One NetCDF file a calendar year, one variable a channel. Beside each year of analyses stands the
state at its end (``.state.npz``), from which a series broken off or lengthened goes on to the same
values as in one go. Nothing here is real weather, and every file says so.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoecast import config
from smoecast.data.planet import dynamics, files, nature, periods, surface
from smoecast.data.planet.climate import Climate
from smoecast.errors import ConfigError

Array = NDArray[np.floating]
Progress = Callable[[float], None]

VERSION = 1
"""Raised whenever the same parameters would give other weather, so that no old file is kept."""
TRUTH = Climate()
"""The planet itself."""
CHANNELS = ("z500", "t850", "u250", "v250", "u750", "v750", "t2m")
SHARE = 128
"""Times whose products are worked out at once; bounds the memory."""


def _parameters(planet: config.Planet, **more: object) -> str:
    """Everything that decides the values, as JSON."""
    facts = {"version": VERSION, "seed": planet.seed, "start": str(planet.start), **more}
    return json.dumps({**facts, "climate": asdict(TRUTH)}, sort_keys=True)


def write_analyses(
    folder: Path, planet: config.Planet, step_hours: int, progress: Progress | None = None
) -> list[Path]:
    """Run the planet and write its weather, one file ``planet_{YYYY}.nc`` a calendar year.

    Parameters
    ----------
    folder : Path
        Where; made if missing.
    planet : config.Planet
        Years, first day and seed.
    step_hours : int
        Spacing in time, a multiple of 2 h.
    progress : callable, optional
        Told the share that is done, between 0 and 1.

    Returns
    -------
    list of Path
        The files in order of time, those that were already there included.

    Raises
    ------
    ConfigError
        The spacing is no multiple of the model's step, or the series lasts less than a day.
    OutputError
        A file could not be written.
    """
    model_hours = round(TRUTH.step / 3600.0)
    if step_hours % model_hours:
        raise ConfigError(
            f"data.step_hours = {step_hours} is no multiple of the planet's step of {model_hours} h"
        )
    plan = _plan(folder, planet, step_hours)
    done = 0
    while done < len(plan.paths) and plan.holds(done):
        done += 1
    if done < len(plan.paths):
        folder.mkdir(parents=True, exist_ok=True)
        _go_on(plan, done, planet.seed, progress or (lambda share: None))
    return plan.paths


@dataclass(frozen=True)
class Plan:
    """A series cut at every New Year: files, periods, times in them, and the parameters as JSON."""

    paths: list[Path]
    parts: list[periods.Part]
    times: list[NDArray[np.datetime64]]
    parameters: str

    def holds(self, i: int) -> bool:
        """Say whether file `i` is already there."""
        return files.holds(self.paths[i], self.parameters, "time", self.times[i])


def _plan(folder: Path, planet: config.Planet, step_hours: int) -> Plan:
    """Work out which files a series of analyses consists of."""
    start, end = periods.period(planet.start, planet.years)
    parts = periods.by_year(start, end)
    return Plan(
        paths=[folder / f"planet_{year:04d}.nc" for year, _, _ in parts],
        parts=parts,
        times=[periods.moments(start, first, stop, step_hours) for _, first, stop in parts],
        parameters=_parameters(planet, step_hours=step_hours),
    )


def _go_on(plan: Plan, done: int, seed: int, progress: Progress) -> None:
    """Write the files after the first `done`, from the state kept there or from the beginning."""
    flow, ground = dynamics.build(TRUTH), surface.survey(TRUTH)
    begins, whole = plan.parts[0][1], plan.parts[-1][2] - plan.parts[0][1]
    kept = files.load_state(_state_path(plan.paths[done - 1]), plan.parameters) if done else None
    done, state = (0, nature.begin(flow, seed, begins)) if kept is None else (done, kept)

    def tell(time: np.datetime64) -> None:
        progress(float((time - begins) / whole))

    for i in range(done, len(plan.paths)):
        _, first, stop = plan.parts[i]
        times, path = plan.times[i], plan.paths[i]
        states, state = nature.collect(flow, state, first, stop, wanted=times, tell=tell)
        fields = _products(ground, flow, states, times)
        dims = ("time", "latitude", "longitude")
        arrays = [files.field(name, fields[name], dims) for name in CHANNELS]
        arrays += files.constants(ground)
        files.save_state(_state_path(path), state, plan.parameters)
        files.write(path, files.dataset(arrays, {"time": times}, plan.parameters))
        tell(stop)


def _state_path(path: Path) -> Path:
    """Where the state at the end of a file is kept."""
    return path.with_suffix(".state.npz")


def _products(
    ground: surface.Ground,
    flow: dynamics.Flow,
    states: dynamics.State,
    times: NDArray[np.datetime64],
) -> dict[str, Array]:
    """Work out every channel, (time, latitude, longitude) float32, in bounded memory."""
    shape = (times.size, surface.LATITUDE.size, surface.LONGITUDE.size)
    fields: dict[str, Array] = {name: np.empty(shape, np.float32) for name in CHANNELS}
    for i in range(0, times.size, SHARE):
        some = slice(i, i + SHARE)
        part = dynamics.State(states.pv[some], states.slow[some])
        for name, values in surface.products(ground, flow, part, times[some]).items():
            fields[name][some] = values
    return fields
