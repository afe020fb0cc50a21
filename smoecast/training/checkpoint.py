"""A run that can stop anywhere and go on as if it had not: what its one file holds.

Everything that decides the next step is here: weights, optimizer moments, the random generator,
the place in the epoch, the losses so far. One file holds it, so that it is never half old.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smoecast.config.renamed import upgrade_identity
from smoecast.config.section import first_difference
from smoecast.errors import ConfigError, ModelError
from smoecast.training.schedule import Progress

RESUME = "resume.safetensors"
SEAL = "seal"
"""What the scalars say of themselves."""
Record = dict[str, Any]


@dataclass
class TrainingProgress:
    """The scalars of a run.

    Attributes
    ----------
    epoch, step : int
        Epochs done; steps done in the running epoch.
    loss_sum, routing_sum : float
        Training loss of the running epoch, times samples; routing loss, a term a step.
    seconds : float
        Spent in the running epoch.
    progress : Progress
        What the validation losses amount to.
    history : list of dict
        One record per finished epoch.
    finished : bool
        Whether training is over.
    scaler : dict
        State of the GradScaler, when the run was saved; empty without one.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    routing_sum: float = 0.0
    seconds: float = 0.0
    progress: Progress = field(default_factory=Progress)
    history: list[Record] = field(default_factory=list)
    finished: bool = False
    scaler: dict[str, Any] = field(default_factory=dict)


def load(
    path: Path, identity: Mapping[str, Any], growing: str = ""
) -> tuple[dict[str, Tensor], TrainingProgress]:
    """Read what `trainer.Trainer.save` wrote, if it belongs to the same run.

    Parameters
    ----------
    path : Path
        An existing file.
    identity : mapping
        What makes a run this run: the resolved config and what the data is; JSON values.
    growing : str
        Path of a number in it, ``config.training.epochs``, that may have been smaller.

    Returns
    -------
    tensors : dict of str to Tensor
        For `trainer.Trainer.restore`.
    ledger : TrainingProgress
        The scalars.

    Raises
    ------
    ModelError
        The file is damaged.
    ConfigError
        It was written under another identity.
    """
    damaged = ModelError(f"{path} is damaged: add --fresh to begin again")
    if not path.is_file():
        raise damaged
    with path.open("rb"):
        pass  # safetensors says of any file that it may not read that there is none
    try:
        with safe_open(path, framework="pt") as file:
            scalars = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # runs of before had no seal on their scalars
        sealed = scalars.get(SEAL) in (None, seal(scalars))
        whole = sealed and digest(tensors) == scalars["sha256"]
        ledger = scalars["ledger"]
        found = TrainingProgress(**{**ledger, "progress": Progress(**ledger["progress"])})
        theirs = upgrade_identity(scalars["identity"])
        _grow(theirs, identity, growing.split("."))
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError):
        raise damaged from None
    if not whole:
        raise damaged
    key = first_difference(theirs, identity)
    if key:
        raise ConfigError(
            f"{path} belongs to a run with another {key}: choose another run name, "
            "or add --fresh to begin again"
        )
    return tensors, found


def _grow(old: Any, new: Any, path: Sequence[str]) -> None:
    """Take over the number at a path where it is larger than the old one."""
    *sections, last = path
    for name in sections:
        old, new = old.get(name, {}), new.get(name, {})
    if last in old and last in new:
        old[last] = max(old[last], new[last])


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over names and values, so that no flipped bit passes for a weight."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())  # any shape
    return total.hexdigest()


def seal(scalars: Mapping[str, Any]) -> str:
    """Return the sha256 over the scalars of a run, as JSON has them, without their own seal."""
    kept = {name: value for name, value in scalars.items() if name != SEAL}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
