"""The regressions of EMOS: one set of coefficients for all points, or one for each.

Natural coefficients are a, b, c, d in mean = a + b x ensemble mean and variance = c^2 + d^2 x
ensemble variance. Inside, means are centred (alpha, beta), so that the level and the slope can be
found, and drawn to a prior, apart from each other.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smoecast.calibration.fitting.crps_newton import Cases, Prior, information, minimise

_TINY = 1e-300
_POOLED = 4_000_000
"""Cases that one pooled set is fitted to, at most: then every k-th point."""


@dataclass(frozen=True, eq=False)
class FitData:
    """N dates at S points, float64.

    Attributes
    ----------
    mean, variance : Tensor, shape (N, S)
        Of the ensemble.
    truth : Tensor, shape (N, S)
        What happened; any number where the weight is 0.
    weight : Tensor, shape (N, S)
        Not negative; 0 leaves a case out.
    group : Tensor of int64, shape (S,)
        Points of one number share their pooled coefficients.
    season : Tensor, shape (N, B)
        Functions of the season; a column of ones where coefficients do not follow it.
    deviations : Tensor, shape (N, M, S)
        Members less their mean, 0 where one is missing. M is 0 where they do not matter.
    count : Tensor, shape (N, S)
        How many members there are, where they matter.
    """

    mean: Tensor
    variance: Tensor
    truth: Tensor
    weight: Tensor
    group: Tensor
    season: Tensor
    deviations: Tensor
    count: Tensor

    def at(self, points: Tensor | slice) -> "FitData":
        """Return the same dates at some of the points."""
        fields = (self.mean, self.variance, self.truth, self.weight)
        mean, variance, truth, weight = (field[:, points] for field in fields)
        deviations, count = self.deviations[:, :, points], self.count[:, points]
        return FitData(
            mean, variance, truth, weight, self.group[points], self.season, deviations, count
        )

    def dates(self, some: slice) -> "FitData":
        """Return some of the dates at the same points."""
        fields = (self.mean, self.variance, self.truth, self.weight)
        mean, variance, truth, weight = (field[some] for field in fields)
        deviations, count, season = self.deviations[some], self.count[some], self.season[some]
        return FitData(mean, variance, truth, weight, self.group, season, deviations, count)

    def without(self, dates: slice) -> "FitData":
        """Return the same data with the weight of some dates set to 0."""
        weight = self.weight.clone()
        weight[dates] = 0.0
        return replace(self, weight=weight)


def fit_groups(data: FitData, scale_only: bool = False) -> Tensor:
    """Fit one set of coefficients for each group of points.

    Parameters
    ----------
    data : Data
        N dates at S points.
    scale_only : bool
        `mean` is 0 and `truth` an error: leave a and b at 0, fit c and d.

    Returns
    -------
    Tensor, shape (4, S)
        a, b, c, d of every point.
    """
    theta = torch.empty(4, data.mean.shape[1], dtype=torch.float64)
    for group in sorted(set(data.group.tolist())):
        inside = (data.group == group).nonzero().flatten()
        part = data.at(inside[:: 1 + len(data.mean) * len(inside) // _POOLED])
        fields = (part.mean, part.variance, part.truth, part.weight)
        x, variance, y, weight = (field.reshape(-1, 1) for field in fields)  # (N, S) -> (NS, 1)
        theta[:, inside] = _one_set(Cases(x, variance, y, weight), scale_only)
    return theta


def local(data: FitData, target: Tensor, strength: float, scale_only: bool = False) -> Tensor:
    """Fit one set of coefficients for each point, drawn towards given ones.

    Parameters
    ----------
    data : Data
        N dates at S points.
    target : Tensor, shape (4, S)
        a, b, c, d towards which each point is drawn, such as those of `fit_groups`.
    strength : float
        How many average dates the target is worth.
    scale_only : bool
        As in `fit_groups`.

    Returns
    -------
    Tensor, shape (4, S)
        a, b, c, d of every point; the target where a point has no truth.
    """
    # weights whose mean over the dates of a point is 1: strength then counts dates
    share = data.weight * (data.weight > 0).sum(0) / data.weight.sum(0).clamp(min=_TINY)
    centre = (share * data.mean).sum(0) / share.sum(0).clamp(min=_TINY)
    cases = Cases(data.mean - centre, data.variance, data.truth - centre, share)
    a, b, c, d = target
    start = torch.stack([a + b * centre - centre, b, c, d])
    # what one date tells about each coefficient, on average over the points
    known = information(cases, start).sum(1, keepdim=True) / share.sum().clamp(min=_TINY)
    prior = Prior(start, (strength * known).expand(-1, len(centre)))
    return _natural(minimise(cases, start, prior, scale_only), centre)


def _one_set(raw: Cases, scale_only: bool) -> Tensor:
    """Return a, b, c, d, shape (4, 1), of cases (N, 1) that are not centred yet."""
    centre = (raw.weight * raw.x).sum() / raw.weight.sum().clamp(min=_TINY)
    cases = replace(raw, x=raw.x - centre, y=raw.y - centre)
    start = torch.tensor([[0.0], [0.0], [1.0], [1.0]], dtype=torch.float64)
    return _natural(minimise(cases, start, None, scale_only), centre)


def _natural(theta: Tensor, centre: Tensor) -> Tensor:
    """Return a, b, c, d from alpha, beta, c, d of variables that were centred."""
    alpha, beta, c, d = theta
    return torch.stack([alpha + centre - beta * centre, beta, c.abs(), d.abs()])
