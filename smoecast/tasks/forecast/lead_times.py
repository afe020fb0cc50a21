"""How a model reaches the lead times asked of it: at once, or from its own output."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.time_selection import HOUR
from smoecast.errors import ModelError
from smoecast.tasks.descriptions import Description


@dataclass(frozen=True)
class Plan:
    """Which lead times, and how.

    Attributes
    ----------
    lead_hours : tuple of int
        Written lead times, ascending.
    step_hours : int
        Length of one step of a rollout; 0 for a direct forecast.
    """

    lead_hours: tuple[int, ...]
    step_hours: int


def plan_steps(model: Description, lead_hours: Sequence[int]) -> Plan:
    """Return how to reach the lead times; none given: the model's own.

    Raises
    ------
    ModelError
        A lead time is neither the model's own nor a multiple of the step it can repeat.
    """
    sample = model.config.sample
    own = sample.lead_hours
    wanted = tuple(sorted(set(lead_hours))) or own
    if set(wanted) <= set(own) or (sample.lead_input and _between(wanted, own)):
        return Plan(wanted, 0)
    step = own[0]
    history = sample.history_hours
    if sample.lead_input:
        why = "of lead times it knows only those in between"
    elif model.config.targets != model.config.data.channels:
        why = "it predicts only some of the channels it starts from"
    elif history != tuple(step * i for i in range(len(history))):
        why = f"its history {list(history)} is not spaced by its first lead time of {step} h"
    elif any(h % step for h in wanted):
        why = f"its step is {step} h"
    else:
        return Plan(wanted, step)
    raise ModelError(
        f"the model cannot forecast {[h for h in wanted if h not in own]} h: trained for "
        f"{list(own)} h, and {why}; ask for its own lead times or train another model"
    )


def _between(wanted: Sequence[int], own: Sequence[int]) -> bool:
    return own[0] <= wanted[0] and wanted[-1] <= own[-1]


def read_history(
    model: Description, fields: xr.DataArray, starts: NDArray[np.datetime64]
) -> NDArray[np.float32]:
    """Return the analyses that a model starts from.

    Parameters
    ----------
    model : Description
    fields : xr.DataArray
        Analyses (time, channel, latitude, longitude) that hold every history.
    starts : (B,) datetime64

    Returns
    -------
    (B, S, C, H, W) float32, newest first

    Raises
    ------
    ModelError
        The analyses are not what the model was trained on: other units, another planet.
    """
    needed = [starts - hours * HOUR for hours in model.config.sample.history_hours]
    history = np.stack([fields.sel(time=when).values for when in needed], axis=1)
    _refuse_strange(model, history)
    return history


def _refuse_strange(model: Description, history: NDArray[np.float32]) -> None:
    """Refuse fields whose mean is more than ten spreads from the training mean."""
    known = model.state["statistics"]
    for index, channel in enumerate(model.config.data.channels):
        mean, std = known["mean"][channel], known["std"][channel]
        found = float(history[:, :, index].mean(dtype=np.float64))
        if abs(found - mean) > 10 * std:
            raise ModelError(
                f"{channel} has a mean of {found:g}, in training it was {mean:g} with a spread of "
                f"{std:g}; check the units and the source of the input"
            )
