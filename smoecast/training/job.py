"""What a training run is given: data, loss, settings, and where it happens."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoecast.config.training import Training
from smoecast.errors import ConfigError, InputError
from smoecast.training.distributed import ProcessGroup

Loss = Callable[[Tensor, Tensor], Tensor]
"""(output, target) -> scalar."""


class Samples(Protocol):
    """What training asks of data."""

    def __len__(self) -> int:
        """Return the number of samples."""

    def batch(self, indices: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return inputs (B, C, H, W) and targets (B, D, H, W), on the CPU."""


class TrainingOutcome(TypedDict):
    """What training came to.

    Keys
    ----
    epochs : int
        Epochs done.
    best_epoch : int
        Counted from 1; its weights are in the model.
    best_loss : float
        Validation loss of that epoch.
    train_loss : float
        Training loss of that epoch.
    seconds : float
        Over all epochs.
    precision : str
        What the last passes were computed in.
    trained : bool
        False when the run had been finished before, and nothing was left to do.
    """

    epochs: int
    best_epoch: int
    best_loss: float
    train_loss: float
    seconds: float
    precision: str
    trained: bool


def ignore(_: object) -> None:
    """Stand for a callback that nobody gave: do nothing."""


@dataclass(frozen=True)
class TrainingJob:
    """What does not change while a run goes on.

    Attributes
    ----------
    samples, validation : Samples
        To learn from, and to choose the epoch by.
    loss : callable
        (output, target) -> scalar, on the device of `device_of(settings.device)`.
    settings : Training
        Section `training` of the config.
    folder : Path
        Run folder: ``resume.safetensors``, ``history.jsonl``, one line per epoch, and
        ``routing.safetensors``, the experts of some epochs.
    seed : int
        Of the order of samples and of dropout. The weights are drawn before, by the caller.
    identity : mapping
        Config and data as JSON values; a run resumes under the same identity only.
    growing : str
        Path in `identity` of the number of epochs, which may be larger than that of a saved run.
    begin : callable
        Called by the first process with the folder, once it is known that this run may be there.
    tick : callable
        Called after each step with the epochs that are done, a fraction included.
    mark : callable
        Called at the end of each part of a step and of an epoch, with its name in `profile.PARTS`.
    last : callable
        Called once, at the end, with the last epoch's tensors.
    team : ProcessGroup
        The processes of this run, from `distributed.join`; all call `loop.train` alike.

    Raises
    ------
    InputError
        There are no samples to train on, or none to validate with.
    """

    samples: Samples
    validation: Samples
    loss: Loss
    settings: Training
    folder: Path
    seed: int
    identity: Mapping[str, Any]
    growing: str = ""
    begin: Callable[[Path], None] = ignore
    tick: Callable[[float], None] = ignore
    mark: Callable[[str], None] = ignore
    last: Callable[[dict[str, Tensor]], None] = ignore
    team: ProcessGroup = field(default_factory=ProcessGroup)

    def __post_init__(self) -> None:
        """Refuse a run without samples."""
        for name, part in (("training", self.samples), ("validation", self.validation)):
            if len(part) == 0:
                raise InputError(f"no {name} samples: widen data.split or take a longer series")

    @property
    def key(self) -> dict[str, Any]:
        """The identity as a saved run has it: JSON values, and the number of processes."""
        same: dict[str, Any] = json.loads(json.dumps(self.identity, default=str))
        return {**same, "processes": self.team.size} if self.team.size > 1 else same

    @property
    def batch(self) -> int:
        """Samples of one step, over all passes and processes."""
        return self.settings.batch_size * self.settings.accumulate * self.team.size

    @property
    def steps(self) -> int:
        """Steps per epoch; the last one may have fewer samples."""
        return math.ceil(len(self.samples) / self.batch)


def device_of(name: str) -> torch.device:
    """Return the device for `training.device`: auto is CUDA where there is one.

    Raises
    ------
    ConfigError
        There is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):  # torch raises the latter when built without CUDA
        raise ConfigError(
            f"training.device: there is no device '{name}' here; use auto or cpu"
        ) from None
