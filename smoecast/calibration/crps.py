"""Differentiable CRPS of distributions that cannot be negative, in closed form.

Torch in and out, for fitting and for scoring alike. The normal distribution's is in
`smoecast.nn.losses.gaussian_crps`.
"""

import math

import torch
from scipy.special import gammainc
from torch import Tensor
from torch.special import erfcx

_ROOT_PI = math.sqrt(math.pi)
_ROOT_TWO = math.sqrt(2.0)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_TINY = 1e-300
_FAR = -10.0
"""Location in scales below which quotients of tails are taken apart, lest they be 0 / 0."""
_POINT = 1e-5
"""A gamma distribution with a std below this share of its mean counts as one number: its shape
would be past 10^10, where log-gamma has no digits left."""


def crps_truncated_normal(location: Tensor, scale: Tensor, target: Tensor) -> Tensor:
    """Continuous ranked probability score of a normal distribution cut off below 0.

    Parameters
    ----------
    location, scale : Tensor
        Mean and standard deviation of the normal distribution before it is cut.
    target : Tensor
        Truth, one unit, shapes that broadcast. A negative one scores as 0, plus its distance.

    Returns
    -------
    Tensor
        The score per point; abs(target - max(location, 0)) where the scale is 0.

    Notes
    -----
    Thorarinsdottir & Gneiting (2010), doi:10.1111/j.1467-985X.2009.00616.x, arranged so that all
    quotients of tail probabilities are taken as logarithms: a location far below 0 is no 0 / 0.
    """
    return slopes_truncated_normal(location, scale, target)[0]


def slopes_truncated_normal(
    location: Tensor, scale: Tensor, target: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the score of `crps_truncated_normal`, and its slopes in location and scale.

    The slopes are those of a scale above 0.
    """
    inside = target.clamp(min=0.0)
    spread = torch.where(scale > 0, scale, 1.0)
    z = (inside - location) / spread
    m = (location / spread).expand_as(z)
    above, density, pairs, hazard = _quotients(m, z)
    sign, excess = 1.0 - 2.0 * above, 2.0 * density - pairs
    score = spread * (z * sign + excess)
    cut = 2.0 * hazard * (z * above - density - hazard + pairs)
    certain = (inside - location.clamp(min=0.0)).abs()
    score = torch.where(scale > 0, score, certain) + (inside - target)
    return score, cut - sign, excess - m * cut


def crps_csg(mean: Tensor, std: Tensor, shift: Tensor, target: Tensor) -> Tensor:
    """Continuous ranked probability score of a gamma distribution, shifted and censored at 0.

    The variable is max(G - shift, 0), G of a gamma distribution: with a shift, 0 itself has a
    probability, as it has for precipitation.

    Parameters
    ----------
    mean, std : Tensor
        Of the gamma distribution, before it is shifted; positive.
    shift : Tensor
        Not negative.
    target : Tensor
        Truth, not negative; one unit, shapes that broadcast.

    Returns
    -------
    Tensor
        The score per point; abs(target - max(mean - shift, 0)) where the std is 0.

    Notes
    -----
    Scheuerer & Hamill (2015), doi:10.1175/MWR-D-15-0061.1, their closed form (appendix).
    """
    spread = torch.where(std > _POINT * mean, std, mean.clamp(min=_TINY))
    shape, scale = (mean / spread) ** 2, spread**2 / mean.clamp(min=_TINY)
    y, c = (target + shift) / scale, shift / scale
    at_y, at_c = _gamma_cdf(shape, y), _gamma_cdf(shape, c)
    more_y, more_c = at_y - _step_up(shape, y), at_c - _step_up(shape, c)
    beta = (math.lgamma(0.5) + torch.lgamma(shape + 0.5) - torch.lgamma(shape + 1.0)).exp()
    pairs = shape / math.pi * beta * (1.0 - _gamma_cdf(2.0 * shape, 2.0 * c))
    middle = shape * (1.0 + 2.0 * at_c * more_c - at_c**2 - 2.0 * more_y)
    score = scale * (y * (2.0 * at_y - 1.0) - c * at_c**2 + middle - pairs)
    certain = (target - (mean - shift).clamp(min=0.0)).abs()
    return torch.where(std > _POINT * mean, score, certain)


def _quotients(m: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return Phi(-z), phi(z), Phi(sqrt(2) m) / (sqrt(pi) Phi(m)) and phi(m), by Phi(m); z >= -m."""
    far = m < _FAR
    near = torch.where(far, 0.0, m)
    whole = 0.5 * torch.erfc(near / -_ROOT_TWO)
    above = 0.5 * torch.erfc(z / _ROOT_TWO) / whole
    density = (-0.5 * z * z).exp() / (_ROOT_TWO_PI * whole)
    pairs = 0.5 * torch.erfc(-near) / (_ROOT_PI * whole**2)
    hazard = (-0.5 * near * near).exp() / (_ROOT_TWO_PI * whole)
    if not far.any():
        return above, density, pairs, hazard
    parts = (above, density, pairs, hazard)
    for part, value in zip(parts, _far_quotients(m[far], z[far]), strict=True):
        part[far] = value
    return parts


def _far_quotients(m: Tensor, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the same for m below 0, where all but z + m is lost in exp(-m^2 / 2)."""
    left = erfcx(-m / _ROOT_TWO)
    # z + m is the truth in units of the scale, never negative
    fall = (-0.5 * (z + m) * (z - m)).exp()
    above = erfcx(z / _ROOT_TWO) / left * fall
    density, hazard = (2.0 / _ROOT_TWO_PI / left * part for part in (fall, 1.0))
    return above, density, 2.0 * erfcx(-m) / left**2 / _ROOT_PI, hazard


def _gamma_cdf(shape: Tensor, x: Tensor) -> Tensor:
    """Return the regularised incomplete gamma function, differentiable also in its shape.

    From scipy, for torch's has 9 digits and no derivative in the shape. That is taken by a central
    difference, right to eight digits, and brought in as the slope of a term that is 0.
    """
    k, at = shape.detach(), x.detach()
    value = _incomplete(k, at)
    if x.requires_grad:
        density = ((k - 1.0) * at.clamp(min=_TINY).log() - at - torch.lgamma(k)).exp()
        value = value + torch.where(at > 0, density, 0.0).clamp(max=1e100) * (x - at)
    if shape.requires_grad:
        h = 1e-4 * k
        slope = (_incomplete(k + h, at) - _incomplete(k - h, at)) / (2.0 * h)
        value = value + slope * (shape - k)
    return value


def _incomplete(k: Tensor, x: Tensor) -> Tensor:
    return torch.as_tensor(gammainc(k.cpu().numpy(), x.cpu().numpy())).to(x)


def _step_up(shape: Tensor, x: Tensor) -> Tensor:
    """Return by how much the distribution function falls when the shape grows by 1."""
    return (shape * x.clamp(min=_TINY).log() - x - torch.lgamma(shape + 1.0)).exp()
