"""What is timed: the layers, the two sizes, one training step and one inference of each."""

from dataclasses import dataclass

import torch
from released_structure import ReleasedStructure, backward
from torch import nn

from smoecast.nn import SMoESettings, SpatialMoE2d


@dataclass(frozen=True)
class Size:
    batch: int
    channels: int
    selected: int
    experts: int
    grid: tuple[int, int]
    inner: bool  # An inner layer also passes a gradient on to its input.


SIZES = {
    "large": Size(8, 64, 64, 128, (32, 64), inner=True),
    "small": Size(32, 1, 1, 3, (64, 64), inner=False),
}


def _conv(size, channels):
    return nn.Conv2d(size.channels, channels, 3, padding=1, bias=False)


def _smoe(size, **options):
    return SpatialMoE2d(size.channels, size.selected, size.experts, grid=size.grid, **options)


LAYERS = {
    "convolution to E": lambda s: _conv(s, s.experts),
    "convolution to K": lambda s: _conv(s, s.selected),
    "SMoE": _smoe,
    "SMoE, order of experts": lambda s: _smoe(s, settings=SMoESettings(order="expert")),
    "SMoE, no damping": lambda s: _smoe(s, damping=1.0),
    "SMoE, conv gate": lambda s: _smoe(s, gate="conv"),
    "released structure": lambda s: ReleasedStructure(s.channels, s.selected, s.experts, s.grid),
}


class Case:
    """One layer at one size, with its input and the gradient that reaches its output."""

    def __init__(self, layer_name, size_name, seed=0):
        torch.manual_seed(seed)
        size = SIZES[size_name]
        self.layer = LAYERS[layer_name](size)
        self.x = torch.randn(size.batch, size.channels, *size.grid, requires_grad=size.inner)
        with torch.no_grad():
            out = self.layer(self.x)
        self.grad = torch.randn_like(out) / out.numel()

    def step(self):
        """Forward and backward, routing loss included; then the scores move a little."""
        for tensor in (self.x, *self.layer.parameters()):
            tensor.grad = None
        out = self.layer(self.x)
        if isinstance(self.layer, ReleasedStructure):
            backward(self.layer, out, self.grad)
        else:
            out.backward(self.grad)
        gate = getattr(self.layer, "gate", None)
        if hasattr(gate, "scores"):  # Else the next step would find the same route remembered.
            gate.scores.data.add_(1e-6)

    def infer(self):
        """Forward alone, without a graph."""
        with torch.no_grad():
            self.layer(self.x)
