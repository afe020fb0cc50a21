"""Which experts serve which points, and taking their values out of all experts' values."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.library import custom_op

from smoecast.nn.smoe import routing
from smoecast.nn.smoe.kernels.choice import find_kernels

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


@dataclass(frozen=True)
class Route:
    """Which experts serve which points.

    Attributes
    ----------
    index : Tensor
        Selected experts, (K, H, W), or (B, K, H, W) where they differ between samples.
    channels : Tensor
        Their filters, (K F, H, W) or (B, K F, H, W).
    places : Tensor
        Where their values stand in the values of all experts, (E F, H, W) laid out flat: (K F H W)
        or (B, K F H W).
    """

    index: Tensor
    channels: Tensor
    places: Tensor


def make_route(scores: Tensor, how: routing.Selection, num_filters: int) -> Route:
    """Select experts by scores (E, H, W) or (B, E, H, W)."""
    index = channels = routing.select(scores, how)
    if num_filters > 1:
        filters = torch.arange(num_filters, device=index.device)[:, None, None]
        channels = (index.unsqueeze(-3) * num_filters + filters).flatten(-4, -3)  # (.., K F, H, W)
    height, width = index.shape[-2:]
    points = torch.arange(height * width, device=index.device).view(height, width)
    return Route(index, channels, (channels * (height * width) + points).flatten(-3))


class RouteMemory:
    """Remembers the last routes, so that scores that did not change are not sorted again.

    Scores are compared by value: no way of writing to them goes unnoticed.
    """

    def __init__(self) -> None:
        self._last: dict[tuple[routing.Selection, int], tuple[Tensor, Route]] = {}

    def route(self, scores: Tensor, how: routing.Selection, num_filters: int) -> Route:
        """Return the route for scores (E, H, W)."""
        key = (how, num_filters)
        if key in self._last:
            known, route = self._last[key]
            if known.dtype == scores.dtype and torch.equal(known, scores):
                return route
        route = make_route(scores, how, num_filters)
        self._last[key] = (scores.detach().clone(), route)
        return route


class _Pick(torch.autograd.Function):
    """Selected values forward; backward their gradients among zeros for all other experts.

    PyTorch's own backward of `index_select` adds instead of writing, which takes longer.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, places: Tensor) -> Tensor:
        ctx.shape = values.shape
        ctx.save_for_backward(places)
        return take(values, places)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (places,) = ctx.saved_tensors
        return spread(grad, places, ctx.shape), None


_pick: Callable[[Tensor, Tensor], Tensor] = _Pick.apply


@custom_op("smoecast::pick", mutates_args=())
def _pick_compiled(values: Tensor, places: Tensor) -> Tensor:
    """Do what `_Pick` does, for torch.compile, which is told of contiguous tensors."""
    return take(values, places).contiguous()


@_pick_compiled.register_fake
def _fake_pick(values: Tensor, places: Tensor) -> Tensor:
    points = values.shape[-2] * values.shape[-1]
    return values.new_empty(len(values), places.shape[-1] // points, *values.shape[2:])


@custom_op("smoecast::spread", mutates_args=())
def _spread_compiled(picked: Tensor, places: Tensor, channels: int) -> Tensor:
    shape = torch.Size((len(picked), channels, *picked.shape[2:]))
    return spread(picked, places, shape).contiguous()


@_spread_compiled.register_fake
def _fake_spread(picked: Tensor, places: Tensor, channels: int) -> Tensor:
    return picked.new_empty(len(picked), channels, *picked.shape[2:])


def _keep_places(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    values, places = inputs
    ctx.channels = values.shape[1]
    ctx.save_for_backward(places)


def _spread_back(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
    (places,) = ctx.saved_tensors
    return _spread_compiled(grad, places, ctx.channels), None


_pick_compiled.register_autograd(_spread_back, setup_context=_keep_places)


def pick(values: Tensor, route: Route) -> Tensor:
    """Take the selected values out of all experts' values: (B, E F, H, W) to (B, K F, H, W)."""
    taken = _pick_compiled if torch.compiler.is_compiling() else _pick
    return taken(values, route.places)


def weigh(picked: Tensor, scores: Tensor, route: Route, num_filters: int) -> Tensor:
    """Multiply selected values (B, K F, H, W) by their scores: the weighted variant."""
    return picked * scores.gather(-3, route.index).repeat_interleave(num_filters, dim=-3)


def take(values: Tensor, places: Tensor) -> Tensor:
    """Take values (B, K F, H, W) from their places, as `Route` has them, in (B, E F, H, W)."""
    kernels = find_kernels(values)
    if kernels is not None:
        return kernels.take(values, places)
    flat = values.flatten(1)  # (B, E F H W)
    picked = flat.index_select(1, places) if places.dim() == 1 else flat.gather(1, places)
    return picked.view(len(values), -1, *values.shape[2:])


def spread(picked: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """Put values (B, K F, H, W) at their places among zeros, in the shape (B, E F, H, W)."""
    kernels = find_kernels(picked, shape[1:].numel())
    if kernels is not None:
        return kernels.spread(picked, places, shape)
    flat = picked.reshape(len(picked), -1)  # (B, K F H W)
    whole = flat.new_zeros(len(flat), shape[1:].numel())  # (B, E F H W)
    if places.dim() == 1:
        whole.index_copy_(1, places, flat)
    else:
        whole.scatter_(1, places, flat)
    return whole.view(shape)
