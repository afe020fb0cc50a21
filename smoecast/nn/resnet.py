"""The backbone: a residual network of convolutions on the latitude-longitude grid.

Follows Rasp and Thuerey (2021), doi:10.1029/2020MS002405: a first convolution, residual blocks of
two (convolution, activation, normalisation, dropout), a last linear convolution. Which kind of
convolution stands where is the caller's choice, so that any of them can be a Spatial
Mixture-of-Experts layer.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn

Place = Literal["first", "hidden", "last"]
Normalization = Literal["batch", "group", "none"]
Convolution = Callable[[Place, int, int], nn.Module]
"""(place, channels in, channels out) -> layer (B, in, H, W) -> (B, out, H, W)."""

SLOPE = 0.3
"""Of LeakyReLU below zero, as in Rasp and Thuerey (2021)."""

GROUPS = 8
"""Groups of channels normalised together, where the number of channels allows it."""


def normalization_of(kind: Normalization, channels: int) -> nn.Module:
    """Return the normalisation layer: over the batch, over groups of channels, or none at all."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(GROUPS if channels % GROUPS == 0 else 1, channels)
    return nn.Identity()


class Block(nn.Module):
    """Two convolutions beside a shortcut: output = input + what they add.

    Parameters
    ----------
    width : int
        Channels in and out.
    convolution : Convolution
        Called with the place "hidden".
    normalization : {"batch", "group", "none"}
        After each activation.
    dropout : float
        Probability that a value is dropped in training.
    """

    def __init__(
        self, width: int, convolution: Convolution, normalization: Normalization, dropout: float
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [
                convolution("hidden", width, width),
                nn.LeakyReLU(SLOPE),
                normalization_of(normalization, width),
                nn.Dropout(dropout),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, width, H, W) -> (B, width, H, W)."""
        outputs: Tensor = inputs + self.layers(inputs)
        return outputs


class ResNet(nn.Module):
    """First convolution, residual blocks, last convolution; one resolution throughout.

    Parameters
    ----------
    in_channels, out_channels : int
        Of the fields that come in and go out.
    grid : tuple of int
        (H, W), needed by the learned fields alone.
    convolution : Convolution
        Makes every convolution, given its place.
    width, blocks : int
        Channels inside, residual blocks.
    normalization : {"batch", "group", "none"}
        Inside the blocks and after the first convolution.
    dropout : float
        Probability that a value is dropped in training.
    position_channels : int
        Learned fields (P, H, W) beside the inputs: what is particular to each place.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        grid: tuple[int, int],
        convolution: Convolution,
        *,
        width: int,
        blocks: int,
        normalization: Normalization = "batch",
        dropout: float = 0.0,
        position_channels: int = 0,
    ) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(position_channels, *grid))
        self.first = nn.Sequential(
            convolution("first", in_channels + position_channels, width),
            nn.LeakyReLU(SLOPE),
            normalization_of(normalization, width),
            nn.Dropout(dropout),
        )
        self.blocks = nn.Sequential(
            *(Block(width, convolution, normalization, dropout) for _ in range(blocks))
        )
        self.last = convolution("last", width, out_channels)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, D, H, W), both normalised."""
        # (P, H, W) -> (B, P, H, W)
        position = self.position.expand(len(inputs), *self.position.shape)
        outputs: Tensor = self.last(self.blocks(self.first(torch.cat([inputs, position], dim=1))))
        return outputs
