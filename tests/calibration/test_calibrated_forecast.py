"""Quantiles, probabilities and members of forecasts: worked numbers, laws, distributions at 0."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import gamma, norm, rankdata, truncnorm

from smoecast.calibration import calibrated_forecast
from smoecast.calibration.calibrated_forecast import CalibratedForecast, join_lead_times
from smoecast.calibration.distributions import Distribution


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def distribution(name: Any = "normal", shift: float = 0.0) -> Distribution:
    """Of shape (3 starts, 2 lead times, 2 targets, 4, 5)."""
    shape = (3, 2, 2, 4, 5)
    location, scale = rng(1).uniform(2, 6, shape), rng(2).uniform(0.5, 2, shape)
    return Distribution(name, location, scale, np.full(shape, shift))


def members() -> Any:
    return rng(3).normal(280, 2, (3, 2, 6, 2, 4, 5))


def test_probabilities_are_those_of_scipy() -> None:
    d = distribution()
    np.testing.assert_allclose(
        calibrated_forecast.beyond(d, 3.0, True), norm.sf(3, d.location, d.scale)
    )
    d = distribution("truncated_normal")
    wanted = truncnorm.sf(3, -d.location / d.scale, np.inf, d.location, d.scale)
    np.testing.assert_allclose(calibrated_forecast.beyond(d, 3.0, True), wanted)
    d = distribution("csg", 1.5)
    shape, unit = (d.location / d.scale) ** 2, d.scale**2 / d.location
    np.testing.assert_allclose(
        calibrated_forecast.beyond(d, 3.0, True), gamma.sf(4.5, shape, scale=unit)
    )


@pytest.mark.parametrize("name", ["normal", "truncated_normal", "csg"])
def test_probability_undoes_quantile(name: Any) -> None:
    d = distribution(name, 0.2 if name == "csg" else 0.0)
    one = d.at((0, 0, 0, 0, 0))
    for level in (0.3, 0.5, 0.9):
        threshold = float(one.quantile(level))
        assert calibrated_forecast.beyond(one, threshold, False) == pytest.approx(level, abs=1e-9)
        assert calibrated_forecast.beyond(one, threshold, True) == pytest.approx(
            1 - level, abs=1e-9
        )


def test_nothing_is_below_zero() -> None:
    for name in ("truncated_normal", "csg"):
        d = distribution(name)
        assert (calibrated_forecast.beyond(d, -1.0, True) == 1).all()
        assert (calibrated_forecast.beyond(d, -1.0, False) == 0).all()
        assert (calibrated_forecast.beyond(d, 0.0, False) == 0).all()
    dry = Distribution("csg", np.array([1.0]), np.array([1.0]), np.array([1.0]))
    assert calibrated_forecast.beyond(dry, 0.0, True) == pytest.approx(np.exp(-1))


def test_without_spread_it_is_certain() -> None:
    zero = np.zeros(2)
    for name in ("normal", "csg"):
        d = Distribution(name, np.array([1.0, 3.0]), zero, zero)  # type: ignore[arg-type]
        np.testing.assert_array_equal(calibrated_forecast.beyond(d, 2.0, True), [0, 1])
        np.testing.assert_array_equal(calibrated_forecast.beyond(d, 2.0, False), [1, 0])


def test_members_that_are_there_worked() -> None:
    some = [1.0, np.nan, 3.0, 2.0]
    np.testing.assert_allclose(
        calibrated_forecast.member_quantiles(some, 0, [1 / 6, 0.5, 5 / 6]), [1, 2, 3]
    )
    assert calibrated_forecast.member_share(some, 0, 1.5, True) == pytest.approx(2 / 3)
    assert calibrated_forecast.member_share(some, 0, 1.5, False) == pytest.approx(1 / 3)


def test_a_forecast_of_members() -> None:
    own = members()
    forecast = CalibratedForecast(members=own)
    mean, std = forecast.moments()
    np.testing.assert_allclose(mean, own.mean(axis=2))
    np.testing.assert_allclose(std, own.std(axis=2, ddof=1))
    assert forecast.quantiles([0.1, 0.5]).shape == (3, 2, 2, 2, 4, 5)
    np.testing.assert_allclose(forecast.quantiles([0.5])[:, :, 0], np.median(own, axis=2))
    wanted = (own[:, :, :, 1] > 281).mean(axis=2)
    np.testing.assert_allclose(forecast.probability(1, 281.0, True), wanted)


def test_a_forecast_of_distributions() -> None:
    d = distribution()
    forecast = CalibratedForecast(d)
    np.testing.assert_allclose(forecast.quantiles([0.5])[:, :, 0], d.location)
    wanted = norm.cdf(3, d.location[:, :, 1], d.scale[:, :, 1])
    np.testing.assert_allclose(forecast.probability(1, 3.0, False), wanted)


def test_what_a_forecast_does_not_have_is_not_made_up() -> None:
    own = members()
    with pytest.raises(ValueError, match="members of its own are what they are"):
        CalibratedForecast(members=own).rank_members(0, own[0], "quantile", rng=rng())
    with pytest.raises(ValueError, match="no members of its own"):
        join_lead_times([CalibratedForecast(members=own), CalibratedForecast(distribution())])


@pytest.mark.parametrize(
    "whole", [CalibratedForecast(distribution()), CalibratedForecast(members=members())]
)
def test_lead_times_part_and_join(whole: CalibratedForecast) -> None:
    again = join_lead_times([whole.lead(0), whole.lead(1)])
    for one, other in zip(again.moments(), whole.moments(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "whole", [CalibratedForecast(distribution()), CalibratedForecast(members=members())]
)
def test_shuffled_members_take_the_order_of_history(whole: CalibratedForecast) -> None:
    history = rng(5).normal(size=(2, 9, 2, 4, 5))
    made = whole.shuffle_members(1, history, 9, rng=rng())
    np.testing.assert_array_equal(rankdata(made, axis=1), rankdata(history, axis=1))
    mean = whole.moments()[0][1]
    np.testing.assert_allclose(made.mean(axis=1), mean, atol=0.5)


def test_shuffled_members_of_the_same_number_are_the_members() -> None:
    own = members()
    made = CalibratedForecast(members=own).shuffle_members(
        0, rng(5).normal(size=(2, 6, 2, 4, 5)), 6, rng=rng()
    )
    np.testing.assert_allclose(np.sort(made, axis=1), np.sort(own[0], axis=1), rtol=1e-12)
