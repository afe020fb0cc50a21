"""What stands around convolutions: activation, normalisation, dropout, fields beside others."""

from typing import Literal

import torch
from torch import Tensor, nn

Normalization = Literal["batch", "group", "none"]

GROUPS = 8
"""Groups of channels normalised together, where the number of channels allows it."""


def normalization_of(kind: Normalization, channels: int) -> nn.Module:
    """Return the normalisation layer: over the batch, over groups of channels, or none at all."""
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "group":
        return nn.GroupNorm(GROUPS if channels % GROUPS == 0 else 1, channels)
    return nn.Identity()


def stage(
    convolution: nn.Module,
    channels: int,
    activation: nn.Module,
    normalization: Normalization,
    dropout: float,
) -> tuple[nn.Module, ...]:
    """Return a convolution and what follows it, in the order of Rasp and Thuerey (2021).

    Parameters
    ----------
    convolution : nn.Module
        (B, C, H, W) -> (B, D, H, W).
    channels : int
        D.
    activation : nn.Module
        Follows first.
    normalization : {"batch", "group", "none"}
        Follows second.
    dropout : float
        Probability that a value is dropped in training, last.
    """
    return convolution, activation, normalization_of(normalization, channels), nn.Dropout(dropout)


class LocalBias(nn.Module):
    """Adds a learned number to each channel at each point, nothing before training.

    Parameters
    ----------
    channels : int
        D.
    grid : tuple of int
        (H, W).
    """

    def __init__(self, channels: int, grid: tuple[int, int]) -> None:
        super().__init__()
        self.field = nn.Parameter(torch.zeros(channels, *grid))

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, D, H, W) -> (B, D, H, W)."""
        return inputs + self.field


def with_position(inputs: Tensor, position: Tensor) -> Tensor:
    """Put learned fields (P, H, W) beside each sample: (B, C, H, W) -> (B, C + P, H, W)."""
    # (P, H, W) -> (B, P, H, W)
    return torch.cat([inputs, position.expand(len(inputs), *position.shape)], dim=1)


def with_inputs(fields: Tensor, inputs: Tensor, wanted: bool) -> Tensor:
    """Put a network's inputs beside its fields, if wanted: (B, D, H, W) -> (B, D + C, H, W)."""
    return torch.cat([fields, inputs], dim=1) if wanted else fields
