"""Scaled losses: what SMoE layers must know of a GradScaler."""

import torch
from torch import nn

from smoecast.nn.kernels.signal import LossScale
from smoecast.nn.smoe import SpatialMoE2d


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
