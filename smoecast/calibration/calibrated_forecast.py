"""What a calibration says of an ensemble: a distribution at each point, or members of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammainc, ndtr

from smoecast.calibration.distributions import Distribution
from smoecast.calibration.reordering import How, schaake
from smoecast.scores.ensemble import ensemble_moments

Values = NDArray[np.float64]


def beyond(distribution: Distribution, threshold: float, above: bool) -> Values:
    """Return the probability of a value above a threshold, or below it.

    Where there is no spread it is 1 or 0. At 0 itself, which variables that are never negative
    reach with a probability of their own, neither counts it.

    Parameters
    ----------
    distribution : Distribution
    threshold : float
        In its unit.
    above : bool
        False: below.

    Returns
    -------
    ndarray of float64
        Of the distribution's shape.
    """
    location, scale = distribution.location, distribution.scale
    if distribution.name == "csg":
        certain = location - distribution.shift
        sure = scale <= 1e-5 * location
        width = np.where(sure, np.maximum(location, 1.0), scale)
        unit = width**2 / np.maximum(location, 1e-300)
        exceeded = max(threshold, 0.0) + distribution.shift
        share = 1.0 - gammainc((location / width) ** 2, exceeded / unit)
    else:
        certain, sure = location, scale <= 0
        width = np.where(sure, 1.0, scale)
        share = ndtr((location - threshold) / width)
        if distribution.name == "truncated_normal":
            share = np.minimum(share / ndtr(location / width), 1.0)
    bounded = distribution.name != "normal"
    if above:
        share = np.where(sure, certain > threshold, share)
        return np.ones_like(share) if bounded and threshold < 0 else share
    share = np.where(sure, certain < threshold, 1.0 - share)
    return np.zeros_like(share) if bounded and threshold <= 0 else share


def member_quantiles(members: ArrayLike, axis: int, levels: Sequence[float] | Values) -> Values:
    """Return quantiles of the members that are there.

    The i-th of n members is the quantile (i - 1/2) / n, as in `reordering.ecc`; between them it is
    linear, beyond them the outermost member (Hazen 1914).

    Returns
    -------
    (Q, *shape without axis) float64
    """
    values = np.asarray(members, np.float64)
    return np.asarray(np.nanquantile(values, levels, axis=axis, method="hazen"))


def member_share(members: ArrayLike, axis: int, threshold: float, above: bool) -> Values:
    """Return the share of the members that are there beyond a threshold, without `axis`."""
    values = np.asarray(members)
    there = np.isfinite(values)
    found = (values > threshold if above else values < threshold) & there
    return np.asarray(found.sum(axis=axis) / there.sum(axis=axis))


Fields = NDArray[np.floating[Any]]


_MEMBERS = 2


@dataclass(frozen=True, eq=False)
class CalibratedForecast:
    """Forecasts of B starts, L lead times and D targets: one of the two.

    Attributes
    ----------
    distribution : Distribution or None
        Of shape (B, L, D, H, W).
    members : (B, L, M, D, H, W) or None
        Calibrated one by one; NaN where a member is missing.
    """

    distribution: Distribution | None = None
    members: Fields | None = None

    def moments(self) -> tuple[Fields, Fields]:
        """Return mean and standard deviation, (B, L, D, H, W) each."""
        if self.distribution is not None:
            return self.distribution.moments()
        mean, variance, _ = ensemble_moments(self._own, axis=_MEMBERS)
        return mean, np.sqrt(variance)

    def quantiles(self, levels: Sequence[float]) -> Fields:
        """Return quantiles (B, L, Q, D, H, W)."""
        if self.distribution is None:
            found = member_quantiles(self._own, _MEMBERS, levels)
        else:
            found = np.stack([self.distribution.quantile(level) for level in levels])
        return np.moveaxis(found, 0, _MEMBERS)  # (Q, B, L, ...) -> (B, L, Q, ...)

    def probability(self, target: int, threshold: float, above: bool) -> Fields:
        """Return how likely a target is beyond a threshold, (B, L, H, W)."""
        if self.distribution is None:
            own = self._own[:, :, :, target]
            return member_share(own, _MEMBERS, threshold, above)
        part = self.distribution.at((slice(None), slice(None), target))
        return beyond(part, threshold, above)

    def lead(self, index: int) -> "CalibratedForecast":
        """Return the forecast of one lead time, with L = 1."""
        if self.distribution is None:
            return CalibratedForecast(members=self._own[:, [index]])
        return CalibratedForecast(self.distribution.at((slice(None), [index])))

    def rank_members(
        self, start: int, raw: Fields, how: How, *, rng: np.random.Generator
    ) -> Fields:
        """Return members of one start from its distribution, in the ranks of raw ones.

        Parameters
        ----------
        start : int
            Which of the B.
        raw : (L, count, D, H, W)
        how, rng
            As in `reordering.ecc`.

        Raises
        ------
        ValueError
            It has members of its own.
        """
        if self.distribution is None:
            raise ValueError("members of its own are what they are, and get no other ranks")
        return self.distribution.at(start).members(raw, 1, how, rng=rng)

    def shuffle_members(
        self, start: int, history: Fields, count: int, *, rng: np.random.Generator
    ) -> Fields:
        """Return `count` members of one start as quantiles, in the ranks of past truth.

        Parameters
        ----------
        start, rng
            As in `rank_members`.
        history : (L, N, D, H, W)
        count : int
        """
        if self.distribution is not None:
            return self.distribution.at(start).members(history, 1, rng=rng, count=count)
        own = self._own[start]
        levels = (np.arange(count) + 0.5) / count
        values = np.moveaxis(member_quantiles(own, 1, levels), 0, 1)  # (L, count, ...)
        zero = np.zeros((own.shape[0], *own.shape[2:]))
        z = schaake(zero, zero + 1.0, history, 1, rng=rng, count=count)
        rank = np.round(ndtr(z) * count - 0.5).astype(np.intp)
        return np.take_along_axis(values, rank, axis=1)

    @property
    def _own(self) -> Fields:
        if self.members is None:
            raise ValueError("this forecast has a distribution, and no members of its own")
        return self.members


def join_lead_times(parts: Sequence[CalibratedForecast]) -> CalibratedForecast:
    """Join forecasts along their lead times."""
    if parts[0].distribution is None:
        return CalibratedForecast(members=np.concatenate([p._own for p in parts], axis=1))
    found = [p.distribution for p in parts if p.distribution is not None]
    arrays = (
        np.concatenate([getattr(d, name) for d in found], axis=1)
        for name in ("location", "scale", "shift")
    )
    return CalibratedForecast(Distribution(found[0].name, *arrays))
