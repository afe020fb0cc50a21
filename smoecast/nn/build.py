"""From a config to a network, and from a network to a forecaster in physical units."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from smoecast.config.network import Network, Smoe
from smoecast.errors import ConfigError, ModelError
from smoecast.nn.backbones.blocks import LocalBias
from smoecast.nn.backbones.cnn import CNN
from smoecast.nn.backbones.conv_slots import Convolutions, ConvSlot, Place, Special
from smoecast.nn.backbones.linear import LinearMap
from smoecast.nn.backbones.resnet import ResNet
from smoecast.nn.backbones.unet import UNet
from smoecast.nn.convolutions import (
    CoordConv2d,
    LocallyConnected2d,
    LowRankLocal2d,
    PointConv2d,
    SameConv2d,
)
from smoecast.nn.normalize import Normalizer, Statistics, statistics_of
from smoecast.nn.outline import is_outline, restore_tensors
from smoecast.nn.smoe.gates import Gate
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.settings import SMoESettings

FIRST_FORECAST = 0.1
"""Factor on the last layer's first weights: training starts near the base of each target."""

EMBEDDED: Mapping[str, tuple[Place, ...]] = MappingProxyType(
    {"none": (), "first": ("first",), "all": ("first", "hidden")}
)
"""Places of a learned field by `position_embedding`; that of the last layer is `local_bias`."""


Backbone = ResNet | CNN | UNet | LinearMap


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
) -> Backbone:
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
    Backbone
        (B, C, H, W) -> (B, D, H, W).

    Raises
    ------
    ConfigError
        The network does not fit the grid or the channels, or has no such places of convolutions.
    """
    try:
        if not is_outline():
            with torch.device("meta"):  # what is too large is refused before it takes memory
                _backbone(network, in_channels, out_channels, grid, periodic)
        backbone = _backbone(network, in_channels, out_channels, grid, periodic)
    except ValueError as error:
        raise ConfigError(f"network: {error}") from None
    last = backbone.last.basis if isinstance(backbone.last, LowRankLocal2d) else backbone.last
    with torch.no_grad():
        for name, parameter in last.named_parameters(recurse=False):
            if name in ("weight", "common", "filters"):
                parameter.mul_(FIRST_FORECAST)
    if network.local_bias and network.kind != "linear":
        backbone.last = nn.Sequential(backbone.last, LocalBias(out_channels, grid))
    return backbone


def _backbone(
    network: Network, in_channels: int, out_channels: int, grid: tuple[int, int], periodic: bool
) -> Backbone:
    if network.kind == "linear":
        return LinearMap(in_channels, out_channels, grid)
    globe = "polar" if network.advanced.polar_padding else "periodic"
    padding = globe if periodic else "zeros"
    layers = network.smoe.layers
    convolutions = Convolutions(
        (layers,) if isinstance(layers, str) else layers,
        _special(network, padding),
        kernel_size=network.kernel_size,
        first_kernel_size=network.advanced.first_kernel_size or network.kernel_size,
        padding=padding,
        embedded=EMBEDDED[network.advanced.position_embedding],
    )
    sizes = (in_channels, out_channels, grid, convolutions)
    settings: dict[str, Any] = network.model_dump(include={"width", "normalization", "dropout"})
    settings |= {
        "position_channels": network.advanced.position_channels,
        "input_skip": network.input_skip,
    }
    backbone: ResNet | CNN | UNet
    if network.kind == "unet":
        backbone = UNet(*sizes, levels=network.levels, **settings)
    else:
        kinds: dict[str, type[ResNet | CNN]] = {"resnet": ResNet, "cnn": CNN}
        kind = kinds[network.kind]
        backbone = kind(*sizes, blocks=network.blocks, **settings)
    convolutions.check_all_used(network.smoe.places_with_size)
    return backbone


def _special(network: Network, padding: str) -> Special:
    """Return what makes the layers at `smoe.layers`."""
    gates: dict[tuple[object, ...], Gate] = {}

    def special(site: ConvSlot, kernel_size: int) -> nn.Module:
        sizes, here = (site.in_channels, site.out_channels), site.grid
        if network.convolution == "smoe":
            return smoe_layer(network.smoe, site, kernel_size, padding, gates)
        if network.convolution == "coordconv":
            return CoordConv2d(*sizes, kernel_size=kernel_size, padding=padding)
        if network.convolution == "local":
            return LocallyConnected2d(*sizes, grid=here, kernel_size=kernel_size, padding=padding)
        if network.convolution == "frozen":
            return PointConv2d(*sizes, grid=here, kernel_size=kernel_size, padding=padding)
        if network.convolution == "lowrank":
            # as many filters as there would be experts for each channel
            rank = math.ceil(network.smoe.sizes_at(site.names)[0])
            return LowRankLocal2d(*sizes, rank, grid=here, kernel_size=kernel_size, padding=padding)
        return SameConv2d(*sizes, kernel_size=kernel_size, padding=padding)

    return special


def smoe_layer(
    smoe: Smoe,
    site: ConvSlot,
    kernel_size: int,
    padding: str,
    gates: dict[tuple[object, ...], Gate],
) -> SpatialMoE2d:
    """Make one SMoE layer as a config says; only here do its keys meet those of the layer.

    The experts are `expansion` times those selected, rounded up.

    Parameters
    ----------
    smoe : Smoe
        Section `network.smoe` of the config.
    site : Site
        Where it stands.
    kernel_size : int
        Odd.
    padding : str
        ``zeros`` or ``periodic``.
    gates : dict
        Those of the network's earlier layers, for `share_gates`; a new one is added.
    """
    advanced = smoe.advanced
    expansion, terms = smoe.sizes_at(site.names)
    per_channel = math.ceil(expansion) if advanced.routing == "grouped" else expansion
    experts = math.ceil(per_channel * site.out_channels * terms)
    key: tuple[object, ...] = (experts, site.out_channels * terms, site.grid)
    if advanced.gate != "tensor":  # it looks at the input, so that must be alike too
        key = (*key, site.in_channels, kernel_size)
    layer = SpatialMoE2d(
        site.in_channels,
        site.out_channels,
        experts,
        grid=site.grid,
        kernel_size=kernel_size,
        gate=gates.get(key, advanced.gate),
        padding=padding,
        error_quantile=advanced.error_quantile,
        damping=advanced.damping,
        routing_loss_weight=advanced.routing_loss_weight,
        settings=SMoESettings(
            order=advanced.order,
            routing=advanced.routing,
            routing_loss=advanced.routing_loss,
            error_memory=advanced.error_memory,
            compared_samples=advanced.compared_samples,
            experts_per_channel=terms,
            shared=advanced.shared,
            bias=advanced.bias,
            start=advanced.start,
            expert_start=advanced.expert_start,
        ),
    )
    if advanced.share_gates:
        gates[key] = layer.gate
    return layer


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
        statistics = statistics_of(tensors)
        return restore_tensors(lambda: forecaster(network, statistics, grid, periodic), tensors)
    except (ConfigError, ModelError) as error:
        raise ModelError(
            f"the weights do not fit the network of the config ({error}): use the config that "
            "they were trained under"
        ) from None
