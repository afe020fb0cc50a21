"""A loss of the gate's own that joins whatever loss is derived from a layer's output."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn.smoe.gate_training.gate_gradient import Link
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gate_training.refusals import refuse_more_passes


class _AttachLoss(torch.autograd.Function):
    """The identity; backward adds an auxiliary loss to whatever loss was derived from the field."""

    @staticmethod
    def forward(ctx: Any, field: Tensor, loss: Tensor, scale: LossScale, link: Link) -> Tensor:
        ctx.scale, ctx.link = scale, link
        ctx.save_for_backward(loss)
        return field.view_as(field)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (loss,) = ctx.saved_tensors
        return grad, teach_attached(grad, loss, ctx.scale, ctx.link.parameters), None, None


def teach_attached(
    grad: Tensor, loss: Tensor, scale: LossScale, parameters: Iterable[Tensor]
) -> Tensor:
    """Return the gradient of a loss that was attached to a field; `grad` is the field's."""
    if scale.share is None:
        refuse_more_passes(parameters, "the auxiliary losses of a gate")
    return torch.ones_like(loss) * scale(grad)


_attach: Callable[[Tensor, Tensor, LossScale, Link], Tensor] = _AttachLoss.apply


def attach_loss(field: Tensor, loss: Tensor, scale: LossScale, link: Link) -> Tensor:
    """Return a field unchanged; whatever loss is later derived from it is joined by `loss`.

    Raises
    ------
    GateGradientError
        In the backward pass, if it adds to others and nobody said what their losses are multiplied
        by.
    """
    return _attach(field, loss, scale, link)
