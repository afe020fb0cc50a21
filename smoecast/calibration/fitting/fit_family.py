"""The regressions of any family: one set of coefficients for all points, or one for each.

What `smoecast.calibration.fitting.fit_normal` is for the normal distribution, by descent.
Coefficients are (K B, S): K of the family, each by B functions of the season, those of one
coefficient together. Variables are about 1 in size; the caller scales them.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from smoecast.calibration.fitting.bfgs import curvature_of, minimise
from smoecast.calibration.fitting.families import Family
from smoecast.calibration.fitting.fit_normal import FitData

_VALUES = 50_000
"""Cases handled at once, so that they stay in the cache."""
_POOLED = 1_000_000
"""Cases that one pooled set is fitted to, at most: then every k-th point."""
_TINY = 1e-300


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
    """The loss to make least: weight x CRPS summed over cases, and a pull to known coefficients.

    Attributes
    ----------
    family : Family
        Of the forecast.
    data : Data
        N dates at S points.
    target, pull : Tensor or None
        (K B, S) and (K B, K B): adds (theta - target)' pull (theta - target) / 2 to each point.
    """

    family: Family
    data: FitData
    target: Tensor | None = None
    pull: Tensor | None = None

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
            part = self.data.dates(slice(first, first + rows))
            scores, slope = self._part(theta, part)
            gradient += slope
            loss += scores.sum(0) if points == scores.shape[1] else scores.sum()
        if self.target is not None and self.pull is not None:
            away = theta - self.target
            back = self.pull @ away
            loss, gradient = loss + 0.5 * (away * back).sum(0), gradient + back
        return loss, gradient

    def _part(self, theta: Tensor, part: FitData) -> tuple[Tensor, Tensor]:
        """Return the weighted scores of some dates, (n, S), and their gradient, (K B, P)."""
        if self.family.slopes is None:
            at = theta.detach().requires_grad_(True)
            scores = part.weight * self.family.crps(coefficients(at, part.season), part)
            return scores.detach(), torch.autograd.grad(scores.sum(), at)[0]
        scores, slopes = self.family.slopes(coefficients(theta, part.season), part)
        slopes *= part.weight
        if theta.shape[1] == 1:
            slopes = slopes.sum(2, keepdim=True)
        # (K, n, P) -> (K, B, P) -> (K B, P)
        return part.weight * scores, (part.season.T @ slopes).flatten(0, 1)


def fit_groups(family: Family, data: FitData, scale_only: bool = False) -> Tensor:
    """Fit one set of coefficients for each group of points.

    Parameters
    ----------
    family : Family
        Of the forecast.
    data : Data
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
        every = 1 + data.mean.shape[0] * len(inside) // _POOLED
        part = data.at(inside[::every])
        whole = part.weight.sum().clamp(min=_TINY)
        mean = (part.weight * part.mean).sum() / whole
        centre = mean.expand(part.mean.shape[1]) if family.located and not scale_only else None
        start = torch.zeros(len(family.names), count, dtype=torch.float64)
        start[:, 0] = family.start(part)
        if scale_only:
            start[:2, 0] = torch.tensor([0.0, 1.0])
        flat = start.reshape(-1, 1)  # (K, B) -> (K B, 1)
        theta[:, inside] = _descend(family, part, flat, centre, scale_only)
    return theta


def local(
    family: Family,
    data: FitData,
    target: Tensor,
    strength: float,
    scale_only: bool = False,
    near: Tensor | None = None,
) -> Tensor:
    """Fit one set of coefficients for each point, drawn towards given ones.

    Parameters
    ----------
    family : Family
        Of the forecast.
    data : Data
        N dates at S points.
    target : Tensor, shape (K B, S)
        Towards which each point is drawn, such as those of `fit_groups`.
    strength : float
        How many average dates the target is worth.
    scale_only : bool
        As in `fit_groups`.
    near : Tensor, optional, shape (K B, S)
        Where to begin, if anything is known that lies nearer than the target.

    Returns
    -------
    Tensor, shape (K B, S)
        Coefficients of every point; the target where a point has no truth.
    """
    share = data.weight * (data.weight > 0).sum(0) / data.weight.sum(0).clamp(min=_TINY)
    even = replace(data, weight=share)
    centre = (share * data.mean).sum(0) / share.sum(0).clamp(min=_TINY)
    if not family.located or scale_only:
        centre = torch.zeros_like(centre)
    return _descend(family, even, target, centre, scale_only, strength, near)


def _descend(
    family: Family,
    data: FitData,
    start: Tensor,
    centre: Tensor | None,
    scale_only: bool,
    strength: float | None = None,
    near: Tensor | None = None,
) -> Tensor:
    """Return coefficients of least loss, of the shape of `start`, by lots of points."""
    count = data.season.shape[1]
    free = torch.ones(len(start), dtype=torch.bool)
    free[: 2 * count * scale_only] = False
    shift = torch.zeros(data.mean.shape[1], dtype=torch.float64) if centre is None else centre
    middle = replace(data, mean=data.mean - shift)
    begin = _undo_centring(start, shift[: start.shape[1]], count, family)
    objective = Objective(family, middle)
    curvature = curvature_of(objective, begin)
    if strength is None:
        found = minimise(objective, begin, curvature, free)
    else:
        known = curvature / data.weight.sum().clamp(min=_TINY)
        drawn = replace(objective, target=begin, pull=strength * known)
        first = begin if near is None else _undo_centring(near, shift, count, family)
        found = _each(drawn, first, known, free, strength)
    return _undo_centring(found, -shift[: start.shape[1]], count, family)


def _each(
    objective: Objective, begin: Tensor, known: Tensor, free: Tensor, strength: float
) -> Tensor:
    """Return the coefficients of each point, (K B, S); `known` is what one date tells."""
    found = torch.empty_like(begin)
    width = max(256, _VALUES // max(1, len(objective.data.mean)))
    for first in range(0, begin.shape[1], width):
        lot = slice(first, first + width)
        part = objective.at(lot)
        dates = part.data.weight.sum(0)[:, None, None] + max(strength, 1e-3)
        found[:, lot] = minimise(part, begin[:, lot], dates * known, free)
    return found


def _undo_centring(theta: Tensor, centre: Tensor, count: int, family: Family) -> Tensor:
    """Return coefficients for an ensemble mean from which the centre was taken."""
    if not family.located:
        return theta
    moved = theta.clone()
    moved[:count] += moved[count : 2 * count] * centre
    return moved
