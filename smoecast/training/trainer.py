"""A model in training: everything that its next step depends on, in memory."""

import copy
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from smoecast.config.training import Training
from smoecast.disk.atomic import write_atomic
from smoecast.errors import ConfigError, OutputError
from smoecast.nn.convolutions import translate_older
from smoecast.nn.smoe.model_layers import (
    expert_parameters,
    gate_parameters,
    recall_errors,
    remember_errors,
)
from smoecast.training.batches import BatchFeeder
from smoecast.training.checkpoint import SEAL, TrainingProgress, digest, part, seal
from smoecast.training.compiling import compile_network, without_program
from smoecast.training.distributed import ProcessGroup
from smoecast.training.model_files import portable
from smoecast.training.optimizers import OPTIMIZERS
from smoecast.training.precision import autocast, follow, new_scaler, resolve


class Trainer:
    """A model in training, with all that its next step depends on.

    Parameters
    ----------
    model : nn.Module
        Trained in place.
    settings : Training
        Optimizer, learning rates, weight decay, precision; routing scores have their own rate and
        no decay.
    device : torch.device
        The model is moved there.
    team : ProcessGroup
        The processes that train it together.

    Attributes
    ----------
    feeder : BatchFeeder
        Brings batches to the device of the model.
    network : nn.Module
        What a step calls: the model, under DistributedDataParallel where there are several.
    judged : nn.Module
        What is validated and kept: the model, or with `ema` a copy whose weights trail behind.
    best : dict of str to Tensor
        Tensors of the best epoch so far.
    routing : dict of str to Tensor
        Which expert served each point at some epochs: see `routing_record`.
    precision : str
        What the passes are computed in: bf16, fp16 or float32.
    compiled_for : int
        Samples of a pass for which the network is compiled; 0: it is not.

    Raises
    ------
    ConfigError
        The device cannot compute in `settings.precision`, or there is nothing to compile with.
    """

    def __init__(
        self, model: nn.Module, settings: Training, device: torch.device, team: ProcessGroup
    ) -> None:
        self.model = model.to(device)
        self.device, self.team = device, team
        self.precision = resolve(settings.precision, device)
        self.autocast()
        self.scaler = new_scaler(self.precision, device)
        self.scale = follow(model, self.scaler)
        self.judged = copy.deepcopy(model).requires_grad_(False).eval() if settings.ema else model
        self.gates = gate_parameters(model)
        for parameter in self.gates:
            # at rest, no expert needs to be judged
            parameter.requires_grad_(settings.advanced.gate_learning_rate > 0)
        chosen = {id(parameter) for parameter in self.gates}
        self.weights = [p for p in model.parameters() if id(p) not in chosen and p.requires_grad]
        self.optimizer = _optimizer(model, self.weights, self.gates, settings)
        self.compiled_for = settings.batch_size if settings.compile else 0
        if self.compiled_for:
            compile_network(model, device)
        self.network = DistributedDataParallel(model) if team.size > 1 else model
        self.feeder = BatchFeeder(device)
        self.best: dict[str, Tensor] = {}
        self.routing: dict[str, Tensor] = {}
        self.ledger = TrainingProgress()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context of a forward pass."""
        return autocast(self.precision, self.device)

    def forward(self, inputs: Tensor) -> Tensor:
        """Return what the network makes of the inputs (B, C, H, W) of one pass, to learn from."""
        is_other = self.compiled_for > 0 and len(inputs) != self.compiled_for
        with self.autocast(), without_program(is_other):
            output: Tensor = self.network(inputs)
        return output

    def judge(self, inputs: Tensor) -> Tensor:
        """Return what the network that is kept makes of inputs (B, C, H, W)."""
        with self.autocast(), without_program(self.compiled_for > 0):
            output: Tensor = self.judged(inputs)
        return output

    def backward(self, loss: Tensor, share: float) -> None:
        """Gather the gradients of one pass, which sees this share of a step's samples."""
        # what is averaged over the processes must be their size times larger
        self.scale.share = share * self.team.size
        scaled: Tensor = self.scaler.scale(loss * self.scale.share)
        torch.autograd.backward(scaled)

    def without_sync(self, wanted: bool) -> AbstractContextManager[None]:
        """Return a context in which, if `wanted`, gradients gather without being averaged yet."""
        if wanted and isinstance(self.network, DistributedDataParallel):
            return self.network.no_sync()
        return nullcontext()

    @torch.no_grad()
    def trail(self, decay: float, steps: int) -> None:
        """Let the averaged weights follow: decay x average + (1 - decay) x weights.

        The decay is at most (1 + n) / (10 + n) after n `steps`, so that the random start is soon
        forgotten.
        """
        if self.judged is self.model:
            return
        rate = 1.0 - min(decay, (1 + steps) / (10 + steps))
        for average, value in zip(self.judged.parameters(), self.model.parameters(), strict=True):
            average.lerp_(value, rate)
        for kept, buffer in zip(self.judged.buffers(), self.model.buffers(), strict=True):
            kept.copy_(buffer)

    def share_buffers(self) -> None:
        """Give every process the first one's buffers (statistics of batch normalisation)."""
        if self.team.size > 1:
            for buffer in self.model.buffers():
                torch.distributed.broadcast(buffer, 0)

    def save(self, path: Path, identity: Mapping[str, Any], *, whole: bool = True) -> None:
        """Write the whole state to one file, atomically; or the best model alone.

        All processes call it together; the first one writes.

        Raises
        ------
        OutputError
            The gates of a process are not those of the first, so that points choose other experts.
        """
        strays = self.team.find_strays(self.gates)
        if strays:
            raise OutputError(
                f"{path}: the gates of process {', '.join(map(str, strays))} differ from those of "
                "process 0, which would choose other experts: nothing is saved; run the same "
                "command again, which goes on from what was saved before"
            )
        tensors = {f"best.{name}": value for name, value in self.best.items()}
        tensors |= {f"routing.{name}": value for name, value in self.routing.items()}
        if whole:
            tensors |= {f"model.{name}": v for name, v in self.model.state_dict().items()}
            if self.judged is not self.model:
                tensors |= {f"average.{name}": v for name, v in self.judged.state_dict().items()}
            for index, moments in self.optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{index}.{key}": value for key, value in moments.items()}
            remembered = recall_errors(self.model)
            tensors |= {f"errors.{number}": value for number, value in remembered.items()}
            tensors |= {f"random.{name}": state for name, state in self._random().items()}
        if not self.team.first:
            return
        tensors = portable(tensors)
        self.ledger.scaler = self.scaler.state_dict()
        scalars = {"identity": identity, "ledger": asdict(self.ledger), "sha256": digest(tensors)}
        scalars = json.loads(json.dumps(scalars))  # as a reader will see them
        scalars[SEAL] = seal(scalars)
        write_atomic(path, save(tensors, metadata={"run": json.dumps(scalars)}))

    def restore(self, tensors: Mapping[str, Tensor], ledger: TrainingProgress, path: Path) -> None:
        """Become the run that was saved; `path` serves the message alone.

        Raises
        ------
        ConfigError
            The saved network is another one, or its weights were arranged in another way.
        """
        self.ledger = ledger
        self.best = translate_older(self.model, part(tensors, "best."))
        self.routing = part(tensors, "routing.")
        now = translate_older(self.model, part(tensors, "model."))
        try:
            self.model.load_state_dict(now or self.best)
        except RuntimeError:
            raise ConfigError(
                f"{path} holds another network than the one described: choose another run name, "
                "or add --fresh to begin again"
            ) from None
        if not now:
            return  # the best alone: nothing follows
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in part(tensors, "optimizer.").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self._refuse_strange_moments(path)
        if self.judged is not self.model:
            self.judged.load_state_dict(part(tensors, "average."))
        remember_errors(self.model, part(tensors, "errors."))
        self.scaler.load_state_dict(ledger.scaler)
        self._set_random(part(tensors, "random."))

    def _refuse_strange_moments(self, path: Path) -> None:
        """Refuse moments of weights that another version ordered or laid out in another way."""
        for weights, moments in self.optimizer.state.items():
            if any(value.dim() and value.shape != weights.shape for value in moments.values()):
                raise ConfigError(
                    f"{path} was begun by an older smoecast, whose weights were arranged in "
                    "another way: end it with that one, or add --fresh to begin again"
                )

    def _random(self) -> dict[str, Tensor]:
        """Return the states of the random generators; of several processes one above the other."""
        states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self.device)
        # (1, n) -> (n,) where there is one process
        return {name: self.team.gather(state).squeeze(0) for name, state in states.items()}

    def _set_random(self, states: Mapping[str, Tensor]) -> None:
        rows = {name: s.view(self.team.size, -1) for name, s in states.items()}
        # torch reads a state from where its memory begins
        mine = {name: row[self.team.rank].clone() for name, row in rows.items()}
        torch.set_rng_state(mine["cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(mine["cuda"], self.device)


def _optimizer(
    model: nn.Module,
    weights: list[nn.Parameter],
    gates: list[nn.Parameter],
    settings: Training,
) -> torch.optim.Optimizer:
    """Return the optimizer; each group says which rate it takes, and by what factor."""
    # one group of weights where no factor sets experts apart, as runs of before saved them
    factor = settings.advanced.expert_factor
    apart = expert_parameters(model) if factor != 1.0 else []
    chosen = {id(part) for part in apart}
    groups: list[dict[str, Any]] = [
        {"params": [p for p in weights if id(p) not in chosen]},
        {"params": gates, "weight_decay": 0.0, "gates": True},
    ]
    if apart:
        groups.append({"params": apart, "factor": factor})
    kind = OPTIMIZERS[settings.optimizer]
    # learning rates are set before each step
    return kind(
        [{"gates": False, "factor": 1.0, **group} for group in groups],
        weight_decay=settings.weight_decay,
        fused=True,  # one pass over the weights
    )
