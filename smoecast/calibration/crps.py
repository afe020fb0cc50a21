"""CRPS of distributions that cannot be negative, and its slopes, in closed form.

Torch in and out, for fitting and for scoring alike. The normal distribution's is in
`smoecast.nn.losses.gaussian_crps`.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.special import erfcx

from smoecast.calibration.csg_slopes import slopes_of_cases

_ROOT_PI = math.sqrt(math.pi)
_ROOT_TWO = math.sqrt(2.0)
_ROOT_TWO_PI = math.sqrt(2.0 * math.pi)
_FAR = -10.0
"""Location in scales below which quotients of tails are taken apart, lest they be 0 / 0."""


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
    given = np.broadcast_arrays(*(v.numpy() for v in (mean, std, shift, target)))
    found = torch.from_numpy(slopes_of_cases(*(v.reshape(-1) for v in given)))
    score, by_mean, by_std, by_shift = found.reshape(4, *given[0].shape)
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
