"""What one run of the heat-diffusion experiment is, and the network it trains.

The defaults of `HeatRun` are the released recipe of Dryden & Hoefler 2022 (arXiv 2211.13491,
section 3.1). The settings that mend it when there is little data are in
``models/heat-diffusion/smoe.yaml``.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, ValidationError
from torch import nn

from smoecast.config.data import Seed
from smoecast.config.network import Fraction, Positive, Rate
from smoecast.config.section import Section
from smoecast.config.yaml_text import MOST_BYTES, one_line, read_yaml
from smoecast.disk.small_files import read_small
from smoecast.errors import ConfigError
from smoecast.nn.convolutions import (
    CondConv2d,
    ConvThenLocal2d,
    CoordConv2d,
    LocallyConnected2d,
    LowRankLocal2d,
    SameConv2d,
)
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.tasks.heat.world import DIFFUSIVITIES

LAYERS = ("smoe", "conv", "coordconv", "condconv", "local", "lowrank", "conv_local")
HIDDEN = 4
"""Channels between the two convolutions of conv, coordconv and condconv."""


Count = Annotated[int, Field(ge=1, le=10_000)]


class HeatRun(Section):
    """One run of the experiment; the defaults are the released recipe.

    Attributes
    ----------
    layer : str
        One of `LAYERS`.
    seed, data_seed : int
        Of weights and order of samples; of map and runs.
    runs, validation_runs, test_runs : int
        Runs of `steps_per_run` steps to learn from, to choose by, and to report on.
    points, steps_per_run : int
        The grid is points x points.
    epochs : int
        At most so many, under the plateau schedule.
    batch_size : int
        Samples per step.
    learning_rate, gate_learning_rate : float
        Adam's step for filters and for routing scores.
    schedule : str
        ``plateau``: a tenth after `patience` epochs without gain, end after twice as many.
        ``hold``: full rate for `hold` of `steps`, then down to a hundredth along a cosine (ours).
    patience : int
        Epochs, for the plateau.
    steps, hold : int, float
        Length of the hold schedule in training steps, however many samples an epoch has.
    error_quantile, damping : float
        Of `SpatialMoE2d`.
    until : float
        Training ends once this share of the validation values is within 1 %.
    """

    layer: Literal["smoe", "conv", "coordconv", "condconv", "local", "lowrank", "conv_local"] = (
        "smoe"
    )
    seed: Seed = 0
    data_seed: Seed = 0
    runs: Count = 1000
    validation_runs: Count = 20
    test_runs: Count = 20
    points: Annotated[int, Field(ge=3, le=1024)] = 64
    steps_per_run: Count = 100
    epochs: Positive = 12
    batch_size: Positive = 32
    learning_rate: Rate = 1e-3
    gate_learning_rate: Annotated[float, Field(ge=0)] = 1e-3
    schedule: Literal["plateau", "hold"] = "plateau"
    patience: Positive = 15
    steps: Positive = 12500
    hold: Annotated[float, Field(ge=0, lt=1)] = 0.6
    error_quantile: Fraction = 0.3
    damping: Fraction = 0.0
    until: Fraction = 0.99999


def read(path: Path | None, changes: dict[str, Any]) -> HeatRun:
    """Read a run from a YAML file, or take the defaults, and change some keys.

    Raises
    ------
    ConfigError
        The file is missing, is no YAML mapping, holds a key that `HeatRun` does not know, or a
        value does not fit.
    """
    values = {} if path is None else _values(path)
    for key in {**values, **changes}:
        if key not in HeatRun.model_fields:
            known = ", ".join(sorted(HeatRun.model_fields))
            raise ConfigError(f"heat: there is no key '{key:.40}'; known: {known}")
    try:
        return HeatRun(**{**values, **changes})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ConfigError(f"heat: {first['loc'][0]}: {one_line(first['msg'])}") from None


def _values(path: Path) -> dict[str, Any]:
    try:
        text = read_small(path, MOST_BYTES, pipe=True).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); see models/heat-diffusion") from None
    values = read_yaml(text, str(path))
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: a heat run is a set of keys such as `layer: smoe`")
    return values


def build(run: HeatRun) -> nn.Module:
    """Make the network of a run: (B, 1, H, W) to (B, 1, H, W)."""
    grid = (run.points, run.points)
    experts = len(DIFFUSIVITIES)
    if run.layer == "smoe":
        return SpatialMoE2d(
            1, 1, experts, grid=grid, error_quantile=run.error_quantile, damping=run.damping
        )
    if run.layer == "local":
        return LocallyConnected2d(1, 1, grid=grid)
    if run.layer == "lowrank":
        return LowRankLocal2d(1, 1, experts, grid=grid)
    if run.layer == "conv_local":
        return ConvThenLocal2d(1, 1, experts, grid=grid)
    if run.layer == "condconv":
        first, last = CondConv2d(1, HIDDEN, experts), CondConv2d(HIDDEN, 1, experts)
        return nn.Sequential(first, nn.ReLU(), last)
    kind = CoordConv2d if run.layer == "coordconv" else SameConv2d
    network = nn.Sequential(kind(1, HIDDEN), nn.ReLU(), kind(HIDDEN, 1))
    # With so few channels a convolution is two to four times faster in this layout on a CPU.
    for weight in network.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
    return network
