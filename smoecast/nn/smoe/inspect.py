"""Look into the routing: which experts serve which points, and how evenly they are used.

Plain functions of the selected experts, (K, H, W) or (B, K, H, W), as `SpatialMoE2d.route` returns
them.
"""

from dataclasses import dataclass

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from smoecast.nn.smoe.layer import SpatialMoE2d


@dataclass(frozen=True)
class Agreement:
    """How well a routing map fits a known map of regions.

    Attributes
    ----------
    share : float
        Share of points at which the expert is the one that belongs to the region, 0 to 1.
    region_of_expert : tuple of int
        The best pairing: region of each expert, -1 for an expert that has none.
    """

    share: float
    region_of_expert: tuple[int, ...]


def routing_map(layer: SpatialMoE2d, x: Tensor | None = None) -> Tensor:
    """Return the selected experts of a layer.

    Parameters
    ----------
    layer : SpatialMoE2d
        Not changed.
    x : Tensor, optional
        Input (B, C, H, W); needed only where the gate looks at the input.

    Returns
    -------
    Tensor
        int64, (K, H, W), or (B, K, H, W) where the gate looks at the input.

    Raises
    ------
    ValueError
        If the gate looks at the input and none is given.
    """
    if x is None and layer.gate.depends_on_input:
        raise ValueError("this layer's gate looks at the input: give routing_map an input")
    if x is None:
        x = layer.weight.new_empty(1, layer.weight.shape[1], *layer.grid)
    with torch.no_grad():
        return layer.route(x)


def rival_map(layer: SpatialMoE2d) -> Tensor:
    """Return the selected experts of a layer whose gate is a map, numbered among their rivals.

    Where experts compete in groups, each is numbered within its own.

    Returns
    -------
    Tensor
        int64, (K, H, W).
    """
    how, chosen = layer.objective.how, routing_map(layer)
    return chosen % how.group_size if how.grouped else chosen


def expert_presence(index: Tensor, num_experts: int) -> Tensor:
    """Return where each expert is selected: share of samples, (E, H, W), 0 to 1.

    Parameters
    ----------
    index : Tensor
        Selected experts, (K, H, W) or (B, K, H, W).
    num_experts : int
        E.
    """
    samples = index if index.dim() == 4 else index[None]  # (B, K, H, W)
    counts = torch.zeros(len(samples), num_experts, *samples.shape[2:], device=index.device)
    return counts.scatter_(1, samples, 1.0).mean(dim=0)


def expert_share(index: Tensor, num_experts: int) -> Tensor:
    """Return the share of points that each expert serves, (E,); they add up to K."""
    return expert_presence(index, num_experts).mean(dim=(1, 2))


def agreement(index: Tensor, regions: Tensor, num_experts: int) -> Agreement:
    """Compare a routing map with known regions, under the best pairing of experts and regions.

    Parameters
    ----------
    index : Tensor
        Selected experts for K = 1, (1, H, W) or (B, 1, H, W).
    regions : Tensor
        Known map of region numbers from 0, int (H, W).
    num_experts : int
        E.

    Returns
    -------
    Agreement
        Pairing by the Hungarian method (`scipy.optimize.linear_sum_assignment`).

    Raises
    ------
    ValueError
        If more than one expert is selected, or the two maps have different grids.
    """
    if index.shape[-3] != 1 or index.shape[-2:] != regions.shape:
        raise ValueError(
            f"agreement takes one selected expert on the grid of the regions, not selected experts "
            f"{tuple(index.shape)} and regions {tuple(regions.shape)}"
        )
    num_regions = int(regions.max()) + 1
    pairs = index.squeeze(-3).long() * num_regions + regions.long()  # (.., H, W)
    table = torch.bincount(pairs.flatten(), minlength=num_experts * num_regions)
    table = table.view(num_experts, num_regions).cpu()
    experts, matched = linear_sum_assignment(table.numpy(), maximize=True)
    region_of_expert = [-1] * num_experts
    for expert, region in zip(experts, matched, strict=True):
        region_of_expert[expert] = int(region)
    hits = int(table.numpy()[experts, matched].sum())
    return Agreement(hits / int(table.sum()), tuple(region_of_expert))
