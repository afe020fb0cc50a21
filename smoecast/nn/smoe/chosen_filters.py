"""What the experts of a point add up to: one filter of the point's own.

A sum of convolutions is the convolution with the sum of the filters. So where nobody asks what the
other experts would have made of a point, its T experts and the filter that all points share become
one filter, and the layer costs what a locally connected one costs, not E / K times as much.

Letters: C channels in, D channels out, E experts, K selected experts, F filters per expert, T terms
of a channel, H latitude, W longitude, P points.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from smoecast.nn.point_filters import convolve_by_point
from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective
from smoecast.nn.smoe.gather import Route

MANY_EXPERTS = 8
"""From so many experts a channel on, a filter for each point is faster (docs/benchmarks.md)."""

MOST_VALUES = 2**25
"""Filters of all points that hold more values than this (128 MiB) are not made."""


@dataclass(frozen=True)
class ChosenFilters:
    """The filters of all points.

    Attributes
    ----------
    filters : Tensor
        (D, H, W, k, k, C).
    bias : Tensor or None
        (D, H, W).
    """

    filters: Tensor
    bias: Tensor | None

    def convolve(self, x: Tensor, padding: str) -> Tensor:
        """Map (B, C, H, W) into (B, D, H, W)."""
        out = convolve_by_point(x, self.filters, padding)
        return out if self.bias is None else out + self.bias


def is_worth_it(weight: Tensor, route: Route, objective: RoutingObjective) -> bool:
    """Whether filters of all points are there to be had, and faster than all experts' values.

    Parameters
    ----------
    weight : Tensor
        The experts' filters, (E F, C, k, k).
    route : Route
        Who serves which point.
    objective : RoutingObjective
        Says how many experts serve a channel.
    """
    if route.index.dim() != 3 or weight.device.type != "cpu":
        return False
    channels = len(route.channels) // objective.terms
    values = channels * route.channels[0].numel() * weight[0].numel()
    return values <= MOST_VALUES and len(weight) >= MANY_EXPERTS * channels


def choose_filters(
    weight: Tensor, bias: Tensor | None, route: Route, objective: RoutingObjective
) -> ChosenFilters:
    """Add up the filters of each point's experts.

    Parameters
    ----------
    weight : Tensor
        Filters of the experts with what they share, (E F, C, k, k).
    bias : Tensor or None
        (E F).
    route : Route
        Who serves which point, the same for all samples.
    objective : RoutingObjective
        Says who belongs to which channel.
    """
    taps = weight.permute(0, 2, 3, 1).contiguous()  # (E F, k, k, C)
    flat = taps.flatten(1)
    if objective.how.grouped:
        chosen = _who(route, objective)
        filters = _add_groups(flat, chosen, objective)
        own = None if bias is None else _add_groups(bias[:, None], chosen, objective)
    else:
        filters = flat[route.channels.flatten()]
        own = None if bias is None else bias[route.channels]
    height, width = route.channels.shape[1:]
    filters = filters.view(-1, height, width, *taps.shape[1:])
    return ChosenFilters(filters, None if own is None else own.view(-1, height, width))


def _who(route: Route, objective: RoutingObjective) -> Tensor:
    """Return 1 for each point and each expert that serves it, (K / T, T E / K, P); else 0."""
    how = objective.how
    first = torch.arange(how.num_selected, device=route.index.device) * how.group_size
    within = (route.index - first[:, None, None]).flatten(1)  # (K, P)
    one = torch.zeros(how.num_selected, how.group_size, within.shape[1])
    one.scatter_(1, within[:, None], 1.0)
    return one.view(how.num_selected // objective.terms, -1, within.shape[1])


def _add_groups(values: Tensor, chosen: Tensor, objective: RoutingObjective) -> Tensor:
    """Add up values (E F, n) of the experts that serve a point together: (D, P, n)."""
    count = objective.num_filters
    # (E F, n) -> (K / T, T E / K, F n)
    groups = values.view(*chosen.shape[:2], -1)
    added = torch.bmm(chosen.to(values.dtype).transpose(1, 2), groups)  # (K / T, P, F n)
    if count == 1:
        return added
    return torch.unflatten(added, 2, (count, -1)).transpose(1, 2).flatten(0, 1)


class FilterMemory:
    """Remembers the filters of all points as long as nothing that they are made of changes.

    Without gradients by value: no way of writing to experts goes unnoticed. With gradients only
    within `reuse`, whose calls share one graph.
    """

    def __init__(self) -> None:
        self._last: tuple[Tensor, Tensor | None, Route, ChosenFilters] | None = None
        self._shared: tuple[Route, ChosenFilters] | None = None
        self._reuses = False

    def filters(
        self, weight: Tensor, bias: Tensor | None, route: Route, objective: RoutingObjective
    ) -> ChosenFilters:
        """Return what `choose_filters` makes of the same arguments."""
        if torch.compiler.is_compiling():  # what is remembered is no part of a graph
            return choose_filters(weight, bias, route, objective)
        if torch.is_grad_enabled():
            if self._shared is not None and self._shared[0] is route:
                return self._shared[1]
            made = choose_filters(weight, bias, route, objective)
            self._shared = (route, made) if self._reuses else None
            return made
        if self._last is not None:
            last, last_bias, last_route, made = self._last
            same = last_bias is bias is None or (
                bias is not None and last_bias is not None and torch.equal(last_bias, bias)
            )
            if same and last_route is route and _are_equal(last, weight):
                return made
        made = choose_filters(weight, bias, route, objective)
        kept = None if bias is None else bias.detach().clone()
        self._last = (weight.detach().clone(), kept, route, made)
        return made

    @contextmanager
    def reuse(self) -> Iterator[None]:
        """Within, filters are made once: several calls of the layer that end in one backward."""
        self._reuses = True
        try:
            yield
        finally:
            self._reuses, self._shared = False, None


def _are_equal(one: Tensor, other: Tensor) -> bool:
    return one.dtype == other.dtype and torch.equal(one, other)
