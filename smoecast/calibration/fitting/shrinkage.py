"""What makes a fit safe with few dates: held-out dates choose the shrinkage and widen the spread.

Local coefficients are drawn towards the pooled ones, by a strength chosen on held-out dates. And
the spread is fitted to errors on held-out dates, so that it accounts for what the location could
not learn. The measurements are in docs/decisions/0006.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from smoecast.calibration.fitting import fit_family, fit_normal
from smoecast.calibration.fitting.crps_newton import Cases, evaluate
from smoecast.calibration.fitting.families import NORMAL, Family
from smoecast.calibration.fitting.fit_normal import FitData
from smoecast.errors import ConfigError

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_SAMPLE_CASES, _SAMPLE_POINTS = 1_000_000, 4096
"""The strength is chosen on every k-th point, about as many as these at most."""


@dataclass(frozen=True, eq=False)
class Solver:
    """The regressions of one family. Coefficients are (J, S).

    Attributes
    ----------
    pooled : callable
        Data, and whether `mean` is the location and only the spread is wanted.
    local : callable
        Data, coefficients to draw to, strength, the same, and coefficients that lie near, if known.
    loss : callable
        Data and coefficients to the sum of weight x CRPS.
    location : int
        The first so many rows are those of the location; 0: it is not fitted apart.
    any_unit : bool
        Whether it serves numbers of any size; if not, they are about 1.
    """

    pooled: Callable[[FitData, bool], Tensor]
    local: Callable[[FitData, Tensor, float, bool, Tensor | None], Tensor]
    loss: Callable[[FitData, Tensor], float]
    location: int
    any_unit: bool = False


def solver_of(family: Family, columns: int) -> Solver:
    """Return the solver of a family whose coefficients have `columns` functions of the season.

    A normal distribution without season has a faster one of its own.
    """
    if family is NORMAL and columns == 1:
        return Solver(_fit_normal_groups, _normal_local, _normal_loss, 2, any_unit=True)

    def pooled(data: FitData, scale_only: bool) -> Tensor:
        return fit_family.fit_groups(family, data, scale_only)

    def local(
        data: FitData, target: Tensor, strength: float, scale_only: bool, near: Tensor | None
    ) -> Tensor:
        return fit_family.local(family, data, target, strength, scale_only, near)

    def loss(data: FitData, theta: Tensor) -> float:
        return float(fit_family.Objective(family, data)(theta)[0].sum())

    return Solver(pooled, local, loss, 2 * columns if family.located else 0)


def solve(
    solver: Solver, data: FitData, local: bool, shrinkage: float | None, folds: int
) -> Tensor:
    """Return the coefficients of least CRPS, made safe.

    Parameters
    ----------
    solver : Solver
        Of the family.
    data : Data
        N dates at S points.
    local : bool
        One set for each point, not one for each group.
    shrinkage : float, optional
        How many dates the pooled coefficients are worth; chosen if not given.
    folds : int
        Blocks of dates held out in turn; 0: none.

    Returns
    -------
    Tensor, shape (J, S)
        Coefficients of every point.

    Raises
    ------
    ConfigError
        If the shrinkage is negative, or is to be chosen without two dates and folds.
    """
    blocks = _blocks(data.mean.shape[0], folds)
    strength = None
    if local:
        strength = _choose_strength(solver, data, blocks) if shrinkage is None else shrinkage
        if strength < 0:
            raise ConfigError(f"shrinkage is a number of dates, {shrinkage} is negative")
    theta = _regress(solver, data, strength, False)
    if blocks and solver.location:
        located = _leave_date_out(solver, data, strength, blocks, theta)
        seen, rows = _with_truth(located), slice(solver.location, None)
        theta[rows, seen] = _regress(solver, located, strength, True)[rows, seen]
    return theta


def _blocks(dates: int, folds: int) -> list[slice]:
    """Return blocks of successive dates to hold out in turn; none if there are not two."""
    count = min(dates, folds)
    edges = np.linspace(0, dates, count + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)] if count > 1 else []


def _regress(
    solver: Solver,
    data: FitData,
    strength: float | None,
    scale_only: bool,
    near: Tensor | None = None,
) -> Tensor:
    """Return the coefficients of every point, (J, S): local ones if there is a strength."""
    theta = solver.pooled(data, scale_only)
    return theta if strength is None else solver.local(data, theta, strength, scale_only, near)


def _with_truth(data: FitData) -> Tensor:
    """Return the points, (S,) bool, whose group has a case that counts."""
    found = torch.zeros_like(data.group, dtype=torch.bool)
    counts = data.weight.sum(0) > 0
    for group in set(data.group[counts].tolist()):
        found |= data.group == group
    return found


def _leave_date_out(
    solver: Solver, data: FitData, strength: float | None, blocks: list[slice], near: Tensor
) -> FitData:
    """Return data whose mean is a location fitted without the date; `near` is one with all."""
    location, weight = torch.zeros_like(data.mean), torch.zeros_like(data.weight)
    for block in blocks:
        rest, part = data.without(block), data.dates(block)
        theta = _regress(solver, rest, strength, False, near)[: solver.location]
        a, b = fit_family.coefficients(theta, part.season)
        location[block] = a + b * part.mean
        weight[block] = part.weight * _with_truth(rest)
    return replace(data, weight=weight, mean=location)


def _choose_strength(solver: Solver, data: FitData, blocks: list[slice]) -> float:
    """Return the greatest strength that held-out dates cannot tell from the best one.

    Within one standard error of the best, the simpler model is taken (Breiman et al. 1984): two
    dates of much the same error would otherwise vouch for a correction that the third lacks.
    """
    if not blocks:
        raise ConfigError("shrinkage cannot be chosen without two dates and folds; give a number")
    dates, points = data.mean.shape
    few = data.at(
        slice(None, None, 1 + max(dates * points // _SAMPLE_CASES, points // _SAMPLE_POINTS))
    )
    scores = np.array([_cross_validate(solver, few, block) for block in blocks])
    # (blocks, strengths)
    worse = scores - scores[:, [scores.mean(0).argmin()]]
    error = worse.std(0, ddof=1) / np.sqrt(len(blocks))
    return max(s for s, near in zip(STRENGTHS, worse.mean(0) <= error, strict=True) if near)


def _cross_validate(solver: Solver, data: FitData, block: slice) -> list[float]:
    """Return the sum of weight x CRPS over a block of dates, fitted without it, per strength."""
    rest, part = data.without(block), data.dates(block)
    near = target = solver.pooled(rest, False)
    losses = []
    for strength in reversed(STRENGTHS):
        near = solver.local(rest, target, strength, False, near)
        losses.append(solver.loss(part, near))
    return losses[::-1]


def _errors(data: FitData) -> FitData:
    """Return data with a mean of 0 and, as truth, what the location left."""
    return replace(data, truth=data.truth - data.mean, mean=torch.zeros_like(data.mean))


def _fit_normal_groups(data: FitData, scale_only: bool) -> Tensor:
    return fit_normal.fit_groups(_errors(data) if scale_only else data, scale_only)


def _normal_local(
    data: FitData, target: Tensor, strength: float, scale_only: bool, _: Tensor | None
) -> Tensor:
    part = _errors(data) if scale_only else data
    return fit_normal.local(part, target, strength, scale_only)


def _normal_loss(data: FitData, theta: Tensor) -> float:
    cases = Cases(data.mean, data.variance, data.truth, data.weight)
    return float(evaluate(cases, theta).loss.sum())
