import math

import pytest
import scoringrules
import torch

from smoecast.nn.losses import area_mean, crps_slopes, gaussian_crps, weighted_mse
from smoecast.scores.crps import crps_gaussian


def test_area_mean_worked():
    values = torch.tensor([[[[1.0, 3.0], [10.0, 20.0]]]])  # (1, 1, 2, 2): rows 2 and 15
    assert area_mean(values, torch.tensor([3.0, 1.0])).item() == pytest.approx((3 * 2 + 15) / 4)


def test_weighted_mse_worked():
    target = torch.zeros(1, 2, 2, 1)
    output = torch.tensor([[[[2.0], [0.0]], [[0.0], [30.0]]]])
    loss = weighted_mse(output, target, torch.tensor([1.0, 3.0]), torch.tensor([2.0, 10.0]))
    # row means of squared scaled errors: channel 0: 1, 0; channel 1: 0, 9; weights 1/4, 3/4
    assert loss.item() == pytest.approx((1 / 4 + 9 * 3 / 4) / 2)


def test_weighted_mse_laws():
    output, target = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    weights, scale = torch.rand(4), torch.rand(3) + 0.5
    loss = weighted_mse(output, target, weights, scale)
    assert loss.item() > 0
    assert weighted_mse(target, target, weights, scale).item() == 0
    assert weighted_mse(output, target, 7 * weights, scale).item() == pytest.approx(loss.item())
    assert weighted_mse(5 * output, 5 * target, weights, 5 * scale).item() == pytest.approx(
        loss.item(), rel=1e-5
    )


def test_weighted_mse_gradient():
    output = torch.rand(1, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    others = (torch.rand(1, 2, 3, 2).double(), torch.rand(3).double(), torch.rand(2).double() + 1)
    assert torch.autograd.gradcheck(lambda x: weighted_mse(x, *others), (output,))


GOLDEN = [(0, 0, 1, 0.23369497725510913), (1, 0, 1, 0.6024413576276163)]


@pytest.mark.parametrize(
    ("target", "mean", "std", "crps"), [*GOLDEN, (2.5, 1, 0.5, 1.2182873625431698)]
)
def test_gaussian_crps_golden(target, mean, std, crps):
    values = (torch.tensor(float(v), dtype=torch.float64) for v in (mean, std, target))
    assert gaussian_crps(*values).item() == pytest.approx(crps, rel=1e-12)


def test_gaussian_crps_matches_scoringrules():
    mean, std, target = (torch.rand(50, dtype=torch.float64) + 0.1 for _ in range(3))
    ours = gaussian_crps(mean, std, target)
    theirs = scoringrules.crps_normal(target.numpy(), mean.numpy(), std.numpy())
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("std", [0.0, 1e-12, 1e-3])
def test_gaussian_crps_of_a_sure_forecast_is_the_absolute_error(dtype, std):
    mean = torch.tensor([1.0, 3.0, 250.0], dtype=dtype, requires_grad=True)
    spread = torch.full((3,), std, dtype=dtype, requires_grad=True)
    target = torch.tensor([2.0, 1.0, 240.0], dtype=dtype)
    crps = gaussian_crps(mean, spread, target)
    torch.testing.assert_close(crps, torch.tensor([1.0, 2.0, 10.0], dtype=dtype), rtol=0, atol=1e-3)
    crps.sum().backward()
    torch.testing.assert_close(mean.grad, torch.tensor([-1.0, 1.0, 1.0], dtype=dtype))
    assert torch.isfinite(spread.grad).all()


def test_gaussian_crps_of_a_perfect_sure_forecast_is_zero():
    one = torch.ones(1)
    assert gaussian_crps(one, torch.zeros(1), one).item() == pytest.approx(0.0, abs=1e-20)


def test_gaussian_crps_gradient():
    values = [torch.tensor([v, v + 0.3], dtype=torch.float64) for v in (0.1, 0.7, 1.4)]
    for value in values:
        value.requires_grad_()
    assert torch.autograd.gradcheck(gaussian_crps, values)


def test_gaussian_crps_is_least_at_the_truth():
    std = torch.linspace(0.2, 3.0, 57, dtype=torch.float64)
    draws = torch.randn(20000, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    best = std[gaussian_crps(torch.zeros(1).double(), std, draws).mean(0).argmin()].item()
    assert math.isclose(best, 1.0, abs_tol=0.06)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 0.01, 1.0, 50.0])
def test_gaussian_crps_is_that_of_the_scores(spread):
    target, mean = 5 * torch.randn(2, 400, dtype=torch.float64)
    std = spread * (0.5 + torch.rand(400, dtype=torch.float64))
    scored = crps_gaussian(target.numpy(), mean.numpy(), std.numpy())
    torch.testing.assert_close(gaussian_crps(mean, std, target), torch.from_numpy(scored))


def test_slopes_of_the_gaussian_crps_are_those_of_autograd():
    mean, std = torch.randn(50).double(), (torch.rand(50).double() + 0.1).requires_grad_()
    target = torch.randn(50).double().requires_grad_()
    gaussian_crps(mean, std, target).sum().backward()
    by_distance, by_std, curvature = crps_slopes(((target - mean) / std).detach())
    torch.testing.assert_close(by_distance, target.grad)
    torch.testing.assert_close(by_std, std.grad)
    near = crps_slopes((target + 1e-6 - mean).detach() / std.detach())[0]
    torch.testing.assert_close(
        (near - by_distance) / 1e-6, curvature / std.detach(), rtol=1e-4, atol=1e-6
    )
