"""All of a forecast but its values: dimensions, coordinates, names."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.fields import channels, times
from smoecast.fields.write.blocks import blank
from smoecast.tasks.forecast.ensemble import Ensemble


def template(ensemble: Ensemble, starts: NDArray[np.datetime64]) -> xr.Dataset:
    """Return all that will be written but the values."""
    numbers = range(len(ensemble.members))
    leads, *field = shape_of(ensemble)
    values = blank((len(starts), leads, len(numbers), *field))
    return lay_out(ensemble, values, starts, numbers)


def shape_of(ensemble: Ensemble) -> tuple[int, int, int, int]:
    """Return (L, D, H, W) of one start of one member."""
    model = ensemble.model
    return len(ensemble.plan.lead_hours), len(model.config.targets), *model.grid.shape


def lay_out(
    ensemble: Ensemble,
    values: NDArray[np.float32],
    starts: NDArray[np.datetime64],
    numbers: Sequence[int],
) -> xr.Dataset:
    """Return forecasts (I, L, M, D, H, W) as variables; without `number` if it is no ensemble."""
    model = ensemble.model
    axes = {
        "init_time": starts,
        "lead_time": times.as_lead(ensemble.plan.lead_hours),
        "number": np.array(numbers),
        "latitude": model.grid.latitude,
        "longitude": model.grid.longitude,
    }
    if ensemble.single:
        del axes["number"]
        values = values[:, :, 0]
    # built in one step: results of a start each are many, and each piece is laid out
    fields = {
        name: xr.Variable(tuple(axes), values[..., index, :, :], channels.attributes_of(name))
        for index, name in enumerate(model.config.targets)
    }
    return xr.Dataset(fields, {**axes, **channels.pressures(model.config.targets)})
