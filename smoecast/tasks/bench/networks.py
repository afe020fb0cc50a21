"""Whole networks with SMoE layers beside their plain twins: steps of training, and passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from smoecast.tasks.bench.measuring.case import OURS, Setting, Task, Way, Work

TWIN = "the plain twin"
FEW = f"{OURS}, compared on 4 samples"
AS_WRITTEN = "the same step, not compiled"
MEMORY = {
    "experts_per_channel_at": {"last": 8},
    "expansion_at": {"last": 8},
    "error_memory": 0.97,
}


def _smoe(samples: int) -> dict[str, Any]:
    """Return settings of an SMoE layer that compares experts on so many samples of a batch."""
    return {"smoe": {"layers": ("last",), "advanced": {**MEMORY, "compared_samples": samples}}}


LAST: dict[str, dict[str, Any]] = {
    OURS: _smoe(0),
    TWIN: {"smoe": {"layers": "none"}},
    "a locally connected last layer": {"convolution": "local"},
    "a low-rank local last layer": {"convolution": "lowrank"},
    "CoordConv as the last layer": {"convolution": "coordconv"},
    FEW: _smoe(4),
    f"{OURS}, frozen": {"convolution": "frozen"},
}
"""What differs in each network. The first compares its experts on every sample."""


@dataclass(frozen=True)
class Body:
    """A network's shape and its batch."""

    network: Mapping[str, Any]
    inputs: int
    outputs: int
    grid: tuple[int, int]
    batch: int
    layers: Mapping[str, dict[str, Any]]


_SHARED = {"width": 32, "blocks": 2, "levels": 3, "local_bias": True, "input_skip": True}
BODIES = {
    "ResNet": Body({"kind": "resnet", **_SHARED}, 16, 7, (32, 64), 32, LAST),
    "U-Net": Body({"kind": "unet", **_SHARED}, 16, 7, (32, 64), 32, LAST),
}
PAPER = Body(
    {"width": 128, "blocks": 19, "dropout": 0.1, "advanced": {"first_kernel_size": 7}},
    inputs=117,
    outputs=3,
    grid=(32, 64),
    batch=64,
    layers={OURS: {"smoe": {"layers": ("last",)}}, TWIN: LAST[TWIN]},
)
"""That of weatherbench-smoe, which a GPU is for."""
TINY = Body({"width": 4, "blocks": 1, "levels": 1}, 16, 7, (8, 16), 4, LAST)


def bodies(setting: Setting) -> dict[str, Body]:
    """Return the networks that are measured on a device."""
    if setting.quick:
        return {"tiny network": TINY}
    if setting.device == "cuda":
        return {**BODIES, "network of 19 blocks": PAPER}
    return BODIES


class NetworkRun:
    """One network, with all that a step of its training needs.

    Parameters
    ----------
    body : Body
    name : str
        Of ``body.layers``.
    setting : Setting
        Device and precision.
    """

    def __init__(self, body: Body, name: str, setting: Setting) -> None:
        import torch

        from smoecast.config.network import Network
        from smoecast.nn.build import build
        from smoecast.nn.smoe.model_layers import gate_parameters
        from smoecast.training.precision import follow

        torch.manual_seed(0)
        settings = Network.model_validate({**body.network, **body.layers[name]})
        self.model = build(settings, body.inputs, body.outputs, body.grid, True).to(setting.device)
        follow(self.model, torch.amp.GradScaler(setting.device, enabled=False))
        gates = gate_parameters(self.model)
        chosen = {id(gate) for gate in gates}
        groups: list[dict[str, Any]] = [
            {"params": [p for p in self.model.parameters() if id(p) not in chosen]}
        ]
        groups += [{"params": gates, "lr": 1.0}] if gates else []
        self.optimizer = torch.optim.Adam(groups, lr=1e-4)
        self.cast = partial(autocast, setting)
        shapes = [(body.batch, channels, *body.grid) for channels in (body.inputs, body.outputs)]
        self.inputs, self.targets = (torch.randn(s, device=setting.device) for s in shapes)

    def step(self) -> None:
        """Take one step of the optimizer."""
        self.model.train()
        self.optimizer.zero_grad()
        with self.cast():
            output = self.model(self.inputs)
        (output.float() - self.targets).square().mean().backward()
        self.optimizer.step()

    def predict(self, starts: int) -> None:
        """Take one step of a forecast from so many starts."""
        import torch

        self.model.eval()
        with torch.no_grad(), self.cast():
            self.model(self.inputs[:starts])


def autocast(setting: Setting) -> Any:
    """Return the context of a forward pass in the precision of a setting."""
    import torch

    dtype = getattr(torch, setting.dtype)
    half = dtype != torch.float32
    return torch.autocast(setting.device, dtype if half else None, enabled=half)


def steps(setting: Setting) -> dict[str, Task]:
    """Return tasks: a step of the optimizer."""
    return {
        f"a step of a {words}, {body.batch} samples": _task(body, _make_step)
        for words, body in bodies(setting).items()
    }


def steps_of_programs(setting: Setting) -> dict[str, Task]:
    """Return tasks: a step of a network that `training.compile` made a program of.

    None on a GPU: to make the programs takes minutes, which a lent one has not.
    """
    if setting.device != "cpu":
        return {}
    return {
        f"a compiled step of a {words}{kind}, {body.batch} samples": Task(
            {
                OURS: Way(partial(_make_step, body, name, with_program=True), needs="g++"),
                AS_WRITTEN: Way(partial(_make_step, body, name)),
            },
            together=True,
        )
        for words, body in bodies(setting).items()
        for name, kind in ((TWIN, ""), (FEW, " with SMoE, compared on 4 samples"))
    }


def passes(setting: Setting) -> dict[str, Task]:
    """Return tasks: a pass of a forecast."""
    return {
        f"a pass of a {words}, {starts} start{'s' if starts > 1 else ''}": _task(
            body, partial(_make_pass, starts)
        )
        for words, body in bodies(setting).items()
        for starts in (body.batch, 1)
    }


def _task(body: Body, make: Any) -> Task:
    ways = {name: Way(partial(make, body, name)) for name in body.layers}
    ours = tuple(name for name in body.layers if name.startswith(OURS))
    return Task(ways, ours, together=True)


def _make_step(body: Body, name: str, setting: Setting, *, with_program: bool = False) -> Work:
    run = NetworkRun(body, name, setting)
    if with_program:
        import torch

        from smoecast.training.compiling import compile_network

        compile_network(run.model, torch.device(setting.device))
        run.step()  # which makes the program

    def work(_: Path) -> None:
        run.step()

    return work


def _make_pass(starts: int, body: Body, name: str, setting: Setting) -> Work:
    from smoecast.nn.memory_format import put_channels_last

    run = NetworkRun(body, name, setting)
    put_channels_last(run.model)  # as a forecast does

    def work(_: Path) -> None:
        run.predict(starts)

    return work
