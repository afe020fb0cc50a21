"""Selected filters applied point by point, for layers with very few channels.

With one or a few channels in and out, a convolution to all experts wastes most of its work. Here
each point's own selected filter is laid out as a field per tap, and the taps are multiplied and
added up as whole fields: the work does not grow with the number of experts.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MOST_PRODUCTS = 8
"""Largest C x K F for which this beats the convolution on a CPU (see docs/benchmarks.md)."""


class _Stencil(torch.autograd.Function):
    """Padded input (B, C, H + k - 1, W + k - 1) to selected values (B, D, H, W)."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor, channels: Tensor) -> Tensor:
        ctx.save_for_backward(padded, weight, channels)
        fields = _fields(weight, channels)
        out = padded.new_zeros(len(padded), *channels.shape)
        for window, tap in _taps(padded, weight, channels):
            out.addcmul_(window, fields[tap])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        padded, weight, channels = ctx.saved_tensors
        wants_input, wants_weight, _ = ctx.needs_input_grad
        grad_padded = _grad_input(grad, padded, weight, channels) if wants_input else None
        grad_weight = _grad_weight(grad, padded, weight, channels) if wants_weight else None
        return grad_padded, grad_weight, None


stencil: Callable[[Tensor, Tensor, Tensor], Tensor] = _Stencil.apply
"""(padded input, weight (E F, C, k, k), channels (D, H, W)) to selected values (B, D, H, W)."""


def _fields(weight: Tensor, channels: Tensor) -> Tensor:
    """Return each tap's weight at every point: (C k k, D, H, W)."""
    taps = weight.flatten(1).t()  # (C k k, E F)
    return taps.index_select(1, channels.flatten()).view(-1, *channels.shape)


def _taps(field: Tensor, weight: Tensor, channels: Tensor) -> Iterator[tuple[Tensor, int]]:
    """Yield the window of one input channel (B, 1, H, W) under each tap, and the tap's number."""
    height, width = channels.shape[1:]
    size, tap = weight.shape[-1], 0
    for c in range(weight.shape[1]):
        for i in range(size):
            for j in range(size):
                yield field[:, c : c + 1, i : i + height, j : j + width], tap
                tap += 1


def _grad_input(grad: Tensor, padded: Tensor, weight: Tensor, channels: Tensor) -> Tensor:
    fields = _fields(weight, channels)
    out = torch.zeros_like(padded)
    for window, tap in _taps(out, weight, channels):
        if len(channels) == 1:
            window.addcmul_(grad, fields[tap])
        else:
            window.add_((grad * fields[tap]).sum(dim=1, keepdim=True))
    return out


def _grad_weight(grad: Tensor, padded: Tensor, weight: Tensor, channels: Tensor) -> Tensor:
    by_point = grad.new_empty(weight[0].numel(), *channels.shape)  # (C k k, D, H, W)
    product = torch.empty_like(grad)
    for window, tap in _taps(padded, weight, channels):
        torch.mul(grad, window, out=product)
        torch.sum(product, dim=0, out=by_point[tap])
    by_filter = grad.new_zeros(len(by_point), len(weight))  # (C k k, E F)
    by_filter.index_add_(1, channels.flatten(), by_point.flatten(1))
    return by_filter.t().reshape(weight.shape)
