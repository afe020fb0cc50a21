"""Brier score, its parts and the reliability table: worked numbers and laws."""

import numpy as np
import pytest
from scipy.stats import norm

from smoecast.errors import InputError
from smoecast.scores import reliability
from smoecast.scores.reliability import BINS

RNG = np.random.default_rng(8)


def test_members_beyond_a_threshold() -> None:
    members = np.array([[1.0, np.nan], [2.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    above = reliability.member_probability(members, 2.0, True, 0)
    below = reliability.member_probability(members, 2.0, False, 0)
    np.testing.assert_allclose(above, [1 / 3, np.nan])
    np.testing.assert_allclose(below, [1 / 3, np.nan])


def test_chance_of_a_normal_forecast() -> None:
    found = reliability.normal_probability([1.0, 3.0], [2.0, 0.0], 2.0, True)
    np.testing.assert_allclose(found, [norm.sf(2, 1, 2), 1.0])
    np.testing.assert_allclose(reliability.normal_probability(1.0, 2.0, 2.0, False), norm.cdf(0.5))
    with pytest.raises(InputError, match="standard deviation is negative"):
        reliability.normal_probability(1.0, -2.0, 2.0, False)


def test_what_came() -> None:
    np.testing.assert_array_equal(
        reliability.outcome([1.0, 3.0, np.nan], 2.0, True), [0, 1, np.nan]
    )
    np.testing.assert_array_equal(reliability.outcome([1.0, 2.0], 2.0, False), [1, 0])


def test_a_table_by_hand() -> None:
    chance = np.array([[0.05, 0.05], [0.95, np.nan]]).reshape(1, 1, 2, 2)
    came = np.array([[1.0, 0.0], [1.0, 1.0]]).reshape(1, 1, 2, 2)
    weights = np.array([[[1.0, 3.0], [2.0, 9.0]]])
    table = reliability.table_by_start(chance, came, weights)[0, 0, 0]
    np.testing.assert_allclose(table[:, 0], [4.0, 0.2, 1.0])
    np.testing.assert_allclose(table[:, -1], [2.0, 1.9, 2.0])
    assert table[:, 1:-1].sum() == 0
    parts = reliability.brier_parts(table)
    assert parts["event_rate"] == pytest.approx(0.5)
    assert parts["brier_uncertainty"] == pytest.approx(0.25)
    assert parts["brier_reliability"] == pytest.approx((4 * 0.2**2 + 2 * 0.05**2) / 6)
    assert parts["brier_resolution"] == pytest.approx((4 * 0.25**2 + 2 * 0.5**2) / 6)


def test_the_parts_make_the_brier_score_where_bins_hold_one_probability() -> None:
    chance = RNG.integers(0, BINS, size=(1, 1, 40, 50)) / BINS + 0.05
    came = (RNG.uniform(size=chance.shape) < chance**2).astype(float)
    weights = RNG.uniform(size=(1, 40, 50))
    parts = reliability.brier_parts(reliability.table_by_start(chance, came, weights))
    brier = np.average((chance - came)[0, 0] ** 2, weights=weights[0])
    whole = parts["brier_reliability"] - parts["brier_resolution"] + parts["brier_uncertainty"]
    assert whole[0, 0, 0] == pytest.approx(brier, rel=1e-12)


def test_no_case_has_no_score() -> None:
    parts = reliability.brier_parts(np.zeros((3, BINS)))
    assert all(np.isnan(parts[name]) for name in ("event_rate", "brier_reliability"))
