"""Per-point statistics: worked numbers, missing values, shapes."""

import numpy as np
import pytest

from smoecast.errors import InputError
from smoecast.scores import pointwise


def test_worked_numbers() -> None:
    forecast, truth = np.float32([1.0, 5.0]), np.float32([3.0, 4.0])
    assert pointwise.error(forecast, truth).tolist() == [-2.0, 1.0]
    assert pointwise.absolute_error(forecast, truth).tolist() == [2.0, 1.0]
    assert pointwise.squared_error(forecast, truth).tolist() == [4.0, 1.0]


def test_differences_of_float32_are_taken_in_float64() -> None:
    forecast, truth = np.float32(54321.125), np.float32(54321.121)
    assert pointwise.error(forecast, truth) == float(forecast) - float(truth)
    assert pointwise.error(forecast, truth).dtype == np.float64


def test_anomaly_products_share_their_gaps() -> None:
    cross, own, true = pointwise.anomaly_products(
        *pointwise.anomalies([4.0, np.nan, 4.0], [2.0, 2.0, np.nan], 1.0)
    )
    np.testing.assert_array_equal(cross, [3.0, np.nan, np.nan])
    np.testing.assert_array_equal(own, [9.0, np.nan, np.nan])
    np.testing.assert_array_equal(true, [1.0, np.nan, np.nan])


def test_z_score_without_spread_is_a_sign() -> None:
    z = pointwise.z_score([1.0, -1.0, 0.0, 3.0], 0.0, [0.0, 0.0, 0.0, 2.0])
    assert z.tolist() == [np.inf, -np.inf, 0.0, 1.5]


def test_negative_std_is_refused() -> None:
    with pytest.raises(InputError, match="negative"):
        pointwise.z_score(0.0, 0.0, [1.0, -1.0])


def test_member_errors_put_members_first() -> None:
    members = np.arange(24.0).reshape(2, 3, 4)
    errors = pointwise.member_errors(np.zeros((2, 4)), members, axis=1)
    np.testing.assert_array_equal(errors, np.moveaxis(members, 1, 0))


def test_one_ensemble_meets_many_observations() -> None:
    errors = pointwise.member_errors(np.arange(5.0)[:, None] * np.ones(4), np.ones((3, 4)), axis=0)
    assert errors.shape == (3, 5, 4)
    np.testing.assert_array_equal(errors[2, :, 0], 1 - np.arange(5.0))


def test_members_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit members"):
        pointwise.member_errors(np.zeros(3), np.zeros((10, 4)), axis=0)
