"""Sums by start: the same means as at once, in any order and in any blocks."""

import numpy as np
import pytest

from smoecast.errors import InputError
from smoecast.scores import aggregate, by_start
from smoecast.scores.regions import region_weights
from smoecast.scores.statistics import (
    ensemble_scores,
    ensemble_statistics,
    forecast_scores,
    forecast_statistics,
)

RNG = np.random.default_rng(3)
LATITUDE = np.array([60.0, 0.0, -60.0])
TROPICS = np.broadcast_to(np.abs(LATITUDE)[:, None] <= 20, (3, 4))
WEIGHTS = region_weights({"global": np.ones((3, 4), bool), "tropics": TROPICS}, LATITUDE)
ALL = np.ones((6, 2), bool)


def values(missing: float = 0.0) -> np.ndarray:
    made = RNG.normal(size=(6, 2, 3, 4)) ** 2
    made[RNG.random(made.shape) < missing] = np.nan
    return made


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_sums_by_start_add_up_to_those_by_lead_time(missing: float) -> None:
    made = values(missing)
    sums = {"squared": by_start.by_start(made, WEIGHTS)}
    assert sums["squared"].total.shape == (6, 2, 2)
    together = by_start.add_cases(sums, ALL)["squared"].value()
    expected = aggregate.by_lead_time(made, np.cos(np.deg2rad(LATITUDE))).value()
    np.testing.assert_allclose(together[:, 0], expected, rtol=1e-13)
    np.testing.assert_allclose(together[:, 1], np.nanmean(made[:, :, 1], axis=(0, 2)), rtol=1e-13)


def test_blocks_join_to_the_whole() -> None:
    made = values(0.1)
    whole = by_start.by_start(made, WEIGHTS)
    parts = [{"a": by_start.by_start(part, WEIGHTS)} for part in np.split(made, [1, 4])]
    again = by_start.concatenate(parts)["a"]
    np.testing.assert_allclose(again.total, whole.total, rtol=1e-13)
    np.testing.assert_allclose(again.weight, whole.weight, rtol=1e-13)


def test_a_season_is_the_mean_of_its_cases_alone() -> None:
    made = values()
    cases = np.zeros((6, 2), bool)
    cases[1:3, 0] = cases[4, 1] = True
    found = by_start.add_cases({"a": by_start.by_start(made, WEIGHTS)}, cases)["a"].value()
    some = by_start.by_start(made[1:3], WEIGHTS)
    np.testing.assert_allclose(found[0], (some.total.sum(0) / some.weight.sum(0))[0], rtol=1e-13)
    np.testing.assert_allclose(found[1, 1], made[4, 1, 1].mean(), rtol=1e-13)


def test_the_mean_of_roots_is_climax_s() -> None:
    made = values()
    found = by_start.mean_of_roots(by_start.by_start(made, WEIGHTS), ALL)
    expected = aggregate.rmse_mean_of_roots(made, np.cos(np.deg2rad(LATITUDE))).value()
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-13)
    rmse = np.sqrt(by_start.add_cases({"a": by_start.by_start(made, WEIGHTS)}, ALL)["a"].value())
    assert (found <= rmse).all()


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="scores by region need"):
        by_start.by_start(values()[0], WEIGHTS)
    with pytest.raises(InputError, match="scores by region need"):
        by_start.by_start(values(), WEIGHTS[:, :2])


def test_seasons_by_month() -> None:
    months = np.arange("2019-12", "2020-12", dtype="datetime64[M]").astype("datetime64[ns]")
    expected = ["DJF"] * 3 + ["MAM"] * 3 + ["JJA"] * 3 + ["SON"] * 3
    assert by_start.season_of(months).tolist() == expected


def test_the_error_is_made_of_bias_activities_and_correlation() -> None:
    forecast, truth, normal = (RNG.normal(size=(6, 2, 3, 4)) for _ in range(3))
    truth = truth + 0.5 * forecast
    truth[0, 0, 0, 0] = np.nan
    statistics = forecast_statistics(forecast, truth, normal)
    sums = {name: by_start.by_start(v, WEIGHTS) for name, v in statistics.items()}
    s = forecast_scores(by_start.add_cases(sums, ALL))
    parts = s["bias"] ** 2 + s["activity"] ** 2 + s["activity_truth"] ** 2
    parts -= 2 * s["pearson"] * s["activity"] * s["activity_truth"]
    np.testing.assert_allclose(s["rmse"] ** 2, parts, rtol=1e-12)
    one = (forecast - normal)[:, 1, 1].ravel()
    np.testing.assert_allclose(s["activity"][1, 1], one.std(), rtol=1e-12)
    two = (truth - normal)[:, 1, 1].ravel()
    np.testing.assert_allclose(s["pearson"][1, 1], np.corrcoef(one, two)[0, 1], rtol=1e-12)


def test_a_perfect_forecast() -> None:
    truth, normal = RNG.normal(size=(6, 2, 3, 4)), np.zeros((6, 2, 3, 4))
    statistics = forecast_statistics(truth, truth, normal)
    sums = {name: by_start.by_start(v, WEIGHTS) for name, v in statistics.items()}
    s = forecast_scores(by_start.add_cases(sums, ALL))
    assert s["rmse"].max() == s["mae"].max() == s["bias"].max() == 0
    np.testing.assert_allclose(s["acc"], 1, rtol=1e-14)
    np.testing.assert_allclose(s["pearson"], 1, rtol=1e-12)
    np.testing.assert_array_equal(s["activity"], s["activity_truth"])


def test_a_climatology_has_no_activity_and_no_correlation() -> None:
    truth, normal = RNG.normal(size=(6, 2, 3, 4)), np.zeros((6, 2, 3, 4))
    sums = {
        name: by_start.by_start(v, WEIGHTS)
        for name, v in forecast_statistics(normal, truth, normal).items()
    }
    s = forecast_scores(by_start.add_cases(sums, ALL))
    assert s["activity"].max() == 0
    assert np.isnan(s["pearson"]).all()
    assert np.isnan(s["acc"]).all()


def test_ensemble_scores_with_and_without_a_reference() -> None:
    truth = RNG.normal(size=(6, 2, 3, 4))
    members = truth[:, :, None] + RNG.normal(size=(6, 2, 5, 3, 4))
    sums = {
        name: by_start.by_start(v, WEIGHTS)
        for name, v in ensemble_statistics(members, truth).items()
    }
    mean = by_start.add_cases(sums, ALL)
    alone, beside = ensemble_scores(mean, None), ensemble_scores(mean, mean)
    assert "crpss" not in alone
    np.testing.assert_array_equal(beside["crpss"], 0)
    # 5 members: their variance counts 6/5 against the error of their mean
    variance = 6 / 5 * members[:, :, :, 1].var(axis=2, ddof=1).mean(axis=(0, 2))
    np.testing.assert_allclose(alone["spread"][:, 1], np.sqrt(variance), rtol=1e-12)
