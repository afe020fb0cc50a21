"""A run that can stop anywhere and go on as if it had not: its state, in memory and in one file.

Everything that decides the next step is here: weights, optimizer moments, the random generator,
the place in the epoch, the losses so far. One file holds it, so that it is never half old.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from smoecast.config_learning import Training
from smoecast.disk import write_atomic
from smoecast.errors import ConfigError, ModelError
from smoecast.nn.network import gate_parameters
from smoecast.training.state import portable
from smoecast.training.stopping import Progress

RESUME = "resume.safetensors"
Record = dict[str, Any]


@dataclass
class Ledger:
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
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    routing_sum: float = 0.0
    seconds: float = 0.0
    progress: Progress = field(default_factory=Progress)
    history: list[Record] = field(default_factory=list)
    finished: bool = False


class Run:
    """A model in training, with all that its next step depends on.

    Parameters
    ----------
    model : nn.Module
        Trained in place.
    settings : Training
        Learning rates and weight decay; routing scores have their own rate and no decay.
    device : torch.device
        The model is moved there.
    """

    def __init__(self, model: nn.Module, settings: Training, device: torch.device) -> None:
        self.model = model.to(device)
        self.device = device
        self.gates = gate_parameters(model)
        chosen = {id(parameter) for parameter in self.gates}
        self.weights = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            [
                {
                    "params": self.weights,
                    "lr": settings.learning_rate,
                    "weight_decay": settings.weight_decay,
                },
                {"params": self.gates, "lr": settings.gate_learning_rate, "weight_decay": 0.0},
            ]
        )
        self.best: dict[str, Tensor] = {}
        self.ledger = Ledger()

    def save(self, path: Path, identity: Mapping[str, Any]) -> None:
        """Write the whole state to one file, atomically; of a finished run the best model alone."""
        tensors = {f"best.{name}": value for name, value in self.best.items()}
        if not self.ledger.finished:
            tensors |= {f"model.{name}": v for name, v in self.model.state_dict().items()}
            for index, moments in self.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
            tensors["random.cpu"] = torch.get_rng_state()
            if self.device.type == "cuda":
                tensors["random.cuda"] = torch.cuda.get_rng_state(self.device)
        tensors = portable(tensors)
        scalars = {"identity": identity, "ledger": asdict(self.ledger), "sha256": digest(tensors)}
        write_atomic(path, save(tensors, metadata={"run": json.dumps(scalars)}))

    def restore(self, tensors: Mapping[str, Tensor], ledger: Ledger, path: Path) -> None:
        """Become the run that was saved; `path` serves the message alone.

        Raises
        ------
        ConfigError
            The saved network is another one.
        """
        self.ledger = ledger
        self.best = part(tensors, "best.")
        try:
            self.model.load_state_dict(self.best if ledger.finished else part(tensors, "model."))
        except RuntimeError:
            raise ConfigError(
                f"{path} holds another network than the one described: choose another run name, "
                "or add --fresh to begin again"
            ) from None
        if ledger.finished:
            return
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part(tensors, "optimizer.").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        torch.set_rng_state(tensors["random.cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)


def load(path: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], Ledger]:
    """Read what `Run.save` wrote, if it belongs to the same run.

    Parameters
    ----------
    path : Path
        An existing file.
    identity : mapping
        What makes a run this run: the resolved config and what the data is; JSON values.

    Returns
    -------
    tensors : dict of str to Tensor
        For `Run.restore`.
    ledger : Ledger
        The scalars.

    Raises
    ------
    ModelError
        The file is damaged.
    ConfigError
        It was written under another identity.
    """
    damaged = ModelError(f"{path} is damaged: add --fresh to begin again")
    try:
        with safe_open(path, framework="pt") as file:
            scalars = json.loads(file.metadata()["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError, KeyError, TypeError):
        raise damaged from None
    if digest(tensors) != scalars["sha256"]:
        raise damaged
    key = first_difference(scalars["identity"], identity)
    if key:
        raise ConfigError(
            f"{path} belongs to a run with another {key}: choose another run name, "
            "or add --fresh to begin again"
        )
    ledger = scalars["ledger"]
    return tensors, Ledger(**{**ledger, "progress": Progress(**ledger["progress"])})


def first_difference(old: Any, new: Any, key: str = "") -> str:
    """Name the first key (dotted) at which two JSON values differ; empty when they agree."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return "" if old == new else f"{key} ({json.dumps(old)}, now {json.dumps(new)})"
    for name in sorted({*old, *new}):
        inner = f"{key}.{name}" if key else str(name)
        found = first_difference(old.get(name), new.get(name), inner)
        if found:
            return found
    return ""


def digest(tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 over names and values, so that no flipped bit passes for a weight."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        total.update(name.encode())
        total.update(tensors[name].reshape(-1).view(torch.uint8).numpy().tobytes())  # any shape
    return total.hexdigest()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors under a prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
