"""What makes a fit safe with few dates: held-out dates choose the shrinkage and widen the spread.

Local coefficients are drawn towards the pooled ones, by a strength chosen on held-out dates. And
the spread is fitted to errors on held-out dates, so that it accounts for what the location could
not learn. The measurements are in docs/decisions/0006.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from smoecast.calibration.fitting.families import Family
from smoecast.calibration.fitting.fit_data import FitData
from smoecast.calibration.fitting.fit_family import (
    Objective,
    coefficients,
    fit_local,
    fit_pooled,
    measure_date,
)
from smoecast.errors import ConfigError

STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_SAMPLE_CASES, _SAMPLE_POINTS = 1_000_000, 4096
"""The strength is chosen on every k-th point, about as many as these at most."""


def solve(family: Family, data: FitData, where: str, shrinkage: float | None, folds: int) -> Tensor:
    """Return the coefficients of least CRPS, made safe.

    Parameters
    ----------
    family : Family
        Of the forecast.
    data : FitData
        N dates at S points.
    where : {"pooled", "local"}
        One set for each group, or one for each point.
    shrinkage : float, optional
        How many dates the pooled coefficients are worth; chosen if not given.
    folds : int
        Blocks of dates held out in turn; 0: none.

    Returns
    -------
    Tensor, shape (K B, S)
        Coefficients of every point: K of the family, each by B functions of the season.

    Raises
    ------
    ConfigError
        If `where` is neither word, the shrinkage is negative, or it is to be chosen without two
        dates and folds.
    """
    if where not in ("pooled", "local"):
        raise ConfigError(f"EMOS knows no coefficients '{where}'; say pooled or local")
    unit = _unit(data)
    data, blocks = data.in_units(unit), _split_dates(len(data.mean), folds)
    strength = None
    if where == "local":
        strength = _choose_strength(family, data, blocks) if shrinkage is None else shrinkage
        if strength < 0:
            raise ConfigError(f"shrinkage is a number of dates, {shrinkage} is negative")
    theta = fit_pooled(family, data)
    if strength is not None:
        theta = fit_local(family, data, theta, strength)
    columns = data.season.shape[1]
    if blocks and family.located:
        errors = _hold_out(family, data, strength, blocks, theta)
        spread = fit_pooled(family, errors, scale_only=True)
        if strength is not None:
            spread = fit_local(family, errors, spread, strength, scale_only=True)
        known, rows = _find_truth(errors), slice(2 * columns, None)
        theta[rows, known] = spread[rows, known]
    powers = torch.tensor(family.units, dtype=torch.float64).repeat_interleave(columns)
    return theta * unit ** powers[:, None]


def choose_strength(family: Family, data: FitData, folds: int) -> float:
    """Return how many dates the pooled coefficients are worth, as `solve` chooses it.

    Raises
    ------
    ConfigError
        There are no two dates and folds.
    """
    return _choose_strength(family, data.in_units(_unit(data)), _split_dates(len(data.mean), folds))


def _unit(data: FitData) -> float:
    """Return the truth's standard deviation, in which descent sees numbers about 1."""
    total = data.weight.sum()
    mean = (data.weight * data.truth).sum() / total
    return float((data.weight * (data.truth - mean) ** 2).sum().div(total).sqrt()) or 1.0


def _split_dates(dates: int, folds: int) -> list[slice]:
    """Return blocks of successive dates to hold out in turn; none if there are not two."""
    count = min(dates, folds)
    edges = np.linspace(0, dates, count + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)] if count > 1 else []


def _find_truth(data: FitData) -> Tensor:
    """Return the points, (S,) bool, whose group has a case that counts."""
    found = torch.zeros_like(data.group, dtype=torch.bool)
    counts = data.weight.sum(0) > 0
    for group in set(data.group[counts].tolist()):
        found |= data.group == group
    return found


def _hold_out(
    family: Family, data: FitData, strength: float | None, blocks: list[slice], near: Tensor
) -> FitData:
    """Return data whose mean is a location fitted without the date; `near` is one with all."""
    location, weight = torch.zeros_like(data.mean), torch.zeros_like(data.weight)
    for block in blocks:
        rest, part = data.without(block), data.dates(block)
        theta = fit_pooled(family, rest)
        if strength is not None:
            theta = fit_local(family, rest, theta, strength, near=near)
        a, b = coefficients(theta, part.season)[:2]
        location[block] = a + b * part.mean
        weight[block] = part.weight * _find_truth(rest)
    return replace(data, weight=weight, mean=location)


def sample_points(data: FitData) -> slice:
    """Return enough of the points to choose a strength on."""
    dates, points = data.mean.shape
    step = 1 + max(dates * points // _SAMPLE_CASES, points // _SAMPLE_POINTS)
    return slice(None, None, step)


def _choose_strength(family: Family, data: FitData, blocks: list[slice]) -> float:
    """Return the greatest strength that held-out dates cannot tell from the best one.

    Within one standard error of the best, the simpler model is taken (Breiman et al. 1984): two
    dates of much the same error would otherwise vouch for a correction that the third lacks.
    """
    if not blocks:
        raise ConfigError("shrinkage cannot be chosen without two dates and folds; give a number")
    few = data.at(sample_points(data))
    scores = np.empty((len(blocks), len(STRENGTHS)))
    for row, block in zip(scores, blocks, strict=True):
        rest, held_out = few.without(block), Objective(family, few.dates(block))
        near = target = fit_pooled(family, rest)
        known = measure_date(family, rest, target)
        for number in reversed(range(len(STRENGTHS))):  # each begins where the stronger ended
            near = fit_local(family, rest, target, STRENGTHS[number], near=near, known=known)
            row[number] = float(held_out(near)[0].sum())
    worse = scores - scores[:, [scores.mean(0).argmin()]]
    error = worse.std(0, ddof=1) / np.sqrt(len(blocks))
    return max(
        s for s, near_best in zip(STRENGTHS, worse.mean(0) <= error, strict=True) if near_best
    )
