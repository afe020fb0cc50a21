"""Member-by-member calibration: each member is shifted and stretched, so the ranks stay.

Member = a + b x ensemble mean + t x (raw member - ensemble mean), with t^2 = d^2 + c^2 / s^2 and
s the mean distance between two members (Van Schaeybroeck & Vannitsem 2015, doi:10.1002/qj.2397;
their gamma_1 is d, gamma_2 is c). The coefficients are those of least CRPS of the ensemble that
comes out. No distribution is assumed, fields hang together as the raw members do, and any number
of members may be missing.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from smoecast.calibration.emos import Season, Where
from smoecast.calibration.fitting.families import NORMAL, Family, spread_of
from smoecast.calibration.fitting.fit_data import (
    FitData,
    moments,
    name_coefficients,
    prepare,
)
from smoecast.calibration.fitting.fit_family import fit_pooled
from smoecast.calibration.fitting.season import at_dates, season_columns
from smoecast.calibration.fitting.short_records import Record, solve_safely
from smoecast.errors import ModelError

Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MemberByMember:
    """A fitted calibration.

    Attributes
    ----------
    a, b, c, d : ndarray of float64, shape () or (*space)
        See above; with a season another axis comes first, as in `Emos`.
    season : {"none", "harmonic"}
        What the coefficients follow.
    lowest : float
        No member is below it: 0 for wind speed or precipitation.
    record : Record, optional
        As in `Emos`.
    """

    a: Values
    b: Values
    c: Values
    d: Values
    season: Season = "none"
    lowest: float = -np.inf
    record: Record | None = None

    def members(self, members: ArrayLike, starts: ArrayLike | None = None) -> Values:
        """Return the calibrated ensemble.

        Parameters
        ----------
        members : array_like, shape (N, M, *space)
            M need not be the number of the fit; a member that is NaN is missing, and stays so.
        starts : array_like of datetime64, shape (N,), optional
            Needed where the coefficients follow the season.

        Returns
        -------
        ndarray of float64, shape (N, M, *space)
            In the unit of the members. Members that are all equal stay so.

        Raises
        ------
        InputError
            If a point has fewer than two members, or a start is not given.
        ModelError
            If the coefficients are of another grid.
        """
        raw = np.asarray(members, np.float64)
        mean, _ = moments(raw)
        distance = _distance(np.sort(raw, axis=1), (~np.isnan(raw)).sum(axis=1).astype(np.float64))
        a, b, c, d = (
            at_dates(v, self.season, mean.shape, starts) for v in self.to_tensors().values()
        )
        stretch = np.sqrt(c**2 + d**2 * distance**2) / np.where(distance > 0, distance, 1.0)
        moved = (a + b * mean)[:, None] + stretch[:, None] * (raw - mean[:, None])
        return np.maximum(moved, self.lowest)

    def to_tensors(self) -> dict[str, Values]:
        """Return the coefficients by name, as safetensors stores them."""
        return {"a": self.a, "b": self.b, "c": self.c, "d": self.d}

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, Values], season: Season = "none", lowest: float = -np.inf
    ) -> "MemberByMember":
        """Read what `to_tensors` gave.

        Raises
        ------
        ModelError
            If a coefficient is missing.
        """
        missing = [name for name in "abcd" if name not in tensors]
        if missing:
            raise ModelError(f"the file of the calibration lacks {missing}; fit it again")
        found = {name: np.asarray(tensors[name], np.float64) for name in "abcd"}
        return cls(**found, season=season, lowest=lowest, record=None)


def fit(
    members: ArrayLike,
    truth: ArrayLike,
    *,
    where: Where,
    season: Season = "none",
    starts: ArrayLike | None = None,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    shrinkage: float | None = None,
    folds: int = 5,
    fair: bool = False,
    lowest: float = -np.inf,
    to_raw: bool = False,
) -> MemberByMember:
    """Fit the coefficients of least CRPS.

    Parameters
    ----------
    members, truth, where, season, starts, weights, groups, shrinkage, folds, to_raw
        As in `smoecast.calibration.emos.fit`.
    fair : bool
        Make the fair CRPS least, not that of the members as they are. All members share the
        errors of their mean, which the fair score takes for draws of their own: what it gives is
        too wide where members are few.
    lowest : float
        No member will be below it.

    Returns
    -------
    MemberByMember
        With coefficients of shape () if pooled without groups, else (*space).

    Raises
    ------
    ConfigError, InputError
        As `smoecast.calibration.emos.fit`.
    """
    raw = np.asarray(members, np.float64)
    data, space = prepare(raw, truth, weights, groups, season_columns(season, starts, len(raw)))
    family = FAIR if fair else PLAIN
    data = _with_members(data, raw)
    theta, record = solve_safely(family, data, where, shrinkage, folds, to_raw=to_raw)
    one_set = where == "pooled" and groups is None
    found = name_coefficients(family.names, theta, space, season, one_set=one_set)
    return MemberByMember(**found, season=season, lowest=lowest, record=record)


def _with_members(data: FitData, raw: Values) -> FitData:
    """Return the data with the members, and their squared mean distance as variance."""
    ordered = np.sort(raw, axis=1)
    count = (~np.isnan(raw)).sum(axis=1).astype(np.float64)
    # (N, *space) -> (N, S)
    apart = torch.from_numpy(_distance(ordered, count)).reshape(data.mean.shape)
    # (N, M, *space) -> (M, N, S); what is missing was sorted to the end
    ranked = torch.from_numpy(ordered).reshape(*raw.shape[:2], -1).transpose(0, 1)
    deviations = (ranked - data.mean).nan_to_num_(torch.inf)
    present = torch.from_numpy(count).reshape(data.mean.shape)
    return replace(data, variance=apart**2, deviations=deviations, count=present)


def _distance(ordered: Values, count: Values) -> Values:
    """Return the mean distance between two different members that are present, (N, *space).

    Of sorted members, NaN at the end; each gap is counted once for every pair it lies between.
    """
    total = np.zeros(count.shape)
    for rank in range(1, ordered.shape[1]):
        gap = np.nan_to_num(ordered[:, rank] - ordered[:, rank - 1])
        total += rank * (count - rank) * gap
    return np.asarray(2.0 * total / (count * (count - 1.0)))


def _slopes(theta: Tensor, data: FitData, share: Tensor) -> tuple[Tensor, Tensor]:
    """Return CRPS (N, S) and its derivatives in a, b, c, d, (4, N, S).

    `share` (N, S) of the distance between members is taken off.
    """
    a, b, c, d = theta
    apart, wanted = data.variance.sqrt(), spread_of(c, d, data.variance)
    # members that are all equal are not stretched
    equal = apart == 0.0
    some_equal = bool(equal.any())
    some = apart.masked_fill(equal, 1.0) if some_equal else apart
    stretch = wanted / some
    error = data.truth - a
    error -= b * data.mean
    # how many members lie below the truth, and the sum of their deviations
    below, total = _find_below(data, error / stretch)
    by_error = (2.0 * below - data.count).div_(data.count)
    by_stretch = (-2.0 * total).div_(data.count).sub_(0.5 * share * apart)
    if some_equal:
        by_stretch.masked_fill_(equal, 0.0)
    score = error.mul_(by_error).add_(stretch.mul_(by_stretch))
    by_wanted = by_stretch.div_(wanted.mul_(some))
    slopes = score.new_empty(4, *score.shape)
    torch.neg(by_error, out=slopes[0])
    torch.mul(slopes[0], data.mean, out=slopes[1])
    torch.mul(by_wanted, c, out=slopes[2])
    torch.mul(by_wanted * d, data.variance, out=slopes[3])
    return score, slopes


def _find_below(data: FitData, line: Tensor) -> tuple[Tensor, Tensor]:
    """Return how many deviations lie below a line, and their sum, (N, S).

    NumPy adds bytes: a search takes ten times as long where members are few.
    """
    at, ranked = line.numpy(), data.deviations.numpy()
    found = np.zeros(at.shape, np.int8 if len(ranked) < 128 else np.int16)
    if data.sums is not None:
        for deviation in ranked:
            found += deviation < at
        every = data.sums.numpy().reshape(-1)
        first = np.arange(0, every.size, data.sums.shape[2]).reshape(at.shape)
        return torch.from_numpy(found), torch.from_numpy(every.take(first + found))
    total = np.zeros(at.shape)
    if np.isinf(ranked[-1]).any():
        ranked = np.where(np.isinf(ranked), np.finfo(np.float64).max, ranked)
    for deviation in ranked:
        below = deviation < at
        found += below
        total += deviation * below
    return torch.from_numpy(found), torch.from_numpy(total)


def _plain(theta: Tensor, data: FitData) -> tuple[Tensor, Tensor]:
    return _slopes(theta, data, (data.count - 1.0) / data.count)


def _fair(theta: Tensor, data: FitData) -> tuple[Tensor, Tensor]:
    return _slopes(theta, data, torch.ones_like(data.mean))


def _start(data: FitData) -> Tensor:
    """Return a, b, c, d of one normal distribution of least CRPS: the score here has corners."""
    group, season = torch.zeros_like(data.group), data.season[:, :1]
    return fit_pooled(NORMAL, replace(data.without_members(), group=group, season=season))[:, 0]


_UNITS = (1.0, 0.0, 1.0, 0.0)
PLAIN, FAIR = (
    Family("abcd", _UNITS, True, _start, crps, near=NORMAL, iterations=60)
    for crps in (_plain, _fair)
)
