"""CRPS of a normal distribution for training, and its quantiles: torch, with safe gradients."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from smoecast.errors import InputError

_ROOT_PI = 3.141592653589793**0.5
_ROOT_TWO = 2.0**0.5


def crps_gaussian(observation: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Continuous ranked probability score of a normal distribution, differentiable in all three.

    Parameters
    ----------
    observation, mean, std : Tensor
        Truth, and mean and standard deviation of the forecast: one unit, shapes that broadcast.
        Half precision is widened to float32.

    Returns
    -------
    Tensor
        The score per point.

    Notes
    -----
    Gneiting, Raftery, Westveld and Goldman (2005), doi:10.1175/MWR2904.1, equation 5. The
    derivatives are written out, dC/dmean = 1 - 2 Phi(z) and dC/dstd = 2 phi(z) - 1/sqrt(pi),
    and so stay in [-1, 1] and [-0.57, 0.24] where automatic ones turn into 0 x infinity.

    The floor of `std` is the smallest normal number of its type (1e-38 in float32): at or below
    it, negative values included, the score is abs(observation - mean), and the gradient still
    pulls `std` up wherever the mean is wrong.
    """
    wide = [x.float() if x.dtype in (torch.float16, torch.bfloat16) else x for x in (mean, std)]
    # torch leaves Function.apply untyped
    score: Tensor = _GaussianCrps.apply(wide[0] - observation, wide[1])  # type: ignore[no-untyped-call]
    return score


def quantiles(mean: Tensor, std: Tensor, p: Sequence[float] | Tensor) -> Tensor:
    """Quantiles of a normal distribution.

    Parameters
    ----------
    mean, std : Tensor
        One unit, shapes that broadcast to S.
    p : sequence of float or Tensor, shape (P,)
        Probabilities between 0 and 1, neither included.

    Returns
    -------
    Tensor, shape (P, *S)
        In that unit.

    Raises
    ------
    InputError
        If a probability is not between 0 and 1, where a quantile is infinite or none at all.
    """
    levels = torch.as_tensor(p, dtype=mean.dtype, device=mean.device).flatten()
    if not bool(((levels > 0) & (levels < 1)).all()):
        raise InputError("quantiles exist for probabilities above 0 and below 1; leave others out")
    axes = max(mean.ndim, std.ndim)
    z: Tensor = torch.special.ndtri(levels).reshape(-1, *[1] * axes)  # (P,) -> (P, 1, ..., 1)
    return mean + std * z


class _GaussianCrps(torch.autograd.Function):
    """The score as a function of mean - observation and std, with bounded derivatives."""

    @staticmethod
    def forward(ctx: Any, error: Tensor, std: Tensor) -> Tensor:
        """Return the score; what backward needs is the standardised error."""
        ctx.save_for_backward(error, std)
        scale, z = _standardise(error, std)
        return error * torch.erf(z / _ROOT_TWO) + scale * _density_excess(z)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients, each summed back to the shape of its input."""
        error, std = ctx.saved_tensors
        _, z = _standardise(error, std)
        to_error = (upstream * torch.erf(z / _ROOT_TWO)).sum_to_size(error.shape)
        return to_error, (upstream * _density_excess(z)).sum_to_size(std.shape)


def _standardise(error: Tensor, std: Tensor) -> tuple[Tensor, Tensor]:
    """Return std at or above its floor, and error / std."""
    scale = std.clamp(min=torch.finfo(std.dtype).tiny)
    return scale, error / scale


def _density_excess(z: Tensor) -> Tensor:
    """Return 2 phi(z) - 1/sqrt(pi): phi is the standard normal density."""
    return ((-0.5 * z * z).exp() * _ROOT_TWO - 1.0) / _ROOT_PI
