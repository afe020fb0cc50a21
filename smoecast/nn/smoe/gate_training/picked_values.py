"""The paper's training signal and the picking of values in one, where kernels can do both at once.

`gather.pick` and `train_routing` hand a gradient to each other; here the backward reads that of the
selected values and writes that of all values, with nothing between.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn.smoe.gate_training.gate_gradient import Link
from smoecast.nn.smoe.gate_training.routing_loss import (
    RoutingObjective,
    deliver,
    refuse_unless,
    score_gate,
    score_outputs,
)
from smoecast.nn.smoe.gather import Route, spread, take
from smoecast.nn.smoe.kernels.choice import find_kernels


class _PickAndTrain(torch.autograd.Function):
    """All experts' values to the selected ones; the backward has their training signal."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        scores: Tensor,
        route: Route,
        objective: RoutingObjective,
        link: Link,
    ) -> Tensor:
        ctx.shape, ctx.route, ctx.objective, ctx.link = values.shape, route, objective, link
        ctx.save_for_backward(scores)
        return take(values, route.places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (scores,) = ctx.saved_tensors
        learns = ctx.needs_input_grad[1]
        told = teach_picked(grad, scores, ctx.route, ctx.objective, ctx.link, learns, ctx.shape)
        return *told, None, None, None


def teach_picked(
    grad: Tensor,
    scores: Tensor,
    route: Route,
    objective: RoutingObjective,
    link: Link,
    learns: bool,
    shape: torch.Size,
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients of all experts' values and of the scores; backward of `pick_and_train`.

    Parameters
    ----------
    grad : Tensor
        Of the selected values, (B, K F, H, W).
    scores, route, objective, link
        As for `pick_and_train`.
    learns : bool
        Whether the scores need a gradient; None without.
    shape : torch.Size
        (B, E F, H, W).
    """
    grad_scores = torch.zeros_like(scores) if learns else None
    learns = learns and objective.weight > 0
    if not learns and objective.damping == 1.0:
        return spread(grad, route.places, shape), grad_scores
    whole, gradient = _score(grad, scores, route, objective, shape, learns)
    if gradient is not None:
        grad_scores = deliver(gradient, scores, objective, link, grad)
    return whole, grad_scores


def _score(
    grad: Tensor,
    scores: Tensor,
    route: Route,
    objective: RoutingObjective,
    shape: torch.Size,
    learns: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the damped gradient of all values and, if the gate learns, that of its loss."""
    scale = objective.scale(grad)
    kernels = find_kernels(grad, shape[1:].numel())
    if kernels is None:
        damped, wrong = score_outputs(grad, route.index, objective, scale)
        gradient = score_gate(scores, wrong, route.index, objective) if learns else None
        return spread(damped, route.places, shape), gradient
    verdict = kernels.score_outputs(
        grad,
        route.places,
        shape,
        num_filters=objective.num_filters,
        quantile=objective.error_quantile,
        damping=objective.damping,
        unit=scale * (2.0 * objective.terms / grad.numel()),
    )
    refuse_unless(verdict.finite, objective)
    if not learns:
        return verdict.whole, None
    samples = len(grad) if scores.dim() == 3 else 1
    objective.loss, gradient = kernels.routing_loss(scores, verdict, samples, objective.how)
    return verdict.whole, gradient


_pick_and_train: Callable[[Tensor, Tensor, Route, RoutingObjective, Link], Tensor] = (
    _PickAndTrain.apply
)


def pick_and_train(
    values: Tensor, scores: Tensor, route: Route, objective: RoutingObjective, link: Link
) -> Tensor:
    """Take the selected values, with the training signal in the backward.

    Parameters
    ----------
    values : Tensor
        Of all experts, (B, E F, H, W).
    scores, objective, link
        As for `train_routing`.
    route : Route
        Who is selected.

    Returns
    -------
    Tensor
        (B, K F, H, W).

    Raises
    ------
    ValueError, GateGradientError
        As for `train_routing`.
    """
    return _pick_and_train(values, scores, route, objective, link)
