"""Calibration by a network: corrections in units of the ensemble's own spread.

Source: the ENS-10 benchmark (Ashkboos et al. 2022, arXiv 2206.14786): mean = ensemble mean +
o0 x spread, standard deviation = exp(o1) x spread. The floor under the spread is ours.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from smoecast.nn.losses import area_mean, gaussian_crps
from smoecast.nn.normalize import Normalizer, Statistics

FLOOR = 1e-3
"""Least spread, in units of the target's scale: members that agree wholly still leave a doubt."""


class SpreadCorrection(nn.Module):
    """Ensemble statistics in, mean and standard deviation out.

    Parameters
    ----------
    backbone : nn.Module
        Normalised (B, C, H, W) -> (B, 2 D, H, W), near zero before training.
    statistics : Statistics
        Of the inputs; `base` names, for each of D targets, the input with its ensemble mean,
        `target_scale` is the target's spread in physical units.
    spread : Tensor
        (D,) integers: the inputs with the targets' ensemble standard deviation.
    """

    spread: Tensor

    def __init__(self, backbone: nn.Module, statistics: Statistics, spread: Tensor) -> None:
        super().__init__()
        self.normalizer = Normalizer(statistics)
        self.backbone = backbone
        self.register_buffer("spread", spread.to(torch.int64).clone())

    def forward(self, fields: Tensor) -> Tensor:
        """(B, C, H, W) in physical units -> (B, 2 D, H, W): D means, then D spreads."""
        shift, stretch = self.backbone(self.normalizer.inputs(fields)).chunk(2, dim=1)
        least = FLOOR * self.normalizer.target_scale.view(-1, 1, 1)  # (D,) -> (D, 1, 1)
        raw = fields[:, self.spread].clamp_min(least)
        mean = fields[:, self.normalizer.base] + shift * raw
        # bounded: a spread e^6 times the raw one is a diverging network, not a forecast
        std = (raw * stretch.clamp(-6.0, 6.0).exp()).clamp_min(least)
        return torch.cat([mean, std], dim=1)


def crps_loss(latitude_weights: Tensor, scale: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the training loss: the area-weighted CRPS, each target in units of its scale.

    Parameters
    ----------
    latitude_weights : Tensor
        (H,).
    scale : Tensor
        (D,), physical units.
    """

    def loss(output: Tensor, target: Tensor) -> Tensor:
        mean, std = output.chunk(2, dim=1)
        units = scale.view(-1, 1, 1)  # (D,) -> (D, 1, 1)
        return area_mean(gaussian_crps(mean, std, target) / units, latitude_weights)

    return loss
