"""What a forecast starts from: the analyses, and the starts that were asked for."""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.config.forecast import Forecast
from smoecast.data import time_selection
from smoecast.data.time_selection import HOUR
from smoecast.data.unchanged import Inputs
from smoecast.errors import ConfigError, InputError, ModelError, NotPublishedError
from smoecast.fields import channels, times
from smoecast.fields import missing as fields_missing
from smoecast.fields.derived import derive
from smoecast.fields.grid import grid_of
from smoecast.fields.left_out import left_out_of, tell
from smoecast.fields.read.join import join
from smoecast.fields.read.open import open_each, open_file
from smoecast.fields.regrid import regrid
from smoecast.fields.store import store
from smoecast.tasks.descriptions import Description
from smoecast.tasks.forecast.analyses import Analyses
from smoecast.tasks.forecast.ensemble import Ensemble
from smoecast.tasks.forecast.lead_times import Plan

LATEST = "latest"
LONGEST_SUM = 6 * HOUR
"""Of what is computed from earlier times: precipitation of six hours."""


def open_analyses(
    model: Description,
    path: Path,
    paths: Sequence[Path],
    held: Inputs,
    open_one: Callable[[Path], xr.Dataset] = open_file,
) -> Analyses:
    """Return what a model can start from: of the run's store, or of files where any are named.

    Parameters
    ----------
    model : Description
    path : Path
        The store.
    paths : sequence of Path
        The files.
    held : Inputs
        Both.
    open_one : callable
        Opens one of them as `open_file` does.

    Raises
    ------
    InputError
        A file is missing or damaged, or lacks a channel.
    ModelError
        The store lacks a channel, or the fields are on another grid than the model's.
    """
    if paths:
        each = open_each(paths, open_one)
        tell(chain.from_iterable(left_out_of(dataset) for _, dataset in each), paths)
        return analyses_of(model, each, fields_missing.name_files(paths), held)
    channels_needed = model.config.data.channels
    dataset = store.open_store(path)
    missing = sorted(set(channels_needed) - set(dataset["channel"].values))
    if missing:
        raise ModelError(f"{path}: the model needs {missing[0]}, the store has none")
    fields = dataset["fields"].sel(channel=list(channels_needed))
    _check_grid(fields, model, str(path))
    stored = store.details_of(dataset)["manifest"]
    return Analyses(fields, str(path), held, {}, {}, path, stored, 0 * HOUR)


def analyses_of(
    model: Description,
    each: Sequence[tuple[Path, xr.Dataset]],
    source: str,
    held: Inputs,
    *,
    in_memory: bool = False,
) -> Analyses:
    """Return what a model can start from of opened files, or of a dataset that passes for one.

    Parameters
    ----------
    model : Description
    each : sequence of tuple
        File, and what was opened of it, canonical.
    source : str
        Names them in messages.
    held : Inputs
        The files.
    in_memory : bool
        Whether there are no files.

    Raises
    ------
    InputError
        They do not fit together, or lack a channel.
    ModelError
        The fields are on another grid than the model's, to which they cannot be brought.
    """
    channels_needed, lookback = model.config.data.channels, 0 * HOUR
    files = {file: _times_of(dataset) for file, dataset in each}
    left_out = {file: left_out_of(dataset) for file, dataset in each}
    step = model.config.data.step_hours
    opened = time_selection.on_step(join(each), step, source, model.offset)
    derived = derive(opened, channels_needed, (), source)
    lookback = LONGEST_SUM if set(derived.data_vars) != set(opened.data_vars) else lookback
    fields = _on_grid(channels.pack(derived, channels_needed, source), model)
    _check_grid(fields, model, source)
    return Analyses(fields, source, held, files, left_out, None, None, lookback, in_memory)


def _check_grid(fields: xr.DataArray, model: Description, source: str) -> None:
    grid = grid_of(fields)
    if not grid.matches(model.grid):
        raise ModelError(
            f"{source}: the fields are on {grid.describe()}, the model wants "
            f"{model.grid.describe()}; bring fields on the model's grid"
        )


def _times_of(dataset: xr.Dataset) -> NDArray[np.datetime64]:
    """Return the times of a file of analyses, or of forecasts that stand for them."""
    for name in ("time", "init_time"):
        if name in dataset.dims:
            found: NDArray[np.datetime64] = dataset[name].values
            return found
    return np.array([], "datetime64[ns]")


def _on_grid(fields: xr.DataArray, model: Description) -> xr.DataArray:
    """Return fields from files on the model's grid, in the way its own data came to it."""
    own, wanted = grid_of(fields), model.grid
    if own.matches(wanted):
        return fields
    method = model.config.data.regrid
    console.say(f"regridding ({method}) {own.describe()} to {wanted.describe()}")
    return regrid(fields, wanted, method)


def select_starts(
    wanted: Forecast,
    path: Path,
    there: NDArray[np.datetime64],
    ensemble: Ensemble,
    oldest: np.datetime64 | None = None,
    catch_up: np.timedelta64 | None = None,
) -> NDArray[np.datetime64]:
    """Return the starts asked for.

    Parameters
    ----------
    wanted : Forecast
        Names them: times, ranges, the latest, or a part of the split of the run's store.
    path : Path
        That store.
    there : (T,) datetime64
        Times of the analyses.
    ensemble : Ensemble
        Says how much history a start needs.
    oldest : datetime64, optional
        That the latest analysis may be.
    catch_up : timedelta64, optional
        The latest stands for all starts so much earlier that have their history, too.

    Raises
    ------
    ConfigError
        A part of the split, or a range, holds no start.
    NotPublishedError
        The latest analysis is older than `oldest`.
    """
    found: list[NDArray[np.datetime64]] = []
    every, step = wanted.init_every_hours, ensemble.model.config.data.step_hours
    offset = time_selection.offset_of(there, step)
    for text in wanted.init_times:
        if text == LATEST:
            time_selection.check_age(there[-1], oldest)
            found.append(_recent(there, ensemble.history, catch_up))
        elif text in time_selection.PARTS:
            earliest = there[0] + ensemble.history[-1] * HOUR
            found.append(_part(path, text, every, ensemble.plan, earliest))
        else:
            found.append(times.parse_times([text], every, step, offset))
    return np.unique(np.concatenate(found)).astype("datetime64[ns]")


def _recent(
    there: NDArray[np.datetime64], history: Sequence[int], catch_up: np.timedelta64 | None
) -> NDArray[np.datetime64]:
    """Return the latest start, and those not so much earlier that have their history."""
    earlier = there[:-1] if catch_up is not None else there[:0]
    recent = there[-1] - earlier <= (catch_up or 0 * HOUR)
    for hours in history:
        recent &= np.isin(earlier - hours * HOUR, there)
    return np.append(earlier[recent], there[-1])


def check_history(
    starts: NDArray[np.datetime64], there: NDArray[np.datetime64], history: Sequence[int]
) -> NDArray[np.datetime64]:
    """Return the times whose analyses some starts need, once all are there.

    Parameters
    ----------
    starts : (I,) datetime64
    there : (T,) datetime64
        Times of the analyses.
    history : sequence of int
        Hours before a start.

    Raises
    ------
    NotPublishedError
        A start is later than the newest analysis.
    InputError
        An analysis is missing.
    """
    if starts[-1] > there[-1]:
        raise NotPublishedError(
            f"the analyses end at {times.iso(there[-1])}, a forecast from {times.iso(starts[-1])} "
            "has to wait: run the same command when they have arrived"
        )
    for hours in history:
        needed = starts - hours * HOUR
        missing = needed[~np.isin(needed, there)]
        if len(missing):
            raise InputError(
                f"the analysis of {times.iso(missing[0])} is missing (and {len(missing) - 1} "
                f"more), needed {hours} h before the start: bring it, or choose a start "
                f"(-t, forecast.init_times) from {times.iso(there[0])} to {times.iso(there[-1])}"
            )
    return np.unique(np.concatenate([starts - hours * HOUR for hours in history]))


def _part(
    path: Path, part: str, every_hours: int, plan: Plan, earliest: np.datetime64
) -> NDArray[np.datetime64]:
    """Return the starts in a part of the split whose every lead time holds in it as well.

    None is before `earliest`, the first that has its history: a part may begin with the data.
    """
    with store.open_store(path) as dataset:
        inside = dataset["time"].values[dataset[part].values]
    offset = time_selection.offset_of(inside, every_hours)
    on_step = time_selection.is_on_step(inside, every_hours, offset)
    last = inside[-1] - plan.lead_hours[-1] * HOUR
    starts: NDArray[np.datetime64] = inside[on_step & (inside >= earliest) & (inside <= last)]
    if not len(starts):
        raise ConfigError(
            f"the {part} split holds no start with its history and a truth "
            f"{plan.lead_hours[-1]} h later; "
            "give --init-time or a smaller forecast.init_every_hours"
        )
    return starts
