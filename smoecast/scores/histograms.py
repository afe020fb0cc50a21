"""Where the truth falls in the forecast: histograms of ranks and of PIT, and whether they are flat.

A place is a bin, counted from 0: the rank of the truth among the members, or the part of the
forecast's distribution in which it lies. A calibrated forecast fills all bins alike.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from smoecast.scores.pointwise import Values

PIT_BINS = 20
"""Of a histogram of PIT values."""

LEAST_EXPECTED = 5
"""Cases that a bin of the test must expect: with fewer, chi-square is no guide to the chance."""

LEAST_GROUPS = 3
"""Two halves of a histogram are alike for an ensemble without any spread."""

LEVEL = 0.05
"""A histogram is not flat where chance would make one so uneven less often than this."""

Places = NDArray[np.int64]
"""Bins, -1 where there is none."""


def pit_places(pit: Values) -> Places:
    """Return the bin, of `PIT_BINS`, of each PIT value; -1 where it is NaN."""
    missing = np.isnan(pit)
    bins = np.floor(np.where(missing, 0.0, pit) * PIT_BINS).astype(np.int64)
    return np.where(missing, -1, np.minimum(bins, PIT_BINS - 1))


def shares_by_start(
    places: Places, bins: int, weights: Values, values: Values | None = None
) -> Values:
    """Return the weight of the points in each bin, start by start.

    Parameters
    ----------
    places : ndarray of int, shape (init_time, lead_time, latitude, longitude)
        Bins, -1 for points that are left out.
    bins : int
        K.
    weights : ndarray, shape (region, latitude, longitude)
        Of `regions.region_weights`.
    values : ndarray of the shape of `places`, optional
        By which the weights are multiplied.

    Returns
    -------
    ndarray, shape (init_time, lead_time, region, K)
    """
    found = np.zeros((*places.shape[:2], len(weights), bins))
    there = places >= 0
    for case in np.ndindex(places.shape[:2]):
        kept = there[case]
        for region, weight in enumerate(weights):
            share = (weight if values is None else weight * values[case])[kept]
            found[case][region] = np.bincount(places[case][kept], share, minlength=bins)
    return found


def pool_bins(bins: int, cases: int) -> int:
    """Return into how many bins a histogram is pooled for the test; 0: too few cases for any.

    Each expects `LEAST_EXPECTED` cases, and there are `LEAST_GROUPS` at least.
    """
    most = min(bins, cases // LEAST_EXPECTED)
    return most if most >= LEAST_GROUPS else 0


@dataclass(frozen=True, eq=False)
class RankCounts:
    """Histograms of one forecast, one a point; those of other starts add up.

    Attributes
    ----------
    shares : ndarray, shape (G,)
        How much of a flat histogram each of the bins holds.
    counts : ndarray of uint32, shape (G, lead_time, latitude, longitude)
    """

    shares: Values
    counts: NDArray[np.uint32]

    def __add__(self, other: "RankCounts") -> "RankCounts":
        """Return the histograms of all cases together."""
        return RankCounts(self.shares, self.counts + other.counts)

    def flat(self) -> Values:
        """Return 1 where the histogram of a point is flat, 0 where it is not, NaN where unknown.

        Returns
        -------
        ndarray, shape (lead_time, latitude, longitude)
            By Pearson's chi-square test at the level `LEVEL`; NaN where a point has cases for
            fewer than 9 of 10 of the starts.
        """
        seen = self.counts.astype(np.float64)  # (G, L, H, W)
        cases = seen.sum(axis=0)
        expected = self.shares[:, None, None, None] * cases
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = (np.square(seen - expected) / expected).sum(axis=0)
        chance = chdtrc(len(seen) - 1, statistic)
        enough = cases * 10 >= cases.max(initial=1) * 9
        return np.where(enough, np.where(chance >= LEVEL, 1.0, 0.0), np.nan)


def count_places(places: Places, bins: int, starts: int) -> RankCounts | None:
    """Count, point by point, in which bins the truth fell; pooled, so that counts stay small.

    Parameters
    ----------
    places : ndarray of int, shape (init_time, lead_time, latitude, longitude)
        Bins, -1 where there is none.
    bins : int
        K.
    starts : int
        How many there will be in all, when blocks have been added up.

    Returns
    -------
    RankCounts or None
        None where these are too few for the test.
    """
    groups = pool_bins(bins, starts)
    if not groups:
        return None
    group = np.arange(bins) * groups // bins  # (K,)
    pooled = np.where(places >= 0, group[places], -1)
    counts = [(pooled == number).sum(axis=0, dtype=np.uint32) for number in range(groups)]
    return RankCounts(np.bincount(group) / bins, np.stack(counts))
