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
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn.smoe import routing
from smoecast.nn.smoe.gather import Route, spread, take
from smoecast.nn.smoe.routing_loss import Feedback, pieces, refuse_non_finite


class _Contest(torch.autograd.Function):
    """All experts' values to the selected ones; backward lets them compete for the labels."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, scores: Tensor, route: Route, feedback: Feedback
    ) -> Tensor:
        ctx.feedback, ctx.route = feedback, route
        ctx.save_for_backward(values, scores)
        return take(values, route.places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None]:
        values, scores = ctx.saved_tensors
        feedback, route = ctx.feedback, ctx.route
        refuse_non_finite(grad, feedback)
        grad_scores = torch.zeros_like(scores) if ctx.needs_input_grad[1] else None
        asked = feedback.weight > 0 or feedback.damping != 1.0
        if asked and feedback.scale.share > 0:  # a share of 0 leaves no target to be judged by
            scale = feedback.scale(grad)
            error, damped = _judge(values, grad, route, feedback, scale)
            if grad_scores is not None and feedback.weight > 0:
                grad_scores = _on_scores(scores, error, route, feedback).mul_(scale)
            grad = damped
        return spread(grad, route.places, values.shape), grad_scores, None, None


# The backward leaves a value behind: torch.compile must step around it.
_eager: Callable[[Any], Any] = torch.compiler.disable
_contest: Callable[[Tensor, Tensor, Route, Feedback], Tensor] = _eager(_Contest.apply)


def contest(values: Tensor, scores: Tensor, route: Route, feedback: Feedback) -> Tensor:
    """Take the selected values, with comparative routing in the backward.

    Parameters
    ----------
    values : Tensor
        Of all experts, (B, E F, H, W).
    scores : Tensor
        (E, H, W) or (B, E, H, W); they receive the gradient of the routing loss.
    route : Route
        Who is selected; the routing is grouped.
    feedback : Feedback
        The layer's settings; receives the value of the loss.

    Returns
    -------
    Tensor
        (B, K F, H, W).

    Raises
    ------
    ValueError
        In the backward pass, if the gradient is not finite and no GradScaler is there to skip the
        step.
    """
    return _contest(values, scores, route, feedback)


def settle(scores: torch.nn.Parameter, feedback: Feedback) -> Tensor:
    """Turn the errors that several passes or processes left on the scores into one gradient.

    Which expert is the best on the mean of a batch cannot be told from parts of it. So where the
    scale `gathers`, the gradient of scores that all samples share is their experts' mean error,
    which adds up like any gradient; once it is whole, this makes it that of the routing loss.

    Parameters
    ----------
    scores : Parameter
        (E, H, W), with a gradient that is not scaled any more; it is changed in place.
    feedback : Feedback
        Of a layer that the scores belong to.

    Returns
    -------
    Tensor
        The routing loss.
    """
    error, values = scores.grad, scores.detach()
    if error is None:
        return values.new_zeros(())
    judged, index = feedback.remember(error), routing.select(values, feedback.how)
    labels, _ = routing.winner_labels(judged, index, feedback.how)
    loss, gradient = routing.rc_loss_and_gradient(values, labels)
    error.copy_(gradient.mul_(feedback.weight))
    return loss


def _on_scores(scores: Tensor, error: Tensor, route: Route, feedback: Feedback) -> Tensor:
    """Return what goes to the scores: the errors, if they are settled later, or the gradient."""
    if feedback.scale.gathers and scores.dim() == 3:
        feedback.loss = None
        return error.to(scores.dtype)
    judged = feedback.remember(error) if scores.dim() == 3 else error
    labels, _ = routing.winner_labels(judged, route.index, feedback.how)
    feedback.loss, gradient = routing.rc_loss_and_gradient(scores.to(error.dtype), labels)
    return gradient.mul_(feedback.weight).to(scores.dtype)


def _judge(
    values: Tensor, grad: Tensor, route: Route, feedback: Feedback, scale: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Squared error of each expert, but for a term that all of a group share; damped gradient.

    Errors are (E, H, W), the mean over samples, where they share the scores; else (B, E, H, W).
    The gradient is damped where the selected expert was not the best of this sample.
    """
    how, shared = feedback.how, route.index.dim() == 3
    dtype = torch.float64 if grad.dtype == torch.float64 else torch.float32
    sizes = (how.num_experts, *grad.shape[2:])
    error = torch.zeros(sizes if shared else (len(grad), *sizes), dtype=dtype, device=grad.device)
    damped = grad if feedback.damping == 1.0 else torch.empty_like(grad)
    for rows in pieces(values):
        index, places = route.index, route.places
        if not shared:
            index, places = index[rows], places[rows]
        one = _errors(values[rows], grad[rows], places, feedback, len(grad), scale, dtype)
        if shared:
            error += one.sum(dim=0).div_(len(grad))
        else:
            error[rows] = one
        if feedback.damping != 1.0:
            _, beaten = routing.winner_labels(one, index.expand(len(one), -1, -1, -1), how)
            factor = 1.0 + (feedback.damping - 1.0) * beaten
            factor = factor.repeat_interleave(feedback.num_filters, dim=1).to(grad.dtype)
            torch.mul(grad[rows], factor, out=damped[rows])
    return error, damped


def _errors(
    values: Tensor,
    grad: Tensor,
    places: Tensor,
    feedback: Feedback,
    batch: int,
    scale: Tensor | float,
    dtype: torch.dtype,
) -> Tensor:
    """Return (v - t)^2 without t^2, which decides nothing, of a piece of a batch: (b, E, H, W)."""
    how, filters = feedback.how, feedback.num_filters
    unit = batch * grad[0].numel() / (2.0 * feedback.terms) / scale
    asked = take(values, places).to(dtype) - grad.to(dtype) * unit
    asked = torch.unflatten(asked, 1, (how.num_selected, 1, filters))  # (b, K, 1, F, H, W)
    # (b, E F, H, W) -> (b, K, E / K, F, H, W)
    groups = (how.num_selected, how.group_size, filters)
    every = torch.unflatten(values.to(dtype), 1, groups)
    return ((every - 2.0 * asked) * every).sum(dim=3).flatten(1, 2)
