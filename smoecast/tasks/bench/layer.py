"""`smoecast bench layer`: an SMoE layer beside the convolution it replaces and the released code's.

A step is forward and backward with a given gradient at the output, routing loss and damping
included; the scores of the gate move a little after every step, so that no step profits from the
order of the last one. Inference has the same scores each time, as in use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work

if TYPE_CHECKING:
    from torch import nn

TO_EXPERTS = "convolution to E channels"
RELEASED = "released structure"


@dataclass(frozen=True)
class Size:
    """A layer and its input.

    Attributes
    ----------
    batch, channels : int
        Samples, and channels of each.
    selected, experts : int
        How many of how many experts answer at a point.
    grid : (int, int)
        Rows and columns.
    inner : bool
        Whether a gradient goes on to the input, as inside a network.
    """

    batch: int
    channels: int
    selected: int
    experts: int
    grid: tuple[int, int]
    inner: bool = True


CPU = {
    "large": Size(8, 64, 64, 128, (32, 64)),
    "small": Size(32, 1, 1, 3, (64, 64), inner=False),
}
GPU = {
    "32 x 64 points": Size(64, 128, 128, 256, (32, 64)),
    "361 x 720 points": Size(2, 64, 64, 128, (361, 720)),
}
TINY = {"tiny": Size(2, 4, 2, 4, (4, 8))}


def _convolution(size: Size, channels: int) -> "nn.Module":
    from torch import nn

    return nn.Conv2d(size.channels, channels, 3, padding=1, bias=False)


def _smoe(size: Size, **options: Any) -> "nn.Module":
    from smoecast.nn import SMoESettings, SpatialMoE2d

    if "order" in options:
        options["settings"] = SMoESettings(order=options.pop("order"))
    return SpatialMoE2d(size.channels, size.selected, size.experts, grid=size.grid, **options)


def _copy_released(size: Size) -> "nn.Module":
    from smoecast.tasks.bench.released_structure import ReleasedStructure

    return ReleasedStructure(size.channels, size.selected, size.experts, size.grid)


LAYERS: dict[str, Callable[[Size], "nn.Module"]] = {
    OURS: _smoe,
    TO_EXPERTS: lambda size: _convolution(size, size.experts),
    "convolution to K channels": lambda size: _convolution(size, size.selected),
    RELEASED: _copy_released,
    f"{OURS}, channels in the order of the experts": partial(_smoe, order="expert"),
    f"{OURS}, damping 1": partial(_smoe, damping=1.0),
    f"{OURS}, conv gate": partial(_smoe, gate="conv"),
}
"""The convolution to E channels is the first peer: what a layer with so many experts cannot avoid
without kernels of its own."""


class LayerRun:
    """One layer with its input and the gradient that reaches its output.

    Parameters
    ----------
    name : str
        Of `LAYERS`.
    size : Size
    device : str
        cpu or cuda.
    dtype : str
        What the layer computes in, float32 by itself, anything else as under autocast: its weights
        stay float32.
    """

    def __init__(self, name: str, size: Size, device: str = "cpu", dtype: str = "float32") -> None:
        import torch

        torch.manual_seed(0)
        self.device, self.dtype = device, getattr(torch, dtype)
        self.layer: Any = LAYERS[name](size).to(device)
        shape = (size.batch, size.channels, *size.grid)
        fields = torch.randn(shape, device=device, dtype=self.dtype)
        self.fields = fields.requires_grad_(size.inner)
        with torch.no_grad():
            output = self._forward()
        self.gradient = torch.randn_like(output) / output.numel()
        self.released = name == RELEASED

    def _forward(self) -> Any:
        import torch

        half = self.dtype != torch.float32
        with torch.autocast(self.device, self.dtype, enabled=half):
            return self.layer(self.fields)

    def step(self) -> None:
        """Go forward and backward, routing loss included; then the scores move a little."""
        for tensor in (self.fields, *self.layer.parameters()):
            tensor.grad = None
        output = self._forward()
        if self.released:
            from smoecast.tasks.bench.released_structure import backward

            backward(self.layer, output, self.gradient)
        else:
            output.backward(self.gradient)
        gate: Any = getattr(self.layer, "gate", None)
        if hasattr(gate, "scores"):  # else the next step would find the same route remembered
            gate.scores.data.add_(1e-6)

    def infer(self) -> None:
        """Go forward alone, without a graph."""
        import torch

        with torch.no_grad():
            self._forward()


def sizes(setting: Setting) -> dict[str, Size]:
    """Return the sizes that are measured on a device."""
    if setting.quick:
        return TINY
    return GPU if setting.device == "cuda" else CPU


def _make(name: str, size: Size, method: str, setting: Setting) -> Work:
    run = LayerRun(name, size, setting.device, setting.dtype)

    def work(_: Path) -> None:
        getattr(run, method)()

    return work


def _tasks(setting: Setting) -> dict[str, Task]:
    found = {}
    for words, size in sizes(setting).items():
        for what, method in (("step", "step"), ("inference", "infer")):
            ways = {name: Way(partial(_make, name, size, method)) for name in LAYERS}
            ours = tuple(name for name in LAYERS if name.startswith(OURS))
            found[f"{words}, {what}"] = Task(ways, ours, together=True)
    return found


CASE = Case("an SMoE layer", _tasks, rounds=25, uses_torch=True)
