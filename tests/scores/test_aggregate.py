"""Partial sums: they add up, leave out gaps, and take the root last."""

from functools import reduce
from operator import add

import numpy as np
import pytest

from smoecast.errors import InputError
from smoecast.scores import aggregate, pointwise

RNG = np.random.default_rng(13)
WEIGHTS = np.cos(np.deg2rad([60.0, 0.0, -60.0]))


def by_lead(values: np.ndarray) -> aggregate.Partial:
    """Sum (I, L, H, W) over starts and space."""
    return aggregate.partial(values, WEIGHTS[:, None], axes=(0, 2, 3))


def test_worked_mean_with_a_gap() -> None:
    part = aggregate.partial([1.0, np.nan, 4.0], [1.0, 9.0, 2.0])
    assert (part.total, part.weight, part.value()) == (9.0, 3.0, 3.0)


def test_nothing_there_is_nan() -> None:
    assert np.isnan(aggregate.partial([np.nan]).value())


def test_a_weight_of_zero_hides_even_an_infinity() -> None:
    part = aggregate.partial([np.inf, 2.0], [0.0, 1.0])
    assert part.value() == 2.0
    assert aggregate.partial([np.inf, 2.0]).value() == np.inf


def test_pieces_add_up_to_the_whole() -> None:
    values = RNG.normal(size=(12, 2, 3, 4))
    values[RNG.random(values.shape) < 0.1] = np.nan
    whole = by_lead(values)
    parts = [by_lead(part) for part in np.split(values, [1, 5, 11])]
    together = reduce(add, parts)
    np.testing.assert_allclose(together.value(), whole.value(), rtol=1e-13)
    assert whole.value().shape == (2,)


def test_rmse_takes_the_root_last() -> None:
    squared = np.zeros((2, 1, 3, 4))
    squared[1] = 16.0
    last = aggregate.rmse(by_lead(squared))
    np.testing.assert_allclose(last, [np.sqrt(8.0)])


def test_rmse_is_that_of_weatherbench() -> None:
    forecast, truth = RNG.normal(size=(2, 5, 2, 3, 4))
    ratio = WEIGHTS / WEIGHTS.mean()
    error = (forecast - truth) ** 2 * ratio[:, None]
    squared = pointwise.squared_error(forecast, truth)
    found = aggregate.rmse(by_lead(squared))
    np.testing.assert_allclose(found, np.sqrt(error.mean(axis=(0, 2, 3))), rtol=1e-13)


def test_acc_of_perfect_opposite_and_scaled_anomalies() -> None:
    truth, climate = RNG.normal(280, 5, size=(2, 4, 1, 3, 4))
    for factor, expected in ((1.0, 1.0), (-2.0, -1.0), (0.1, 1.0)):
        forecast = climate + factor * (truth - climate)
        products = pointwise.anomaly_products(*pointwise.anomalies(forecast, truth, climate))
        found = aggregate.acc([by_lead(p) for p in products])
        np.testing.assert_allclose(found, [expected], rtol=1e-12)


def test_acc_without_anomaly_is_nan() -> None:
    products = pointwise.anomaly_products(*pointwise.anomalies([1.0], [2.0], [1.0]))
    assert np.isnan(aggregate.acc([aggregate.partial(p) for p in products]))


def test_skill() -> None:
    np.testing.assert_array_equal(
        aggregate.skill([0.0, 1.0, 0.5, 0.0, 1.0], [1.0, 1.0, 1.0, 0.0, 0.0]),
        [1.0, 0.0, 0.5, np.nan, -np.inf],
    )


def test_every_refusal() -> None:
    with pytest.raises(InputError, match="do not add up"):
        aggregate.partial(np.zeros((2, 3)), axes=0) + aggregate.partial(np.zeros((2, 4)), axes=0)
    with pytest.raises(InputError, match="do not fit values"):
        aggregate.partial(np.zeros(3), np.ones(4))
    with pytest.raises(InputError, match="three moments"):
        aggregate.acc([aggregate.partial([1.0])])
