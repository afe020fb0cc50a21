"""The block bootstrap: paired, reproducible, and as wide as it should be."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from smoecast.scores import aggregate
from smoecast.scores.aggregate import Partial
from smoecast.scores.bootstrap import LEAST, blocks_of, difference_interval

DAY = np.timedelta64(1, "D")
STARTS = np.datetime64("2017-01-01", "ns") + np.arange(70) * DAY
RNG = np.random.default_rng(5)
ALL = np.ones((70, 1), bool)


@pytest.fixture(autouse=True)
def _the_same_numbers_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "RNG", np.random.default_rng(5))


def squared(scale: float, common: np.ndarray) -> Partial:
    own = scale * (common + 0.1 * RNG.normal(size=common.shape)) ** 2
    return Partial(own[:, None, None], np.ones((70, 1, 1)))


def interval(
    first: Partial, second: Partial, cases: np.ndarray = ALL, days: int = 7, seed: int = 0
):
    blocks = blocks_of(STARTS, days)
    rng = np.random.default_rng(seed)
    return difference_interval((first, second), cases, blocks, aggregate.rmse, 500, rng)


def test_blocks_are_counted_from_the_first_start_without_gaps() -> None:
    numbers = blocks_of(STARTS, 7)
    assert numbers[:8].tolist() == [0] * 7 + [1]
    assert numbers.max() == 9
    gap = np.concatenate([STARTS[:3], STARTS[60:]])
    assert blocks_of(gap, 7).max() == 2


def test_the_interval_holds_the_difference_and_is_paired() -> None:
    common = RNG.normal(size=70)
    first, second = squared(1.0, common), squared(1.2, common)
    low, high = interval(first, second)
    difference = np.sqrt(first.total.mean()) - np.sqrt(second.total.mean())
    assert low[0, 0] < difference < high[0, 0] < 0
    # errors that have nothing in common differ far less surely
    other = squared(1.2, RNG.normal(size=70))
    far = interval(first, other)
    assert (far[1] - far[0])[0, 0] > 3 * (high - low)[0, 0]


def test_the_same_forecast_twice_differs_by_nothing() -> None:
    first = squared(1.0, RNG.normal(size=70))
    low, high = interval(first, first)
    assert low[0, 0] == high[0, 0] == 0


def test_the_same_seed_gives_the_same_interval() -> None:
    first, second = squared(1.0, RNG.normal(size=70)), squared(1.1, RNG.normal(size=70))
    assert interval(first, second) == interval(first, second)
    assert interval(first, second) != interval(first, second, seed=1)


def test_it_is_as_wide_as_the_standard_error_of_independent_blocks() -> None:
    values = RNG.normal(10, 1, size=70)
    first = Partial(values[:, None, None], np.ones((70, 1, 1)))
    zero = Partial(np.zeros((70, 1, 1)), np.ones((70, 1, 1)))
    blocks = blocks_of(STARTS, 1)
    rng = np.random.default_rng(0)
    low, high = difference_interval((first, zero), ALL, blocks, Partial.value, 4000, rng)
    expected = 2 * 1.96 * values.std() / np.sqrt(70)
    np.testing.assert_allclose((high - low)[0, 0], expected, rtol=0.06)


def test_days_that_depend_on_each_other_widen_it() -> None:
    slow = np.repeat(RNG.normal(size=10), 7)
    first, second = squared(1.0, slow), squared(1.0, np.zeros(70))
    wide, narrow = interval(first, second, days=7), interval(first, second, days=1)
    assert (wide[1] - wide[0])[0, 0] > 1.5 * (narrow[1] - narrow[0])[0, 0]


def test_small_products_take_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    product, seen = np.tensordot, []

    def watched(*given: object) -> np.ndarray:
        seen.extend(p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas")
        return product(*given)

    monkeypatch.setattr(np, "tensordot", watched)
    first, second = squared(1.0, RNG.normal(size=70)), squared(1.1, RNG.normal(size=70))
    with threadpool_limits(2, user_api="blas"):
        interval(first, second)
    assert set(seen) == {1}


def test_too_few_blocks_give_no_interval() -> None:
    first, second = squared(1.0, RNG.normal(size=70)), squared(1.1, RNG.normal(size=70))
    cases = ALL.copy()
    cases[7 * (LEAST - 1) :] = False
    low, high = interval(first, second, cases)
    assert np.isnan(low).all()
    assert np.isnan(high).all()


def test_an_interval_of_a_skill_score_holds_it() -> None:
    common = RNG.normal(size=70)
    first, second = squared(0.5, common), squared(1.0, common)
    rng = np.random.default_rng(0)
    blocks = blocks_of(STARTS, 7)
    low, high = difference_interval(
        (first, second), ALL, blocks, Partial.value, 500, rng, aggregate.skill
    )
    skill = 1 - first.total.mean() / second.total.mean()
    assert low[0, 0] < skill < high[0, 0]
    assert low[0, 0] > 0.3
