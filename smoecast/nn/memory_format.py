"""How weights lie in memory where a trained network is only asked."""

import torch
from torch import nn


def put_channels_last(network: nn.Module) -> None:
    """Let the filters of convolutions lie channels-last, in place; values stay as they are.

    A CPU computes the passes of a trained network in less time so; a step of its training takes
    longer (docs/decisions/0066-compiled-steps.md). What comes out differs by rounding.
    """
    for weight in network.parameters():
        if weight.dim() == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)
