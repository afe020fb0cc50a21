"""Layers by number, for operators, which take tensors and numbers; and how a layer is linked."""

import itertools
import weakref
from typing import Protocol

from torch import Tensor, nn

from smoecast.nn.smoe.gate_training.gate_gradient import Link
from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective
from smoecast.nn.smoe.gates import Gate


class Layer(Protocol):
    """What the training signal asks of a layer."""

    objective: RoutingObjective
    gate: Gate
    weight: nn.Parameter

    def all_values(self, x: Tensor) -> Tensor:
        """Values of all experts, (B, E F, H, W)."""


_counter = itertools.count()
_layers: weakref.WeakValueDictionary[int, Layer] = weakref.WeakValueDictionary()
_links: weakref.WeakKeyDictionary[Layer, Link] = weakref.WeakKeyDictionary()


def number_layer(layer: Layer) -> int:
    """Return a number by which `find_layer` finds it as long as it lives, in this process."""
    number = next(_counter)
    _layers[number] = layer
    return number


def find_layer(number: int) -> Layer:
    """Return the layer of a number."""
    return _layers[number]


def link_layer(layer: Layer) -> Link:
    """Make a layer's gate ready for the backward pass that judges its experts."""
    f = layer.objective
    others = [layer.weight] if f.damping != 1.0 else []
    return layer.gate.link(f.scale.scaler is not None, f.compares and f.weight > 0, others)


def link_gate(layer: Layer) -> Link:
    """Make it ready for one that brings its auxiliary losses."""
    return layer.gate.link(layer.objective.scale.scaler is not None)


def begin_pass(number: int) -> None:
    """Link a layer, in a forward pass; `link_of` returns the link of the last one.

    Which processes average gradients is decided by the last forward pass, by DDP as well.
    """
    layer = _layers[number]
    _links[layer] = link_layer(layer)


def link_of(layer: Layer) -> Link:
    """Return the link of a layer's last forward pass."""
    return _links[layer]
