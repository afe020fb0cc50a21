"""Members by ECC and Schaake shuffle: ranks, moments, ties, gaps, energy score, refusals."""

from typing import Any

import numpy as np
import pytest
import scoringrules
from scipy.stats import rankdata

from smoecast.calibration.reordering import ecc, schaake
from smoecast.errors import ConfigError, InputError

HOWS: list[Any] = ["quantile", "random", "transformation"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def case(members: int = 10) -> tuple[Any, Any, Any]:
    """Mean and std (4, 5, 6), raw ensemble (4, members, 5, 6)."""
    source = rng(1)
    raw = source.normal(280, 2, size=(4, members, 5, 6))
    return source.normal(285, 1, (4, 5, 6)), source.uniform(0.5, 3, (4, 5, 6)), raw


@pytest.mark.parametrize("how", HOWS)
def test_ranks_are_those_of_the_raw_ensemble(how: Any) -> None:
    mean, std, raw = case()
    made = ecc(mean, std, raw, 1, how, rng=rng())
    assert made.shape == raw.shape
    np.testing.assert_array_equal(made.argsort(axis=1), raw.argsort(axis=1))


def test_mean_and_std_of_the_quantiles_are_those_of_the_distribution() -> None:
    mean, std, raw = case(50)
    made = ecc(mean, std, raw, 1, rng=rng())
    np.testing.assert_allclose(made.mean(axis=1), mean, rtol=1e-12)
    np.testing.assert_allclose(made.std(axis=1, ddof=1), std, rtol=0.01)


def test_transformation_keeps_moments_exactly() -> None:
    mean, std, raw = case()
    made = ecc(mean, std, raw, 1, "transformation", rng=rng())
    np.testing.assert_allclose(made.mean(axis=1), mean, rtol=1e-12)
    np.testing.assert_allclose(made.std(axis=1, ddof=1), std, rtol=1e-12)


def test_quantiles_worked() -> None:
    made = ecc(1.0, 2.0, [5.0, -1.0, 3.0], 0, rng=rng())
    np.testing.assert_allclose(made, 1 + 2 * np.array([1, -1, 0]) * 0.967421566101701)


@pytest.mark.parametrize("how", HOWS)
def test_same_seed_same_members(how: Any) -> None:
    mean, std, raw = case()
    raw[:, :5] = 280.0
    first, again = (ecc(mean, std, raw, 1, how, rng=rng(3), count=14) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_ties_take_every_rank_and_hang_together() -> None:
    made = ecc(np.zeros((3, 4)), np.ones((3, 4)), np.full((5, 3, 4), 7.0), 0, rng=rng(2))
    assert len(np.unique(made[:, 0, 0])) == 5
    np.testing.assert_array_equal(made, np.broadcast_to(made[:, :1, :1], made.shape))
    other = ecc(np.zeros((3, 4)), np.ones((3, 4)), np.full((5, 3, 4), 7.0), 0, rng=rng(4))
    assert (made != other).any()


def test_transformation_without_raw_spread_takes_quantiles() -> None:
    raw = np.stack([np.full(5, 1.0), np.arange(5.0)], axis=1)
    made = ecc(np.zeros(2), np.ones(2), raw, 0, "transformation", rng=rng(2))
    assert sorted(made[:, 0]) == sorted(ecc(0.0, 1.0, raw[:, 1], 0, rng=rng(2)))


def test_fewer_members_are_a_choice_of_the_raw_ones() -> None:
    mean, std, raw = case()
    made = ecc(mean, std, raw, 1, rng=rng(5), count=4)
    assert made.shape == (4, 4, 5, 6)
    order = made.argsort(axis=1)
    chosen = np.sort(rng(5).permutation(10)[:4])
    np.testing.assert_array_equal(order, raw[:, chosen].argsort(axis=1))


@pytest.mark.parametrize("how", HOWS)
def test_more_members_stand_beside_their_fellows(how: Any) -> None:
    mean, std, raw = case(5)
    made = ecc(mean, std, raw, 1, how, rng=rng(), count=12)
    assert made.shape == (4, 12, 5, 6)
    ranks = rankdata(made, axis=1, method="average")
    raw_ranks = rankdata(raw, axis=1)
    for copies in (slice(0, 5), slice(5, 10)):
        np.testing.assert_array_equal(rankdata(made[:, copies], axis=1), raw_ranks)
    assert np.abs(ranks[:, :5] - ranks[:, 5:10]).max() <= 2


@pytest.mark.parametrize("how", HOWS)
def test_a_missing_member_stays_missing(how: Any) -> None:
    mean, std, raw = case()
    raw[0, 3] = np.nan
    raw[1, :, 2, 2] = np.nan
    made = ecc(mean, std, raw, 1, how, rng=rng())
    np.testing.assert_array_equal(np.isnan(made), np.isnan(raw))
    rest = np.delete(raw[0], 3, axis=0)
    np.testing.assert_array_equal(
        np.delete(made[0], 3, axis=0).argsort(axis=0), rest.argsort(axis=0)
    )
    if how == "quantile":
        np.testing.assert_allclose(np.nanmean(made[0], axis=0), mean[0], rtol=1e-12)


def energy_score(truth: Any, members: Any) -> float:
    """Mean over dates; truth (N, S), members (N, M, S)."""
    return float(scoringrules.es_ensemble(truth, members).mean())


def correlated(source: np.random.Generator, *shape: int) -> Any:
    """Fields of 20 points that share most of their departure."""
    return source.normal(size=(*shape, 1)) + 0.3 * source.normal(size=(*shape, 20))


def test_energy_score_improves_over_independent_draws() -> None:
    source = rng(6)
    truth, raw, history = (correlated(source, *s) for s in ((150,), (150, 20), (20,)))
    mean, std = np.zeros((150, 20)), np.full((150, 20), 1.09**0.5)
    alone = energy_score(truth, source.normal(0, 1.09**0.5, size=(150, 20, 20)))
    for how in HOWS:
        assert energy_score(truth, ecc(mean, std, raw, 1, how, rng=source)) < 0.99 * alone
    shuffled = schaake(mean, std, history[None], 1, rng=source)
    assert energy_score(truth, shuffled) < 0.99 * alone


@pytest.mark.parametrize("how", ["quantile", "random"])
def test_schaake_takes_the_ranks_of_history(how: Any) -> None:
    mean, std, _ = case()
    history = rng(8).normal(size=(1, 30, 5, 6))
    made = schaake(mean, std, history, 1, how, rng=rng())
    assert made.shape == (4, 30, 5, 6)
    expected = np.broadcast_to(history.argsort(axis=1), made.shape)
    np.testing.assert_array_equal(made.argsort(axis=1), expected)
    assert schaake(mean, std, history, 1, how, rng=rng(), count=10).shape == (4, 10, 5, 6)


def test_every_refusal() -> None:
    mean, std, raw = case()
    with pytest.raises(ConfigError, match="quantile, random or transformation"):
        ecc(mean, std, raw, 1, "copula", rng=rng())
    with pytest.raises(ConfigError, match="quantile or random"):
        schaake(mean, std, raw, 1, "transformation", rng=rng())
    with pytest.raises(ConfigError, match="ask for one or more"):
        ecc(mean, std, raw, 1, rng=rng(), count=0)
    with pytest.raises(InputError, match="do not fit members"):
        ecc(mean[:2], std[:2], raw, 1, rng=rng())
    with pytest.raises(InputError, match="do not fit members"):
        ecc(mean, std[0], raw, 1, rng=rng())
    with pytest.raises(InputError, match="do not fit members"):
        ecc(mean[0], std[0], raw, 1, rng=rng())
