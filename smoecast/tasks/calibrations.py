"""A calibration as one thing: fitted from a run's ensembles, saved, opened, applied."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import configfile
from smoecast.calibration.distributions import Distribution
from smoecast.calibration.forecasts import Forecast
from smoecast.calibration.network import SpreadCorrection
from smoecast.config import Config
from smoecast.data.ensembles import with_lead
from smoecast.data.inputs import Inputs
from smoecast.data.members import moment_names, moments
from smoecast.data.series import HOUR
from smoecast.errors import InputError, ModelError
from smoecast.fields.grid import Grid
from smoecast.fields.plane import Plane, place_from_dict
from smoecast.nn.network import build
from smoecast.nn.normalize import Statistics
from smoecast.tasks import classical
from smoecast.tasks.assembly import CONSTANTS
from smoecast.tasks.classical import Apply
from smoecast.training.state import load_state, load_tensors

Fields = NDArray[np.floating[Any]]
Predict = Callable[[Fields, NDArray[np.datetime64], Fields], tuple[Fields, Fields]]
"""Members (B, L, M, C, H, W), starts (B,) and the hours (L,) after which they hold to mean and
spread, (B, L, D, H, W) each."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted calibration.

    Attributes
    ----------
    channels, targets : tuple of str
        What it reads, and what it corrects.
    lead_hours : tuple of int
        For which it was fitted.
    grid : Grid, Plane or None
        Where it holds; None where it does not matter.
    sha256 : str
        Of its tensors.
    method : str
        ``raw``, ``emos``, ``mbm`` or ``smoe``.
    apply : Apply
    """

    channels: tuple[str, ...]
    targets: tuple[str, ...]
    lead_hours: tuple[int, ...]
    grid: Grid | Plane | None
    sha256: str
    method: str
    apply: Apply

    @property
    def gives_members(self) -> bool:
        """Whether it corrects member by member, and gives no distribution."""
        return self.method in ("raw", "mbm")


def raw_calibration(config: Config) -> Calibration:
    """Return the calibration that corrects nothing."""
    settings = config.postprocess
    columns = [settings.channels.index(t) for t in settings.targets]

    def apply(members: Fields, _: NDArray[np.datetime64], __: Fields) -> Forecast:
        if members.shape[2] < 2:
            raise InputError("a calibration needs at least two members; the ensemble has one")
        return Forecast(members=members[:, :, :, columns])

    return Calibration(
        settings.channels, settings.targets, settings.lead_hours, None, "raw", "raw", apply
    )


def _gaussian(predict: Predict) -> Apply:
    """Return what a network's mean and spread say: a normal distribution."""

    def apply(members: Fields, starts: NDArray[np.datetime64], hours: Fields) -> Forecast:
        mean, std = (part.astype(np.float64) for part in predict(members, starts, hours))
        return Forecast(Distribution("normal", mean, std, np.zeros_like(mean)))

    return apply


def open_calibration(folder: Path) -> Calibration:
    """Load a fitted calibration from a run folder or the zoo.

    Raises
    ------
    ModelError
        It is missing, damaged, of another kind or another schema.
    """
    state = load_state(folder)
    if state.get("kind") not in ("emos", "mbm", "smoe"):
        raise ModelError(f"{folder}: this is a {state.get('kind')} model, no calibration")
    tensors = load_tensors(folder)
    config = configfile.validate(state["config"], f"{folder}: config in state.json")
    settings = config.postprocess
    grid: Grid | Plane | None = place_from_dict(state["grid"])
    if state["kind"] == "smoe":
        network = _network(config, state, tensors, Grid.from_dict(state["grid"]))
        apply = _gaussian(network)
    else:
        apply = classical.opened(config, state, tensors)
        grid = grid if settings.where == "local" else None  # pooled coefficients fit any grid
    return Calibration(
        settings.channels,
        settings.targets,
        settings.lead_hours,
        grid,
        state["sha256"]["model.safetensors"],
        state["kind"],
        apply,
    )


def _network(
    config: Config, state: dict[str, Any], tensors: dict[str, torch.Tensor], grid: Grid
) -> Predict:
    settings = config.postprocess
    fields = tensors.pop(CONSTANTS).numpy()
    constants = dict(zip(state["constants"], fields, strict=True))
    inputs = Inputs(moment_names(settings.channels), (0,), True, constants, grid)
    names = ("input_mean", "input_std", "target_scale", "base", "target_mean")
    statistics = Statistics(*(tensors[f"normalizer.{name}"] for name in names))
    network = new_correction(config, inputs, statistics, tensors["spread"])
    network.load_state_dict(tensors)
    network.eval()
    hours = np.array(settings.lead_hours, np.float64)

    @torch.no_grad()
    def predict(
        members: Fields, starts: NDArray[np.datetime64], ahead: Fields
    ) -> tuple[Fields, Fields]:
        both = moments(members)
        batch, leads = both.shape[:2]
        lead = np.tile(hours, batch)
        valid = np.repeat(starts, leads) + np.tile(ahead, batch).astype(np.int64) * HOUR
        flat = both.reshape(batch * leads, *both.shape[2:])  # (B, L, 2C, H, W) -> (B L, 2C, H, W)
        output = network(torch.from_numpy(with_lead(inputs, flat, valid, lead))).numpy()
        # (B L, 2 D, H, W) -> (B, L, 2 D, H, W)
        output = output.reshape(batch, leads, *output.shape[1:])
        return output[:, :, : len(settings.targets)], output[:, :, len(settings.targets) :]

    return predict


def new_correction(
    config: Config, inputs: Inputs, statistics: Statistics, spread: torch.Tensor
) -> SpreadCorrection:
    """Return an untrained network, its weights drawn from torch's generator."""
    settings = config.postprocess
    count, grid = len(statistics.input_mean), inputs.grid
    outputs = 2 * len(settings.targets)
    backbone = build(settings.network, count, outputs, grid.shape, grid.periodic)
    return SpreadCorrection(backbone, statistics, spread)


def fitted_part(ensembles: xr.Dataset, truth: xr.DataArray, part: str | None) -> xr.DataArray:
    """Return the forecasts of one part of the split, or of all, whose truth is known, lazy."""
    fields = ensembles["fields"]
    valid = fields["init_time"].values[:, None] + fields["lead_time"].values[None, :]
    known = np.isin(valid, truth["time"].values).all(axis=1)
    inside = True if part is None else ensembles[part].values
    return fields.isel(init_time=np.flatnonzero(inside & known))
