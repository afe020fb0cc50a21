"""How a model reaches the lead times asked of it: at once, or from its own output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.time_selection import HOUR
from smoecast.errors import ModelError
from smoecast.nn.rollout import rollout
from smoecast.tasks.forecast_model import Model

Perturb = Callable[[NDArray[np.float32], NDArray[np.datetime64]], NDArray[np.float32]]


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


def plan_steps(model: Model, lead_hours: Sequence[int]) -> Plan:
    """Return how to reach the lead times; none given: the model's own.

    Raises
    ------
    ModelError
        A lead time is neither the model's own nor a multiple of the step it can repeat.
    """
    own = model.config.sample.lead_hours
    wanted = tuple(sorted(set(lead_hours))) or own
    if set(wanted) <= set(own) or (model.inputs.lead and _between(wanted, own)):
        return Plan(wanted, 0)
    step = own[0]
    history = model.config.sample.history_hours
    if model.inputs.lead:
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


@torch.no_grad()
def predict(
    model: Model,
    plan: Plan,
    fields: xr.DataArray,
    starts: NDArray[np.datetime64],
    perturb: Perturb | None = None,
) -> NDArray[np.float32]:
    """Forecast from a batch of starts.

    Parameters
    ----------
    fields : xr.DataArray
        Analyses (time, channel, latitude, longitude) that hold every history.
    starts : (B,) datetime64
    perturb : callable, optional
        From history (B, S, C, H, W) and starts to the history that the forecast begins with.

    Returns
    -------
    (B, L, D, H, W) float32, SI units

    Raises
    ------
    ModelError
        The analyses are not what the model was trained on: other units, another planet.
    """
    needed = [starts - hours * HOUR for hours in model.inputs.history]
    history = np.stack([fields.sel(time=when).values for when in needed], axis=1)  # (B, S, C, H, W)
    _refuse_strange(model, history)
    if perturb is not None:
        history = perturb(history, starts)
    if plan.step_hours:
        return _roll_out(model, plan, history, starts)
    if model.inputs.lead:
        return np.stack([_at(model, history, starts, h) for h in plan.lead_hours], axis=1)
    output = model.network(torch.from_numpy(model.inputs.assemble(history, starts))).numpy()
    own, targets = model.config.sample.lead_hours, len(model.config.targets)
    # (B, L * D, H, W) -> (B, L, D, H, W)
    by_lead = output.reshape(len(starts), len(own), targets, *output.shape[2:])
    chosen: NDArray[np.float32] = by_lead[:, [own.index(h) for h in plan.lead_hours]]
    return chosen


def _at(
    model: Model, history: NDArray[np.float32], starts: NDArray[np.datetime64], hours: int
) -> NDArray[np.float32]:
    """Return what a continuous model says of one lead time: (B, D, H, W)."""
    ahead = np.full(len(starts), hours * HOUR)
    inputs = torch.from_numpy(model.inputs.assemble(history, starts, ahead))
    output: NDArray[np.float32] = model.network(inputs).numpy()
    return output


def _roll_out(
    model: Model, plan: Plan, history: NDArray[np.float32], starts: NDArray[np.datetime64]
) -> NDArray[np.float32]:
    """Repeat the model's first lead time, keeping the lead times asked for."""
    count = history.shape[2]

    def extra(step: int) -> torch.Tensor:
        return torch.from_numpy(model.inputs.extra(starts + step * plan.step_hours * HOUR))

    def first_lead(fields: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = model.network(fields)[:, :count]
        return output

    states = [torch.from_numpy(history[:, i]) for i in range(history.shape[1])]
    steps = plan.lead_hours[-1] // plan.step_hours
    kept = []
    for step, state in enumerate(rollout(first_lead, states, extra, steps), start=1):
        if step * plan.step_hours in plan.lead_hours:
            kept.append(state.numpy())
    return np.stack(kept, axis=1)  # L x (B, D, H, W) -> (B, L, D, H, W)


def _refuse_strange(model: Model, history: NDArray[np.float32]) -> None:
    """Refuse fields whose mean is more than ten spreads from the training mean."""
    known = model.state["statistics"]
    for index, channel in enumerate(model.inputs.channels):
        mean, std = known["mean"][channel], known["std"][channel]
        found = float(history[:, :, index].mean(dtype=np.float64))
        if abs(found - mean) > 10 * std:
            raise ModelError(
                f"{channel} has a mean of {found:g}, in training it was {mean:g} with a spread of "
                f"{std:g}; check the units and the source of the input"
            )
