"""The filters of the experts: what they share, how they begin, and how their values add up.

Letters: C channels in, D channels out, E experts, K selected experts, F filters per expert, T terms
of a channel, H latitude, W longitude.
"""

import math

import torch
from torch import Tensor, nn

from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective
from smoecast.nn.smoe.routing import Selection


def draw_filters(count: int, shape: tuple[int, int, int]) -> nn.Parameter:
    """Draw filters of shape (C, k, k) as PyTorch draws those of a convolution."""
    filters = nn.Parameter(torch.empty(count, *shape))
    nn.init.kaiming_uniform_(filters, a=math.sqrt(5))
    return filters


def with_common(weight: Tensor, common: Tensor | None, objective: RoutingObjective) -> Tensor:
    """Add the filters that all points share to those of the experts.

    Parameters
    ----------
    weight : Tensor
        (E F, C, k, k).
    common : Tensor or None
        (D, C, k, k); of several terms, each has its part. None: nothing is shared.
    objective : RoutingObjective
        Says who belongs to which channel.

    Returns
    -------
    Tensor
        (E F, C, k, k).
    """
    if common is None:
        return weight
    how, terms, filters = objective.how, objective.terms, objective.num_filters
    channels = how.num_selected // terms
    # (E F, C, k, k) -> (K / T, T, E / K, F, C, k, k)
    experts = torch.unflatten(weight, 0, (channels, terms, how.group_size, filters))
    part = torch.unflatten(common / terms, 0, (channels, 1, 1, filters))
    return torch.flatten(experts + part, 0, 3)


def add_terms(values: Tensor, objective: RoutingObjective) -> Tensor:
    """Add up the experts that serve a channel together: (B, K F, H, W) to (B, D, H, W)."""
    terms, filters = objective.terms, objective.num_filters
    if terms == 1:
        return values
    # (B, K F, H, W) -> (B, K / T, T, F, H, W) -> (B, D, H, W)
    return torch.unflatten(values, 1, (-1, terms, filters)).sum(dim=2).flatten(1, 2)


def copy_group_heads(weight: Tensor, how: Selection) -> None:
    """Make each expert's filters, in (E F, C, k, k), a copy of those it may replace, in place."""
    filters = torch.unflatten(weight, 0, (how.num_experts, -1))  # (E, F, C, k, k)
    weight.copy_(filters[how.group_heads()].flatten(0, 1))
