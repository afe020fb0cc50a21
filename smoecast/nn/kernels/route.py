"""Pick the selected experts' values, and turn the error signal into gradients.

The layer's backward holds the whole training signal of Dryden & Hoefler 2022 (arXiv 2211.13491,
section 2): expert error damping and the routing classification loss in closed form. So one ordinary
``loss.backward()`` trains any number of layers, and no graph is kept.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn import routing


@dataclass
class Feedback:
    """What a layer's backward needs to know, and what it leaves for the log.

    Attributes
    ----------
    how : routing.Selection
        Which experts compete.
    num_filters : int
        F, filters per expert.
    error_quantile, damping, weight : float
        q, damping factor, factor on the routing classification loss.
    scale : routing.LossScale
        The factor by which the loss was scaled.
    loss : Tensor or None
        Left by the last backward pass.
    """

    how: routing.Selection
    num_filters: int
    error_quantile: float
    damping: float
    weight: float
    scale: routing.LossScale
    loss: Tensor | None = None


def expand_index(index: Tensor, batch: int, num_filters: int) -> Tensor:
    """Turn selected experts (K, H, W) or (B, K, H, W) into channels (B, K F, H, W)."""
    if num_filters > 1:
        filters = torch.arange(num_filters, device=index.device)[:, None, None]
        index = (index.unsqueeze(-3) * num_filters + filters).flatten(-4, -3)  # (.., K F, H, W)
    return index if index.dim() == 4 else index.expand(batch, *index.shape)


def pick_weighted(values: Tensor, scores: Tensor, index: Tensor, num_filters: int) -> Tensor:
    """Multiply selected values by their scores, differentiable in both (the weighted variant)."""
    picked = values.gather(1, expand_index(index, len(values), num_filters))
    factor = scores.gather(-3, index).repeat_interleave(num_filters, dim=-3)
    return picked * factor


class Pick(torch.autograd.Function):
    """Selected values forward; damped gradients and the gate's own gradient backward."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, scores: Tensor, index: Tensor, feedback: Feedback
    ) -> Tensor:
        """Gather (B, E F, H, W) into (B, K F, H, W)."""
        ctx.feedback, ctx.channels = feedback, values.shape[1]
        ctx.save_for_backward(scores, index)
        return values.gather(1, expand_index(index, len(values), feedback.num_filters))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        """Spread (B, K F, H, W) over the experts; give the gate the gradient of its own loss."""
        scores, index = ctx.saved_tensors
        feedback: Feedback = ctx.feedback
        learns = ctx.needs_input_grad[1]
        grad_scores = torch.zeros_like(scores) if learns else None
        trains_gate = learns and feedback.weight > 0
        if trains_gate or feedback.damping != 1.0:
            scale = feedback.scale(grad)
            error = routing.signal_error(grad, feedback.num_filters, scale)
            limit = routing.error_quantile(error, feedback.error_quantile)
            _refuse_non_finite(limit, feedback)
            limit = limit[:, None, None, None]
            if trains_gate:
                wrong = error > limit + routing.LABEL_MARGIN
                grad_scores = _gate_gradient(scores, wrong, index, feedback, scale)
            grad = _damp(grad, error > limit + routing.DAMPING_MARGIN, feedback)
        if not ctx.needs_input_grad[0]:
            return None, grad_scores, None, None
        spread = expand_index(index, len(grad), feedback.num_filters)
        zeros = grad.new_zeros(len(grad), ctx.channels, *grad.shape[2:])
        return zeros.scatter_(1, spread, grad), grad_scores, None, None


class AttachLoss(torch.autograd.Function):
    """Pass a field through and add an auxiliary loss to whatever loss is later derived from it."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, loss: Tensor, scale: routing.LossScale) -> Tensor:
        """Return the field unchanged."""
        ctx.scale = scale
        ctx.save_for_backward(loss)
        return field.view_as(field)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        """Give the field's gradient on, and the auxiliary loss the gradient 1 (scaled)."""
        (loss,) = ctx.saved_tensors
        return grad, torch.ones_like(loss) * ctx.scale(grad), None


pick: Callable[[Tensor, Tensor, Tensor, Feedback], Tensor] = Pick.apply
attach_loss: Callable[[Tensor, Tensor, routing.LossScale], Tensor] = AttachLoss.apply


def _gate_gradient(
    scores: Tensor, wrong: Tensor, index: Tensor, feedback: Feedback, scale: Tensor | float
) -> Tensor:
    """Gradient of the routing classification loss on the scores; leaves the loss for the log."""
    wide = scores if scores.dtype == torch.float64 else scores.float()
    labels = routing.rc_labels(wrong, index, feedback.how, wide.dtype)
    feedback.loss, gradient = routing.rc_loss_and_gradient(wide, labels)
    return (gradient * (feedback.weight * scale)).to(scores.dtype)


def _damp(grad: Tensor, wrong: Tensor, feedback: Feedback) -> Tensor:
    """Multiply the gradient at incorrect outputs by the damping factor."""
    if feedback.damping == 1.0:
        return grad
    wrong = wrong.repeat_interleave(feedback.num_filters, dim=1)
    return torch.where(wrong, grad * feedback.damping, grad)


def _refuse_non_finite(limit: Tensor, feedback: Feedback) -> None:
    """Stop at NaN or infinite gradients, unless a GradScaler is there to skip the step."""
    if feedback.scale.scaler is None and not bool(torch.isfinite(limit).all()):
        raise ValueError(
            "the gradient that reached a SpatialMoE2d is not finite; lower the learning rate, or "
            "under a GradScaler call smoecast.nn.smoe.follow_scaler(network, scaler) once"
        )
