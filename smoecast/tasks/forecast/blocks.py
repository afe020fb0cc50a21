"""Pieces of forecasts: networks opened, some starts of one member at a time."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.time_selection import HOUR
from smoecast.nn.rollout import rollout
from smoecast.run_record import stage
from smoecast.tasks.forecast.ensemble import Ensemble
from smoecast.tasks.forecast.lead_times import Plan
from smoecast.tasks.forecast.pieces import Piece
from smoecast.tasks.forecast_model import Model


def forecast_piece(
    ensemble: Ensemble, networks: Mapping[Path, Model], fields: xr.DataArray, piece: Piece
) -> NDArray[np.float32]:
    """Forecast some starts of one member.

    Parameters
    ----------
    ensemble : Ensemble
    networks : mapping of Path to Model
        From `Networks.open`.
    fields : xr.DataArray
        Analyses (time, channel, latitude, longitude) that hold every history.
    piece : Piece

    Returns
    -------
    (B, L, D, H, W) float32, SI units

    Raises
    ------
    ModelError
        The analyses are not what a model was trained on: other units, another planet.
    """
    member = ensemble.members[piece.number]
    own = piece.starts - member.lag_hours * HOUR
    with stage("input"):
        history = member.read_history(fields, own)
    with stage("network"):
        return predict(networks[member.model.folder], member.plan, history, own)


@torch.no_grad()
def predict(
    model: Model, plan: Plan, history: NDArray[np.float32], starts: NDArray[np.datetime64]
) -> NDArray[np.float32]:
    """Forecast from a batch of starts.

    Parameters
    ----------
    model : Model
    plan : Plan
        To its lead times.
    history : (B, S, C, H, W) float32
        From `read_history`.
    starts : (B,) datetime64

    Returns
    -------
    (B, L, D, H, W) float32, SI units
    """
    inputs = model.inputs
    if plan.step_hours:
        step = plan.step_hours

        def extra_at(number: int) -> torch.Tensor:
            fields = inputs.extra(starts + number * step * HOUR)  # nosec B610
            return torch.from_numpy(fields)

        made = rollout(
            model.network,
            [torch.from_numpy(history[:, i]) for i in range(history.shape[1])],
            extra_at,
            plan.lead_hours[-1] // step,
        )
        steps = [hours // step for hours in plan.lead_hours]
        kept = [state.numpy() for number, state in enumerate(made, start=1) if number in steps]
        return np.stack(kept, axis=1)  # L x (B, D, H, W) -> (B, L, D, H, W)
    if inputs.lead:
        ahead = [np.full(len(starts), hours * HOUR) for hours in plan.lead_hours]
        seen = (torch.from_numpy(inputs.assemble(history, starts, lead)) for lead in ahead)
        return np.stack([model.network(fields).numpy() for fields in seen], axis=1)
    output = model.network(torch.from_numpy(inputs.assemble(history, starts))).numpy()
    own, targets = model.config.sample.lead_hours, len(model.config.targets)
    # (B, L * D, H, W) -> (B, L, D, H, W)
    at_leads = output.reshape(len(starts), len(own), targets, *output.shape[2:])
    wanted: NDArray[np.float32] = at_leads[:, [own.index(h) for h in plan.lead_hours]]
    return wanted
