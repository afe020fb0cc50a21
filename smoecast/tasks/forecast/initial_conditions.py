"""What a forecast starts from: the analyses, and the starts that were asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.config.run import Config
from smoecast.data import time_selection
from smoecast.data.unchanged import Inputs
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
    config: Config, model: Model, paths: Sequence[Path], held: Inputs
) -> tuple[xr.DataArray, Any]:
    """Return the analyses (time, channel, latitude, longitude), lazy, and their manifest."""
    if not paths:
        dataset = store.open_store(config.store)
        fields, manifest = dataset["fields"], store.details_of(dataset)["manifest"]
        missing = sorted(set(model.inputs.channels) - set(fields["channel"].values))
        if missing:
            raise ModelError(f"{config.store}: the model needs {missing[0]}, the store has none")
        fields = fields.sel(channel=list(model.inputs.channels))
        source = str(config.store)
    else:
        manifest, source = held.manifest, fields_missing.name_files(paths)
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
    config: Config, asked: Sequence[str], fields: xr.DataArray, ensemble: Ensemble
) -> NDArray[np.datetime64]:
    """Return the starts asked for, once each has its history."""
    there = fields["time"].values
    wanted: list[NDArray[np.datetime64]] = []
    for text in asked:
        if text == LATEST:
            wanted.append(there[-1:])
        elif text in time_selection.PARTS:
            earliest = there[0] + ensemble.history[-1] * time_selection.HOUR
            wanted.append(_part(config, text, ensemble.plan, earliest))
        else:
            wanted.append(times.parse_times([text], config.forecast.init_every_hours))
    starts = np.unique(np.concatenate(wanted)).astype("datetime64[ns]")
    if starts[-1] > there[-1]:
        raise NotPublishedError(
            f"the analyses end at {times.iso(there[-1])}, a forecast from {times.iso(starts[-1])} "
            "has to wait: run the same command when they have arrived"
        )
    for hours in ensemble.history:
        needed = starts - hours * time_selection.HOUR
        missing = needed[~np.isin(needed, there)]
        if len(missing):
            raise InputError(
                f"the analysis of {times.iso(missing[0])} is missing (and {len(missing) - 1} "
                f"more), needed {hours} h before the start; bring it or choose another start"
            )
    return starts


def _part(config: Config, part: str, plan: Plan, earliest: np.datetime64) -> NDArray[np.datetime64]:
    """Return the starts in a part of the split whose every lead time holds in it as well.

    None is before `earliest`, the first that has its history: a part may begin with the data.
    """
    with store.open_store(config.store) as dataset:
        inside = dataset["time"].values[dataset[part].values]
    first = inside.astype("datetime64[D]")
    on_step = (inside - first) % (
        config.forecast.init_every_hours * time_selection.HOUR
    ) == 0 * time_selection.HOUR
    starts: NDArray[np.datetime64] = inside[
        on_step
        & (inside >= earliest)
        & (inside + plan.lead_hours[-1] * time_selection.HOUR <= inside[-1])
    ]
    if not len(starts):
        raise ConfigError(
            f"the {part} split holds no start with its history and a truth "
            f"{plan.lead_hours[-1]} h later; "
            "give --init-time or a smaller forecast.init_every_hours"
        )
    return starts
