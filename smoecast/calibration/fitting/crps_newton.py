"""Minimum-CRPS regression of a normal distribution, for many points at once.

Each point has its own small problem: mean = alpha + beta x and variance = c^2 + d^2 s^2, with x the
centred ensemble mean and s^2 the ensemble variance. The problems are solved side by side by
Newton's method, damped until the score falls (`smoecast.calibration.fitting.newton_step`), from
coefficients of least squares or from given ones, whichever score better. Nothing is random: the
same data give the same coefficients.

With z = error / std, the second derivatives of the CRPS in mean and std are 2 pdf(z) / std times
1, z and z^2; their expectations, by which a prior is measured, are 1 / (std sqrt(pi)) in the mean,
half of it in the std, and 0 across.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from smoecast.calibration.fitting.newton_step import block_product, newton_step

_BLOCK, _POINTS = 16_000, 2048
"""Values handled at once, so that they stay in the cache: 5 times faster than a million. Points
solved side by side are at least so many; a lot gets smaller as its points settle."""
_ITERATIONS = 200
_TOLERANCE = 1e-10
_CLOSE, _HOPELESS = 1e3, 1e8
"""Damping at which a step without gain means that the least score is found, or never will be."""
_ROOT_PI = 3.141592653589793**0.5
_ROOT_TWO = 2.0**0.5
_TINY = 1e-300


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
        Second derivatives of the penalty in the order of `information`.
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
    curvature : Tensor, shape (10, P)
        Second derivatives but for the bend: alpha alpha, alpha beta, beta beta, cc, cd, dd, then
        across, alpha c, alpha d, beta c, beta d.
    bend : Tensor, shape (P,)
        What the bend of the std in c and d adds: so much times (d, -c) (d, -c)'. Its expectation
        is 0 inside, but where c or d goes to 0 it is all there is, and steps need it.
    """

    theta: Tensor
    loss: Tensor
    gradient: Tensor
    curvature: Tensor
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
        alpha, beta, c, d to begin with, where least squares are no better; c and d not 0, where
        their gradient vanishes.
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
    plain = evaluate(cases, _least_squares(cases, start, scale_only), prior)
    state = _where(plain.loss < state.loss, plain, state)
    damping = torch.full_like(state.loss, 1e-2)
    done = torch.zeros_like(state.loss, dtype=torch.bool)
    for _ in range(_ITERATIONS):
        derivatives = (state.gradient, state.curvature, state.bend)
        step = newton_step(*derivatives, state.theta[2:], damping, scale_only)
        trial = evaluate(cases, state.theta + step, prior)
        better = trial.loss < state.loss
        still = (state.loss - trial.loss).abs() <= _TOLERANCE * state.loss
        done |= (still & (damping <= _CLOSE)) | (damping > _HOPELESS)
        if bool(done.all()):
            break
        state = _where(better, trial, state)
        damping = torch.where(better, damping * 0.1, damping * 5.0).clamp(min=1e-9)
        if int(done.sum()) * 2 > len(live):
            # most have settled: go on with the others alone
            found[:, live] = state.theta
            left = (~done).nonzero().flatten()
            live, damping, done = live[left], damping[left], done[left]
            cases, state = _columns(cases, left), _states(state, left)
            prior = prior and Prior(prior.theta[:, left], prior.information[:, left])
    found[:, live] = state.theta
    return found


def _least_squares(cases: Cases, start: Tensor, scale_only: bool) -> Tensor:
    """Return coefficients of each point by least squares, shape (4, P): near the best ones.

    Truth on x (or alpha and beta of the `start`, if `scale_only`), then the squared residual on the
    variance.
    """
    weight = cases.weight / cases.weight.sum(0).clamp(min=_TINY)
    alpha, beta = start[:2] if scale_only else _line(cases.x, cases.y, weight)
    square = (cases.y - alpha - beta * cases.x) ** 2
    _, slope = _line(cases.variance, square, weight)
    mean_square, mean_variance = (weight * square).sum(0), (weight * cases.variance).sum(0)
    whole = mean_square / mean_variance.clamp(min=_TINY)
    # neither part may start at nothing, where its gradient is 0
    slope = torch.minimum(torch.maximum(slope, 0.05 * whole), 0.95 * whole)
    rest = (mean_square - slope * mean_variance).clamp(min=_TINY)
    return torch.stack([alpha, beta, rest.sqrt(), slope.sqrt()])


def _line(x: Tensor, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return intercept and slope of each point's regression of y on x; slope 0 if x is constant."""
    middle, level = (weight * x).sum(0), (weight * y).sum(0)
    away = weight * (x - middle)
    slope = (away * (y - level)).sum(0) / (away * (x - middle)).sum(0).clamp(min=_TINY)
    return level - slope * middle, slope


def _states(state: State, some: Tensor) -> State:
    """Return the state of some of the points."""
    return State(
        state.theta[:, some],
        state.loss[some],
        state.gradient[:, some],
        state.curvature[:, some],
        state.bend[some],
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
    sums = _over_blocks(_block_sums, cases, theta)
    loss, gradient, curvature, bend = sums[0], sums[1:5], sums[5:15], sums[15]
    if prior is not None:
        away = theta - prior.theta
        pull = block_product(prior.information, away)
        loss = loss + 0.5 * (away * pull).sum(0)
        gradient = gradient + pull
        curvature = torch.cat([curvature[:6] + prior.information, curvature[6:]])
    return State(theta, loss, gradient, curvature, bend)


def information(cases: Cases, theta: Tensor) -> Tensor:
    """Return the expected second derivatives of the sum of scores, shape (6, P).

    In the order alpha alpha, alpha beta, beta beta, cc, cd, dd; those across are 0.
    """
    return _over_blocks(_block_information, cases, theta)


def _over_blocks(part_of: Callable[[Cases, Tensor], Tensor], cases: Cases, theta: Tensor) -> Tensor:
    """Return the sum over blocks of cases of what `part_of` gives, shape (.., P)."""
    rows = max(1, _BLOCK // theta.shape[1])
    sums = theta.new_zeros(())
    for first in range(0, cases.x.shape[0], rows):
        part = slice(first, first + rows)
        sums = sums + part_of(
            Cases(cases.x[part], cases.variance[part], cases.y[part], cases.weight[part]), theta
        )
    return sums


def _std(cases: Cases, theta: Tensor) -> Tensor:
    """Return the standard deviations, (N, P), never quite 0."""
    return (theta[2] ** 2 + theta[3] ** 2 * cases.variance).sqrt().clamp(min=1e-150)


def _block_sums(cases: Cases, theta: Tensor) -> Tensor:
    """Return loss, gradient, curvature and bend of one block, stacked, shape (16, P)."""
    alpha, beta, c, d = theta
    x, weight, std = cases.x, cases.weight, _std(cases, theta)
    inverse = 1.0 / std
    error = cases.y - alpha - beta * x
    z = error * inverse
    sign = torch.erf(z / _ROOT_TWO)
    density = (-0.5 * z * z).exp() * (_ROOT_TWO / _ROOT_PI)
    excess = density - 1.0 / _ROOT_PI
    score = weight * (error * sign + std * excess)
    to_mean, to_std = -weight * sign, weight * excess
    by_c, by_d = c * inverse, d * cases.variance * inverse
    sure = weight * density * inverse
    sure_x, sure_c, sure_d = sure * x, sure * z * by_c, sure * z * by_d
    gradient = (to_mean, to_mean * x, to_std * by_c, to_std * by_d)
    mean_block = (sure, sure_x, sure_x * x)
    scale_block = (sure_c * z * by_c, sure_c * z * by_d, sure_d * z * by_d)
    across = (sure_c, sure_d, sure_c * x, sure_d * x)
    bend = to_std * cases.variance * inverse**3
    parts = (score, *gradient, *mean_block, *scale_block, *across, bend)
    return torch.stack([v.sum(0) for v in parts])


def _block_information(cases: Cases, theta: Tensor) -> Tensor:
    """Return the information of one block, (6, P)."""
    std = _std(cases, theta)
    by_c, by_d = theta[2] / std, theta[3] * cases.variance / std
    sure = cases.weight / (std * _ROOT_PI)
    half = 0.5 * sure
    mean_block = (sure, sure * cases.x, sure * cases.x * cases.x)
    scale_block = (half * by_c * by_c, half * by_c * by_d, half * by_d * by_d)
    return torch.stack([v.sum(0) for v in (*mean_block, *scale_block)])


def _where(better: Tensor, trial: State, old: State) -> State:
    """Return the trial where it is better, the old state elsewhere."""
    return State(
        theta=torch.where(better, trial.theta, old.theta),
        loss=torch.where(better, trial.loss, old.loss),
        gradient=torch.where(better, trial.gradient, old.gradient),
        curvature=torch.where(better, trial.curvature, old.curvature),
        bend=torch.where(better, trial.bend, old.bend),
    )
