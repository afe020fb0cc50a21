"""Ensemble mean, variance, spread and skill, ranks and PIT."""

import numpy as np
import pytest
from scipy import stats

from smoecast.scores import ensemble
from smoecast.scores.aggregate import partial

RNG = np.random.default_rng(7)


def test_moments_of_what_is_present() -> None:
    members = RNG.normal(size=(6, 4, 5))
    members[2, 1] = np.nan
    np.testing.assert_allclose(ensemble.ensemble_mean(members, 0), np.nanmean(members, axis=0))
    np.testing.assert_allclose(
        ensemble.ensemble_moments(members, 0)[1], np.nanvar(members, axis=0, ddof=1)
    )


def test_moments_of_too_few_members() -> None:
    members = np.array([[1.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_array_equal(ensemble.ensemble_mean(members, 0), [1.0, np.nan])
    np.testing.assert_array_equal(ensemble.ensemble_moments(members, 0)[1], [np.nan, np.nan])


def test_spread_matches_skill_where_truth_is_one_of_the_members() -> None:
    centre = RNG.normal(size=40_000)
    members = centre + RNG.normal(size=(8, 40_000))
    truth = centre + RNG.normal(size=40_000)
    variance, squared = (partial(x).value() for x in ensemble.spread_skill(truth, members, 0))
    assert ensemble.spread_skill_ratio(variance, squared) == pytest.approx(1.0, abs=0.01)


def test_spread_skill_pieces_share_their_gaps() -> None:
    variance, squared = ensemble.spread_skill([0.0, np.nan, 0.0], [[1.0, 1, 1], [3, 3, np.nan]], 0)
    np.testing.assert_array_equal(variance, [3.0, np.nan, np.nan])
    np.testing.assert_array_equal(squared, [4.0, np.nan, np.nan])


def test_ratio_without_error() -> None:
    ratio = ensemble.spread_skill_ratio([1.0, 0.0, 1.0], [0.0, 0.0, 4.0])
    np.testing.assert_array_equal(ratio, [np.inf, np.nan, 0.5])


def test_ranks_of_a_worked_case() -> None:
    members = np.array([[1.0, 1.0, 1.0, np.nan], [2.0, 2.0, 2.0, 2.0]])
    found = ensemble.ranks([0.0, 1.5, 3.0, 1.0], members, 0, np.random.default_rng(0))
    assert found.tolist() == [0, 1, 2, -1]


def test_ties_are_broken_evenly_and_by_seed() -> None:
    members = np.zeros((3, 8000))
    first, again, other = (
        ensemble.ranks(np.zeros(8000), members, 0, np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    assert first.tolist() == again.tolist() != other.tolist()
    assert stats.chisquare(np.bincount(first, minlength=4)).pvalue > 1e-3


def test_truth_like_a_member_is_flat_and_a_narrow_ensemble_is_not() -> None:
    truth, members = RNG.normal(size=5000), RNG.normal(size=(9, 5000))
    flat, narrow = (
        np.bincount(ensemble.ranks(truth, scale * members, 0, RNG), minlength=10)
        for scale in (1.0, 0.3)
    )
    assert stats.chisquare(flat).pvalue > 1e-3
    assert stats.chisquare(narrow).pvalue < 1e-10
    assert narrow[[0, -1]].min() > 2 * narrow[1:-1].max()


def test_pit_is_uniform_for_a_calibrated_forecast() -> None:
    mean, std = RNG.normal(size=4000), RNG.uniform(0.5, 2, size=4000)
    pit = ensemble.pit_gaussian(RNG.normal(mean, std), mean, std)
    assert stats.kstest(pit, "uniform").pvalue > 1e-3


def test_pit_without_spread() -> None:
    assert ensemble.pit_gaussian([1.0, 0.0, -1.0], 0.0, 0.0).tolist() == [1.0, 0.5, 0.0]
