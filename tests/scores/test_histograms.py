"""Histograms of ranks and PIT: worked cases, weights, and the test of flatness at each point."""

import numpy as np
import pytest
from scipy import stats

from smoecast.scores import histograms
from smoecast.scores.histograms import RankCounts, count_places

RNG = np.random.default_rng(3)


def test_pit_values_fall_into_twenty_bins() -> None:
    found = histograms.pit_places(np.array([0.0, 0.049, 0.05, 0.999, 1.0, np.nan]))
    assert found.tolist() == [0, 0, 1, 19, 19, -1]


def test_shares_are_weights_by_bin() -> None:
    places = np.array([[0, 1], [1, -1]]).reshape(1, 1, 2, 2)
    weights = np.array([[[1.0, 2.0], [3.0, 4.0]], [[0.0, 1.0], [0.0, 1.0]]])
    found = histograms.shares_by_start(places, 3, weights)
    assert found.tolist() == [[[[1.0, 5.0, 0.0], [0.0, 1.0, 0.0]]]]


@pytest.mark.parametrize(
    ("cases", "bins", "groups"), [(14, 11, 0), (15, 11, 3), (30, 11, 6), (500, 11, 11), (500, 2, 0)]
)
def test_bins_are_pooled_until_each_expects_five(cases: int, bins: int, groups: int) -> None:
    assert histograms.pool_bins(bins, cases) == groups


def counted(places: np.ndarray, bins: int) -> RankCounts:
    halves = [count_places(half, bins, len(places)) for half in np.array_split(places, 2)]
    assert halves[0] is not None
    assert halves[1] is not None
    return halves[0] + halves[1]  # in two pieces, as blocks come


def test_one_point_equals_scipy() -> None:
    places = RNG.integers(0, 4, size=(60, 1, 1, 1)) ** 2 // 3  # 0, 0, 1, 3: not flat
    counts = counted(places, 4)
    chance = stats.chisquare(counts.counts[:, 0, 0, 0]).pvalue
    flat = counts.flat()
    assert (flat[0, 0, 0] == 1.0) == (chance >= histograms.LEVEL)


def test_pooled_groups_of_unequal_size_expect_their_share() -> None:
    # 22 cases of 11 ranks make 4 groups of 3, 3, 3 and 2 ranks
    counts = counted(np.repeat(np.arange(11), 2).reshape(22, 1, 1, 1), 11)
    assert counts.shares.tolist() == [3 / 11, 3 / 11, 3 / 11, 2 / 11]
    assert counts.flat() == 1.0


@pytest.mark.parametrize("cases", [20, 60, 300])
def test_nineteen_of_twenty_points_are_flat_where_all_ranks_are_alike(cases: int) -> None:
    flat = counted(RNG.integers(0, 11, size=(cases, 1, 40, 50)), 11).flat()
    assert 0.93 < flat.mean() < 0.98


def test_few_points_are_flat_where_the_truth_is_always_above() -> None:
    flat = counted(np.full((30, 1, 5, 5), 10), 11).flat()
    assert flat.max() == 0.0


def test_too_few_starts_and_points_with_gaps_have_no_test() -> None:
    assert count_places(np.zeros((14, 1, 2, 2), np.int64), 11, 14) is None
    places = RNG.integers(0, 3, size=(40, 1, 1, 2))
    places[:10, ..., 1] = -1
    flat = counted(places, 3).flat()
    assert np.isnan(flat[0, 0]).tolist() == [False, True]
