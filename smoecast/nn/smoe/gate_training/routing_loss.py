"""The layer's training signal: what its backward makes of the gradient that reaches it.

Expert error damping and the routing classification loss of Dryden & Hoefler 2022 (arXiv 2211.13491,
section 2) both depend on nothing but the error signal dL/dy, which passes here anyway, and the
gradient of the loss on the scores is closed form. So one ordinary ``loss.backward()`` trains any
number of layers, and no graph is kept.

On the CPU it works through the batch in pieces that fit the processor's cache.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn.smoe import routing
from smoecast.nn.smoe.gate_training.evidence import Evidence, Rule
from smoecast.nn.smoe.gate_training.gate_gradient import Link
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gate_training.refusals import refuse_more_passes

PIECE = 2**17
"""On the CPU about so many values are handled at a time."""


@dataclass
class RoutingObjective:
    """What a layer's backward needs to know, and what it leaves for the log.

    Attributes
    ----------
    how : routing.Selection
        Which experts compete.
    num_filters : int
        F, filters per expert.
    error_quantile, damping, weight : float
        q, damping factor, factor on the routing classification loss.
    scale : LossScale
        The factor by which the loss was scaled.
    compares : bool
        False: an output is incorrect beside those of other points (the paper). True: an expert is,
        beside the others of its group (`compare_experts`, ours).
    terms : int
        T, experts whose values add up to one output; the loss has as many fewer values.
    memory : float
        The share of what earlier steps said in the errors by which experts are compared, where
        samples share their scores.
    compared_samples : int
        Experts are compared on so many samples of each batch; 0: on all.
    loss : Tensor or None
        Left by the last backward pass, unless the gate has it (`gate_gradient`).
    """

    how: routing.Selection
    num_filters: int
    error_quantile: float
    damping: float
    weight: float
    scale: LossScale
    compares: bool = False
    terms: int = 1
    memory: float = 0.0
    compared_samples: int = 0
    loss: Tensor | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        if not 0.0 <= self.error_quantile <= 1.0:
            raise ValueError(f"error_quantile must lie between 0 and 1, not {self.error_quantile}")
        if min(self.damping, self.weight) < 0:
            raise ValueError("damping and routing_loss_weight must not be negative")
        if self.compared_samples and (self.damping != 1.0 or not self.compares):
            raise ValueError(
                "compared_samples needs routing_loss 'experts' and damping 1: damping looks at "
                "every sample"
            )


class _Signal(torch.autograd.Function):
    """The identity; backward damps the gradient and gives the scores that of their own loss."""

    @staticmethod
    def forward(
        ctx: Any,
        field: Tensor,
        scores: Tensor,
        index: Tensor,
        objective: RoutingObjective,
        link: Link,
    ) -> Tensor:
        ctx.objective, ctx.link = objective, link
        ctx.save_for_backward(scores, index)
        return field.view_as(field)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        scores, index = ctx.saved_tensors
        learns = ctx.needs_input_grad[1]
        damped, grad_scores = teach_routing(grad, scores, index, ctx.objective, ctx.link, learns)
        return damped, grad_scores, None, None, None


def teach_routing(
    grad: Tensor,
    scores: Tensor,
    index: Tensor,
    objective: RoutingObjective,
    link: Link,
    learns: bool,
) -> tuple[Tensor, Tensor | None]:
    """Return the damped gradient and that of the scores; the backward of `train_routing`.

    Parameters
    ----------
    grad : Tensor
        Of the selected values, (B, K F, H, W).
    scores, index, objective, link
        As for `train_routing`.
    learns : bool
        Whether the scores need a gradient; None without.
    """
    grad_scores = torch.zeros_like(scores) if learns else None
    trains_gate = learns and objective.weight > 0
    if not trains_gate and objective.damping == 1.0:
        return grad, grad_scores
    scale = objective.scale(grad)
    damped, wrong = score_outputs(grad, index, objective, scale)
    if trains_gate:
        gradient = score_gate(scores, wrong, index, objective)
        grad_scores = deliver(gradient, scores, objective, link, grad)
    return damped, grad_scores


_signal: Callable[[Tensor, Tensor, Tensor, RoutingObjective, Link], Tensor] = _Signal.apply


def train_routing(
    field: Tensor, scores: Tensor, index: Tensor, objective: RoutingObjective, link: Link
) -> Tensor:
    """Return the layer's output unchanged, with the training signal in its backward.

    Parameters
    ----------
    field : Tensor
        Selected values, (B, K F, H, W).
    scores : Tensor
        (E, H, W) or (B, E, H, W); they receive the gradient of the routing classification loss.
    index : Tensor
        Selected experts, (K, H, W) or (B, K, H, W).
    objective : RoutingObjective
        The layer's settings; receives the value of the loss.
    link : Link
        The gate that scored.

    Raises
    ------
    ValueError
        In the backward pass, if the gradient is not finite and no GradScaler is there to skip the
        step.
    GateGradientError
        In the backward pass, if the scores depend on the input and the pass adds to others.
    """
    return _signal(field, scores, index, objective, link)


def score_outputs(
    grad: Tensor, index: Tensor, objective: RoutingObjective, scale: Tensor | float
) -> tuple[Tensor, Tensor]:
    """Return the damped gradient and how often each selected expert was incorrect.

    The paper's error is abs(dL/dy) numel / 2. Quantiles are taken of abs(dL/dy) as it comes, and
    the margins turned into its units.
    """
    shared = index.dim() == 3
    unit = scale * (2.0 * objective.terms / grad.numel())
    points, filters = index.shape[-2] * index.shape[-1], objective.num_filters
    dtype = torch.float64 if grad.dtype == torch.float64 else torch.float32
    wrong = torch.zeros(index.shape[:-2].numel(), points, dtype=dtype, device=grad.device)
    wrong = wrong.view(1 if shared else len(grad), -1)  # (1 or B, K H W)
    flat = grad.reshape(len(grad), -1, filters, points)  # (B, K, F, H W)
    damped = flat if objective.damping == 1.0 else torch.empty_like(flat)
    for rows in pieces(flat):
        error = _error(flat[rows], dtype)  # (b, K H W)
        refuse_non_finite(error, objective)
        limit = routing.error_quantile(error, objective.error_quantile)[:, None]
        bad = _exceeds(error, limit + routing.LABEL_MARGIN * unit)
        if shared:
            wrong += bad.sum(dim=0)
        else:
            wrong[rows] = bad
        if objective.damping != 1.0:
            bad = _exceeds(error, limit + routing.DAMPING_MARGIN * unit)
            factor = bad.mul_(objective.damping - 1.0).add_(1.0).view(len(bad), -1, 1, points)
            torch.mul(flat[rows], factor.to(grad.dtype), out=damped[rows])
    share = wrong.div_(len(grad) if shared else 1).view(index.shape)
    return damped.view(grad.shape), share


def _error(grad: Tensor, dtype: torch.dtype) -> Tensor:
    """Error of each selected expert from (b, K, F, H W): its filters' mean (ours), (b, K H W)."""
    error = grad.abs().to(dtype)
    return (error.mean(dim=2) if grad.shape[2] > 1 else error).flatten(1)


def _exceeds(error: Tensor, limit: Tensor) -> Tensor:
    """Return 1 where an error is above the limit, else 0, as floats: faster than booleans."""
    return (error - limit).sign_().clamp_(min=0.0)


def score_gate(scores: Tensor, wrong: Tensor, index: Tensor, objective: RoutingObjective) -> Tensor:
    """Gradient of the routing classification loss on the scores; leaves the loss for the log."""
    if scores.dim() == 3:
        objective.loss, gradient = _routing_loss(scores, wrong, index, objective.how)
    else:
        gradient, losses = torch.empty_like(scores, dtype=wrong.dtype), []
        for rows in pieces(scores):
            loss, piece = _routing_loss(scores[rows], wrong[rows], index[rows], objective.how)
            share = len(piece) / len(scores)  # Both are means over their own piece.
            torch.mul(piece, share, out=gradient[rows])
            losses.append(loss * share)
        objective.loss = torch.stack(losses).sum()
    return gradient


def deliver(
    gradient: Tensor, scores: Tensor, objective: RoutingObjective, link: Link, grad: Tensor
) -> Tensor:
    """Return what goes to the scores, which may have gradients of other passes."""
    scale = objective.scale
    if scale.share is None and link.leaf is not None:
        evidence = Evidence(len(grad), told=False, gradient=gradient.mul_(objective.weight))
        return link.gradient.add(evidence, scores, Rule(None, 0.0, scale.factor(grad)), link)
    if scale.share is None:
        refuse_more_passes(link.parameters, "a gate whose scores are computed")
    return gradient.mul_(objective.weight * scale(grad)).to(scores.dtype)


def _routing_loss(
    scores: Tensor, wrong: Tensor, index: Tensor, how: routing.Selection
) -> tuple[Tensor, Tensor]:
    labels = routing.rc_labels(wrong, index, how)
    return routing.rc_loss_and_gradient(scores.to(labels.dtype), labels)


def pieces(flat: Tensor) -> Iterator[slice]:
    """Cut a batch into pieces of samples; other devices than the CPU take it whole."""
    size = max(1, PIECE // flat[0].numel()) if flat.device.type == "cpu" else len(flat)
    return (slice(i, i + size) for i in range(0, len(flat), size))


def refuse_non_finite(error: Tensor, objective: RoutingObjective) -> None:
    """Stop at NaN or infinite gradients, unless a GradScaler is there to skip the step.

    Raises
    ------
    ValueError
        Saying what to do.
    """
    if not objective.scale.skips:
        refuse_unless(torch.isfinite(error.sum()), objective)


def refuse_unless(finite: Tensor, objective: RoutingObjective) -> None:
    """Stop at gradients that are not finite, as `refuse_non_finite`, where that is known already.

    Raises
    ------
    ValueError
        Saying what to do.
    """
    if not objective.scale.skips and not bool(finite):
        raise ValueError(
            "the gradient that reached a SpatialMoE2d is not finite; lower the learning rate, or "
            "under a GradScaler call smoecast.nn.follow_scaler(network, scaler) once"
        )
