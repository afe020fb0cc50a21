"""Small models in folders of their own, made without training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from smoecast.calibration.emos import Emos
from smoecast.calibration.mbm import MemberByMember
from smoecast.config import yaml_file
from smoecast.config.renamed import RENAMED
from smoecast.config.run import Config
from smoecast.data.inputs import Inputs
from smoecast.fields.grid import Grid
from smoecast.nn.build import forecaster
from smoecast.nn.normalize import Statistics
from smoecast.tasks.descriptions import CONSTANTS
from smoecast.tasks.postprocess.network import new_correction, predictors_of
from smoecast.training.model_files import STATE, TENSORS, identity_of, save_model

GRID = Grid(np.linspace(78.75, -78.75, 8), np.arange(16) * 22.5)
CONFIG = """
data: {source: files, files: [x.nc], channels: [u250, v250], constants: [lsm], step_hours: 6}
sample: {history_hours: [0, 6], lead_hours: [6, 12]}
network: {width: 4, blocks: 1, advanced: {position_channels: 1}, smoe: {layers: last}}
postprocess:
  channels: [z500, t2m]
  targets: [t2m]
  lead_hours: [24]
  network: {width: 4, blocks: 1, smoe: {layers: last}}
"""


def config_of(*overrides: str) -> Config:
    return yaml_file.parse(CONFIG, "made", overrides)


def _state(config: Config, kind: str, **more: Any) -> dict[str, Any]:
    told = config.model_dump(mode="json", exclude={"folder"})
    return {"kind": kind, "config": told, "grid": GRID.to_dict(), "seed": 0, **more}


Moments = Mapping[str, tuple[float, float]]


def forecast_model(
    folder: Path, *overrides: str, moments: Moments | None = None, grid: Grid = GRID
) -> Path:
    """Save a forecast model of random weights.

    Parameters
    ----------
    folder : Path
    *overrides : str
        Of its config.
    moments : mapping, optional
        Mean and standard deviation of each channel; none: 0 and 1.
    grid : Grid
    """
    config = config_of(*overrides)
    constants = {name: np.ones(grid.shape, np.float32) for name in config.data.constants}
    inputs = Inputs(config.data.channels, config.sample.history_hours, True, constants, grid)
    base = torch.tensor(inputs.base(config.targets, len(config.sample.lead_hours)))
    ones = torch.ones(len(base))
    count = len(inputs.names)
    statistics = Statistics(torch.zeros(count), torch.ones(count), ones, base, 0 * ones)
    torch.manual_seed(0)
    network = forecaster(config.network, statistics, grid.shape, periodic=True)
    known = moments or dict.fromkeys(config.data.channels, (0.0, 1.0))
    pairs = enumerate(("mean", "std"))
    spread = {word: {name: known[name][i] for name in known} for i, word in pairs}
    state = _state(
        config,
        "forecast",
        inputs=inputs.names,
        channels=config.data.channels,
        targets=config.targets,
        constants=config.data.constants,
        statistics=spread,
        grid=grid.to_dict(),
    )
    fields = torch.from_numpy(np.array([*constants.values()], np.float32).reshape(-1, *grid.shape))
    save_model(folder, {**network.state_dict(), CONSTANTS: fields}, state)
    return folder


def classical_calibration(folder: Path, method: str, *overrides: str, grid: Grid = GRID) -> Path:
    """Save coefficients that change nothing: of emos or mbm."""
    config = config_of(f"postprocess.method={method}", *overrides)
    settings = config.postprocess
    windows = ["2001-01-01T00:00:00.000000000", "2001-01-02T00:00:00.000000000"]
    rolls = settings.window_days > 0
    shape = ((2,) if rolls else ()) + ((3,) if settings.season == "harmonic" else ())
    shape += grid.shape if settings.coefficients == "local" else ()
    zero, one = np.zeros(shape), np.ones(shape)
    kind = MemberByMember if method == "mbm" else Emos
    tensors = kind(zero, one, zero, one).to_tensors()
    named = {f"t2m.24h.{name}": torch.from_numpy(value) for name, value in tensors.items()}
    more = {"windows": windows if rolls else [], "grid": grid.to_dict()}
    save_model(folder, named, _state(config, method, **more))
    return folder


def network_calibration(folder: Path, method: str) -> Path:
    """Save a network of random weights that calibrates."""
    config = config_of(f"postprocess.method={method}")
    names = ("lsm",) if method == "smoe" else ()
    constants = {name: np.ones(GRID.shape, np.float32) for name in names}
    predictors = predictors_of(config.postprocess, GRID, constants)
    beside, _ = predictors.statistics(np.array([24.0]))
    count = (2 if method == "transformer" else 4) + len(beside)
    one = torch.ones(1)
    statistics = Statistics(torch.zeros(count), torch.ones(count), one, torch.tensor([1]), 0 * one)
    torch.manual_seed(0)
    network = new_correction(config.postprocess, predictors, statistics)
    fields = torch.from_numpy(np.array([*constants.values()], np.float32).reshape(-1, *GRID.shape))
    tensors = {**network.state_dict(), CONSTANTS: fields}
    save_model(folder, tensors, _state(config, method, constants=names))
    return folder


def sealed(folder: Path, state: dict[str, Any]) -> None:
    """Write a state as if it had been saved so, whatever it says."""
    if isinstance(state, dict) and isinstance(state.get("sha256"), dict):
        state["sha256"].pop(STATE, None)
        state["sha256"][STATE] = identity_of(state)
    (folder / STATE).write_text(json.dumps(state))


def with_tensors(folder: Path, content: bytes) -> None:
    """Write tensors as if they had been saved so, whatever they are."""
    import hashlib

    (folder / TENSORS).write_bytes(content)
    state = json.loads((folder / STATE).read_text())
    state["sha256"][TENSORS] = hashlib.sha256(content).hexdigest()
    sealed(folder, state)


def as_before(values: dict[str, Any]) -> dict[str, Any]:
    """Return the plain values of a config as versions before the new names saved them."""
    before: dict[str, Any] = json.loads(json.dumps(values))
    for network in (before.get("network"), before.get("postprocess", {}).get("network")):
        smoe = (network or {}).get("smoe", {})
        smoe.pop("preset", None)
        for size, old in (("expansion", "expansion"), ("experts_per_channel", "terms")):
            by_place = smoe.get("advanced", {}).pop(f"{size}_at", {})
            elsewhere = smoe.pop(size, None)
            if elsewhere is not None:
                smoe[old] = by_place or elsewhere
    for old, new in RENAMED.items():
        _take_back(before, old.split("."), new.split("."))
    return before


def _take_back(values: dict[str, Any], old: list[str], new: list[str]) -> None:
    place = values
    for name in new[:-1]:
        place = place.get(name, {})
    if new[-1] not in place:
        return
    value = place.pop(new[-1])
    for name in old[:-1]:
        values = values[name]
    values[old[-1]] = value
    if new[-2:-1] == ["advanced"] and not place:
        del values["advanced"]
