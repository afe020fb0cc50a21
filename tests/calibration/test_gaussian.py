"""CRPS of a normal distribution in torch: golden values, gradients, the smallest spreads."""

import numpy as np
import pytest
import torch

from smoecast.calibration.gaussian import crps_gaussian, quantiles
from smoecast.errors import InputError
from smoecast.scores import crps


def double(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_golden_values() -> None:
    score = crps_gaussian(double(0.0, 1.0, 2.5), double(0.0, 0.0, 1.0), double(1.0, 1.0, 0.5))
    golden = double(0.23369497725510913, 0.6024413576276163, 1.2182873625431698)
    torch.testing.assert_close(score, golden, rtol=1e-14, atol=0)


def test_equals_the_score_of_evaluation() -> None:
    rng = np.random.default_rng(0)
    observation, mean, std = *rng.normal(size=(2, 5, 30)), rng.uniform(0, 3, size=(5, 30))
    score = crps_gaussian(*(torch.from_numpy(x) for x in (observation, mean, std)))
    np.testing.assert_allclose(score, crps.crps_gaussian(observation, mean, std), atol=1e-14)


def test_first_and_second_derivatives() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = [torch.randn(4, 3, generator=generator, dtype=torch.float64) for _ in range(2)]
    std = 0.2 + torch.rand(3, generator=generator, dtype=torch.float64)
    leaves = [x.requires_grad_() for x in (*inputs, std)]
    assert torch.autograd.gradcheck(crps_gaussian, leaves)
    assert torch.autograd.gradgradcheck(crps_gaussian, leaves)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("std", [0.0, 1e-300, 1e-30, -1.0])
def test_gradients_stay_bounded_without_spread(dtype: torch.dtype, std: float) -> None:
    observation = torch.tensor([0.0, 1e5, -3.0], dtype=dtype)
    mean = torch.zeros(3, dtype=dtype, requires_grad=True)
    spread = torch.full((3,), std, dtype=dtype, requires_grad=True)
    score = crps_gaussian(observation, mean, spread)
    score.sum().backward()
    torch.testing.assert_close(score, observation.abs())
    assert mean.grad is not None
    assert spread.grad is not None
    assert mean.grad.tolist() == [0.0, -1.0, 1.0]
    root_pi = np.pi**-0.5
    expected = torch.tensor([(2**0.5 - 1) * root_pi, -root_pi, -root_pi], dtype=dtype)
    torch.testing.assert_close(spread.grad, expected)


def test_half_precision_is_widened() -> None:
    score = crps_gaussian(torch.zeros(2), torch.ones(2).bfloat16(), torch.ones(2).half())
    assert score.dtype == torch.float32
    torch.testing.assert_close(score, torch.full((2,), 0.6024413576276163))


def test_quantiles_are_those_of_the_normal_distribution() -> None:
    found = quantiles(double(1.0, 2.0), double(2.0, 0.5), [0.5, 0.8413447460685429])
    torch.testing.assert_close(found, torch.stack([double(1.0, 2.0), double(3.0, 2.5)]))


@pytest.mark.parametrize("p", [[0.0], [0.5, 1.0], [float("nan")]])
def test_infinite_quantiles_are_refused(p: list[float]) -> None:
    with pytest.raises(InputError, match="above 0 and below 1"):
        quantiles(double(0.0), double(1.0), p)
