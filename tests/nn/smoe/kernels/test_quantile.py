"""Limits of errors: the quantile that a full sort finds."""

import pytest
import torch
from kernel_cases import LAYOUTS, TYPES

from smoecast.nn.smoe.routing import error_quantile


def find(kernels, grad, filters, quantile, unit=1.0):
    laid = kernels["tiles"].lay_out(grad)[1]
    one = torch.tensor(unit)
    return kernels["quantile"].find_limits(grad, laid, filters, quantile, one, (0.0, 0.5))


def check(kernels, grad, filters, quantile):
    error = grad.float().abs().unflatten(1, (-1, filters)).mean(dim=2)
    expected = error_quantile(error, quantile)
    found = find(kernels, grad, filters, quantile)
    torch.testing.assert_close(found.limits[:, 0], expected, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.limits[:, 1], expected + 0.5)
    assert found.finite


@pytest.mark.parametrize("quantile", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("dtype", TYPES)
def test_quantile_equals_a_sort(kernels, dtype, quantile):
    check(kernels, torch.randn(2, 6, 5, 7).to(dtype), 1, quantile)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("filters", [1, 3])
def test_of_filters_the_mean(kernels, filters, layout):
    check(kernels, torch.randn(2, 6, 5, 7).to(memory_format=layout), filters, 0.4)


def test_equal_values(kernels):
    check(kernels, torch.randint(-2, 3, (2, 6, 5, 7)).float(), 1, 0.5)
    check(kernels, torch.zeros(2, 2, 3, 3), 1, 0.5)


def test_one_value(kernels):
    check(kernels, torch.randn(2, 1, 1, 1), 1, 0.3)


def test_more_values_than_a_block(kernels):
    check(kernels, torch.randn(1, 3, 40, 50) ** 5, 1, 0.7)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
@pytest.mark.parametrize("dtype", TYPES)
def test_what_is_not_finite_is_seen(kernels, dtype, value):
    grad = torch.randn(2, 6, 5, 7).to(dtype)
    grad[1, 2, 3, 4] = value
    assert not find(kernels, grad, 1, 0.3).finite
