"""From a config to a network, and from a network to a forecaster in physical units."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from smoecast.config_learning import Network, Smoe
from smoecast.errors import ModelError
from smoecast.nn.local import SameConv2d
from smoecast.nn.normalize import Normalizer, Statistics
from smoecast.nn.resnet import Place, ResNet
from smoecast.nn.smoe import SpatialMoE2d

FIRST_FORECAST = 0.1
"""Factor on the last layer's first weights: training starts near the base of each target."""

PLACES: Mapping[str, tuple[Place, ...]] = {
    "none": (),
    "first": ("first",),
    "last": ("last",),
    "ends": ("first", "last"),
    "all": ("first", "hidden", "last"),
}
"""Which convolutions become SMoE layers, by `network.smoe.layers`."""


class Forecaster(nn.Module):
    """A backbone between physical units: what training trains and forecasts run.

    Parameters
    ----------
    backbone : nn.Module
        Normalised (B, C, H, W) -> (B, D, H, W), the change in units of the target's scale.
    statistics : Statistics
        Of the inputs and targets.
    """

    def __init__(self, backbone: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.normalizer = Normalizer(statistics)
        self.backbone = backbone

    def forward(self, fields: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W), physical units, float32."""
        change = self.backbone(self.normalizer.inputs(fields))
        return self.normalizer.forecast(fields, change)


def build(
    network: Network, in_channels: int, out_channels: int, grid: tuple[int, int], periodic: bool
) -> ResNet:
    """Make the backbone that a config describes, its weights drawn from torch's generator.

    Parameters
    ----------
    network : Network
        Section `network` of the config.
    in_channels, out_channels : int
        C and D.
    grid : tuple of int
        (H, W).
    periodic : bool
        Whether the grid closes in longitude; elsewhere zeros lie beyond its edge.

    Returns
    -------
    ResNet
        (B, C, H, W) -> (B, D, H, W).
    """
    size, padding = network.kernel_size, "periodic" if periodic else "zeros"

    def convolution(place: Place, inside: int, outside: int) -> nn.Module:
        if place in PLACES[network.smoe.layers]:
            return smoe_layer(
                network.smoe, inside, outside, grid=grid, kernel_size=size, padding=padding
            )
        return SameConv2d(inside, outside, kernel_size=size, padding=padding)

    backbone = ResNet(
        in_channels,
        out_channels,
        grid,
        convolution,
        width=network.width,
        blocks=network.blocks,
        normalization=network.normalization,
        dropout=network.dropout,
        position_channels=network.position_channels,
    )
    with torch.no_grad():
        backbone.last.get_parameter("weight").mul_(FIRST_FORECAST)
    return backbone


def smoe_layer(
    smoe: Smoe,
    in_channels: int,
    out_channels: int,
    *,
    grid: tuple[int, int],
    kernel_size: int,
    padding: str,
) -> SpatialMoE2d:
    """Make one SMoE layer; the experts are `expansion` times the channels out, rounded up."""
    per_channel = math.ceil(smoe.expansion) if smoe.routing == "grouped" else smoe.expansion
    return SpatialMoE2d(
        in_channels,
        out_channels,
        math.ceil(per_channel * out_channels),
        grid=grid,
        kernel_size=kernel_size,
        gate=smoe.gate,
        padding=padding,
        bias=smoe.bias,
        error_quantile=smoe.error_quantile,
        damping=smoe.damping,
        routing_loss_weight=smoe.routing_loss_weight,
        order=smoe.order,
        routing=smoe.routing,
        start=smoe.start,
        expert_start=smoe.expert_start,
    )


def forecaster(
    network: Network, statistics: Statistics, grid: tuple[int, int], periodic: bool
) -> Forecaster:
    """Make a new forecaster, ready to train; the statistics say how many channels there are."""
    channels, targets = len(statistics.input_mean), len(statistics.target_scale)
    return Forecaster(build(network, channels, targets, grid, periodic), statistics)


def restore(
    network: Network, tensors: Mapping[str, Tensor], grid: tuple[int, int], periodic: bool
) -> Forecaster:
    """Make a trained forecaster from the tensors of its state dict, in evaluation mode.

    Parameters
    ----------
    network : Network
        The config that it was trained under.
    tensors : mapping of str to Tensor
        Weights and statistics.
    grid : tuple of int
        (H, W).
    periodic : bool
        Whether the grid closes in longitude.

    Raises
    ------
    ModelError
        The tensors do not belong to this network.
    """
    try:
        names = ("input_mean", "input_std", "target_scale", "base", "target_mean")
        statistics = Statistics(*(tensors[f"normalizer.{name}"] for name in names))
        model = forecaster(network, statistics, grid, periodic)
        model.load_state_dict(tensors)
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[-1].strip()
        raise ModelError(
            f"the weights do not fit the network of the config ({reason}): use the config that "
            "they were trained under"
        ) from None
    return model.eval()


def smoe_layers(model: nn.Module) -> list[SpatialMoE2d]:
    """Return the SMoE layers of a model, from inputs to outputs."""
    return [module for module in model.modules() if isinstance(module, SpatialMoE2d)]


def gate_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that the routing loss trains, each once; none without SMoE layers."""
    gates = {id(p): p for layer in smoe_layers(model) for p in layer.gate.parameters()}
    return list(gates.values())


def routing_loss(model: nn.Module) -> float:
    """Sum over the SMoE layers of the routing losses of the last backward pass; 0 without any."""
    losses = [layer.routing_loss for layer in smoe_layers(model)]
    return float(sum(float(loss) for loss in losses if loss is not None))
