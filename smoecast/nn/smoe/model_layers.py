"""The SMoE layers of a whole network: their gates, experts, losses, and what they remember."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from smoecast.nn.convolutions import PointConv2d
from smoecast.nn.smoe.chosen_filters import choose_filters
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gates import Gate
from smoecast.nn.smoe.gather import make_route
from smoecast.nn.smoe.layer import SpatialMoE2d


def smoe_layers(model: nn.Module) -> list[SpatialMoE2d]:
    """Return the SMoE layers of a model, from inputs to outputs."""
    return [module for module in model.modules() if isinstance(module, SpatialMoE2d)]


def gate_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that the routing loss trains, each once; none without SMoE layers."""
    gates = {id(p): p for layer in smoe_layers(model) for p in layer.gate.parameters()}
    return list(gates.values())


def expert_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return what SMoE layers add to the filters that all points share: experts and biases.

    And the filters and biases of points that were made of them (`freeze_tensors`).
    """
    parts = [part for layer in smoe_layers(model) for part in (layer.weight, layer.bias)]
    freed = [m for m in model.modules() if isinstance(m, PointConv2d)]
    parts += [part for layer in freed for part in (layer.filters, layer.bias)]
    return [part for part in parts if part is not None]


@contextmanager
def reuse_filters(model: nn.Module) -> Iterator[None]:
    """Make the filters of points once for all passes within, whose losses end in one backward."""
    with ExitStack() as stack:
        for layer in smoe_layers(model):
            stack.enter_context(layer.filter_memory.reuse())
        yield


def recall_errors(model: nn.Module) -> dict[str, Tensor]:
    """Return what gates remember of their experts' errors, by number of the layer.

    Of layers that share a gate the first counts.
    """
    found = {str(n): gate.gradient.remembered for gate, n in _first_layers(model).items()}
    return {number: errors for number, errors in found.items() if errors is not None}


def remember_errors(model: nn.Module, errors: Mapping[str, Tensor]) -> None:
    """Give the gates back what `recall_errors` found."""
    layers = smoe_layers(model)
    for number, values in errors.items():
        layer = layers[int(number)]
        layer.gate.gradient.remembered = values.to(layer.weight.device)


def freeze_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Return the state dict of a model whose SMoE layers have become filters of the points.

    Parameters
    ----------
    model : nn.Module
        Its `SpatialMoE2d` layers have the place of a `smoecast.nn.convolutions.PointConv2d` in
        what is returned.

    Raises
    ------
    ValueError
        There is no such layer, or the gate of one looks at the input or weighs its experts.
    """
    layers = {name: m for name, m in model.named_modules() if isinstance(m, SpatialMoE2d)}
    if not layers:
        raise ValueError("it has no SMoE layer")
    tensors = dict(model.state_dict())
    for name, layer in layers.items():
        if layer.gate.depends_on_input or layer.weighted:
            raise ValueError(f"at {name} the choice of experts depends on the weather")
        tensors = {key: t for key, t in tensors.items() if not key.startswith(f"{name}.")}
        scores = layer.gate(layer.weight.new_zeros(1, layer.weight.shape[1], *layer.grid))
        route = make_route(scores, layer.objective.how, layer.objective.num_filters)
        with torch.no_grad():
            chosen = choose_filters(layer.filters(), layer.bias, route, layer.objective)
        bias = chosen.filters.new_zeros(chosen.filters.shape[:3])
        tensors[f"{name}.filters"] = chosen.filters
        tensors[f"{name}.bias"] = bias if chosen.bias is None else chosen.bias
    return tensors


def extend_plain(model: nn.Module, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state dict of a plain network for one that will know places, but does not yet.

    Parameters
    ----------
    model : nn.Module
        Says where SMoE layers with a shared filter (`SMoESettings.shared`) or filters of points
        (`smoecast.nn.convolutions.PointConv2d`) are.
    tensors : mapping of str to Tensor
        Of the network with `smoecast.nn.convolutions.SameConv2d` in their place. Filters become
        those that all points share, beside experts that add nothing yet, and whose routing scores
        are those of `model`; or those of every point. What does not fit is left as it is.
    """
    grown = dict(tensors)
    for name, layer in model.named_modules():
        if not isinstance(layer, PointConv2d | SpatialMoE2d):
            continue
        weight, bias = tensors.get(f"{name}.weight"), tensors.get(f"{name}.bias")
        if weight is None or weight.shape != _plain_shape(layer):
            continue
        if isinstance(layer, PointConv2d):
            own = _spread(layer, weight, bias)
        else:
            own = _share(layer, weight, bias)
        for key in ("weight", "bias"):
            grown.pop(f"{name}.{key}", None)
        grown |= {f"{name}.{key}": value for key, value in own.items()}
    return grown


def _plain_shape(layer: PointConv2d | SpatialMoE2d) -> tuple[int, ...] | None:
    """Return the shape of a plain layer's filter, (D, C, k, k); None where none has a place."""
    if isinstance(layer, SpatialMoE2d):
        return None if layer.common is None else tuple(layer.common.shape)
    channels, _, _, size, _, inputs = layer.filters.shape
    return channels, inputs, size, size


def _spread(layer: PointConv2d, weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """Give each point the filter (D, C, k, k) and the number (D) of all."""
    grid = layer.filters.shape[1:3]
    filters = weight.permute(0, 2, 3, 1)[:, None, None].expand(-1, *grid, -1, -1, -1)
    own = layer.bias.new_zeros(len(weight)) if bias is None else bias
    return {"filters": filters.contiguous(), "bias": own[:, None, None].repeat(1, *grid)}


def _share(layer: SpatialMoE2d, weight: Tensor, bias: Tensor | None) -> dict[str, Tensor]:
    """Make a filter (D, C, k, k) and a number (D) what experts share, who add nothing."""
    own = {key: value.clone() for key, value in layer.state_dict().items()}
    own |= {"common": weight, "weight": torch.zeros_like(layer.weight)}
    if bias is not None and layer.bias is not None:
        how, terms = layer.objective.how, layer.objective.terms
        # (D) -> (K / T, T, E / K, F): the experts that serve a channel together add up to it
        shape = (how.num_selected // terms, terms, how.group_size, layer.objective.num_filters)
        parts = bias.view(shape[0], 1, 1, -1) / terms
        own["bias"] = parts.expand(shape).flatten()
    return own


def follow_scaler(network: nn.Module, scaler: torch.amp.GradScaler | None) -> None:
    """Tell every SMoE layer of a network which GradScaler scales the loss; call it once.

    The routing loss has its own gradient, which must be scaled like all others because
    ``scaler.unscale_`` divides them alike. With a scaler, gradients that are not finite pass
    through (the scaler skips the step); without one they raise.

    Parameters
    ----------
    network : nn.Module
        Its `SpatialMoE2d` layers are told.
    scaler : GradScaler or None
        One that is not enabled says that there is none. None takes back what was said.
    """
    _tell(network, lambda scale: LossScale(scaler, scale.share))


def share_loss(network: nn.Module, share: float | None) -> None:
    """Tell every SMoE layer of a network what the loss of each backward pass is multiplied by.

    Where several passes make a step, gates of the kind ``tensor`` need not be told, unless they
    have auxiliary losses, or damping where experts are compared.

    Parameters
    ----------
    network : nn.Module
        Its `SpatialMoE2d` layers are told.
    share : float or None
        Such as 1 / passes. None takes back what was said.
    """
    _tell(network, lambda scale: LossScale(scale.scaler, share))


def _tell(network: nn.Module, change: Callable[[LossScale], LossScale]) -> None:
    for module in network.modules():
        if isinstance(module, SpatialMoE2d):
            module.objective.scale = change(module.objective.scale)


def routing_losses(model: nn.Module) -> tuple[float, float]:
    """Return the sums of the SMoE layers' routing losses by what they are means over; 0 for none.

    First those over the samples of the last backward pass, one a layer, then those that compare
    experts, over all passes since the gradient was zero, one a gate.
    """
    layers = [layer.objective.loss for layer in smoe_layers(model)]
    learning = [g for g in _first_layers(model) if any(p.requires_grad for p in g.parameters())]
    gates = [gate.gradient.loss for gate in learning]
    one, other = (sum(float(x) for x in losses if x is not None) for losses in (layers, gates))
    return float(one), float(other)


def _first_layers(model: nn.Module) -> dict[Gate, int]:
    """Return every gate of the SMoE layers once, with the number of its first layer."""
    found: dict[Gate, int] = {}
    for number, layer in enumerate(smoe_layers(model)):
        found.setdefault(layer.gate, number)
    return found
