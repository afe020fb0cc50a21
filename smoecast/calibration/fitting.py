"""Minimum-CRPS regression of a normal distribution, for many points at once.

Each point has its own small problem: mean = alpha + beta x and variance = c^2 + d^2 s^2, with x
the centred ensemble mean and s^2 the ensemble variance. The problems are solved side by side by
Fisher scoring, which is Newton's method with the expected second derivatives of the CRPS: for a
normal distribution 1 / (std sqrt(pi)) in the mean, 1 / (2 std sqrt(pi)) in the standard
deviation, and 0 across. So a step is two 2 x 2 systems a point, damped until the score falls
(Levenberg-Marquardt). Nothing is random: the same data give the same coefficients.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK, _POINTS = 16_000, 2048
"""Values handled at once, so that they stay in the cache: 5 times faster than a million. Points
solved side by side are at least so many; a lot gets smaller as its points settle."""
_ITERATIONS = 200
_TOLERANCE = 1e-10
_CLOSE, _HOPELESS = 1e3, 1e8
"""Damping at which a step without gain means that the least score is found, or never will be."""
_ROOT_PI = 3.141592653589793**0.5
_ROOT_TWO = 2.0**0.5


@dataclass(frozen=True, eq=False)
class Cases:
    """What the regression learns from: N cases at P points, float64 of shape (N, P).

    Attributes
    ----------
    x : Tensor
        Ensemble mean less a centre of the point.
    variance : Tensor
        Ensemble variance.
    y : Tensor
        Truth less the same centre.
    weight : Tensor
        Not negative; 0 leaves a case out.
    """

    x: Tensor
    variance: Tensor
    y: Tensor
    weight: Tensor


@dataclass(frozen=True, eq=False)
class Prior:
    """Coefficients towards which each point is drawn, and how strongly.

    Attributes
    ----------
    theta : Tensor, shape (4, P)
        alpha, beta, c, d.
    information : Tensor, shape (6, P)
        Second derivatives of the penalty in the order of `State.information`.
    """

    theta: Tensor
    information: Tensor


@dataclass(frozen=True, eq=False)
class State:
    """The sum of scores of every point at some coefficients, and its derivatives.

    Attributes
    ----------
    theta : Tensor, shape (4, P)
        alpha, beta, c, d.
    loss : Tensor, shape (P,)
        Sum over the cases of weight x CRPS, plus the penalty.
    gradient : Tensor, shape (4, P)
        Of the loss.
    information : Tensor, shape (6, P)
        Expected second derivatives: alpha alpha, alpha beta, beta beta, cc, cd, dd.
    bend : Tensor, shape (2, P)
        What the bend of the standard deviation in c and in d adds to cc and dd. Its expectation
        is 0 inside, but where c or d goes to 0 it is all there is, and steps need it.
    """

    theta: Tensor
    loss: Tensor
    gradient: Tensor
    information: Tensor
    bend: Tensor


def minimise(
    cases: Cases, start: Tensor, prior: Prior | None = None, scale_only: bool = False
) -> Tensor:
    """Find the coefficients of least weighted CRPS, plus the penalty of a prior.

    Parameters
    ----------
    cases : Cases
        N cases at P points.
    start : Tensor, shape (4, P)
        alpha, beta, c, d to begin with; c and d not 0, where their gradient vanishes.
    prior : Prior, optional
        Adds (theta - prior)' information (theta - prior) / 2 to every point's sum of scores.
    scale_only : bool
        Leave alpha and beta as they are.

    Returns
    -------
    Tensor, shape (4, P)
        alpha, beta, c, d. A point whose cases all have weight 0 keeps its start.
    """
    width = max(_POINTS, _BLOCK // max(1, cases.x.shape[0]))
    found = torch.empty_like(start)
    for first in range(0, start.shape[1], width):
        lot = slice(first, first + width)
        near = None if prior is None else Prior(prior.theta[:, lot], prior.information[:, lot])
        part = _columns(cases, lot)
        found[:, lot] = _minimise_lot(part, start[:, lot], near, scale_only)
    return found


def _columns(cases: Cases, lot: slice | Tensor) -> Cases:
    """Return the cases of a lot of points."""
    return Cases(cases.x[:, lot], cases.variance[:, lot], cases.y[:, lot], cases.weight[:, lot])


def _minimise_lot(cases: Cases, start: Tensor, prior: Prior | None, scale_only: bool) -> Tensor:
    """Return the coefficients of one lot of points."""
    found, live = start.clone(), torch.arange(start.shape[1])
    state = evaluate(cases, start, prior)
    damping = torch.full_like(state.loss, 1e-3)
    done = torch.zeros_like(state.loss, dtype=torch.bool)
    for _ in range(_ITERATIONS):
        step = _step(state, damping)
        if scale_only:
            step[:2] = 0.0
        trial = evaluate(cases, state.theta + step, prior)
        better = trial.loss < state.loss
        still = (state.loss - trial.loss).abs() <= _TOLERANCE * state.loss
        done |= (still & (damping <= _CLOSE)) | (damping > _HOPELESS)
        if bool(done.all()):
            break
        state = _where(better, trial, state)
        damping = torch.where(better, damping * 0.2, damping * 5.0).clamp(min=1e-9)
        if int(done.sum()) * 2 > len(live):
            # most have settled: go on with the others alone
            found[:, live] = state.theta
            left = (~done).nonzero().flatten()
            live, damping, done = live[left], damping[left], done[left]
            cases, state = _columns(cases, left), _states(state, left)
            prior = prior and Prior(prior.theta[:, left], prior.information[:, left])
    found[:, live] = state.theta
    return found


def _states(state: State, some: Tensor) -> State:
    """Return the state of some of the points."""
    return State(
        state.theta[:, some],
        state.loss[some],
        state.gradient[:, some],
        state.information[:, some],
        state.bend[:, some],
    )


def evaluate(cases: Cases, theta: Tensor, prior: Prior | None = None) -> State:
    """Sum scores and derivatives over the cases, a block of cases at a time.

    Parameters
    ----------
    cases : Cases
        N cases at P points.
    theta : Tensor, shape (4, P)
        alpha, beta, c, d.
    prior : Prior, optional
        As in `minimise`.

    Returns
    -------
    State
        At `theta`.
    """
    sums = theta.new_zeros(13, theta.shape[1])
    rows = max(1, _BLOCK // theta.shape[1])
    for first in range(0, cases.x.shape[0], rows):
        part = slice(first, first + rows)
        sums += _block_sums(
            Cases(cases.x[part], cases.variance[part], cases.y[part], cases.weight[part]), theta
        )
    loss, gradient, information, bend = sums[0], sums[1:5], sums[5:11], sums[11:]
    if prior is not None:
        away = theta - prior.theta
        pull = _times(prior.information, away)
        loss = loss + 0.5 * (away * pull).sum(0)
        gradient, information = gradient + pull, information + prior.information
    return State(theta, loss, gradient, information, bend)


def _block_sums(cases: Cases, theta: Tensor) -> Tensor:
    """Return loss, gradient, information and bend of one block, stacked, shape (13, P)."""
    alpha, beta, c, d = theta
    x, weight = cases.x, cases.weight
    std = (c * c + d * d * cases.variance).sqrt().clamp(min=1e-150)
    error = cases.y - alpha - beta * x
    z = error / std
    sign = torch.erf(z / _ROOT_TWO)
    excess = ((-0.5 * z * z).exp() * _ROOT_TWO - 1.0) / _ROOT_PI
    score = weight * (error * sign + std * excess)
    to_mean, to_std = -weight * sign, weight * excess
    by_c, by_d = c / std, d * cases.variance / std
    sure = weight / (std * _ROOT_PI)
    half = 0.5 * sure
    gradient = (to_mean, to_mean * x, to_std * by_c, to_std * by_d)
    mean_block = (sure, sure * x, sure * x * x)
    scale_block = (half * by_c * by_c, half * by_c * by_d, half * by_d * by_d)
    pull = to_std / std
    bend = (pull * (1.0 - by_c * by_c), pull * (cases.variance - by_d * by_d))
    return torch.stack([v.sum(0) for v in (score, *gradient, *mean_block, *scale_block, *bend)])


def _times(information: Tensor, vector: Tensor) -> Tensor:
    """Return the block-diagonal matrix times the vector, shape (4, P)."""
    m11, m12, m22, s11, s12, s22 = information
    a, b, c, d = vector
    return torch.stack([m11 * a + m12 * b, m12 * a + m22 * b, s11 * c + s12 * d, s12 * c + s22 * d])


def _step(state: State, damping: Tensor) -> Tensor:
    """Return the damped Newton step, shape (4, P)."""
    m11, m12, m22, s11, s12, s22 = state.information
    bend_c, bend_d = state.bend.clamp(min=0.0)
    mean = _solve((m11, m12, m22), state.gradient[:2], damping)
    scale = _solve((s11 + bend_c, s12, s22 + bend_d), state.gradient[2:], damping)
    return -torch.cat([mean, scale])


def _solve(matrix: tuple[Tensor, Tensor, Tensor], right: Tensor, damping: Tensor) -> Tensor:
    """Solve symmetric 2 x 2 systems, diagonals raised by the damping; a tiny ridge for rank 1."""
    one, cross, two = matrix
    ridge = 1e-12 * (one + two) + 1e-300
    one, two = one * (1.0 + damping) + ridge, two * (1.0 + damping) + ridge
    determinant = one * two - cross * cross
    first, second = two * right[0] - cross * right[1], one * right[1] - cross * right[0]
    return torch.stack([first / determinant, second / determinant])


def _where(better: Tensor, trial: State, old: State) -> State:
    """Return the trial where it is better, the old state elsewhere."""
    return State(
        theta=torch.where(better, trial.theta, old.theta),
        loss=torch.where(better, trial.loss, old.loss),
        gradient=torch.where(better, trial.gradient, old.gradient),
        information=torch.where(better, trial.information, old.information),
        bend=torch.where(better, trial.bend, old.bend),
    )
