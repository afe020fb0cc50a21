"""Few starts: what a fit rests on is counted, and it is drawn to the raw ensemble."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from made_seasonal import DRIFT, LATITUDE, seasonal

from smoecast.calibration import emos, mbm
from smoecast.calibration.emos import Emos
from smoecast.calibration.fitting.families import NORMAL
from smoecast.calibration.fitting.short_records import _mix
from smoecast.scores.crps import crps_ensemble

WEIGHTS = np.cos(np.deg2rad(LATITUDE))[:, None]
TRAINING, HELD_OUT, SEEDS = 4, 200, (8, 18)
Array = np.ndarray


all_leads = cache(seasonal)


def at_lead(starts: int, seed: int, days: int) -> tuple[Array, Array]:
    """Return members (N, M, H, W) and truth (N, H, W) of one lead time."""
    made = all_leads(starts, seed).isel(lead_time=list(DRIFT).index(days))
    return made["t2m"].values.copy(), made["truth"].values.copy()


def loss(days: int, seed: int, method: Any, **how: Any) -> tuple[float, float, float]:
    """Return by how much of raw CRPS a fit to four starts is worse on others, error, and share."""
    members, truth = at_lead(TRAINING, seed, days)
    fitted = method.fit(members, truth, weights=WEIGHTS, **how)
    new, true = at_lead(HELD_OUT, 1000 + seed, days)
    if isinstance(fitted, Emos):
        scores = fitted.forecast(new).crps(true)
    else:
        scores = crps_ensemble(true, fitted.members(new), axis=1)
    raw = crps_ensemble(true, new, axis=1)
    by_start = ((scores - raw) * WEIGHTS).mean((1, 2)) / (raw * WEIGHTS).mean()
    return by_start.mean(), by_start.std(ddof=1) / HELD_OUT**0.5, fitted.record.share


def test_a_plain_fit_to_four_starts_is_worse_than_raw() -> None:
    """What users are to be kept from: at 60 days, where there is no drift, it finds one."""
    for seed in SEEDS:
        worse, error, share = loss(60, seed, emos, where="pooled")
        assert worse > max(0.05, 3.0 * error)
        assert share == 1.0


@pytest.mark.parametrize(
    ("method", "where", "days"),
    [*((emos, "pooled", d) for d in DRIFT), (emos, "local", 90), (mbm, "pooled", 60)],
)
def test_four_starts_are_not_worse_than_raw(method: Any, where: str, days: int) -> None:
    for seed in SEEDS:
        worse, error, share = loss(days, seed, method, where=where, to_raw=True)
        assert worse <= 2.0 * error
        if days == 30:  # a drift of 1.5 K is seen by all of them
            assert worse < -0.3
            assert share >= 0.5


def test_raw_coefficients_change_nothing() -> None:
    members, truth = at_lead(1, 0, 30)
    one = mbm.fit(members, truth, where="local", to_raw=True)
    assert (one.record.starts, one.record.share) == (1, 0.0)
    np.testing.assert_allclose(one.members(members), members, rtol=1e-12)
    mean, std = emos.fit(members, truth, where="local", to_raw=True).predict(members)
    np.testing.assert_allclose(mean, members.mean(1, dtype=np.float64), rtol=1e-12)
    np.testing.assert_allclose(std, members.std(1, ddof=1, dtype=np.float64), rtol=1e-6)
    wet = np.maximum(members - 290, 0)
    gamma = emos.fit(wet, wet[:, 0], where="pooled", distribution="csg", to_raw=True).forecast(wet)
    there = wet.mean(1) > 1
    np.testing.assert_allclose(gamma.location[there], wet.mean(1)[there], rtol=1e-6)
    np.testing.assert_allclose(gamma.scale[there], wet.std(1, ddof=1)[there], rtol=1e-6)


def test_enough_starts_are_fitted_as_ever() -> None:
    members, truth = (values[..., ::4] for values in at_lead(12, 0, 60))
    plain = emos.fit(members, truth, where="local", weights=WEIGHTS)
    safe = emos.fit(members, truth, where="local", weights=WEIGHTS, to_raw=True)
    assert not safe.record.is_short
    for name, value in plain.to_tensors().items():
        np.testing.assert_array_equal(safe.to_tensors()[name], value)


def test_cases_are_counted_by_their_weights() -> None:
    members, truth = at_lead(5, 0, 30)
    truth[0] = np.nan
    truth[1, 0] = np.nan
    pooled = emos.fit(members, truth, where="pooled").record
    assert (pooled.starts, pooled.cases, pooled.coefficients) == (4, 4 * 128 - 16, 4)
    assert emos.fit(members, truth, where="local", shrinkage=3.0).record.cases == 3
    weight = np.broadcast_to(WEIGHTS, truth.shape)[np.isfinite(truth)]
    weighed = emos.fit(members, truth, where="pooled", weights=WEIGHTS).record
    assert weighed.cases == pytest.approx(weight.sum() ** 2 / (weight**2).sum())
    groups = np.zeros((8, 16), int)
    groups[-1, :4] = 1
    apart = emos.fit(members, truth, where="pooled", groups=groups).record
    assert apart.cases == 4 * 4


def test_a_season_needs_more_starts() -> None:
    members, truth = (values[..., ::4] for values in at_lead(10, 0, 30))
    starts = np.datetime64("2000-01-15") + np.arange(10) * np.timedelta64(37, "D")
    how: dict[str, Any] = {"where": "pooled", "season": "harmonic", "starts": starts}
    found = emos.fit(members, truth, weights=WEIGHTS, to_raw=True, **how)
    assert (found.record.coefficients, found.record.is_short) == (12, True)
    assert 0.0 < found.record.share <= 1.0
    new, true = (values[..., ::4] for values in at_lead(10, 1, 30))
    raw = crps_ensemble(true, new, axis=1).mean()
    assert found.forecast(new, starts).crps(true).mean() < raw


def test_the_sign_of_squared_coefficients_does_not_matter() -> None:
    """c and d are mixed by size: with other signs a mixture could lose the spread."""
    raw = torch.tensor([[0.0], [1.0], [0.0], [1.0]], dtype=torch.float64)
    fitted = torch.tensor([[-1.0], [0.5], [-0.4], [-0.8]], dtype=torch.float64)
    found = _mix(NORMAL, raw, fitted, 0.5).flatten().tolist()
    assert found == pytest.approx([-0.5, 0.75, 0.2, 0.9])
