"""EMOS: known truth, another optimiser, groups, shrinkage, gaps, every refusal."""

from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save
from scipy.optimize import minimize

from smoecast.calibration import emos
from smoecast.calibration.emos import Emos, fit
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.scores.crps import crps_ensemble, crps_gaussian

SPACE = (6, 8)


def forecasts(seed: int, dates: int, a: Any, b: Any, c: Any, d: Any) -> tuple[Any, Any]:
    """Ensembles about 280 K and a truth that EMOS describes exactly."""
    rng = np.random.default_rng(seed)
    centre = rng.normal(280, 4, size=(dates, 1, *SPACE))
    spread = rng.uniform(0.3, 1.5, size=(dates, 1, *SPACE))
    members = centre + spread * rng.normal(size=(dates, 10, *SPACE))
    mean, variance = members.mean(1), members.var(1, ddof=1)
    truth = rng.normal(280 + a + b * (mean - 280), np.sqrt(c**2 + d**2 * variance))
    return members, truth


def score(model: Emos, members: Any, truth: Any) -> float:
    return float(crps_gaussian(truth, *model.predict(members)).mean())


def test_known_coefficients_are_found() -> None:
    members, truth = forecasts(0, 200, 1.0, 0.9, 0.6, 1.2)
    model = fit(members, truth, where="pooled")
    assert model.a.shape == ()
    assert model.a + 280 * model.b == pytest.approx(281.0, abs=0.05)
    assert model.b == pytest.approx(0.9, abs=0.01)
    assert model.c == pytest.approx(0.6, abs=0.05)
    assert model.d == pytest.approx(1.2, abs=0.05)


def test_least_score_as_another_optimiser_finds_it() -> None:
    members, truth = forecasts(1, 10, 1.0, 0.9, 0.6, 1.2)
    weights = np.random.default_rng(2).uniform(0.5, 2, size=(6, 1))
    model = fit(members, truth, where="pooled", weights=weights, folds=0)
    mean, variance = members.mean(1), members.var(1, ddof=1)

    def loss(theta: Any) -> float:
        std = np.sqrt(theta[2] ** 2 + theta[3] ** 2 * variance)
        crps = crps_gaussian(truth, 280 + theta[0] + theta[1] * (mean - 280), std)
        return float((crps * weights).mean())

    best = minimize(
        loss, [1.0, 1.0, 0.5, 1.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12}
    )
    ours = [model.a + 280 * (model.b - 1), model.b, model.c, model.d]
    assert loss(ours) <= best.fun * (1 + 1e-8)
    np.testing.assert_allclose(ours, best.x, atol=1e-3)


def test_local_coefficients_are_found() -> None:
    rng = np.random.default_rng(3)
    offset, slope = rng.normal(0, 1.5, SPACE), rng.normal(0.9, 0.15, SPACE)
    members, truth = forecasts(4, 150, offset, slope, 0.5, 1.0)
    held_out = forecasts(5, 50, offset, slope, 0.5, 1.0)
    pooled = fit(members, truth, where="pooled", folds=0)
    local = fit(members, truth, where="local", shrinkage=1, folds=0)
    chosen = fit(members, truth, where="local", folds=2)
    assert local.b.shape == SPACE
    assert np.corrcoef(local.b.ravel(), slope.ravel())[0, 1] > 0.95
    assert score(local, *held_out) < 0.75 * score(pooled, *held_out)
    assert score(chosen, *held_out) < 0.75 * score(pooled, *held_out)


def test_shrinkage_leads_from_local_to_pooled() -> None:
    members, truth = forecasts(6, 5, 0.5, 1.0, 0.5, 1.0)
    pooled = fit(members, truth, where="pooled", folds=0)
    far = [
        np.abs(fit(members, truth, where="local", shrinkage=s, folds=0).b - pooled.b).max()
        for s in (0.5, 10, 200, 1e9)
    ]
    assert far == sorted(far, reverse=True)
    assert far[-1] < 1e-6


def test_local_correction_is_not_believed_where_there_is_none() -> None:
    members, truth = forecasts(7, 4, 0.5, 1.0, 0.5, 1.0)
    held_out = forecasts(8, 20, 0.5, 1.0, 0.5, 1.0)
    pooled, local = (fit(members, truth, where=w) for w in ("pooled", "local"))
    assert score(local, *held_out) < 1.03 * score(pooled, *held_out)


def test_groups_have_their_own_coefficients() -> None:
    land = np.arange(48).reshape(SPACE) % 3 == 0
    members, truth = forecasts(9, 40, np.where(land, 2.0, -1.0), 1.0, 0.5, 1.0)
    model = fit(members, truth, where="pooled", groups=land)
    apart = fit(members[..., land], truth[..., land], where="pooled")
    np.testing.assert_allclose(model.a[land], apart.a, atol=1e-6)
    assert model.a.shape == SPACE
    assert score(model, members, truth) < score(fit(members, truth, where="pooled"), members, truth)


def test_few_dates_widen_the_spread() -> None:
    """A bias that differs from date to date is what two dates cannot teach."""
    rng = np.random.default_rng(10)
    members, truth = forecasts(11, 3, 0.0, 1.0, 0.3, 1.0)
    truth += rng.normal(0, 1, size=(3, 1, 1))
    plain, honest = (fit(members, truth, where="pooled", folds=n) for n in (0, 5))
    assert plain.a == honest.a
    assert honest.predict(members)[1].mean() > plain.predict(members)[1].mean()


def test_missing_members_and_truth_are_left_out() -> None:
    members, truth = forecasts(12, 30, 1.0, 0.9, 0.6, 1.2)
    whole = fit(members[:20], truth[:20], where="pooled")
    truth[20:] = np.nan
    gaps = fit(members, truth, where="pooled", folds=0)
    np.testing.assert_allclose(gaps.b, whole.b, atol=1e-5)
    members[:, 3] = np.nan
    without = np.delete(members, 3, axis=1)
    holed, fewer = (fit(m[:20], truth[:20], where="pooled") for m in (members, without))
    np.testing.assert_allclose(holed.a, fewer.a, rtol=1e-9)
    np.testing.assert_allclose(holed.predict(members)[1], fewer.predict(without)[1], rtol=1e-9)


@pytest.mark.parametrize("where", ["pooled", "local"])
def test_a_group_whose_truth_is_all_in_one_block(where: Any) -> None:
    members, truth = forecasts(13, 6, 1.0, 0.9, 0.6, 1.2)
    group = np.zeros(SPACE, int)
    group[0] = 1
    truth[1:, 0] = np.nan
    model = fit(members, truth, where=where, groups=group, folds=3, shrinkage=20)
    std = model.predict(members)[1]
    assert (std > 0.1).all()
    assert (std < 10).all()


def test_a_point_without_truth_takes_the_pooled_coefficients() -> None:
    members, truth = forecasts(14, 10, 1.0, 0.9, 0.6, 1.2)
    truth[:, 2, 2] = np.nan
    pooled, local = (
        fit(members, truth, where=w, folds=0, shrinkage=5) for w in ("pooled", "local")
    )
    assert local.b[2, 2] == pytest.approx(float(pooled.b), rel=1e-9)
    assert local.a[2, 2] == pytest.approx(float(pooled.a), rel=1e-9)


def test_any_number_of_horizontal_axes() -> None:
    members, truth = forecasts(15, 8, 1.0, 0.9, 0.6, 1.2)
    grid = fit(members, truth, where="local", shrinkage=5)
    line = fit(members.reshape(8, 10, 48), truth.reshape(8, 48), where="local", shrinkage=5)
    np.testing.assert_array_equal(grid.a.ravel(), line.a)
    one = fit(members[..., 0, 0], truth[..., 0, 0], where="pooled")
    assert one.predict(members[..., 0, 0])[0].shape == (8,)


def test_same_data_same_coefficients() -> None:
    members, truth = forecasts(16, 6, 1.0, 0.9, 0.6, 1.2)
    first, second = (fit(members, truth, where="local") for _ in range(2))
    np.testing.assert_array_equal(first.d, second.d)


def test_perfect_forecasts_have_no_spread() -> None:
    members, _ = forecasts(17, 5, 0.0, 1.0, 0.0, 0.0)
    model = fit(members, members.mean(axis=1), where="pooled")
    mean, std = model.predict(members)
    np.testing.assert_allclose(mean, members.mean(axis=1), atol=1e-6)
    assert std.max() < 1e-6


def test_calibration_beats_the_raw_ensemble() -> None:
    members, truth = forecasts(18, 40, 1.0, 0.9, 0.6, 1.2)
    model = fit(members[:30], truth[:30], where="pooled")
    raw = crps_ensemble(truth[30:], members[30:], axis=1).mean()
    assert score(model, members[30:], truth[30:]) < 0.9 * raw


def test_round_trip_through_safetensors() -> None:
    members, truth = forecasts(19, 5, 1.0, 0.9, 0.6, 1.2)
    for where, kept in (("pooled", ()), ("local", SPACE)):
        model = fit(members, truth, where=where, shrinkage=9)
        again = Emos.from_tensors(load(save(model.to_tensors())))
        assert again.a.shape == kept
        np.testing.assert_array_equal(again.predict(members)[1], model.predict(members)[1])


def test_a_model_refuses_what_does_not_fit() -> None:
    members, truth = forecasts(20, 5, 1.0, 0.9, 0.6, 1.2)
    model = fit(members, truth, where="local", shrinkage=9)
    with pytest.raises(ModelError, match="fit it again on this grid"):
        model.predict(members[..., :4])
    tensors = model.to_tensors()
    with pytest.raises(ModelError, match="differ in shape"):
        Emos.from_tensors({**tensors, "a": np.zeros(3)})
    del tensors["c"]
    with pytest.raises(ModelError, match=r"lacks \['c'\]"):
        Emos.from_tensors(tensors)


def test_every_refusal_of_data() -> None:
    members, truth = forecasts(21, 3, 1.0, 0.9, 0.6, 1.2)
    with pytest.raises(InputError, match="two members or more"):
        fit(members[:, :1], truth, where="pooled")
    with pytest.raises(InputError, match="do not fit"):
        fit(members, truth[:2], where="pooled")
    with pytest.raises(InputError, match="do not fit"):
        fit(members, truth, where="pooled", groups=np.zeros(3))
    with pytest.raises(InputError, match="weights of shape"):
        fit(members, truth, where="pooled", weights=np.ones(5))
    with pytest.raises(InputError, match="nothing to fit"):
        fit(members, np.full_like(truth, np.nan), where="pooled")
    members[1, :, 2, 2] = np.nan
    with pytest.raises(InputError, match="1 of 144 points"):
        fit(members, truth, where="pooled")
    with pytest.raises(InputError, match="1 of 144 points"):
        emos.Emos(*np.ones(4)).predict(members)


def test_every_refusal_of_arguments() -> None:
    members, truth = forecasts(22, 3, 1.0, 0.9, 0.6, 1.2)
    with pytest.raises(ConfigError, match="pooled or local"):
        fit(members, truth, where="global")
    with pytest.raises(ConfigError, match="negative"):
        fit(members, truth, where="local", shrinkage=-1.0)
    with pytest.raises(ConfigError, match="cannot be chosen"):
        fit(members[:1], truth[:1], where="local")
