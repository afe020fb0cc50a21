"""What training minimises. Every loss is a scalar, weighted by area and divided once."""

import math

import torch
from torch import Tensor

SMALLEST_STD = 1e-30
"""Stands in for a standard deviation of zero; representable in float32."""

FAR = 30.0
"""Standard deviations beyond which the normal density is zero in float32 and float64 alike."""


def area_mean(values: Tensor, latitude_weights: Tensor) -> Tensor:
    """Average over everything, each row of the grid by its weight.

    Parameters
    ----------
    values : Tensor
        (..., H, W), any unit.
    latitude_weights : Tensor
        (H,), share of area of each row, such as cos(latitude); any common factor cancels.

    Returns
    -------
    Tensor
        Scalar, in the unit of `values`.
    """
    rows = values.mean(dim=-1)  # (..., H)
    return (rows * latitude_weights).mean() / latitude_weights.mean()


def weighted_mse(
    output: Tensor, target: Tensor, latitude_weights: Tensor, channel_scale: Tensor
) -> Tensor:
    """Mean squared error in units of each channel's own scale, weighted by area.

    Parameters
    ----------
    output, target : Tensor
        (B, D, H, W), physical units.
    latitude_weights : Tensor
        (H,), such as cos(latitude); any common factor cancels.
    channel_scale : Tensor
        (D,), what counts as one unit of error in each channel, in its physical unit.

    Returns
    -------
    Tensor
        Scalar without unit: the mean over samples, channels and area.
    """
    scale = channel_scale.view(-1, 1, 1)  # (D,) -> (D, 1, 1)
    return area_mean(((output - target) / scale).square(), latitude_weights)


def gaussian_crps(mean: Tensor, std: Tensor, target: Tensor) -> Tensor:
    """Continuous ranked probability score of a normal distribution, point by point.

    The closed form of Gneiting et al. (2005), doi:10.1175/MWR2904.1, equation 5, arranged so that
    value and gradient stay finite as `std` falls to zero, where the score is abs(target - mean).
    Scores of files have the same in numpy (`smoecast.scores.crps.crps_gaussian`): they know no
    torch, whose loading takes longer than scoring a small file.

    Parameters
    ----------
    mean, std, target : Tensor
        Any shapes that broadcast, one physical unit; `std` not negative.

    Returns
    -------
    Tensor
        CRPS in the same unit, not negative; zero for std = 0 at mean = target.
    """
    distance = target - mean
    std = std.clamp_min(SMALLEST_STD)
    by_distance, by_std, _ = crps_slopes((distance / std).clamp(-FAR, FAR))
    return distance * by_distance + std * by_std


def crps_slopes(z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Slopes of the Gaussian CRPS in target - mean and in std; the score is the sum of both parts.

    Parameters
    ----------
    z : Tensor
        (target - mean) / std, any shape.

    Returns
    -------
    tuple of three Tensors
        Without unit: both slopes, and twice the standard normal density, which is std times the
        curvature in target - mean.
    """
    curvature = 2.0 * torch.exp(-0.5 * z.square()) / math.sqrt(2.0 * math.pi)
    return torch.erf(z / math.sqrt(2.0)), curvature - 1.0 / math.sqrt(math.pi), curvature
