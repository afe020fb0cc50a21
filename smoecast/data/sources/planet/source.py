"""Raw files of the simulated planet, laid out as a reanalysis and a forecast archive would be.

One NetCDF file a calendar year, one variable a channel. Beside each year of analyses stands the
state at its end (``.state.npz``), from which a series broken off or lengthened goes on to the same
values as in one go. Nothing here is real weather, and every file says so.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config import data
from smoecast.data.sources.planet import dynamics, ensemble, files, nature, periods, surface
from smoecast.data.sources.planet.climate import Climate
from smoecast.errors import ConfigError

Array = NDArray[np.floating]
Progress = Callable[[float], None]

VERSION = 2
"""Raised whenever the same parameters would give other weather, so that no old file is kept."""
TRUTH = Climate()
"""The planet itself."""
CHANNELS = ("z500", "t850", "u250", "v250", "u750", "v750", "t2m")
SHARE = 128
"""Times whose products are worked out at once; bounds the memory."""


def _parameters(planet: data.Planet, **more: object) -> str:
    """Everything that decides the values, as JSON."""
    facts = {"version": VERSION, "seed": planet.seed, "start": str(planet.start), **more}
    return json.dumps({**facts, "climate": asdict(TRUTH)}, sort_keys=True)


def write_analyses(
    folder: Path, planet: data.Planet, step_hours: int, progress: Progress | None = None
) -> list[Path]:
    """Run the planet and write its weather, one file ``planet_{YYYY}.nc`` a calendar year.

    Parameters
    ----------
    folder : Path
        Where; made if missing.
    planet : Planet
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


def _plan(folder: Path, planet: data.Planet, step_hours: int) -> Plan:
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
    ground = surface.lay_ground(TRUTH)
    begins, whole = plan.parts[0][1], plan.parts[-1][2] - plan.parts[0][1]
    kept = files.load_state(_state_path(plan.paths[done - 1]), plan.parameters) if done else None
    if kept is None:
        done, (flow, state) = 0, nature.begin(TRUTH, seed, begins)
    else:
        flow, state = dynamics.build(TRUTH), kept

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


def write_ensembles(
    folder: Path, planet: data.Planet, progress: Progress | None = None
) -> list[Path]:
    """Run the forecasting centre and write its ensembles, ``planet_ens_{YYYY}.nc`` a calendar year.

    The truth is the run that `write_analyses` writes for the same seed and first day; it is run
    again here, which costs less than keeping every state. Starts are 00 UTC of Mondays and
    Thursdays, from two days after the first day to two days before the end.

    Parameters
    ----------
    folder : Path
        Where; made if missing.
    planet : Planet
        Years of ensembles, members, first day and seed.
    progress : callable, optional
        Told the share that is done, between 0 and 1.

    Returns
    -------
    list of Path
        The files in order of time, those that were already there included; none for 0 years.

    Raises
    ------
    ConfigError
        The years of ensembles hold no start date.
    OutputError
        A file could not be written.
    """
    if planet.ensemble_years == 0:
        return []
    parameters = _parameters(
        planet,
        members=planet.members,
        centre=asdict(ensemble.CENTRE),
        sizes=[ensemble.ANALYSIS_ERROR, ensemble.MEMBER_SPREAD],
    )
    years = _start_dates(planet)
    paths = [folder / f"planet_ens_{str(starts[0])[:4]}.nc" for starts in years]
    missing = [
        not files.holds(path, parameters, "init_time", starts)
        for path, starts in zip(paths, years, strict=True)
    ]
    if any(missing):
        _run_centre(paths, years, missing, planet, parameters=parameters, progress=progress)
    return paths


def _within(progress: Progress | None, begin: float, end: float, share: float) -> None:
    """Report a share of a part that lasts from `begin` to `end` of the whole."""
    if progress is not None:
        progress(begin + (end - begin) * share)


def _run_centre(
    paths: list[Path],
    years: list[NDArray[np.datetime64]],
    missing: list[bool],
    planet: data.Planet,
    *,
    parameters: str,
    progress: Progress | None,
) -> None:
    """Write the missing years of ensembles."""
    states = _states(planet, years, missing, partial(_within, progress, 0.0, 0.3))
    wanted = [i for i, needed in enumerate(missing) if needed]
    centre, part = ensemble.set_up_centre(), 0.7 / len(wanted)
    for count, i in enumerate(wanted):
        groups = ensemble.forecast_all(centre, states[i], planet.members, planet.seed)
        tell = partial(_within, progress, 0.3 + count * part, 0.3 + (count + 1) * part)
        files.write(paths[i], _gather(groups, years[i], planet.members, parameters, tell=tell))


def _start_dates(planet: data.Planet) -> list[NDArray[np.datetime64]]:
    """Return the start dates of every calendar year that has any."""
    start, end = periods.period(planet.start, planet.ensemble_years)
    margin = np.timedelta64(2, "D")
    years = [
        periods.twice_a_week(first, stop)
        for _, first, stop in periods.by_year(start + margin, end - margin)
    ]
    years = [starts for starts in years if starts.size]
    if not years:
        raise ConfigError(
            f"planet.ensemble_years = {planet.ensemble_years:g} hold no start date: take 0.05"
        )
    return years


def _states(
    planet: data.Planet,
    years: list[NDArray[np.datetime64]],
    missing: list[bool],
    progress: Progress,
) -> list[ensemble.Starts]:
    """Return the truth before each start date and at it, year by year; none where not missing."""
    begins = time = np.datetime64(planet.start, "s")
    (flow, state), last = nature.begin(TRUTH, planet.seed, begins), years[-1][-1]

    def tell(now: np.datetime64) -> None:
        progress(min(1.0, float((now - begins) / (last - begins))))

    found = []
    for starts, needed in zip(years, missing, strict=True):
        wanted = starts if needed else starts[:0]
        both = np.sort(np.concatenate([wanted - ensemble.BREEDING, wanted]))
        stop = starts[-1] + np.timedelta64(1, "D")
        kept, state = nature.collect(flow, state, time, stop, wanted=both, tell=tell)
        time = stop
        # starts are more than the time of breeding apart, so the two kinds alternate
        before = dynamics.State(kept.pv[::2], kept.slow[::2])
        truth = dynamics.State(kept.pv[1::2], kept.slow[1::2])
        found.append(ensemble.Starts(wanted, before, truth))
    return found


def _gather(
    groups: Iterable[dict[str, Array]],
    starts: NDArray[np.datetime64],
    members: int,
    parameters: str,
    *,
    tell: Progress,
) -> xr.Dataset:
    """Put the forecasts of all start dates into one data set."""
    shape = (starts.size, ensemble.LEADS.size, members)
    whole = (*shape, surface.LATITUDE.size, surface.LONGITUDE.size)
    fields: dict[str, Array] = {name: np.empty(whole, np.float32) for name in CHANNELS}
    done = 0
    for group in groups:
        count = len(group[CHANNELS[0]])
        for name, values in group.items():
            fields[name][done : done + count] = values
        done += count
        tell(done / starts.size)
    dims = ("init_time", "lead_time", "number", "latitude", "longitude")
    axes = {
        "init_time": starts,
        "lead_time": ensemble.LEADS.astype("timedelta64[ns]"),
        "number": np.arange(1, members + 1, dtype=np.int32),
    }
    return files.dataset([files.field(n, fields[n], dims) for n in CHANNELS], axes, parameters)
