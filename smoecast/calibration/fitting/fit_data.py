"""What a fit learns from, checked and made tensors: ensembles, truth, weights, season."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from smoecast.errors import InputError
from smoecast.scores.ensemble import ensemble_moments

Values = NDArray[np.float64]


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
    deviations : Tensor, shape (M, N, S)
        Members less their mean, the least first, infinite where one is missing. M is 0 where they
        do not matter.
    count : Tensor, shape (N, S)
        How many members there are, where they matter.
    sums : Tensor, optional, shape (N, S, M + 1)
        Of no, one, two ... deviations, the least first; `with_sums` makes them.
    """

    mean: Tensor
    variance: Tensor
    truth: Tensor
    weight: Tensor
    group: Tensor
    season: Tensor
    deviations: Tensor
    count: Tensor
    sums: Tensor | None = None

    def at(self, points: Tensor | slice) -> "FitData":
        """Return the same dates at some of the points."""
        return replace(
            self,
            mean=self.mean[:, points],
            variance=self.variance[:, points],
            truth=self.truth[:, points],
            weight=self.weight[:, points],
            group=self.group[points],
            deviations=self.deviations[:, :, points],
            sums=None if self.sums is None else self.sums[:, points],
            count=self.count[:, points],
        )

    def dates(self, some: slice | Tensor) -> "FitData":
        """Return some of the dates at the same points."""
        return replace(
            self,
            mean=self.mean[some],
            variance=self.variance[some],
            truth=self.truth[some],
            weight=self.weight[some],
            season=self.season[some],
            deviations=self.deviations[:, some],
            sums=None if self.sums is None else self.sums[some],
            count=self.count[some],
        )

    def without(self, dates: slice) -> "FitData":
        """Return the same data with the weight of some dates set to 0."""
        weight = self.weight.clone()
        weight[dates] = 0.0
        return replace(self, weight=weight)

    def with_sums(self) -> "FitData":
        """Return the same data, sums kept and deviations in a row: more memory, less time."""
        known = torch.where(self.deviations.isinf(), 0.0, self.deviations).cumsum(0)
        # (M, N, S) -> (N, S, M): those of a case beside each other
        sums = torch.nn.functional.pad(known.permute(1, 2, 0), (1, 0)).contiguous()
        return replace(self, deviations=self.deviations.contiguous(), sums=sums)

    def without_members(self) -> "FitData":
        """Return the same data for a fit to which members do not matter."""
        return replace(self, deviations=self.deviations[:0], sums=None)

    def in_units(self, unit: float) -> "FitData":
        """Return the same data in another unit of the variable."""
        return replace(
            self,
            mean=self.mean / unit,
            variance=self.variance / unit**2,
            truth=self.truth / unit,
            deviations=self.deviations / unit,
        )


def moments(members: ArrayLike) -> tuple[Values, Values]:
    """Return ensemble mean and variance.

    Parameters
    ----------
    members : array_like, shape (N, M, *space)
        A member that is NaN is missing.

    Returns
    -------
    tuple of two ndarrays of float64, shape (N, *space)
        The variance is over M - 1.

    Raises
    ------
    InputError
        If a point has fewer than two members.
    """
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


def prepare(
    members: ArrayLike,
    truth: ArrayLike,
    weights: ArrayLike | None,
    groups: ArrayLike | None,
    columns: Values,
) -> tuple[FitData, tuple[int, ...]]:
    """Return everything as float64 tensors with the horizontal axes made one, and their shape.

    Parameters
    ----------
    members, truth, weights, groups
        As in `smoecast.calibration.emos.fit`.
    columns : ndarray, shape (N, B)
        Of `season.season_columns`.

    Raises
    ------
    InputError
        If shapes do not fit, a point has fewer than two members, or no truth is left.
    """
    mean, variance = moments(members)
    actual = np.asarray(truth, np.float64)
    space = mean.shape[1:]
    group = np.zeros(space, np.int64) if groups is None else np.asarray(groups)
    if actual.shape != mean.shape or group.shape != space:
        raise InputError(
            f"truth of shape {actual.shape} and groups of shape {group.shape} do not fit "
            f"forecasts of {mean.shape[0]} dates on a grid of shape {space}"
        )
    weight = np.where(np.isnan(actual), 0.0, _broadcast_weights(weights, actual.shape))
    if not weight.any():
        raise InputError("no case has both a forecast and a truth; there is nothing to fit")
    data = FitData(
        mean=_flat(mean),
        variance=_flat(variance),
        truth=_flat(np.nan_to_num(actual)),
        weight=_flat(weight),
        group=torch.tensor(group.astype(np.int64)).reshape(-1),  # (*space) -> (S,)
        season=torch.from_numpy(columns),
        deviations=torch.empty(0, len(mean), int(np.prod(space)), dtype=torch.float64),
        count=torch.zeros(len(mean), int(np.prod(space)), dtype=torch.float64),
    )
    return data, space


def _flat(field: Values) -> Tensor:
    """(N, *space) -> (N, S)."""
    return torch.tensor(field, dtype=torch.float64).reshape(len(field), -1)


def _broadcast_weights(weights: ArrayLike | None, shape: tuple[int, ...]) -> Values:
    """Return one weight for every case, 1 if none are given."""
    given = np.asarray(1.0 if weights is None else weights, np.float64)
    try:
        return np.broadcast_to(given, shape)
    except ValueError:
        raise InputError(
            f"weights of shape {given.shape} do not fit a truth of shape {shape}"
        ) from None


def name_coefficients(
    names: str, theta: Tensor, space: tuple[int, ...], season: str, *, one_set: bool
) -> dict[str, Values]:
    """Return fitted coefficients by name, as `season.at_dates` takes them.

    Parameters
    ----------
    names : str
        K letters.
    theta : Tensor, shape (K B, S)
        Those of one coefficient together.
    space : tuple of int
        Shape of the S points.
    season : {"none", "harmonic"}
        As in `season.season_columns`.
    one_set : bool
        All points have the same: keep them once.

    Returns
    -------
    dict of ndarrays of float64
        Of shape (*space), or () if `one_set`; with a season (B, *space) or (B,).
    """
    rows = theta.reshape(len(names), -1, theta.shape[1]).numpy()  # (K B, S) -> (K, B, S)
    kept = rows[..., 0] if one_set else rows.reshape(*rows.shape[:2], *space)
    return {
        name: np.array(row if season == "harmonic" else row[0])
        for name, row in zip(names, kept, strict=True)
    }
