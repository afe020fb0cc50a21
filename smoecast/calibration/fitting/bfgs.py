"""Many small minimisations side by side: BFGS for every point at once.

Each point has its own J coefficients, its own loss and its own inverse of the curvature; all take
their steps together. Nothing is random: the same data give the same coefficients.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_SHORTEST = 1e-8
"""Share of the wanted step below which a point counts as settled."""


class Loss(Protocol):
    """What is made least: a sum over the cases of each of P points."""

    def __call__(self, theta: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss of each point, (P,), and its gradient, (J, P), at (J, P)."""

    def at(self, points: Tensor) -> "Loss":
        """Return the loss of some of the points, given by their indices."""


def minimise(
    loss: Loss,
    start: Tensor,
    curvature: Tensor,
    free: Tensor,
    iterations: int = 200,
    settled: float = 0.5,
    tolerance: float = 1e-11,
) -> Tensor:
    """Find the coefficients of least loss of each point (Nocedal & Wright 2006, chapter 6).

    Parameters
    ----------
    loss : Loss
        Sum over the cases of a point, and its gradient.
    start : Tensor, shape (J, P)
        To begin with.
    curvature : Tensor, shape (J, J) or (P, J, J)
        First guess of the second derivatives, positive definite.
    free : Tensor of bool, shape (J,)
        Coefficients that move; the others stay at their start.
    iterations : int
        At most.
    settled : float
        Share of the points above which those that are left go on alone.
    tolerance : float
        Gain that a step promises, as a share of the loss, below which a point counts as settled: so
        little that what is chosen by held-out dates does not hang on where a descent stopped.

    Returns
    -------
    Tensor, shape (J, P)
        A point whose loss does not depend on its coefficients keeps its start.
    """
    held = (~free).nonzero().flatten()
    square = curvature.expand(start.shape[1], -1, -1).clone()
    square[:, held, :] = 0.0
    square[:, :, held] = 0.0
    square[:, held, held] = 1.0
    found, live = start.clone(), torch.arange(start.shape[1])
    now = _State(start, *_mask_gradient(free, loss(start)), torch.linalg.inv(square))
    share, done = torch.ones_like(now.value), torch.zeros_like(now.value, dtype=torch.bool)
    for _ in range(iterations):
        step = -torch.einsum("pij,jp->ip", now.inverse, now.gradient)
        slope = (step * now.gradient).sum(0).clamp(max=0.0)
        done |= (-slope * share <= tolerance * now.value.abs()) | (share < _SHORTEST)
        if int(done.sum()) >= settled * len(live):
            found[:, live] = now.theta
            left = (~done).nonzero().flatten()
            if not len(left):
                break
            live, share, step, slope = live[left], share[left], step[:, left], slope[left]
            loss, now, done = loss.at(left), now.at(left), done[left]
        trial = now.theta + torch.where(done, 0.0, share) * step
        value, gradient = _mask_gradient(free, loss(trial))
        good = (value <= now.value + 1e-4 * share * slope) & ~done
        now = now.step_to(good, trial, value, gradient)
        share = torch.where(good, 1.0, 0.3 * share)
    found[:, live] = now.theta
    return found


@dataclass(frozen=True, eq=False)
class _State:
    """Where each point is: theta and gradient (J, P), value (P,), inverse curvature (P, J, J)."""

    theta: Tensor
    value: Tensor
    gradient: Tensor
    inverse: Tensor

    def at(self, points: Tensor) -> "_State":
        """Return the state of some of the points."""
        return _State(
            self.theta[:, points],
            self.value[points],
            self.gradient[:, points],
            self.inverse[points],
        )

    def step_to(self, good: Tensor, theta: Tensor, value: Tensor, gradient: Tensor) -> "_State":
        """Return the state after a step of the points where it was good."""
        updated = _update_inverse(self.inverse, theta - self.theta, gradient - self.gradient)
        return _State(
            torch.where(good, theta, self.theta),
            torch.where(good, value, self.value),
            torch.where(good, gradient, self.gradient),
            torch.where(good[:, None, None], updated, self.inverse),
        )


def _mask_gradient(free: Tensor, found: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    return found[0], found[1] * free[:, None]


def _update_inverse(inverse: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """Return the BFGS update of the inverses, (P, J, J), by a step and the gradient's change.

    Unchanged where the curvature along the step is not positive.
    """
    s, y = step.T, change.T  # (J, P) -> (P, J)
    along = (s * y).sum(1)
    # torch's norm of short rows takes twenty times as long
    sound = along > 1e-12 * ((s * s).sum(1) * (y * y).sum(1)).sqrt()
    rho = torch.where(sound, 1.0 / torch.where(sound, along, 1.0), 0.0)
    product = torch.einsum("pij,pj->pi", inverse, y)
    stretch = (rho + rho**2 * (y * product).sum(1))[:, None, None]
    cross = product[:, :, None] * s[:, None, :]
    outer = s[:, :, None] * s[:, None, :]
    return inverse + stretch * outer - rho[:, None, None] * (cross + cross.transpose(1, 2))


def curvature_of(loss: Loss, theta: Tensor, *, ahead_only: bool = False) -> Tensor:
    """Return the second derivatives, summed over the points, made positive definite.

    Parameters
    ----------
    loss : Loss
        As in `minimise`.
    theta : Tensor, shape (J, P)
        Where, each coefficient about 1 in size.
    ahead_only : bool
        Half of the evaluations, and half of the digits: enough for a family whose gradient has
        ten.

    Returns
    -------
    Tensor, shape (J, J)
        By differences of the gradient, central ones if not `ahead_only`. Negative eigenvalues count
        as positive, and none is less than a millionth of the greatest.
    """
    rows, here = [], loss(theta)[1] if ahead_only else None
    for j in range(len(theta)):
        step = torch.zeros_like(theta)
        step[j] = (1e-6 if ahead_only else 1e-4) * max(1.0, float(theta[j].abs().mean()))
        change = loss(theta + step)[1] - (loss(theta - step)[1] if here is None else here)
        rows.append(change.sum(1) / ((2.0 if here is None else 1.0) * step[j, 0]))
    square = torch.stack(rows)
    values, vectors = torch.linalg.eigh(0.5 * (square + square.T))
    size = values.abs()
    size = size.clamp(min=1e-6 * float(size.max()) + 1e-300)
    positive: Tensor = (vectors * size) @ vectors.T
    return positive
