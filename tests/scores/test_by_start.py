"""Sums by start: the same means as at once, in any order and in any blocks."""

import numpy as np
import pytest

from smoecast.errors import InputError
from smoecast.scores import by_start
from smoecast.scores.aggregate import Partial
from smoecast.scores.by_start import Sums
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
DAYS = np.datetime64("2001-01-01", "ns") + np.arange(6) * np.timedelta64(1, "D")


def values(missing: float = 0.0) -> np.ndarray:
    made = RNG.normal(size=(6, 2, 3, 4)) ** 2
    made[RNG.random(made.shape) < missing] = np.nan
    return made


def sums_of(**statistics: np.ndarray) -> Sums:
    found = {name: by_start.by_start(v, WEIGHTS) for name, v in statistics.items()}
    return Sums(DAYS, found, "rank", RNG.random((6, 2, 2, 3)))


def part_of(sums: Sums, some: np.ndarray) -> Sums:
    parts = {n: Partial(p.total[some], p.weight[some]) for n, p in sums.statistics.items()}
    bins = None if sums.bins is None else sums.bins[some]
    return Sums(sums.starts[some], parts, sums.kind, bins)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_sums_by_start_make_the_mean_of_all_points(missing: float) -> None:
    made = values(missing)
    sums = by_start.by_start(made, WEIGHTS)
    assert sums.total.shape == (6, 2, 2)
    together = by_start.add_cases(sums, ALL).value()
    weights = np.where(np.isnan(made), 0, np.cos(np.deg2rad(LATITUDE))[:, None])
    total = (np.nan_to_num(made) * weights).sum(axis=(0, 2, 3))
    np.testing.assert_allclose(together[:, 0], total / weights.sum(axis=(0, 2, 3)), rtol=1e-13)
    np.testing.assert_allclose(together[:, 1], np.nanmean(made[:, :, 1], axis=(0, 2)), rtol=1e-13)


def test_sums_of_blocks_add_up_to_the_whole_in_any_order() -> None:
    whole = sums_of(a=values(0.1), b=values())
    one, two, three = (part_of(whole, np.array(some)) for some in ([1, 4], [0, 2, 3], [5]))
    for again in (one + two + three, three + (two + one), two + three + one):
        assert (again.starts == DAYS).all()
        assert again.kind == "rank"
        np.testing.assert_array_equal(again.bins, whole.bins)
        for name, part in whole.statistics.items():
            np.testing.assert_array_equal(again.statistics[name].total, part.total)
            np.testing.assert_array_equal(again.statistics[name].weight, part.weight)
    assert len(one.starts) == 2  # they are values: adding leaves them as they are


def test_sums_without_bins_add_up() -> None:
    whole = Sums(DAYS, {"a": by_start.by_start(values(), WEIGHTS)})
    again = part_of(whole, np.arange(3, 6)) + part_of(whole, np.arange(3))
    assert again.bins is None
    np.testing.assert_array_equal(again.over(ALL)["a"].total, whole.over(ALL)["a"].total)


def test_a_season_is_the_mean_of_its_cases_alone() -> None:
    made = values()
    cases = np.zeros((6, 2), bool)
    cases[1:3, 0] = cases[4, 1] = True
    found = by_start.add_cases(by_start.by_start(made, WEIGHTS), cases).value()
    some = by_start.by_start(made[1:3], WEIGHTS)
    np.testing.assert_allclose(found[0], (some.total.sum(0) / some.weight.sum(0))[0], rtol=1e-13)
    np.testing.assert_allclose(found[1, 1], made[4, 1, 1].mean(), rtol=1e-13)


def test_the_mean_of_roots_is_climax_s() -> None:
    made = values()
    found = by_start.mean_of_roots(by_start.by_start(made, WEIGHTS), ALL)
    rows = np.cos(np.deg2rad(LATITUDE))
    expected = np.sqrt(np.average(made.mean(axis=3), axis=2, weights=rows)).mean(axis=0)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-13)
    rmse = np.sqrt(by_start.add_cases(by_start.by_start(made, WEIGHTS), ALL).value())
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
    s = forecast_scores(sums_of(**statistics).over(ALL))
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
    s = forecast_scores(sums_of(**statistics).over(ALL))
    assert s["rmse"].max() == s["mae"].max() == s["bias"].max() == 0
    np.testing.assert_allclose(s["acc"], 1, rtol=1e-14)
    np.testing.assert_allclose(s["pearson"], 1, rtol=1e-12)
    np.testing.assert_array_equal(s["activity"], s["activity_truth"])


def test_a_climatology_has_no_activity_and_no_correlation() -> None:
    truth, normal = RNG.normal(size=(6, 2, 3, 4)), np.zeros((6, 2, 3, 4))
    s = forecast_scores(sums_of(**forecast_statistics(normal, truth, normal)).over(ALL))
    assert s["activity"].max() == 0
    assert np.isnan(s["pearson"]).all()
    assert np.isnan(s["acc"]).all()


def test_the_spread_of_few_members_counts_more() -> None:
    truth = RNG.normal(size=(6, 2, 3, 4))
    members = truth[:, :, None] + RNG.normal(size=(6, 2, 5, 3, 4))
    found = ensemble_scores(sums_of(**ensemble_statistics(members, truth)).over(ALL))
    # 5 members: their variance counts 6/5 against the error of their mean
    variance = 6 / 5 * members[:, :, :, 1].var(axis=2, ddof=1).mean(axis=(0, 2))
    np.testing.assert_allclose(found["spread"][:, 1], np.sqrt(variance), rtol=1e-12)
