"""The derivatives and the steps of the normal regression, against automatic ones."""

import pytest
import torch

from smoecast.calibration.fitting.crps_newton import Cases, State, evaluate, information
from smoecast.calibration.fitting.newton_step import newton_step
from smoecast.nn.losses import gaussian_crps

POINTS, DATES = 5, 40


def cases_of(points=POINTS, dates=DATES):
    draw = torch.Generator().manual_seed(3)
    x, noise, weight = (
        torch.randn(dates, points, generator=draw, dtype=torch.float64) for _ in range(3)
    )
    variance = 0.2 + torch.rand(dates, points, generator=draw, dtype=torch.float64)
    return Cases(x, variance, 0.3 + 0.8 * x + 0.7 * noise, weight.abs())


def theta_of(points=POINTS):
    draw = torch.Generator().manual_seed(4)
    near = torch.tensor([[0.2], [0.9], [0.5], [0.4]], dtype=torch.float64)
    return near + 0.1 * torch.rand(4, points, generator=draw, dtype=torch.float64)


def loss_of(theta, cases, point):
    a, b, c, d = theta
    std = (c**2 + d**2 * cases.variance[:, point]).sqrt()
    score = gaussian_crps(a + b * cases.x[:, point], std, cases.y[:, point])
    return (cases.weight[:, point] * score).sum()


def square_of(state: State, point: int, bend: float) -> torch.Tensor:
    """The second derivatives of a point, (4, 4)."""
    aa, ab, bb, cc, cd, dd, ac, ad, bc, bd = state.curvature[:, point]
    _, _, c, d = state.theta[:, point]
    cc, cd, dd = cc + bend * d * d, cd - bend * c * d, dd + bend * c * c
    rows = [[aa, ab, ac, ad], [ab, bb, bc, bd], [ac, bc, cc, cd], [ad, bd, cd, dd]]
    return torch.tensor(rows, dtype=torch.float64)


def test_first_and_second_derivatives_are_those_of_the_score():
    cases, theta = cases_of(), theta_of()
    state = evaluate(cases, theta)
    for point in range(POINTS):
        at = theta[:, point].clone().requires_grad_(True)
        loss = loss_of(at, cases, point)
        torch.testing.assert_close(state.loss[point], loss.detach())
        torch.testing.assert_close(state.gradient[:, point], torch.autograd.grad(loss, at)[0])
        hessian = torch.autograd.functional.hessian(lambda v, p=point: loss_of(v, cases, p), at)
        torch.testing.assert_close(square_of(state, point, float(state.bend[point])), hessian)


def test_information_is_the_mean_of_second_derivatives_over_truths():
    """Truths drawn from the forecast: expected and found curvature agree as dates grow many."""
    dates = 200_000
    cases, theta = cases_of(1, dates), theta_of(1)
    draw = torch.Generator().manual_seed(5)
    noise = torch.randn(cases.x.shape, generator=draw, dtype=torch.float64)
    std = (theta[2] ** 2 + theta[3] ** 2 * cases.variance).sqrt()
    truth = theta[0] + theta[1] * cases.x + std * noise
    drawn = Cases(cases.x, cases.variance, truth, cases.weight)
    expected, found = information(drawn, theta), evaluate(drawn, theta).curvature[:6]
    torch.testing.assert_close(found / dates, expected / dates, rtol=0.01, atol=0.005)


@pytest.mark.parametrize("damping", [0.0, 0.5])
@pytest.mark.parametrize("scale_only", [False, True])
def test_a_step_solves_the_damped_system(damping, scale_only):
    state = evaluate(cases_of(), theta_of())
    factor = torch.full((POINTS,), damping, dtype=torch.float64)
    derivatives = (state.gradient, state.curvature, state.bend)
    step = newton_step(*derivatives, state.theta[2:], factor, scale_only)
    free = slice(2, 4) if scale_only else slice(0, 4)
    for point in range(POINTS):
        square = square_of(state, point, max(0.0, float(state.bend[point])))[free, free]
        square += damping * torch.diag(square.diagonal())
        wanted = -torch.linalg.solve(square, state.gradient[free, point])
        torch.testing.assert_close(step[free, point], wanted, rtol=1e-9, atol=1e-9)
    assert not (scale_only and step[:2].any())
