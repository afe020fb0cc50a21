"""What a fit rests on, and fits of few starts: drawn to the raw ensemble unless starts vouch.

All points of a start share its errors: however many there are, four starts tell about four times as
much as one. Below `STARTS_PER_COEFFICIENT` the coefficients are a mixture of those fitted and those
that change nothing, by a share that starts choose which the fit has not seen. The measurements are
in docs/decisions/0037.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from scipy.special import stdtrit
from torch import Tensor

from smoecast.calibration.fitting.families import Family
from smoecast.calibration.fitting.fit_data import FitData
from smoecast.calibration.fitting.fit_family import Objective
from smoecast.calibration.fitting.shrinkage import choose_strength, sample_points, solve

STARTS_PER_COEFFICIENT = 3
"""A record of fewer starts is short."""

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Of the fit in its coefficients; the rest is the raw ensemble."""

SURE = 0.95
"""How sure the gain on the raw ensemble must be."""


@dataclass(frozen=True)
class Record:
    """What the coefficients of a fit rest on.

    Attributes
    ----------
    starts : int
        That have a truth.
    cases : float
        Of one set of coefficients, the fewest that one has: starts times points where it is shared
        by points, else starts. Weights count: (sum w)^2 / sum w^2 (Kish 1965).
    coefficients : int
        In one set.
    share : float
        Of the fit in the coefficients; the rest is the raw ensemble. 1 where the record is long
        enough, or was not asked for.
    """

    starts: int
    cases: float
    coefficients: int
    share: float = 1.0

    @property
    def fewest(self) -> int:
        """Starts that the coefficients need."""
        return STARTS_PER_COEFFICIENT * self.coefficients

    @property
    def is_short(self) -> bool:
        """Whether there are fewer."""
        return self.starts < self.fewest


def record_of(family: Family, data: FitData, where: str) -> Record:
    """Return what a fit will rest on; `where` is pooled or local."""
    weight = data.weight
    if where == "pooled":
        sets = [weight[:, data.group == group] for group in set(data.group.tolist())]
        weight = torch.stack([torch.stack([w.sum(), (w**2).sum()]) for w in sets], dim=1)
    else:
        weight = torch.stack([weight.sum(0), (weight**2).sum(0)])
    there = weight[0] > 0
    cases = float((weight[0, there] ** 2 / weight[1, there]).min())
    starts = int((data.weight > 0).any(1).sum())
    return Record(starts, cases, len(family.names) * data.season.shape[1])


def solve_safely(
    family: Family,
    data: FitData,
    where: str,
    shrinkage: float | None,
    folds: int,
    *,
    to_raw: bool,
) -> tuple[Tensor, Record]:
    """Return the coefficients of `shrinkage.solve`, and what they rest on.

    Parameters
    ----------
    family, data, where, shrinkage, folds
        As in `shrinkage.solve`.
    to_raw : bool
        Whether those of a short record are drawn to the raw ensemble. What is kept is the smallest
        share of the fit that starts which were left out cannot tell from the best one (one standard
        error, Breiman et al. 1984); nothing, if their gain on the raw ensemble could be chance
        (Student's t, 95 %). One start alone vouches for nothing.

    Returns
    -------
    tuple
        (K B, S), and the record.

    Raises
    ------
    ConfigError
        As `shrinkage.solve`.
    """
    record = record_of(family, data, where)
    if not (to_raw and record.is_short):
        return solve(family, data, where, shrinkage, folds), record
    data = data.dates((data.weight > 0).any(1).nonzero().flatten())
    columns, points = data.season.shape[1], data.mean.shape[1]
    raw = torch.zeros(len(family.names), columns, points, dtype=torch.float64)
    raw[:, 0] = torch.tensor(family.raw, dtype=torch.float64)[:, None]
    raw = raw.flatten(0, 1)  # (K, B, S) -> (K B, S)
    if len(data.mean) > 1:
        if where == "local" and shrinkage is None:
            shrinkage = choose_strength(family, data, folds)
        fit = partial(solve, family, where=where, shrinkage=shrinkage, folds=folds)
        share = _choose_share(family, data, fit, raw)
        if share:
            return _mix(family, raw, fit(data), share), replace(record, share=share)
    return raw, replace(record, share=0.0)


def _choose_share(
    family: Family, data: FitData, fit: Callable[[FitData], Tensor], raw: Tensor
) -> float:
    """Return by how much a fit counts, by starts that it has not seen."""
    starts, some = len(data.mean), sample_points(data)
    few, raw = data.at(some), raw[:, some]
    scores = torch.empty(starts, len(SHARES), dtype=torch.float64)
    for number in range(starts):
        rest = few.dates(torch.arange(starts) != number)
        own = few.dates(slice(number, number + 1))
        fitted, score = fit(rest), Objective(family, own)
        for column, share in enumerate(SHARES):
            loss, _ = score(_mix(family, raw, fitted, share))
            scores[number, column] = loss.sum() / own.weight.sum()
    worse = scores - scores[:, scores.mean(0).argmin(), None]
    near_best = worse.mean(0) <= worse.std(0) / starts**0.5
    chosen = int(near_best.nonzero()[0])
    gain = scores[:, 0] - scores[:, chosen]
    doubt = float(stdtrit(starts - 1, SURE)) * gain.std() / starts**0.5
    return SHARES[chosen] if gain.mean() > doubt else 0.0


def _mix(family: Family, raw: Tensor, fitted: Tensor, share: float) -> Tensor:
    """Return coefficients between the raw and the fitted ones.

    Those that count squared have any sign; here that of the raw ones.
    """
    rows = fitted.reshape(len(family.names), -1, fitted.shape[1])  # (K B, S) -> (K, B, S)
    squared = torch.arange(len(rows)) >= 2 * family.located
    turned = squared[:, None, None] & (rows[:, :1] < 0)
    return (1.0 - share) * raw + share * torch.where(turned, -rows, rows).flatten(0, 1)
