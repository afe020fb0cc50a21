"""Distributions: moments and quantiles against scipy and draws, members, certainty."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import gamma, truncnorm

from smoecast.calibration.distributions import Distribution, Name
from smoecast.scores.crps import crps_ensemble, crps_gaussian

NAMES: list[Name] = ["normal", "truncated_normal", "csg"]
LOCATION, SCALE = np.array([[2.0, 0.5], [4.0, 1.0]]), np.array([[1.0, 1.5], [2.0, 0.7]])
SHIFT = np.array([[0.5, 0.2], [0.0, 0.9]])


def example(name: Name) -> Distribution:
    return Distribution(name, LOCATION, SCALE, SHIFT if name == "csg" else np.zeros((2, 2)))


@pytest.mark.parametrize("name", NAMES)
def test_moments_and_score_are_those_of_many_quantiles(name: Name) -> None:
    made = example(name)
    p = (np.arange(20_000) + 0.5) / 20_000
    values = made.quantile(p[:, None, None])
    np.testing.assert_allclose(values.mean(0), made.moments()[0], rtol=1e-3)
    np.testing.assert_allclose(values.std(0), made.moments()[1], rtol=2e-3)
    truth = np.full((2, 2), 1.7)
    np.testing.assert_allclose(crps_ensemble(truth, values, 0), made.crps(truth), rtol=1e-3)


def test_quantiles_as_scipy_has_them() -> None:
    law = truncnorm(-LOCATION / SCALE, np.inf, LOCATION, SCALE)
    np.testing.assert_allclose(example("truncated_normal").quantile(0.3), law.ppf(0.3), rtol=1e-9)
    law = gamma((LOCATION / SCALE) ** 2, scale=SCALE**2 / LOCATION)
    expected = np.maximum(law.ppf(0.3) - SHIFT, 0)
    np.testing.assert_allclose(example("csg").quantile(0.3), expected, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_members_have_the_ranks_of_the_raw_ensemble(name: Name) -> None:
    raw = np.random.default_rng(1).normal(size=(2, 7, 2))
    raw[0, 3] = np.nan
    made = example(name).members(raw, 1, rng=np.random.default_rng(2))
    np.testing.assert_array_equal(np.isnan(made), np.isnan(raw))
    order = np.argsort(raw, axis=1)
    sorted_members = np.take_along_axis(made, order, axis=1)
    steps = np.diff(sorted_members, axis=1)
    assert (steps[~np.isnan(steps)] >= 0).all()
    if name != "normal":
        assert np.nanmin(made) >= 0


@pytest.mark.parametrize("name", NAMES)
def test_certainty(name: Name) -> None:
    made = Distribution(name, np.array([2.0]), np.array([0.0]), np.zeros(1))
    assert made.moments()[0] == pytest.approx(2.0)
    assert made.moments()[1] == 0.0
    assert made.quantile(0.9) == pytest.approx(2.0, abs=1e-4)
    assert made.crps(3.0) == 1.0


def test_the_normal_score_is_the_one_of_scores() -> None:
    truth: Any = np.ones((2, 2))
    expected = crps_gaussian(truth, LOCATION, SCALE)
    np.testing.assert_array_equal(example("normal").crps(truth), expected)
