"""Which experts serve which points, and taking their values out of all experts' values."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoecast.nn import routing


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


def pick(values: Tensor, route: Route) -> Tensor:
    """Take the selected values out of all experts' values: (B, E F, H, W) to (B, K F, H, W)."""
    taken = take if torch.compiler.is_compiling() else _pick
    return taken(values, route.places)


def weigh(picked: Tensor, scores: Tensor, route: Route, num_filters: int) -> Tensor:
    """Multiply selected values (B, K F, H, W) by their scores: the weighted variant."""
    return picked * scores.gather(-3, route.index).repeat_interleave(num_filters, dim=-3)


def take(values: Tensor, places: Tensor) -> Tensor:
    """Take values (B, K F, H, W) from their places, as `Route` has them, in (B, E F, H, W)."""
    flat = values.flatten(1)  # (B, E F H W)
    picked = flat.index_select(1, places) if places.dim() == 1 else flat.gather(1, places)
    return picked.view(len(values), -1, *values.shape[2:])


def spread(picked: Tensor, places: Tensor, shape: torch.Size) -> Tensor:
    """Put values (B, K F, H, W) at their places among zeros, in the shape (B, E F, H, W)."""
    flat = picked.reshape(len(picked), -1)  # (B, K F H W)
    whole = flat.new_zeros(len(flat), shape[1:].numel())  # (B, E F H W)
    if places.dim() == 1:
        whole.index_copy_(1, places, flat)
    else:
        whole.scatter_(1, places, flat)
    return whole.view(shape)
