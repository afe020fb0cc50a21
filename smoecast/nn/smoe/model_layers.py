"""The SMoE layers of a whole network: their gates, experts, losses, and what they remember."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smoecast.nn.smoe.comparative_loss import settle
from smoecast.nn.smoe.gates import TensorGate
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.routing_loss import LossScale


def smoe_layers(model: nn.Module) -> list[SpatialMoE2d]:
    """Return the SMoE layers of a model, from inputs to outputs."""
    return [module for module in model.modules() if isinstance(module, SpatialMoE2d)]


def gate_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that the routing loss trains, each once; none without SMoE layers."""
    gates = {id(p): p for layer in smoe_layers(model) for p in layer.gate.parameters()}
    return list(gates.values())


def expert_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return what SMoE layers add to the filters that all points share: experts and biases."""
    parts = [part for layer in smoe_layers(model) for part in (layer.weight, layer.bias)]
    return [part for part in parts if part is not None]


def routing_loss(model: nn.Module) -> float:
    """Sum over the SMoE layers of the routing losses of the last backward pass; 0 without any."""
    losses = [layer.routing_loss for layer in smoe_layers(model)]
    return float(sum(float(loss) for loss in losses if loss is not None))


def settle_gates(model: nn.Module) -> float:
    """Give every gate whose gradient gathers errors that of its routing loss; return their sum.

    To be called once the gradients of a step are whole, and not scaled any more.
    """
    total, done = 0.0, set[int]()
    for layer in smoe_layers(model):
        feedback, gate = layer.feedback, layer.gate
        gathers = feedback.judge == "experts" and feedback.scale.gathers and not layer.weighted
        if not gathers or not isinstance(gate, TensorGate) or id(gate) in done:
            continue
        if feedback.weight > 0:
            done.add(id(gate))
            total += float(settle(gate.scores, feedback))
    return total


def remembered_errors(model: nn.Module) -> dict[str, Tensor]:
    """Return what SMoE layers remember of their experts' errors, by number of the layer.

    Layers that share a gate share its scores, and the first of them remembers.
    """
    layers = enumerate(smoe_layers(model))
    found = {str(number): layer.feedback.remembered for number, layer in layers}
    return {number: errors for number, errors in found.items() if errors is not None}


def remember_errors(model: nn.Module, errors: Mapping[str, Tensor]) -> None:
    """Give the SMoE layers back what `remembered_errors` found."""
    layers = smoe_layers(model)
    for number, values in errors.items():
        layer = layers[int(number)]
        layer.feedback.remembered = values.to(layer.weight.device)


def follow_scaler(network: nn.Module, scaler: torch.amp.GradScaler | None) -> None:
    """Tell every SMoE layer of a network which GradScaler scales the loss; call it once.

    The routing loss has its own gradient, which must be scaled like all others because
    ``scaler.unscale_`` divides them alike. Only fp16 training needs this. With a scaler, gradients
    that are not finite pass through (the scaler skips the step); without one they raise.

    Parameters
    ----------
    network : nn.Module
        Its `SpatialMoE2d` layers are told.
    scaler : GradScaler or None
        None takes it away again.
    """
    for module in network.modules():
        if isinstance(module, SpatialMoE2d):
            module.feedback.scale = LossScale(scaler)
