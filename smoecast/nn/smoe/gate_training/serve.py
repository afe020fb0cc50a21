"""A layer's output with its training signal behind, as it is, or as torch.compile can trace it."""

from typing import Protocol

import torch
from torch import Tensor

from smoecast.nn.smoe.experts import add_terms
from smoecast.nn.smoe.gate_training import operators
from smoecast.nn.smoe.gate_training.attached_loss import attach_loss
from smoecast.nn.smoe.gate_training.comparative_loss import compare_experts
from smoecast.nn.smoe.gate_training.layer_numbers import Layer, link_gate, link_layer
from smoecast.nn.smoe.gate_training.picked_values import pick_and_train
from smoecast.nn.smoe.gate_training.refusals import refuse_half
from smoecast.nn.smoe.gate_training.routing_loss import train_routing
from smoecast.nn.smoe.gate_training.sampled_comparison import compare_later
from smoecast.nn.smoe.gather import Route
from smoecast.nn.smoe.kernels.choice import find_kernels


class TrainedLayer(Layer, Protocol):
    """What is asked of a layer for its output."""

    number: int

    def values(self, x: Tensor, route: Route) -> Tensor:
        """Values of the selected experts, (B, K F, H, W)."""

    def add_up(self, x: Tensor, route: Route) -> Tensor:
        """Add these up, (B, D, H, W)."""


def serve(layer: TrainedLayer, x: Tensor, scores: Tensor, route: Route) -> Tensor:
    """Return what the selected experts add up to, (B, D, H, W), to train experts and gate.

    Parameters
    ----------
    layer : SpatialMoE2d
        Its gate or its damping has something to learn.
    x : Tensor
        (B, C, H, W).
    scores : Tensor
        (E, H, W) or (B, E, H, W).
    route : Route
        Who is selected.

    Raises
    ------
    GateGradientError
        In float16 without a word of the GradScaler; and in the backward.
    """
    f, number = layer.objective, layer.number
    told, compiles = f.scale.scaler is not None, torch.compiler.is_compiling()
    if f.compared_samples:
        out, some = layer.add_up(x, route), x[: f.compared_samples].detach().to(layer.weight.dtype)
        refuse_half(out, told)
        if compiles:
            later: Tensor = operators.compare_later(
                out, scores, some, route.index, route.places, number
            )
            return later
        link = link_layer(layer)
        return compare_later(out, lambda: layer.all_values(some), scores, route, f, link)
    whole = find_kernels(x) is not None  # which pick and train in one
    every = f.compares or compiles or whole
    values = layer.all_values(x) if every else layer.values(x, route)
    refuse_half(values, told)
    if compiles:
        operator = operators.compare_experts if f.compares else operators.train_routing
        picked = operator(values, scores, route.index, route.places, number)
    elif every:
        train = compare_experts if f.compares else pick_and_train
        picked = train(values, scores, route, f, link_layer(layer))
    else:
        picked = train_routing(values, scores, route.index, f, link_layer(layer))
    return add_terms(picked, f)


def join_loss(layer: TrainedLayer, out: Tensor, loss: Tensor) -> Tensor:
    """Return a layer's output, unchanged; whatever loss is derived from it is joined by `loss`."""
    if torch.compiler.is_compiling():
        joined: Tensor = operators.attach_loss(out, loss, layer.number)
        return joined
    return attach_loss(out, loss, layer.objective.scale, link_gate(layer))
