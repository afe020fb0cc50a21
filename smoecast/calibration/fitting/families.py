"""What a calibration's coefficients mean: from coefficients and ensemble to a CRPS.

A family says which coefficients it has, where a fit begins, and how a forecast that they make
scores. All of a family's coefficients may follow the season.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from smoecast.calibration.crps import slopes_csg, slopes_truncated_normal
from smoecast.calibration.fitting.fit_data import FitData
from smoecast.errors import ConfigError
from smoecast.nn.losses import crps_slopes

_LEAST = 1e-9
"""Floor under a gamma distribution's mean and std, in any unit."""
_TINY = 1e-300


@dataclass(frozen=True, eq=False)
class Family:
    """One way to turn an ensemble into a forecast.

    Attributes
    ----------
    names : str
        One letter a coefficient. The first two, where `located`, are those of the location
        a + b x ensemble mean, the others those of the spread.
    units : tuple of float
        Power of the variable's unit that each coefficient has.
    located : bool
        Whether the location is linear in a and b: it can be centred, and fitted apart.
    start : callable
        `FitData` to the coefficients at which a fit begins, shape (K,).
    crps : callable
        Coefficients (K, N, S), or shapes that broadcast to it, and `FitData` to scores (N, S) and
        their derivatives in the coefficients, (K, N, S).
    near : Family, optional
        One without corners, of the same coefficients, whose least score lies near this one's: a fit
        of each point begins there. Its spread is a standard deviation, this one's the mean
        distance of two members.
    iterations : int
        Of a descent; where the score has corners, the last of many gain nothing.
    most_cases : int
        That one pooled set is fitted to: of more, every k-th point.
    costly : bool
        A case takes so long to score that a fit does more around it: a pooled one begins on some
        of the points, and of the points of a local one those that are left go on alone as soon as
        others have settled.
    """

    names: str
    units: tuple[float, ...]
    located: bool
    start: Callable[[FitData], Tensor]
    crps: Callable[[Tensor, FitData], tuple[Tensor, Tensor]]
    near: "Family | None" = None
    iterations: int = 200
    most_cases: int = 1_000_000
    costly: bool = False

    @property
    def raw(self) -> tuple[float, ...]:
        """Coefficients that change nothing: 0, or 1 for a factor, which has no unit."""
        return tuple(float(power == 0.0) for power in self.units)


def spread_of(c: Tensor, d: Tensor, variance: Tensor) -> Tensor:
    """Return sqrt(c^2 + d^2 variance), with a slope everywhere."""
    return (c**2 + d**2 * variance).clamp(min=1e-24).sqrt()


def csg_moments(theta: Tensor, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return mean and std of the gamma distribution, and the shift.

    mean = a^2 + b^2 x ensemble mean and shift = g^2 as in Baran & Nemoda (2016),
    doi:10.1002/env.2391; variance = c^2 + d^2 x ensemble variance + e^2 x ensemble mean: theirs,
    whose growth with the mean is that of Scheuerer & Hamill (2015), and the ensemble's own.

    Parameters
    ----------
    theta : Tensor, shape (6, ...)
        a, b, c, d, e, g.
    mean, variance : Tensor
        Of the ensemble.
    """
    a, b, c, d, e, g = theta
    wet = mean.clamp(min=0.0)
    expected = (a**2 + b**2 * wet).clamp(min=_LEAST)
    square = c**2 + d**2 * variance + e**2 * wet
    return expected, square.clamp(min=_LEAST**2).sqrt(), g**2


def _normal(theta: Tensor, data: FitData) -> tuple[Tensor, Tensor]:
    a, b, c, d = theta
    std = spread_of(c, d, data.variance)
    error = data.truth - a - b * data.mean
    sign, excess, _ = crps_slopes(error / std)
    return error * sign + std * excess, _chain(theta, data, -sign, excess / std)


def _truncated_normal(theta: Tensor, data: FitData) -> tuple[Tensor, Tensor]:
    a, b, c, d = theta
    std = spread_of(c, d, data.variance)
    score, by_mean, by_std = slopes_truncated_normal(a + b * data.mean, std, data.truth)
    return score, _chain(theta, data, by_mean, by_std / std)


def _chain(theta: Tensor, data: FitData, by_mean: Tensor, by_square: Tensor) -> Tensor:
    """Return slopes in a, b, c, d; `by_square` is that in half the squared spread."""
    _, _, c, d = theta
    parts = [by_mean, by_mean * data.mean, by_square * c, by_square * d * data.variance]
    return torch.stack(parts)


def _csg(theta: Tensor, data: FitData) -> tuple[Tensor, Tensor]:
    a, b, c, d, e, g = theta
    wet = data.mean.clamp(min=0.0)
    mean, std, shift = csg_moments(theta, data.mean, data.variance)
    score, by_mean, by_std, by_shift = slopes_csg(mean, std, shift, data.truth)
    # nothing moves what is held at its floor
    by_mean *= 2.0 * (mean > _LEAST)
    by_square = by_std.div_(std).mul_(std > _LEAST)
    slopes = score.new_empty(6, *score.shape)
    torch.mul(by_mean, a, out=slopes[0])
    torch.mul(by_mean.mul_(wet), b, out=slopes[1])
    torch.mul(by_square, c, out=slopes[2])
    torch.mul(by_square * data.variance, d, out=slopes[3])
    torch.mul(by_square.mul_(wet), e, out=slopes[4])
    torch.mul(by_shift, 2.0 * g, out=slopes[5])
    return score, slopes


def normal_start(data: FitData) -> Tensor:
    """Return a, b, c, d of one normal distribution by least squares: near those of least CRPS.

    Truth on the ensemble's mean, then the squared residual on its variance.
    """
    weight = data.weight / data.weight.sum().clamp(min=_TINY)
    a, b = _regress(data.mean, data.truth, weight)
    square = (data.truth - a - b * data.mean) ** 2
    _, slope = _regress(data.variance, square, weight)
    mean_square, mean_variance = (weight * square).sum(), (weight * data.variance).sum()
    whole = mean_square / mean_variance.clamp(min=_TINY)
    # neither part may start at nothing, where its gradient is 0
    slope = torch.minimum(torch.maximum(slope, 0.05 * whole), 0.95 * whole)
    rest = (mean_square - slope * mean_variance).clamp(min=_TINY)
    return torch.stack([a, b, rest.sqrt(), slope.sqrt()])


def _regress(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return intercept and slope of y on x, weights of sum 1; slope 0 if x is constant."""
    middle, level = (weight * x).sum(), (weight * y).sum()
    residual = weight * (x - middle)
    slope = (residual * (y - level)).sum() / (residual * (x - middle)).sum().clamp(min=_TINY)
    return level - slope * middle, slope


def _csg_start(data: FitData) -> Tensor:
    """Return a, b, c, d, e, g that give the truth's mean, most of it by the ensemble's."""
    total = data.weight.sum()
    truth, wet = ((data.weight * v).sum() / total for v in (data.truth, data.mean.clamp(min=0.0)))
    truth, shift = truth.clamp(min=0.01), 0.1 * truth.clamp(min=0.01)
    b = (0.9 * truth / wet.clamp(min=0.01)).clamp(max=4.0)
    parts = [shift + 0.1 * truth, b, truth.new_tensor(0.05), truth.new_tensor(0.3), 0.5 * b, shift]
    return torch.stack(parts).sqrt()


NORMAL = Family("abcd", (1.0, 0.0, 1.0, 0.0), True, normal_start, _normal, most_cases=4_000_000)
TRUNCATED_NORMAL = Family("abcd", (1.0, 0.0, 1.0, 0.0), True, normal_start, _truncated_normal)
CSG = Family(
    "abcdeg",
    (0.5, 0.0, 1.0, 0.0, 0.5, 0.5),
    False,
    _csg_start,
    _csg,
    iterations=120,
    costly=True,
)

FAMILIES = {"normal": NORMAL, "truncated_normal": TRUNCATED_NORMAL, "csg": CSG}


def family_of(distribution: str) -> Family:
    """Return a distribution's family.

    Raises
    ------
    ConfigError
        If there is no such distribution.
    """
    if distribution not in FAMILIES:
        raise ConfigError(f"EMOS knows no distribution '{distribution}'; say {', '.join(FAMILIES)}")
    return FAMILIES[distribution]
