"""Experts judged by each other on some samples of a batch, computed in the backward.

To be judged, all experts must be computed, which is what makes a layer of many experts slow to
train. But their errors are a running mean over steps anyway, so a few samples of each step are
enough: the layer itself computes the selected experts alone (`chosen_filters`), and the values of
the others are made for those samples, when the gradient that judges them arrives.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn.smoe.gate_training.comparative_loss import add_evidence, score_experts
from smoecast.nn.smoe.gate_training.gate_gradient import Link
from smoecast.nn.smoe.gate_training.refusals import refuse_more_passes
from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective, refuse_non_finite
from smoecast.nn.smoe.gather import Route


class _CompareLater(torch.autograd.Function):
    """The identity; backward lets all experts compete for the labels, on some of the samples."""

    @staticmethod
    def forward(
        ctx: Any,
        out: Tensor,
        scores: Tensor,
        values: Callable[[], Tensor],
        route: Route,
        objective: RoutingObjective,
        link: Link,
    ) -> Tensor:
        ctx.objective, ctx.route, ctx.link, ctx.values = objective, route, link, values
        ctx.save_for_backward(scores)
        return out.view_as(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (scores,) = ctx.saved_tensors
        told = teach_sampled(grad, ctx.values, scores, ctx.route, ctx.objective, ctx.link)
        return grad, told, None, None, None, None


def teach_sampled(
    grad: Tensor,
    values: Callable[[], Tensor],
    scores: Tensor,
    route: Route,
    objective: RoutingObjective,
    link: Link,
) -> Tensor:
    """Return the gradient of the scores from that of the output: the backward of `compare_later`.

    Parameters
    ----------
    grad : Tensor
        (B, D, H, W).
    values, scores, route, objective, link
        As for `compare_later`.
    """
    refuse_non_finite(grad, objective)
    scale = objective.scale
    if scale.share is None and link.leaf is None:
        refuse_more_passes(link.parameters, "the comparison of experts in this layer")
    judges = objective.weight > 0 and scale.part > 0
    error, slope = torch.zeros_like(scores), None
    if judges:
        every = values()
        some = _of_terms(grad[: len(every)], objective)
        error, slope, _ = score_experts(every, some, route, objective, scale(grad), len(grad))
    if objective.weight > 0 and (judges or link.group is not None):
        return add_evidence(error, slope, scores, route, objective, link, grad)
    return torch.zeros_like(scores)


def _of_terms(grad: Tensor, objective: RoutingObjective) -> Tensor:
    """Give every term of a channel the gradient of their sum: (B, D, H, W) to (B, K F, H, W)."""
    if objective.terms == 1:
        return grad
    parts = torch.unflatten(grad, 1, (-1, 1, objective.num_filters))
    return parts.expand(-1, -1, objective.terms, -1, -1, -1).flatten(1, 3)


_compare_later: Callable[
    [Tensor, Tensor, Callable[[], Tensor], Route, RoutingObjective, Link], Tensor
] = _CompareLater.apply


def compare_later(
    out: Tensor,
    values: Callable[[], Tensor],
    scores: Tensor,
    route: Route,
    objective: RoutingObjective,
    link: Link,
) -> Tensor:
    """Return a layer's output unchanged, with comparative routing on some samples in the backward.

    Parameters
    ----------
    out : Tensor
        (B, D, H, W), what the selected experts add up to.
    values : callable
        Computes the values of all experts, (b, E F, H, W), for the first b samples; called in the
        backward, without gradients.
    scores : Tensor
        (E, H, W); they receive the gradient of the routing loss.
    route, objective, link
        As for `compare_experts`.

    Raises
    ------
    ValueError, GateGradientError
        As for `compare_experts`.
    """
    return _compare_later(out, scores, values, route, objective, link)
