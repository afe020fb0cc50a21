"""Experts judged by each other: the routing loss of comparative routing (ours).

The paper calls an output incorrect when its error is large beside those of other points, which says
little about the expert: some points are hard for all. Its error, abs(dL/dy) numel / 2, is
abs(y - t) where the loss is a mean squared error; so (y - t) = dL/dy numel / 2 names the value t
that the loss asked for, and with it the error that every other expert would have made at the same
point. Labels say which expert of a group would have been best, on the mean of the samples that
share the scores, and with a memory of the steps before; the loss is the paper's (Dryden & Hoefler
2022, arXiv 2211.13491, section 2).

Inside a network, t is a step down the gradient: the expert that lies nearest to it wins.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn.smoe import routing
from smoecast.nn.smoe.gate_training.evidence import Evidence, Rule
from smoecast.nn.smoe.gate_training.gate_gradient import Link
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gate_training.refusals import refuse_more_passes
from smoecast.nn.smoe.gate_training.routing_loss import (
    RoutingObjective,
    pieces,
    refuse_non_finite,
    refuse_unless,
)
from smoecast.nn.smoe.gather import Route, spread, take
from smoecast.nn.smoe.kernels.choice import find_kernels


class _CompareExperts(torch.autograd.Function):
    """All experts' values to the selected ones; backward lets them compete for the labels."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        scores: Tensor,
        route: Route,
        objective: RoutingObjective,
        link: Link,
    ) -> Tensor:
        ctx.objective, ctx.route, ctx.link = objective, route, link
        ctx.save_for_backward(values, scores)
        return take(values, route.places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        values, scores = ctx.saved_tensors
        learns = ctx.needs_input_grad[1]
        told = teach_comparison(grad, values, scores, ctx.route, ctx.objective, ctx.link, learns)
        return *told, None, None, None


def teach_comparison(
    grad: Tensor,
    values: Tensor,
    scores: Tensor,
    route: Route,
    objective: RoutingObjective,
    link: Link,
    learns: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of all experts' values and of the scores; backward of `compare_experts`.

    Parameters
    ----------
    grad : Tensor
        Of the selected values, (B, K F, H, W).
    values, scores, route, objective, link
        As for `compare_experts`.
    learns : bool
        Whether the scores need a gradient; None without.
    """
    scale = objective.scale
    if scale.share is None and (objective.damping != 1.0 or link.leaf is None):
        refuse_more_passes(link.parameters, "the comparison of experts in this layer")
    grad_scores = torch.zeros_like(scores) if learns else None
    learns = learns and objective.weight > 0
    # a share of 0 leaves no target to be judged by
    judges = (learns or objective.damping != 1.0) and scale.part > 0
    if not judges or find_kernels(values) is None:  # kernels look for themselves
        refuse_non_finite(grad, objective)
    error, slope, whole = torch.zeros_like(scores), None, None
    if judges:
        error, slope, whole = score_experts(
            values, grad, route, objective, scale(grad), len(grad), spreads=True
        )
    if whole is None:
        whole = spread(grad, route.places, values.shape)
    if learns and scores.dim() == 3 and (judges or link.group is not None):
        grad_scores = add_evidence(error, slope, scores, route, objective, link, grad)
    elif learns and judges:
        objective.loss, gradient = _comparative_loss(error, scores, route.index, objective)
        grad_scores = gradient.to(scores.dtype).mul_(scale(grad))
    return whole, grad_scores


def add_evidence(
    error: Tensor,
    slope: Tensor | None,
    scores: Tensor,
    route: Route,
    objective: RoutingObjective,
    link: Link,
    grad: Tensor,
) -> Tensor:
    """Hand a pass' errors to the gate; return the gradient of its scores."""
    scale = objective.scale
    compare = partial(_comparative_loss, scores=scores, index=route.index, objective=objective)
    rule = Rule(compare, objective.memory, scale.factor(grad))
    evidence = _evidence(error.to(scores.dtype), slope, len(grad), scale)
    return link.gradient.add(evidence, scores, rule, link)


_compare_experts: Callable[[Tensor, Tensor, Route, RoutingObjective, Link], Tensor] = (
    _CompareExperts.apply
)


def compare_experts(
    values: Tensor, scores: Tensor, route: Route, objective: RoutingObjective, link: Link
) -> Tensor:
    """Take the selected values, with comparative routing in the backward.

    Parameters
    ----------
    values : Tensor
        Of all experts, (B, E F, H, W).
    scores : Tensor
        (E, H, W) or (B, E, H, W); they receive the gradient of the routing loss.
    route : Route
        Who is selected; the routing is grouped.
    objective : RoutingObjective
        The layer's settings; receives the value of the loss.
    link : Link
        The gate that scored.

    Returns
    -------
    Tensor
        (B, K F, H, W).

    Raises
    ------
    ValueError
        In the backward pass, if the gradient is not finite and no GradScaler is there to skip the
        step.
    GateGradientError
        In the backward pass, if it adds to others in a way that cannot be right.
    """
    return _compare_experts(values, scores, route, objective, link)


def _evidence(error: Tensor, slope: Tensor | None, samples: int, scale: LossScale) -> Evidence:
    """Take errors apart into what can be added up."""
    if slope is None:
        return Evidence(samples, told=True, level=error * scale.part)
    return Evidence(samples, told=False, level=error - slope, slope=slope)


def _comparative_loss(
    error: Tensor, scores: Tensor, index: Tensor, objective: RoutingObjective
) -> tuple[Tensor, Tensor]:
    """Return the routing loss that errors mean, and its gradient on the scores."""
    kernels = find_kernels(error)
    if kernels is not None:
        loss, gradient = kernels.comparative_loss(error, scores, index, objective.how)
        return loss, gradient.mul_(objective.weight)
    labels, _ = routing.winner_labels(error, index, objective.how)
    loss, gradient = routing.rc_loss_and_gradient(scores.to(error.dtype), labels)
    return loss, gradient.mul_(objective.weight)


def score_experts(
    values: Tensor,
    grad: Tensor,
    route: Route,
    objective: RoutingObjective,
    scale: Tensor | float,
    batch: int,
    *,
    spreads: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor | None]:
    """Squared error of each expert, but for a term that all of a group share; gradient of values.

    Errors are (E, H, W), the mean over samples, where they share the scores; else (B, E, H, W).
    Between the two comes the part of the mean that is proportional to the gradient, where nobody
    said what the loss is multiplied by. Where it is asked for (`spreads`), the gradient of all
    values comes too, damped where the selected expert was not the best of this sample. The loss is
    a mean over the `batch`, of which these may be a part.
    """
    kernels, told = find_kernels(values), objective.scale.share is not None
    if kernels is None:
        error, slope, damped = _score_plainly(values, grad, route, objective, scale, batch)
        whole = spread(damped, route.places, values.shape) if spreads else None
    else:
        found = kernels.score_experts(
            values,
            grad,
            route.index,
            objective.how,
            unit=_difference_unit(grad, objective, scale, batch),
            damping=objective.damping,
            slopes=route.index.dim() == 3 and not told,
            spreads=spreads,
        )
        refuse_unless(found.finite, objective)
        error, slope, whole = found.error, found.slope, found.whole
    if slope is not None:
        slope.mul_(grad[0].numel() / objective.terms / scale * (batch / len(grad)))
    return error, slope, whole


def _difference_unit(
    grad: Tensor, objective: RoutingObjective, scale: Tensor | float, batch: int
) -> Tensor | float:
    """By what a gradient is multiplied to be the difference of a value and what was asked for."""
    return batch * grad[0].numel() / (2.0 * objective.terms) / scale


def _score_plainly(
    values: Tensor,
    grad: Tensor,
    route: Route,
    objective: RoutingObjective,
    scale: Tensor | float,
    batch: int,
) -> tuple[Tensor, Tensor | None, Tensor]:
    """Errors, sums of value x gradient, and the damped gradient, in plain PyTorch."""
    how, shared = objective.how, route.index.dim() == 3
    dtype = torch.float64 if grad.dtype == torch.float64 else torch.float32
    sizes = (how.num_experts, *grad.shape[2:])
    error = torch.zeros(sizes if shared else (len(grad), *sizes), dtype=dtype, device=grad.device)
    slope = torch.zeros_like(error) if shared and objective.scale.share is None else None
    damped = grad if objective.damping == 1.0 else torch.empty_like(grad)
    for rows in pieces(values):
        index, places = route.index, route.places
        if not shared:
            index, places = index[rows], places[rows]
        one = _errors(values[rows], grad[rows], places, objective, batch, scale, dtype)
        if shared:
            error += one.sum(dim=0).div_(len(grad))
        else:
            error[rows] = one
        if slope is not None:
            _add_products(slope, values[rows], grad[rows], objective)
        if objective.damping != 1.0:
            _, beaten = routing.winner_labels(one, index.expand(len(one), -1, -1, -1), how)
            factor = 1.0 + (objective.damping - 1.0) * beaten
            factor = factor.repeat_interleave(objective.num_filters, dim=1).to(grad.dtype)
            torch.mul(grad[rows], factor, out=damped[rows])
    return error, slope, damped


def _errors(
    values: Tensor,
    grad: Tensor,
    places: Tensor,
    objective: RoutingObjective,
    batch: int,
    scale: Tensor | float,
    dtype: torch.dtype,
) -> Tensor:
    """Return (v - t)^2 without t^2, which decides nothing, of a piece of a batch: (b, E, H, W)."""
    how, filters = objective.how, objective.num_filters
    unit = _difference_unit(grad, objective, scale, batch)
    asked = take(values, places).to(dtype) - grad.to(dtype) * unit
    asked = torch.unflatten(asked, 1, (how.num_selected, 1, filters))  # (b, K, 1, F, H, W)
    # (b, E F, H, W) -> (b, K, E / K, F, H, W)
    groups = (how.num_selected, how.group_size, filters)
    every = torch.unflatten(values.to(dtype), 1, groups)
    errors = (every - 2.0 * asked).mul_(every)
    return (errors.squeeze(3) if filters == 1 else errors.sum(dim=3)).flatten(1, 2)


def _add_products(total: Tensor, values: Tensor, grad: Tensor, objective: RoutingObjective) -> None:
    """Add each expert's value x gradient, over the samples of a piece, to `total`, (E, H, W)."""
    how, filters = objective.how, objective.num_filters
    totals = torch.unflatten(total, 0, (how.num_selected, how.group_size))
    pulls = torch.unflatten(grad.to(total.dtype), 1, (how.num_selected, 1, filters))
    # (b, E F, H, W) -> (b, K, E / K, F, H, W)
    every = torch.unflatten(values.to(total.dtype), 1, (how.num_selected, how.group_size, filters))
    for value, pull in zip(every, pulls, strict=True):  # much faster than a sum of products
        for one in range(filters):
            totals.addcmul_(value[:, :, one], pull[:, :, one])
