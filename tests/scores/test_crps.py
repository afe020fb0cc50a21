"""CRPS and log score: golden values, another library, laws, missing members."""

import numpy as np
import pytest
import scoringrules
from hypothesis import given, settings
from hypothesis import strategies as st

from smoecast.scores.crps import crps_ensemble, crps_gaussian, log_score_gaussian

RNG = np.random.default_rng(5)


@pytest.mark.parametrize(
    ("observation", "mean", "std", "golden"),
    [
        (0.0, 0.0, 1.0, 0.23369497725510913),
        (1.0, 0.0, 1.0, 0.6024413576276163),
        (2.5, 1.0, 0.5, 1.2182873625431698),
    ],
)
def test_gaussian_golden(observation: float, mean: float, std: float, golden: float) -> None:
    assert crps_gaussian(observation, mean, std) == pytest.approx(golden, rel=1e-14)


def test_gaussian_without_spread_is_the_absolute_error() -> None:
    observation = np.array([0.0, 3.0, -2.0])
    assert crps_gaussian(observation, 1.0, 0.0).tolist() == [1.0, 2.0, 3.0]
    assert crps_gaussian(1.0, 1.0, 0.0) == 0.0
    np.testing.assert_allclose(crps_gaussian(observation, 1.0, 1e-200), [1.0, 2.0, 3.0])


def test_gaussian_equals_scoringrules() -> None:
    observation, mean = RNG.normal(size=(2, 40, 50)) * 3
    std = RNG.uniform(0.01, 5, size=(40, 50))
    expected = scoringrules.crps_normal(observation, mean, std)
    np.testing.assert_allclose(crps_gaussian(observation, mean, std), expected, atol=1e-12)


def test_log_score_equals_scoringrules() -> None:
    observation, mean = RNG.normal(size=(2, 40, 50)) * 3
    std = RNG.uniform(1, 5, size=(40, 50))
    expected = scoringrules.logs_normal(observation, mean, std)
    np.testing.assert_allclose(log_score_gaussian(observation, mean, std), expected, rtol=1e-12)


def test_log_score_without_spread_is_infinite() -> None:
    score = log_score_gaussian([1.0, 0.0, np.nan], 0.0, 0.0)
    np.testing.assert_array_equal(score, [np.inf, -np.inf, np.nan])


def test_ensemble_worked_numbers() -> None:
    assert crps_ensemble(2.0, [1.0, 3.0], axis=0) == 0.5
    assert crps_ensemble(2.0, [1.0, 3.0], axis=0, fair=True) == 0.0
    assert crps_ensemble(2.0, [1.0, 3.0, np.nan], axis=0) == 0.5
    assert crps_ensemble(2.0, [np.nan, 1.0, 3.0], axis=0, fair=True) == 0.0


def test_lonely_and_missing_members() -> None:
    members = np.array([[3.0, np.nan, 1.0], [np.nan, np.nan, 1.0]])
    np.testing.assert_array_equal(crps_ensemble([1.0, 1, np.nan], members, 0), [2, np.nan, np.nan])
    assert np.isnan(crps_ensemble([1.0, 1, np.nan], members, 0, fair=True)).all()


@pytest.mark.parametrize("fair", [False, True])
def test_ensemble_equals_scoringrules(fair: bool) -> None:
    members = RNG.normal(280, 3, size=(20, 11, 15))
    observation = RNG.normal(280, 3, size=(20, 15))
    expected = scoringrules.crps_ensemble(
        observation, np.moveaxis(members, 1, -1), estimator="fair" if fair else "nrg"
    )
    np.testing.assert_allclose(crps_ensemble(observation, members, 1, fair), expected, atol=1e-12)


@pytest.mark.parametrize("fair", [False, True])
def test_missing_members_leave_the_score_of_the_others(fair: bool) -> None:
    members = RNG.normal(size=(10, 30))
    holed = members.copy()
    holed[[1, 4, 9]] = np.nan
    kept = np.delete(members, [1, 4, 9], axis=0)
    expected = crps_ensemble(np.zeros(30), kept, 0, fair)
    np.testing.assert_allclose(crps_ensemble(np.zeros(30), holed, 0, fair), expected, rtol=1e-13)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12), st.floats(-1e3, 1e3))
def test_laws_of_the_ensemble_score(members: list[float], observation: float) -> None:
    score = crps_ensemble(observation, members, 0)
    assert -1e-9 <= score <= np.abs(np.array(members) - observation).mean() + 1e-9
    shuffled = crps_ensemble(observation, members[::-1], 0)
    shifted = crps_ensemble(observation + 500, np.array(members) + 500, 0)
    assert shuffled == pytest.approx(float(score), abs=1e-9)
    assert shifted == pytest.approx(float(score), abs=1e-9)


def test_a_large_mean_costs_no_digits() -> None:
    members = RNG.normal(size=(10, 100))
    small = crps_ensemble(np.zeros(100), members, 0)
    large = crps_ensemble(np.full(100, 2.0**20), members + 2.0**20, 0)
    np.testing.assert_allclose(large, small, atol=1e-9)


def test_large_ensemble_approaches_the_gaussian() -> None:
    members = RNG.normal(1.0, 2.0, size=(200_000,))
    assert crps_ensemble(0.3, members, 0, fair=True) == pytest.approx(
        float(crps_gaussian(0.3, 1.0, 2.0)), abs=0.01
    )
