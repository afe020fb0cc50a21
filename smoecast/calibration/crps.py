"""CRPS of distributions that cannot be negative, and its slopes, in closed form.

Torch in and out, for fitting and for scoring alike. The normal distribution's is in
`smoecast.nn.losses.gaussian_crps`.
"""

import math

import torch
from torch import Tensor
from torch.special import erfcx

from smoecast.calibration.incomplete_gamma import incomplete_gamma, log_gamma

_ROOT_PI = math.sqrt(math.pi)
_ROOT_TWO = math.sqrt(2.0)
_LOG_TWO = math.log(2.0)
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
    return slopes_csg(mean, std, shift, target)[0]


def slopes_csg(
    mean: Tensor, std: Tensor, shift: Tensor, target: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the score of `crps_csg`, and its slopes in mean, std and shift."""
    wide, least = std > _POINT * mean, mean.clamp(min=_TINY)
    spread = torch.where(wide, std, least)
    k, scale = (mean / spread) ** 2, spread**2 / least
    c = shift / scale
    y = target / scale + c
    k, c = k.expand_as(y), c.expand_as(y)
    (log_half, slope_half), (log_one, slope_one) = log_gamma(k + 0.5), log_gamma(k + 1.0)
    # Gamma(2 k + 1) = 4^k Gamma(k + 1 / 2) Gamma(k + 1) / sqrt(pi)
    log_two = 2.0 * _LOG_TWO * k + log_half + log_one - 0.5 * math.log(math.pi)
    slope_two = _LOG_TWO + 0.5 * (slope_half + slope_one)
    below, turn, step = incomplete_gamma(
        torch.stack([k, k, 2.0 * k]),
        torch.stack([y, c, 2.0 * c]),
        torch.stack([log_one, log_one, log_two]),
        torch.stack([slope_one, slope_one, slope_two]),
    )
    (below_y, below_c, below_two), (turn_y, turn_c, turn_two) = below, turn
    step_y, step_c, _ = step
    # how P(k, x) - P(k + 1, x) grows with k
    grow_y, grow_c = (
        step * (x.clamp(min=_TINY).log() - slope_one) for step, x in ((step_y, y), (step_c, c))
    )
    half = (log_half - log_one).exp() / _ROOT_PI
    pairs = k * half * (1.0 - below_two)
    score = y * (2.0 * below_y - 1.0) + 2.0 * k * (step_y - below_y) + k - pairs
    square = below_c * below_c
    score += (k - c) * square - 2.0 * k * below_c * step_c
    by_k = 2.0 * (y - k) * turn_y + 1.0 + 2.0 * (step_y - below_y) + 2.0 * k * grow_y
    by_k += 2.0 * (k - c) * below_c * turn_c + square - 2.0 * below_c * step_c
    by_k -= 2.0 * k * (turn_c * step_c + below_c * grow_c)
    by_k -= pairs * (1.0 / k + slope_half - slope_one) - 2.0 * k * half * turn_two
    by_y, by_shift = 2.0 * below_y - 1.0, 2.0 * below_y - 1.0 - square
    # the score is scale x score(k, y, c)
    by_scale = score - by_y * y + square * c
    by_mean = (2.0 * k * by_k * scale - by_scale * scale) / least
    by_std = 2.0 * (by_scale - k * by_k) * scale / spread
    score = scale * score
    if not wide.all():
        certain = mean - shift
        error = certain.clamp(min=0.0) - target
        by_level = error.sign() * (certain > 0)
        score = torch.where(wide, score, error.abs())
        by_mean, by_std = torch.where(wide, by_mean, by_level), by_std * wide
        by_shift = torch.where(wide, by_shift, -by_level)
    return score, by_mean, by_std, by_shift


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
