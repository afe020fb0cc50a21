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
from smoecast.calibration.members import ecc
from smoecast.calibration.network import SpreadCorrection
from smoecast.config import Config
from smoecast.data.ensembles import with_lead
from smoecast.data.inputs import Inputs
from smoecast.data.members import moment_names, moments
from smoecast.data.series import HOUR
from smoecast.errors import ModelError
from smoecast.fields.grid import Grid
from smoecast.nn.network import build
from smoecast.nn.normalize import Statistics
from smoecast.tasks import classical
from smoecast.tasks.assembly import CONSTANTS
from smoecast.tasks.classical import Apply
from smoecast.training.state import load_state, load_tensors

Fields = NDArray[np.floating[Any]]
Predict = Callable[[Fields, NDArray[np.datetime64]], tuple[Fields, Fields]]
"""Members (B, L, M, C, H, W) and starts (B,) to mean and spread, (B, L, D, H, W) each."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """A fitted calibration.

    Attributes
    ----------
    channels, targets : tuple of str
        What it reads, and what it corrects.
    lead_hours : tuple of int
        For which it was fitted.
    grid : Grid or None
        Where it holds; None where it does not matter.
    sha256 : str
        Of its tensors.
    apply : Apply
    """

    channels: tuple[str, ...]
    targets: tuple[str, ...]
    lead_hours: tuple[int, ...]
    grid: Grid | None
    sha256: str
    apply: Apply


def raw_calibration(config: Config) -> Calibration:
    """Return the calibration that corrects nothing."""
    settings = config.postprocess
    columns = [settings.channels.index(t) for t in settings.targets]

    def predict(members: Fields, _: NDArray[np.datetime64]) -> tuple[Fields, Fields]:
        both = moments(members[:, :, :, columns])
        return both[:, :, : len(columns)], both[:, :, len(columns) :]

    return Calibration(
        settings.channels,
        settings.targets,
        settings.lead_hours,
        None,
        "raw",
        _gaussian(config, predict),
    )


def _gaussian(config: Config, predict: Predict) -> Apply:
    """Return members that are quantiles of a normal distribution, in the raw members' ranks."""
    settings = config.postprocess
    columns = [settings.channels.index(t) for t in settings.targets]

    def apply(
        members: Fields, starts: NDArray[np.datetime64], count: int, rng: np.random.Generator
    ) -> tuple[Fields, Fields, Fields]:
        mean, std = predict(members, starts)
        template = members[:, :, :, columns]
        if settings.method == "raw" and count == template.shape[2]:
            return template, mean, std
        return ecc(mean, std, template, axis=2, rng=rng, count=count), mean, std

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
    grid = Grid.from_dict(state["grid"])
    if state["kind"] == "smoe":
        apply = _gaussian(config, _network(config, state, tensors, grid))
    else:
        apply = classical.opened(config, state, tensors)
    return Calibration(
        settings.channels,
        settings.targets,
        settings.lead_hours,
        grid,
        state["sha256"]["model.safetensors"],
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
    def predict(members: Fields, starts: NDArray[np.datetime64]) -> tuple[Fields, Fields]:
        both = moments(members)
        batch, leads = both.shape[:2]
        lead = np.tile(hours, batch)
        valid = np.repeat(starts, leads) + lead.astype(np.int64) * HOUR
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
