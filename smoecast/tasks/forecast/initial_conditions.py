"""What a forecast starts from: the analyses, and the starts that were asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.config.forecast import Forecast
from smoecast.data import time_selection
from smoecast.data.time_selection import HOUR
from smoecast.errors import ConfigError, InputError, ModelError, NotPublishedError
from smoecast.fields import channels, times
from smoecast.fields import missing as fields_missing
from smoecast.fields.derived import derive
from smoecast.fields.grid import grid_of
from smoecast.fields.read.open import open_files
from smoecast.fields.regrid import regrid
from smoecast.fields.store import store
from smoecast.tasks.forecast.ensemble import Ensemble
from smoecast.tasks.forecast.lead_times import Plan
from smoecast.tasks.forecast_model import Model

LATEST = "latest"


def initial_conditions(
    model: Model, path: Path, paths: Sequence[Path], manifest: Any
) -> tuple[xr.DataArray, Any]:
    """Return what a model can start from: of the run's store, or of files where any are named.

    Parameters
    ----------
    model : Model
    path : Path
        The store.
    paths : sequence of Path
        The files.
    manifest : JSON value
        Of the files.

    Returns
    -------
    tuple
        The analyses (time, channel, latitude, longitude), lazy, and their manifest.

    Raises
    ------
    InputError
        A file is missing or damaged, or lacks a channel.
    ModelError
        The store lacks a channel, or the fields are on another grid than the model's.
    """
    if not paths:
        dataset = store.open_store(path)
        fields, manifest = dataset["fields"], store.details_of(dataset)["manifest"]
        missing = sorted(set(model.inputs.channels) - set(fields["channel"].values))
        if missing:
            raise ModelError(f"{path}: the model needs {missing[0]}, the store has none")
        fields = fields.sel(channel=list(model.inputs.channels))
        source = str(path)
    else:
        source = fields_missing.name_files(paths)
        opened = time_selection.evenly(open_files(paths), model.config.data.step_hours, source)
        opened = derive(opened, model.inputs.channels, (), source)
        fields = _on_grid(channels.pack(opened, model.inputs.channels, source), model)
        fields_missing.check_finite(fields, paths)
    grid = grid_of(fields)
    if not grid.matches(model.inputs.grid):
        raise ModelError(
            f"{source}: the fields are on {grid.describe()}, the model wants "
            f"{model.inputs.grid.describe()}; bring fields on the model's grid"
        )
    return fields, manifest


def _on_grid(fields: xr.DataArray, model: Model) -> xr.DataArray:
    """Return fields from files on the model's grid, in the way its own data came to it."""
    own, wanted = grid_of(fields), model.inputs.grid
    if own.matches(wanted):
        return fields
    method = model.config.data.regrid
    console.say(f"regridding ({method}) {own.describe()} to {wanted.describe()}")
    return regrid(fields, wanted, method)


def select_starts(
    wanted: Forecast, path: Path, fields: xr.DataArray, ensemble: Ensemble
) -> NDArray[np.datetime64]:
    """Return the starts asked for, once each has its history.

    Parameters
    ----------
    wanted : Forecast
        Names them: times, ranges, the latest, or a part of the split of the run's store.
    path : Path
        That store.
    fields : xr.DataArray
        The analyses.
    ensemble : Ensemble
        Says how much history a start needs.

    Raises
    ------
    ConfigError
        A part of the split holds no start.
    NotPublishedError
        A start is later than the newest analysis.
    InputError
        An analysis is missing.
    """
    there = fields["time"].values
    found: list[NDArray[np.datetime64]] = []
    for text in wanted.init_times:
        if text == LATEST:
            found.append(there[-1:])
        elif text in time_selection.PARTS:
            earliest = there[0] + ensemble.history[-1] * HOUR
            found.append(_part(path, text, wanted.init_every_hours, ensemble.plan, earliest))
        else:
            found.append(times.parse_times([text], wanted.init_every_hours))
    starts = np.unique(np.concatenate(found)).astype("datetime64[ns]")
    if starts[-1] > there[-1]:
        raise NotPublishedError(
            f"the analyses end at {times.iso(there[-1])}, a forecast from {times.iso(starts[-1])} "
            "has to wait: run the same command when they have arrived"
        )
    for hours in ensemble.history:
        needed = starts - hours * HOUR
        missing = needed[~np.isin(needed, there)]
        if len(missing):
            raise InputError(
                f"the analysis of {times.iso(missing[0])} is missing (and {len(missing) - 1} "
                f"more), needed {hours} h before the start; bring it or choose another start"
            )
    return starts


def _part(
    path: Path, part: str, every_hours: int, plan: Plan, earliest: np.datetime64
) -> NDArray[np.datetime64]:
    """Return the starts in a part of the split whose every lead time holds in it as well.

    None is before `earliest`, the first that has its history: a part may begin with the data.
    """
    with store.open_store(path) as dataset:
        inside = dataset["time"].values[dataset[part].values]
    into_day = inside - inside.astype("datetime64[D]")
    on_step = into_day % (every_hours * HOUR) == 0 * HOUR
    last = inside[-1] - plan.lead_hours[-1] * HOUR
    starts: NDArray[np.datetime64] = inside[on_step & (inside >= earliest) & (inside <= last)]
    if not len(starts):
        raise ConfigError(
            f"the {part} split holds no start with its history and a truth "
            f"{plan.lead_hours[-1]} h later; "
            "give --init-time or a smaller forecast.init_every_hours"
        )
    return starts
