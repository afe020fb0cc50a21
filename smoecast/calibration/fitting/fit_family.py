"""The regressions of a family: one set of coefficients for all points, or one for each.

Coefficients are (K B, S): K of the family, each by B functions of the season, those of one
coefficient together. Variables are about 1 in size; the caller scales them. Where the location is
linear in the ensemble mean, that is centred inside, so that level and slope can be found, and drawn
to known ones, apart from each other.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smoecast.calibration.fitting.bfgs import curvature_of, minimise
from smoecast.calibration.fitting.families import Family
from smoecast.calibration.fitting.fit_data import FitData

_VALUES = 50_000
"""Cases handled at once, so that they stay in the cache."""
_SHARE, _SAMPLE = 16, 2_000
"""A costly pooled fit begins on every k-th point, and what one date tells is measured there, if
they have as many cases as these."""
_WIDE, _SETTLED = 4096, 0.05
"""Points of a costly local fit that go together, and the share that has settled when others go on
alone: the last take many steps, each of which costs the same for one point as for ten."""
_NEAR_ENOUGH = 1e-9
"""Tolerance of a costly fit: the last two of its steps gain less than this share of the score."""
_TINY = 1e-300
_DISTANCE = 2.0 / math.pi**0.5
"""Mean distance of two draws from a normal distribution, in its standard deviations."""
_SOME = 0.05


def coefficients(theta: Tensor, season: Tensor) -> Tensor:
    """Return each coefficient at each date.

    Parameters
    ----------
    theta : Tensor, shape (K B, P)
        Coefficients.
    season : Tensor, shape (N, B)
        Functions of the season.

    Returns
    -------
    Tensor, shape (K, N, P)
        (K, 1, P) without season, when B is 1.
    """
    count = season.shape[1]
    parts = theta.reshape(-1, count, theta.shape[1])  # (K B, P) -> (K, B, P)
    return parts if count == 1 else torch.einsum("kbp,nb->knp", parts, season)


@dataclass(frozen=True, eq=False)
class Objective:
    """The loss to make least: weight x CRPS summed over cases, and a penalty.

    Attributes
    ----------
    family : Family
        Of the forecast.
    data : FitData
        N dates at S points.
    target, penalty : Tensor or None
        (K B, S) and (K B, K B): adds (theta - target)' penalty (theta - target) / 2 to each point.
    """

    family: Family
    data: FitData
    target: Tensor | None = None
    penalty: Tensor | None = None

    def at(self, points: Tensor | slice) -> "Objective":
        """Return the objective of some of the points."""
        target = None if self.target is None else self.target[:, points]
        return replace(self, data=self.data.at(points), target=target)

    def __call__(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return loss (P,) and gradient (K B, P) at (K B, P); P is 1 for all points together."""
        points = theta.shape[1]
        rows = max(1, _VALUES // max(1, self.data.mean.shape[1]))
        loss, gradient = theta.new_zeros(points), torch.zeros_like(theta)
        for first in range(0, len(self.data.mean), rows):
            part = self.data
            if rows < len(part.mean):
                part = part.dates(slice(first, first + rows))
            scores, slope = self._part(theta, part)
            gradient += slope
            loss += scores.sum(0) if points == scores.shape[1] else scores.sum()
        if self.target is not None and self.penalty is not None:
            residual = theta - self.target
            slope = self.penalty @ residual
            loss, gradient = loss + 0.5 * (residual * slope).sum(0), gradient + slope
        return loss, gradient

    def _part(self, theta: Tensor, part: FitData) -> tuple[Tensor, Tensor]:
        """Return the weighted scores of some dates, (n, S), and their gradient, (K B, P)."""
        scores, slopes = self.family.crps(coefficients(theta, part.season), part)
        slopes *= part.weight
        if theta.shape[1] == 1:
            slopes = slopes.sum(2, keepdim=True)
        # (K, n, P) -> (K, B, P) -> (K B, P)
        return part.weight * scores, (part.season.T @ slopes).flatten(0, 1)


def fit_pooled(family: Family, data: FitData, scale_only: bool = False) -> Tensor:
    """Fit one set of coefficients for each group of points.

    Parameters
    ----------
    family : Family
        Of the forecast.
    data : FitData
        N dates at S points.
    scale_only : bool
        `mean` is the location already: leave it, fit the spread.

    Returns
    -------
    Tensor, shape (K B, S)
        Coefficients of every point.
    """
    count = data.season.shape[1]
    theta = torch.empty(len(family.names) * count, data.mean.shape[1], dtype=torch.float64)
    for group in sorted(set(data.group.tolist())):
        inside = (data.group == group).nonzero().flatten()
        part = data.at(inside[:: 1 + len(data.mean) * len(inside) // family.most_cases])
        mean, weight = (v.reshape(-1, 1) for v in (part.mean, part.weight))  # (N, S) -> (N S, 1)
        centre = _centre(family, mean, weight, scale_only)
        start = torch.zeros(len(family.names), count, dtype=torch.float64)
        start[:, 0] = family.start(part)
        if scale_only:
            start[:2, 0] = torch.tensor([0.0, 1.0])
        begin = _move(start.reshape(-1, 1), centre, count)  # (K, B) -> (K B, 1)
        objective = Objective(family, replace(part, mean=part.mean - centre).with_sums())
        free = _free(begin, count, scale_only)
        few = _find_few(objective)
        if few is None:
            curvature = curvature_of(objective, begin)
        else:
            begin = _descend(few, begin, free, curvature_of(few, begin, ahead_only=True))
            share = few.data.weight.sum() / part.weight.sum()
            curvature = curvature_of(few, begin, ahead_only=True) / share
        found = _descend(objective, begin, free, curvature)
        theta[:, inside] = _move(found, -centre, count)
    return theta


def fit_local(
    family: Family,
    data: FitData,
    target: Tensor,
    strength: float,
    scale_only: bool = False,
    near: Tensor | None = None,
    known: Tensor | None = None,
) -> Tensor:
    """Fit one set of coefficients for each point, drawn towards given ones.

    Parameters
    ----------
    family : Family
        Of the forecast.
    data : FitData
        N dates at S points.
    target : Tensor, shape (K B, S)
        Towards which each point is drawn, such as those of `fit_pooled`.
    strength : float
        How many average dates the target is worth.
    scale_only : bool
        As in `fit_pooled`.
    near : Tensor, optional, shape (K B, S)
        Where to begin, if anything is known that lies nearer than the target.
    known : Tensor, optional, shape (K B, K B)
        What `measure_date` returns for these data and this target, where several strengths are
        tried.

    Returns
    -------
    Tensor, shape (K B, S)
        Coefficients of every point; the target where a point has no truth.
    """
    objective, begin, centre = _even_objective(family, data, target, scale_only)
    count, dates = data.season.shape[1], objective.data.weight.sum(0)
    if known is None:
        known = measure_date(family, data, target, scale_only)
    objective = replace(objective, target=begin, penalty=strength * known)
    if near is None and family.near:
        near = _fit_near(family.near, data, strength, scale_only)
    first = begin if near is None else _move(near, centre, count)
    curvature = (dates[:, None, None] + max(strength, 1e-3)) * known
    free, found = _free(begin, count, scale_only), torch.empty_like(begin)
    width = max(_WIDE if family.costly else 256, _VALUES // max(1, len(data.mean)))
    for number in range(0, begin.shape[1], width):
        chunk = slice(number, number + width)
        part = objective.at(chunk)
        part = replace(part, data=part.data.with_sums())
        found[:, chunk] = _descend(part, first[:, chunk], free, curvature[chunk])
    return _move(found, -centre, count)


def measure_date(family: Family, data: FitData, target: Tensor, scale_only: bool = False) -> Tensor:
    """Return what one date tells about each coefficient, on average over the points.

    Parameters
    ----------
    family, data, target, scale_only
        As in `fit_local`.

    Returns
    -------
    Tensor, shape (K B, K B)
        Second derivatives of the loss at the target; of a costly family at some of the points, if
        these have cases enough.
    """
    objective, begin, _ = _even_objective(family, data, target, scale_only)
    few = _find_few(objective)
    if few is not None:
        objective, begin = few, begin[:, ::_SHARE]
    dates = objective.data.weight.sum(0).sum().clamp(min=_TINY)
    return curvature_of(objective, begin, ahead_only=family.costly) / dates


def _find_few(objective: Objective) -> Objective | None:
    """Return what is costly at every k-th point, where these have cases enough."""
    if not objective.family.costly:
        return None
    few = objective.at(slice(None, None, _SHARE))
    return few if int((few.data.weight > 0).sum()) >= _SAMPLE else None


def _even_objective(
    family: Family, data: FitData, target: Tensor, scale_only: bool
) -> tuple[Objective, Tensor, Tensor]:
    """Return the loss of points whose dates weigh 1 on average, the target there, the centre.

    A strength then counts dates.
    """
    weight = data.weight * (data.weight > 0).sum(0) / data.weight.sum(0).clamp(min=_TINY)
    centre = _centre(family, data.mean, weight, scale_only)
    objective = Objective(family, replace(data, weight=weight, mean=data.mean - centre))
    return objective, _move(target, centre, data.season.shape[1]), centre


def _descend(objective: Objective, begin: Tensor, free: Tensor, curvature: Tensor) -> Tensor:
    family = objective.family
    wanted = (objective, begin, curvature, free, family.iterations)
    if family.costly:
        return minimise(*wanted, settled=_SETTLED, tolerance=_NEAR_ENOUGH)
    return minimise(*wanted)


def _fit_near(family: Family, data: FitData, strength: float, scale_only: bool) -> Tensor:
    """Return coefficients of least score by another family, spreads as distances of members."""
    data, count = data.without_members(), data.season.shape[1]
    pooled = fit_pooled(family, data, scale_only)
    near = fit_local(family, data, pooled, strength, scale_only)
    near[2 * count :] *= _DISTANCE
    for number in (2 * count, 3 * count):
        # a spread that begins at nothing has no slope
        near[number] = torch.where(near[number].abs() < _SOME, _SOME, near[number])
    return near


def _centre(family: Family, mean: Tensor, weight: Tensor, scale_only: bool) -> Tensor:
    """Return the mean over the dates of each point, which is taken off the ensemble mean, (S,)."""
    if scale_only or not family.located:
        return torch.zeros_like(mean[0])
    return (weight * mean).sum(0) / weight.sum(0).clamp(min=_TINY)


def _move(theta: Tensor, centre: Tensor, count: int) -> Tensor:
    """Return coefficients for an ensemble mean from which the centre was taken."""
    moved = theta.clone()
    moved[:count] += moved[count : 2 * count] * centre
    return moved


def _free(theta: Tensor, count: int, scale_only: bool) -> Tensor:
    """Return which coefficients are fitted, (K B,) bool."""
    free = torch.ones(len(theta), dtype=torch.bool)
    free[: 2 * count * scale_only] = False
    return free
