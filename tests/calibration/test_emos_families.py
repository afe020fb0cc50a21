"""EMOS of other distributions and with a season; member by member: known truth, laws, refusals."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from scipy.optimize import minimize
from scipy.stats import truncnorm

from smoecast.calibration import emos, mbm
from smoecast.calibration.emos import Emos
from smoecast.calibration.fitting.bfgs import curvature_of
from smoecast.calibration.fitting.families import CSG, NORMAL, TRUNCATED_NORMAL
from smoecast.calibration.fitting.fit_data import prepare
from smoecast.calibration.fitting.fit_family import Objective, fit_local, fit_pooled, measure_date
from smoecast.calibration.fitting.season import season_columns
from smoecast.calibration.mbm import MemberByMember
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.scores.crps import crps_ensemble, crps_gaussian

SPACE = (3, 4)
STARTS = np.datetime64("2000-01-01") + np.arange(90) * np.timedelta64(8, "D")
TRAIN, TEST = slice(0, 60), slice(60, None)


def wind() -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    middle = rng.gamma(4, 1.2, size=(90, 1, *SPACE))
    members = np.maximum(middle + rng.normal(0, 0.7, (90, 10, *SPACE)), 0)
    mean, variance = members.mean(1), members.var(1, ddof=1)
    location, scale = -0.5 + 0.9 * mean, np.sqrt(0.8**2 + 1.2**2 * variance)
    truth = truncnorm.rvs(-location / scale, np.inf, location, scale, random_state=rng)
    return members, truth


def rain() -> tuple[Any, Any]:
    """In m, as precipitation comes: numbers far below 1."""
    rng = np.random.default_rng(1)
    wet = rng.gamma(0.6, 4e-3, size=(90, 1, *SPACE))
    members = np.maximum(wet * rng.lognormal(0, 0.5, (90, 10, *SPACE)) - 5e-4, 0)
    return members, np.maximum(0.7 * wet[:, 0] * rng.lognormal(0, 0.7, (90, *SPACE)) - 5e-4, 0)


def seasonal() -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(2)
    day = (STARTS - STARTS.astype("M8[Y]")) / np.timedelta64(1, "D")
    sine = np.sin(2 * np.pi * day / 365.25)[:, None, None]
    members = 280 + rng.normal(0, 5, (90, 1, *SPACE)) + rng.normal(0, 1, (90, 10, *SPACE))
    mean, std = members.mean(1) + 1 + 1.5 * sine, np.broadcast_to(1 + 0.4 * sine, (90, *SPACE))
    return members, rng.normal(mean, std), crps_gaussian


def test_truncated_normal_finds_known_coefficients() -> None:
    members, truth = wind()
    model = emos.fit(members, truth, where="pooled", distribution="truncated_normal", folds=0)
    found = [float(v) for v in model.to_tensors().values()]
    np.testing.assert_allclose(found, [-0.5, 0.9, 0.8, 1.2], atol=0.15)


def test_least_score_of_a_truncated_normal_as_another_optimiser_finds_it() -> None:
    members, truth = (v[:25] for v in wind())
    model = emos.fit(members, truth, where="pooled", distribution="truncated_normal", folds=0)

    def loss(theta: Any) -> float:
        tried = Emos(*np.asarray(theta), distribution="truncated_normal")
        return float(tried.forecast(members).crps(truth).mean())

    ours = [float(v) for v in model.to_tensors().values()]
    best = minimize(
        loss, [0.0, 1.0, 0.5, 1.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-11}
    )
    assert loss(ours) <= best.fun * (1 + 1e-7)


@pytest.mark.parametrize("where", ["pooled", "local"])
@pytest.mark.parametrize(("case", "distribution"), [(wind, "truncated_normal"), (rain, "csg")])
def test_what_cannot_be_negative_beats_normal_and_raw(
    where: Any, case: Any, distribution: Any
) -> None:
    members, truth = case()
    how = {"where": where, "shrinkage": 30.0}
    normal = emos.fit(members[TRAIN], truth[TRAIN], **how).forecast(members[TEST])
    model = emos.fit(members[TRAIN], truth[TRAIN], distribution=distribution, **how)
    forecast = model.forecast(members[TEST])
    score = forecast.crps(truth[TEST]).mean()
    assert score < normal.crps(truth[TEST]).mean()
    assert score < crps_ensemble(truth[TEST], members[TEST], axis=1).mean()
    assert model.b.shape == (() if where == "pooled" else SPACE)
    drawn = forecast.members(members[TEST], 1, rng=np.random.default_rng(0))
    np.testing.assert_allclose(drawn.mean(), model.predict(members[TEST])[0].mean(), rtol=0.06)
    assert drawn.min() >= 0


@pytest.mark.parametrize("where", ["pooled", "local"])
@pytest.mark.parametrize("fit", [emos.fit, mbm.fit])
def test_a_season_is_learned(where: Any, fit: Any) -> None:
    members, truth, _ = seasonal()
    how = {"where": where, "shrinkage": 30.0, "starts": STARTS[TRAIN], "folds": 0}
    scores = {}
    for season in ("none", "harmonic"):
        model = fit(members[TRAIN], truth[TRAIN], season=season, **how)
        if fit is emos.fit:
            made = model.forecast(members[TEST], STARTS[TEST]).crps(truth[TEST])
        else:
            made = crps_ensemble(truth[TEST], model.members(members[TEST], STARTS[TEST]), axis=1)
        scores[season] = made.mean()
    assert scores["harmonic"] < 0.7 * scores["none"]
    assert model.a.shape == ((3,) if where == "pooled" else (3, *SPACE))


@pytest.mark.parametrize("strength", [1e-6, 20.0])
def test_descent_finds_what_another_optimiser_finds_at_each_point(strength: float) -> None:
    """The objective itself, penalty included, made least by scipy from the coefficients of all."""
    members, truth, _ = seasonal()
    data, _ = prepare(members, truth, None, None, season_columns("none", None, len(truth)))
    target = fit_pooled(NORMAL, data)
    ours = fit_local(NORMAL, data, target, strength)
    centre = data.mean.mean(0)
    begin, found = target.clone(), ours.clone()
    begin[0] += begin[1] * centre
    found[0] += found[1] * centre
    objective = Objective(NORMAL, replace(data, mean=data.mean - centre))
    known = curvature_of(objective, begin) / data.mean.numel()
    whole = replace(objective, target=begin, penalty=strength * known)
    for point in range(data.mean.shape[1]):
        single = whole.at(torch.tensor([point]))

        def loss(theta: Any, single: Any = single) -> tuple[float, Any]:
            value, slope = single(torch.tensor(theta)[:, None])
            return float(value), slope[:, 0].numpy()

        best = minimize(loss, begin[:, point].numpy(), jac=True, options={"gtol": 1e-9})
        assert loss(found[:, point].numpy())[0] <= best.fun * (1 + 1e-10)
        np.testing.assert_allclose(found[:, point].abs(), np.abs(best.x), atol=1e-4, rtol=1e-4)


def test_a_costly_fit_that_begins_on_some_points_ends_where_one_on_all_does() -> None:
    rng = np.random.default_rng(3)
    wet = rng.gamma(0.6, 4.0, (100, 1, 320))
    members = np.maximum(wet * rng.lognormal(0, 0.5, (100, 5, 320)) - 0.5, 0)
    truth = np.maximum(0.7 * wet[:, 0] * rng.lognormal(0, 0.7, (100, 320)) - 0.5, 0)
    truth[:, 7] = np.nan
    data, _ = prepare(members, truth, None, None, season_columns("none", None, 100))
    data = data.in_units(4.0)
    begun, whole = (fit_pooled(replace(CSG, costly=c), data)[:, :1] for c in (True, False))
    scores = [float(Objective(CSG, data)(theta)[0]) for theta in (begun, whole)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-9)
    lone = np.where(np.arange(320) % 16 == 0, np.nan, truth)  # none of those it would begin on
    data, _ = prepare(members, lone, None, None, season_columns("none", None, 100))
    assert torch.isfinite(fit_pooled(CSG, data.in_units(4.0))).all()


def test_what_a_date_tells_need_not_be_measured_twice() -> None:
    members, truth = wind()
    data, _ = prepare(members, truth, None, None, season_columns("none", None, len(truth)))
    target = fit_pooled(NORMAL, data)
    known = measure_date(NORMAL, data, target)
    fitted = [fit_local(NORMAL, data, target, 30.0, known=k) for k in (None, known)]
    torch.testing.assert_close(*fitted, rtol=0, atol=0)


def test_groups_have_their_own_truncated_normal() -> None:
    members, truth = wind()
    land = np.arange(12).reshape(SPACE) % 2 == 0
    how: Any = {"where": "pooled", "distribution": "truncated_normal", "folds": 0}
    model = emos.fit(members, truth, groups=land, **how)
    apart = emos.fit(members[..., land], truth[..., land], **how)
    np.testing.assert_allclose(model.b[land], apart.b, atol=1e-3)


@pytest.mark.parametrize("distribution", ["truncated_normal", "csg"])
def test_a_model_travels_through_safetensors(distribution: Any) -> None:
    members, truth = (v[:20] for v in wind())
    starts = STARTS[:20]
    model = emos.fit(
        members, truth, where="local", shrinkage=9, folds=0, season="harmonic", starts=starts,
        distribution=distribution,
    )  # fmt: skip
    stored = load(save({k: np.ascontiguousarray(v) for k, v in model.to_tensors().items()}))
    again = Emos.from_tensors(stored, distribution, "harmonic")
    np.testing.assert_array_equal(
        again.predict(members, starts)[1], model.predict(members, starts)[1]
    )


def test_member_by_member_keeps_ranks_and_gaps_and_improves() -> None:
    members, truth = wind()
    members[::2, 3] = np.nan
    model = mbm.fit(members[TRAIN], truth[TRAIN], where="pooled", lowest=0.0)
    made = model.members(members[TEST])
    np.testing.assert_array_equal(np.isnan(made), np.isnan(members[TEST]))
    steps = np.diff(np.take_along_axis(made, np.argsort(members[TEST], axis=1), axis=1), axis=1)
    assert (steps[~np.isnan(steps)] >= 0).all()
    assert made[~np.isnan(made)].min() >= 0
    raw = crps_ensemble(truth[TEST], members[TEST], axis=1).mean()
    assert crps_ensemble(truth[TEST], made, axis=1).mean() < 0.8 * raw
    assert model.members(members[TEST, :4]).shape[1] == 4


def test_a_missing_member_is_as_one_that_never_was() -> None:
    members, truth = wind()
    without = np.delete(members, 3, axis=1)
    members[:, 3] = np.nan
    gaps, fewer = (mbm.fit(m, truth, where="pooled", folds=0) for m in (members, without))
    np.testing.assert_allclose(gaps.a, fewer.a, rtol=1e-6)
    np.testing.assert_allclose(gaps.members(without), fewer.members(without), rtol=1e-6)


def test_least_score_of_members_as_another_optimiser_finds_it() -> None:
    members, truth = (v[:25] for v in wind())
    model = mbm.fit(members, truth, where="pooled", folds=0)

    def loss(theta: Any) -> float:
        made = MemberByMember(*np.asarray(theta)).members(members)
        return float(crps_ensemble(truth, made, axis=1).mean())

    ours = [float(v) for v in model.to_tensors().values()]
    best = minimize(loss, ours, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-11})
    assert loss(ours) <= best.fun * (1 + 1e-5)


def test_the_fair_score_makes_members_too_wide() -> None:
    members, truth = (v[:, :5] if v.ndim == 4 else v for v in wind())
    ratio = {}
    for fair in (False, True):
        made = mbm.fit(members, truth, where="pooled", fair=fair, folds=0).members(members)
        error = ((made.mean(1) - truth) ** 2).mean()
        ratio[fair] = np.sqrt(made.var(1, ddof=1).mean() * 6 / 5 / error)
    assert ratio[False] < 1.1 < ratio[True]


def test_members_that_agree_stay_together() -> None:
    model = MemberByMember(*np.array([1.0, 1.0, 0.5, 1.0]))
    made = model.members(np.full((2, 4, 3), 7.0))
    np.testing.assert_array_equal(made, 8.0)


def test_member_by_member_travels_through_safetensors() -> None:
    members, truth = wind()
    model = mbm.fit(members, truth, where="local", shrinkage=9, folds=0, lowest=0.0)
    stored = load(save({k: np.ascontiguousarray(v) for k, v in model.to_tensors().items()}))
    again = MemberByMember.from_tensors(stored, lowest=0.0)
    np.testing.assert_array_equal(again.members(members), model.members(members))
    del stored["b"]
    with pytest.raises(ModelError, match=r"lacks \['b'\]"):
        MemberByMember.from_tensors(stored)
    with pytest.raises(ModelError, match="fitted on a grid"):
        model.members(members[..., :2])


def test_every_refusal() -> None:
    members, truth = wind()
    with pytest.raises(ConfigError, match="no distribution 'gamma'"):
        emos.fit(members, truth, where="pooled", distribution="gamma")
    with pytest.raises(ConfigError, match="no season 'monthly'"):
        emos.fit(members, truth, where="pooled", season="monthly")
    with pytest.raises(InputError, match="need the start of each of 90"):
        emos.fit(members, truth, where="pooled", season="harmonic")
    with pytest.raises(InputError, match="need the start of each of 90"):
        mbm.fit(members, truth, where="pooled", season="harmonic", starts=STARTS[:3])
    with pytest.raises(ConfigError, match="pooled or local"):
        mbm.fit(members, truth, where="global")


@pytest.mark.parametrize("family", [NORMAL, TRUNCATED_NORMAL, CSG, mbm.PLAIN, mbm.FAIR])
def test_the_slopes_of_a_score_are_its_derivatives(family: Any) -> None:
    rng = np.random.default_rng(5)
    raw = rng.normal(size=(6, 5, 4))
    raw[0, :2] = np.nan
    raw[1, :, 0] = 1.0
    truth = np.abs(rng.normal(size=(6, 4))) if family is CSG else rng.normal(size=(6, 4))
    data, _ = prepare(raw, truth, None, None, season_columns("none", None, 6))
    data = mbm._with_members(data, raw)
    some = [0.1, 0.9, 0.4, -0.8, 0.5, 0.3][: len(family.names)]
    theta = torch.tensor(some, dtype=torch.float64)[:, None, None]
    _, slopes = family.crps(theta, data)
    for number in range(len(some)):
        step = torch.zeros_like(theta)
        step[number] = 1e-6
        ahead, behind = (family.crps(theta + s * step, data)[0] for s in (1.0, -1.0))
        torch.testing.assert_close(slopes[number], (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)
