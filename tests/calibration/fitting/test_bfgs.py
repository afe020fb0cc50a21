"""Descent of many points at once: bowls with known bottoms, a bent valley, what is held."""

import torch
from torch import Tensor

from smoecast.calibration.fitting.bfgs import curvature_of, minimise

FREE = torch.ones(3, dtype=torch.bool)


class Bowls:
    """(theta - bottom)' square (theta - bottom) / 2 for each point, (J, P) and (P, J, J)."""

    def __init__(self, bottom: Tensor, square: Tensor) -> None:
        self.bottom, self.square = bottom, square

    def __call__(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        residual = theta - self.bottom
        slope = torch.einsum("pij,jp->ip", self.square, residual)
        return 0.5 * (residual * slope).sum(0), slope

    def at(self, points: Tensor) -> "Bowls":
        return Bowls(self.bottom[:, points], self.square[points])


class Valleys:
    """Rosenbrock's function, each point with a level of its own."""

    def __init__(self, level: Tensor) -> None:
        self.level = level

    def __call__(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        x, y = theta
        across = y - x**2
        value = (self.level - x) ** 2 + 100.0 * across**2
        slope = torch.stack([2.0 * (x - self.level) - 400.0 * x * across, 200.0 * across])
        return value, slope

    def at(self, points: Tensor) -> "Valleys":
        return Valleys(self.level[points])


def bowls(points: int) -> Bowls:
    draw = torch.Generator().manual_seed(0)
    root = torch.randn(points, 3, 3, generator=draw, dtype=torch.float64)
    square = root @ root.transpose(1, 2) + 0.1 * torch.eye(3)
    return Bowls(torch.randn(3, points, generator=draw, dtype=torch.float64), square)


def test_each_point_finds_its_own_bottom() -> None:
    loss, start = bowls(50), torch.zeros(3, 50, dtype=torch.float64)
    found = minimise(loss, start, torch.eye(3, dtype=torch.float64), FREE)
    torch.testing.assert_close(found, loss.bottom, rtol=1e-5, atol=1e-5)


def test_a_point_is_not_moved_by_the_others() -> None:
    loss, start = bowls(50), torch.zeros(3, 50, dtype=torch.float64)
    square = torch.eye(3, dtype=torch.float64)
    found = minimise(loss, start, square, FREE)
    for point in (0, 49):
        alone = loss.at(torch.tensor([point]))
        torch.testing.assert_close(
            minimise(alone, start[:, :1], square, FREE), found[:, [point]], rtol=1e-9, atol=1e-9
        )


def test_what_is_held_stays_and_the_rest_is_least_beside_it() -> None:
    loss, start = bowls(8), torch.full((3, 8), 0.5, dtype=torch.float64)
    free = torch.tensor([True, False, True])
    found = minimise(loss, start, torch.eye(3, dtype=torch.float64), free)
    assert (found[1] == 0.5).all()
    slope = loss(found)[1]
    assert slope[free].abs().max() < 1e-4 < slope[1].abs().max()


def test_a_bent_valley_is_followed_to_its_end() -> None:
    level = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    start = torch.tensor([[-1.2], [1.0]], dtype=torch.float64).expand(2, 3)
    found = minimise(Valleys(level), start, torch.eye(2, dtype=torch.float64), FREE[:2])
    torch.testing.assert_close(found, torch.stack([level, level**2]), rtol=1e-4, atol=1e-4)


def test_a_loss_that_says_nothing_leaves_the_start() -> None:
    flat = Bowls(torch.zeros(3, 2, dtype=torch.float64), torch.zeros(2, 3, 3, dtype=torch.float64))
    start = torch.randn(3, 2, dtype=torch.float64)
    assert torch.equal(minimise(flat, start, torch.eye(3, dtype=torch.float64), FREE), start)


def test_curvature_is_the_sum_of_second_derivatives() -> None:
    loss = bowls(5)
    found = curvature_of(loss, torch.zeros(3, 5, dtype=torch.float64))
    torch.testing.assert_close(found, loss.square.sum(0), rtol=1e-8, atol=1e-8)


def test_curvature_of_a_hilltop_is_made_positive() -> None:
    square = torch.diag(torch.tensor([2.0, -3.0, 0.0], dtype=torch.float64))
    loss = Bowls(torch.zeros(3, 1, dtype=torch.float64), square[None])
    found = curvature_of(loss, torch.zeros(3, 1, dtype=torch.float64))
    wanted = torch.diag(torch.tensor([2.0, 3.0, 3e-6], dtype=torch.float64))
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-12)


def test_curvature_by_differences_ahead_has_half_of_the_digits() -> None:
    level = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    theta = torch.stack([level + 0.3, level])
    whole, half = (curvature_of(Valleys(level), theta, ahead_only=a) for a in (False, True))
    torch.testing.assert_close(half, whole, rtol=1e-5, atol=1e-3)


def test_points_that_go_on_alone_end_where_they_would_have() -> None:
    loss, start = bowls(50), torch.zeros(3, 50, dtype=torch.float64)
    square = torch.eye(3, dtype=torch.float64)
    late, early = (minimise(loss, start, square, FREE, settled=s) for s in (0.5, 0.02))
    torch.testing.assert_close(early, late, rtol=1e-9, atol=1e-9)
