"""Ensemble model output statistics (EMOS): a normal distribution from ensemble mean and variance.

mean = a + b x ensemble mean and variance = c^2 + d^2 x ensemble variance, the coefficients those
of least CRPS (Gneiting, Raftery, Westveld and Goldman 2005, doi:10.1175/MWR2904.1). Any grid: the
horizontal axes come last, however many and whatever they are.

Two things make it safe with few dates. Local coefficients are drawn towards the pooled ones, by
a strength chosen on held-out dates. And c and d are fitted to errors on held-out dates, so that
the spread accounts for what the mean could not learn.
"""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from smoecast.calibration.fitting import Cases, evaluate
from smoecast.calibration.regression import Data, local, pooled
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.scores.ensemble import ensemble_moments

Values = NDArray[np.float64]

_STRENGTHS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_SAMPLE_CASES, _SAMPLE_POINTS = 1_000_000, 4096
"""The strength is chosen on every k-th point, about as many as these at most."""


@dataclass(frozen=True, eq=False)
class Emos:
    """A fitted calibration.

    Attributes
    ----------
    a, b, c, d : ndarray of float64, shape () or (*space)
        mean = a + b x ensemble mean; variance = c^2 + d^2 x ensemble variance.
    """

    a: Values
    b: Values
    c: Values
    d: Values

    def predict(self, members: ArrayLike) -> tuple[Values, Values]:
        """Return mean and standard deviation for an ensemble.

        Parameters
        ----------
        members : array_like, shape (N, M, *space)
            M need not be the number of the fit; a member that is NaN is missing.

        Returns
        -------
        tuple of two ndarrays of float64, shape (N, *space)
            In the unit of the members. The standard deviation is 0 only where the members are
            all equal and c is 0.

        Raises
        ------
        InputError
            If a point has fewer than two members.
        ModelError
            If the coefficients are of another grid.
        """
        mean, variance = _moments(members)
        if self.a.ndim and self.a.shape != mean.shape[1:]:
            raise ModelError(
                f"this EMOS was fitted on a grid of shape {self.a.shape}, the ensemble has "
                f"{mean.shape[1:]}; fit it again on this grid"
            )
        return self.a + self.b * mean, np.sqrt(self.c**2 + self.d**2 * variance)

    def to_tensors(self) -> dict[str, Values]:
        """Return the coefficients by name, as safetensors stores them."""
        return {"a": self.a, "b": self.b, "c": self.c, "d": self.d}

    @classmethod
    def from_tensors(cls, tensors: dict[str, Values]) -> "Emos":
        """Read what `to_tensors` gave.

        Raises
        ------
        ModelError
            If a coefficient is missing, or they differ in shape.
        """
        missing = [name for name in "abcd" if name not in tensors]
        if missing:
            raise ModelError(f"the EMOS file lacks {missing}; fit it again")
        found = {name: np.asarray(tensors[name], np.float64) for name in "abcd"}
        if len({value.shape for value in found.values()}) > 1:
            raise ModelError("the coefficients of the EMOS file differ in shape; fit it again")
        return cls(**found)


def fit(
    members: ArrayLike,
    truth: ArrayLike,
    *,
    where: Literal["pooled", "local"],
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    shrinkage: float | None = None,
    folds: int = 5,
) -> Emos:
    """Fit the coefficients of least CRPS.

    Parameters
    ----------
    members : array_like, shape (N, M, *space)
        Forecasts of N dates by M members; a member that is NaN is missing.
    truth : array_like, shape (N, *space)
        What happened, in the same unit; NaN leaves a case out.
    where : {"pooled", "local"}
        One set of coefficients for all points, or one for each.
    weights : array_like, optional
        Of the cases, such as cos(latitude) of shape (H, 1); broadcasts to `truth`. In a local
        fit only their ratios between dates matter.
    groups : array_like of int, shape (*space), optional
        Points of one number share the pooled coefficients: land and sea, for instance. Local
        coefficients are then drawn to those of their group.
    shrinkage : float, optional
        How many dates the pooled coefficients are worth beside the N of a point. Chosen on
        held-out dates if not given. Ignored by a pooled fit.
    folds : int
        Blocks of successive dates that are held out in turn, at most one per date. 0 fits c and
        d to the same dates as a and b: the plain minimum, faster, too sure when dates are few.

    Returns
    -------
    Emos
        With coefficients of shape () if pooled without groups, else (*space).

    Raises
    ------
    ConfigError
        If `where` is neither word, a strength is negative, or one is to be chosen without two
        dates and folds to choose it on.
    InputError
        If shapes do not fit, a point has fewer than two members, or no truth is left.
    """
    data, space = _prepare(members, truth, weights, groups)
    dates = data.mean.shape[0]
    blocks = _blocks(dates, folds)
    strength = None
    if where == "local":
        strength = _choose_strength(data, blocks) if shrinkage is None else float(shrinkage)
        if strength < 0:
            raise ConfigError(f"shrinkage is a number of dates, {shrinkage} is negative")
    elif where != "pooled":
        raise ConfigError(f"EMOS knows no coefficients '{where}'; say pooled or local")
    theta = _regress(data, strength)
    if blocks:
        errors = _held_out_errors(data, strength, blocks)
        seen = _with_truth(errors)
        theta[2:, seen] = _regress(errors, strength, scale_only=True)[2:, seen]
    if where == "pooled" and groups is None:
        return Emos(*(np.asarray(row[0].item()) for row in theta))
    return Emos(*(row.reshape(space).numpy() for row in theta))  # (S,) -> (*space)


def _moments(members: ArrayLike) -> tuple[Values, Values]:
    """Return ensemble mean and variance, (N, *space), checked."""
    ensemble = np.asarray(members)
    if ensemble.ndim < 2 or ensemble.shape[1] < 2:
        raise InputError(
            f"EMOS needs (dates, members, ...) with two members or more, not {ensemble.shape}"
        )
    mean, variance, count = ensemble_moments(ensemble, axis=1)
    poor = int((count < 2).sum())
    if poor:
        raise InputError(
            f"{poor} of {count.size} points have fewer than two members; leave them out"
        )
    return mean, variance


def _prepare(
    members: ArrayLike, truth: ArrayLike, weights: ArrayLike | None, groups: ArrayLike | None
) -> tuple[Data, tuple[int, ...]]:
    """Return everything as float64 tensors with the horizontal axes made one, and their shape."""
    mean, variance = _moments(members)
    actual = np.asarray(truth, np.float64)
    space = mean.shape[1:]
    group = np.zeros(space, np.int64) if groups is None else np.asarray(groups)
    if actual.shape != mean.shape or group.shape != space:
        raise InputError(
            f"truth of shape {actual.shape} and groups of shape {group.shape} do not fit "
            f"forecasts of {mean.shape[0]} dates on a grid of shape {space}"
        )
    weight = np.where(np.isnan(actual), 0.0, _spread_out(weights, actual.shape))
    if not weight.any():
        raise InputError("no case has both a forecast and a truth; there is nothing to fit")
    fields = (mean, variance, np.nan_to_num(actual), weight)
    # (N, *space) -> (N, S)
    flat = [torch.tensor(field, dtype=torch.float64).reshape(len(actual), -1) for field in fields]
    numbers = torch.tensor(group.astype(np.int64)).reshape(-1)
    return Data(flat[0], flat[1], flat[2], flat[3], numbers), space


def _spread_out(weights: ArrayLike | None, shape: tuple[int, ...]) -> Values:
    """Return one weight for every case, 1 if none are given."""
    given = np.asarray(1.0 if weights is None else weights, np.float64)
    try:
        return np.broadcast_to(given, shape)
    except ValueError:
        raise InputError(
            f"weights of shape {given.shape} do not fit a truth of shape {shape}"
        ) from None


def _blocks(dates: int, folds: int) -> list[slice]:
    """Return blocks of successive dates to hold out in turn; none if there are not two."""
    count = min(dates, folds)
    edges = np.linspace(0, dates, count + 1).round().astype(int)
    return [slice(int(a), int(b)) for a, b in pairwise(edges)] if count > 1 else []


def _regress(data: Data, strength: float | None, scale_only: bool = False) -> Tensor:
    """Return a, b, c, d of every point, (4, S): local ones if there is a strength."""
    theta = pooled(data, scale_only)
    return theta if strength is None else local(data, theta, strength, scale_only)


def _with_truth(data: Data) -> Tensor:
    """Return the points, (S,) bool, whose group has a case that counts."""
    found = torch.zeros_like(data.group, dtype=torch.bool)
    counts = data.weight.sum(0) > 0
    for group in set(data.group[counts].tolist()):
        found |= data.group == group
    return found


def _held_out_errors(data: Data, strength: float | None, blocks: list[slice]) -> Data:
    """Return data with a mean of 0 and, as truth, errors of means that never saw the date."""
    errors, weight = torch.zeros_like(data.truth), torch.zeros_like(data.weight)
    for block in blocks:
        rest = data.without(block)
        a, b, _, _ = _regress(rest, strength)
        errors[block] = data.truth[block] - a - b * data.mean[block]
        weight[block] = data.weight[block] * _with_truth(rest)
    return replace(data, truth=errors, weight=weight, mean=torch.zeros_like(data.mean))


def _choose_strength(data: Data, blocks: list[slice]) -> float:
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
    scores = np.array([_held_out_scores(few, block) for block in blocks])  # (blocks, strengths)
    worse = scores - scores[:, [scores.mean(0).argmin()]]
    error = worse.std(0, ddof=1) / np.sqrt(len(blocks))
    return max(s for s, near in zip(_STRENGTHS, worse.mean(0) <= error, strict=True) if near)


def _held_out_scores(data: Data, block: slice) -> list[float]:
    """Return the sum of weight x CRPS over a block of dates, fitted without it, per strength."""
    rest = data.without(block)
    target = pooled(rest)
    fields = (data.mean, data.variance, data.truth, data.weight)
    mean, variance, truth, weight = (field[block] for field in fields)
    cases = Cases(mean, variance, truth, weight)
    fits = (local(rest, target, strength) for strength in _STRENGTHS)
    return [float(evaluate(cases, theta).loss.sum()) for theta in fits]
