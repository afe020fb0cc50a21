"""Routing: which experts serve a point, and what the gate learns from the error.

Definitions from Dryden & Hoefler 2022 (arXiv 2211.13491, section 2) and the released code, which
fixes the numbers: routing classification loss, expert error damping. Ours: the closed form of the
routing loss' gradient, computed once per layer from the error signal that the layer's backward
receives anyway; routing inside groups; the order of the experts; experts judged by each other.

Letters: B batch, E experts, K selected experts, F filters per expert, H latitude, W longitude.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from smoecast.nn.smoe.topk import best_experts, neighbours_in_order

LABEL_MARGIN = 1e-5
"""An output is incorrect for the labels when its error exceeds the quantile by this much."""
DAMPING_MARGIN = 1e-3
"""An output is incorrect for the damping when its error exceeds the quantile by this much."""

WINNING_MARGIN = 1e-5
"""A rival wins when its error is lower by more than this share of the group's largest."""


@dataclass(frozen=True)
class Selection:
    """How a layer picks experts.

    Attributes
    ----------
    num_experts, num_selected : int
        E and K.
    order : str
        ``score``: highest first (the paper). ``expert``: ascending index of the experts (ours).
    grouped : bool
        False: the K best of all E (the paper). True: the best of each of K groups of E / K
        neighbouring experts, so that an output channel keeps its meaning (ours).
    """

    num_experts: int
    num_selected: int
    order: str = "score"
    grouped: bool = False

    @property
    def group_size(self) -> int:
        """Experts that compete with each other: E / K in groups, else E."""
        return self.num_experts // self.num_selected if self.grouped else self.num_experts

    @property
    def rivals(self) -> int:
        """Unselected experts that share the blame for an incorrect one."""
        selected = 1 if self.grouped else self.num_selected
        return self.group_size - selected

    def first_experts(self) -> Tensor:
        """Experts that a plain start selects: the first of each group, or the first K."""
        step = self.group_size if self.grouped else 1
        return torch.arange(self.num_selected) * step

    def group_heads(self) -> Tensor:
        """For each expert, (E,), the one of `first_experts` that it may replace."""
        experts = torch.arange(self.num_experts)
        if self.grouped:
            return experts - experts % self.group_size
        return experts % self.num_selected


def make_selection(
    out_channels: int, num_experts: int, num_filters: int, order: str, routing: str
) -> Selection:
    """Check the counts of a layer and put them together with its choices.

    Raises
    ------
    ValueError
        If the counts do not fit: K = `out_channels` / `num_filters` experts
        out of `num_experts`, in groups of equal size.
    """
    if num_filters < 1 or out_channels < 1 or out_channels % num_filters:
        raise ValueError(
            f"out_channels must be a multiple of filters_per_expert, not {out_channels} of "
            f"{num_filters}"
        )
    selected = out_channels // num_filters
    if selected > num_experts:
        raise ValueError(f"cannot select {selected} of {num_experts} experts: add experts")
    if routing == "grouped" and num_experts % selected:
        raise ValueError(
            f"grouped routing needs num_experts to be a multiple of {selected}, not {num_experts}"
        )
    return Selection(num_experts, selected, order, routing == "grouped")


def check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a word that is none of the allowed ones.

    Raises
    ------
    ValueError
        Naming the argument and what it may be.
    """
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(allowed)}, not '{value}'")


def select(scores: Tensor, how: Selection) -> Tensor:
    """Return the indices of the selected experts.

    Parameters
    ----------
    scores : Tensor
        (E, H, W) or (B, E, H, W).
    how : Selection
        What counts as selected, and in which order.

    Returns
    -------
    Tensor
        int64, (K, H, W) or (B, K, H, W).
    """
    scores = scores.detach()
    if how.grouped:
        groups = torch.unflatten(scores, -3, (how.num_selected, how.group_size))
        best = groups.max(dim=-3).indices  # (.., K, E / K, H, W) -> (.., K, H, W)
        first = torch.arange(0, how.num_experts, how.group_size, device=scores.device)
        return best + first[:, None, None]
    return best_experts(scores, how.num_selected, by_score=how.order == "score")


def error_quantile(error: Tensor, quantile: float) -> Tensor:
    """Quantile of each sample's errors, with linear interpolation, without a full sort.

    Parameters
    ----------
    error : Tensor
        (B, ...), not negative.
    quantile : float
        From 0 to 1.

    Returns
    -------
    Tensor
        (B,).
    """
    flat = error.flatten(1)  # (B, N)
    rank = quantile * (flat.shape[1] - 1)
    below = min(int(rank), flat.shape[1] - 2)
    if below < 0:
        return flat[:, 0]  # A single value is its own quantile.
    low, high = neighbours_in_order(flat, below)
    return torch.lerp(low, high, rank - below)


def rc_labels(wrong: Tensor, index: Tensor, how: Selection) -> Tensor:
    """Labels of the routing classification loss.

    Parameters
    ----------
    wrong : Tensor
        How often each selected expert was incorrect, 0 to 1, (K, H, W) or (B, K, H, W).
    index : Tensor
        Selected experts, in the same shape.
    how : Selection
        Says who shares the blame.

    Returns
    -------
    Tensor
        (E, H, W) or (B, E, H, W). Selected and correct 1, selected and incorrect 0, unselected: the
        number of incorrect selected experts (in the group) over the number of unselected ones (in
        the group). Labels are linear in `wrong`, so its mean over samples gives the mean label.
    """
    if how.rivals == 0:
        blame = torch.zeros_like(wrong)
    elif how.grouped:
        blame = wrong / how.rivals  # (.., K, H, W)
    else:
        blame = wrong.sum(dim=-3, keepdim=True) / how.rivals  # (.., 1, H, W)
    repeats = how.num_experts // blame.shape[-3]
    labels = blame.repeat_interleave(repeats, dim=-3)  # (.., E, H, W)
    return labels.scatter_(-3, index, 1.0 - wrong)


def winner_labels(error: Tensor, index: Tensor, how: Selection) -> tuple[Tensor, Tensor]:
    """Labels where experts are judged by each other: 1 for the best of each group, else 0 (ours).

    Parameters
    ----------
    error : Tensor
        What each expert's error is, or would have been: (E, H, W) or (B, E, H, W).
    index : Tensor
        Selected experts of grouped routing, (K, H, W) or (B, K, H, W). A rival must be clearly
        better to win: experts that are still alike do not change places by rounding.
    how : Selection
        Grouped.

    Returns
    -------
    Tensor, Tensor
        Labels, shaped as `error`, and where the selected expert did not win, 0 or 1, shaped as
        `index`.
    """
    groups = torch.unflatten(error, -3, (how.num_selected, how.group_size))
    least = groups.min(dim=-3)  # (.., K, E / K, H, W) -> (.., K, H, W)
    largest = torch.maximum(groups.amax(dim=-3), -least.values)  # of the absolute values
    clearly = WINNING_MARGIN * largest
    beaten = least.values < error.gather(-3, index) - clearly
    first = torch.arange(0, how.num_experts, how.group_size, device=error.device)
    winner = torch.where(beaten, least.indices + first[:, None, None], index)
    labels = torch.zeros_like(error).scatter_(-3, winner, 1.0)
    return labels, beaten.to(error.dtype)


def rc_loss_and_gradient(scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Binary cross-entropy with logits, mean over everything, and its gradient on the scores.

    Parameters
    ----------
    scores, labels : Tensor
        (E, H, W) or (B, E, H, W).

    Returns
    -------
    Tensor, Tensor
        Loss (a number) and (sigmoid(scores) - labels) / numel in the shape of the scores.
    """
    loss = functional.binary_cross_entropy_with_logits(scores, labels)
    return loss, torch.sigmoid(scores).sub_(labels).div_(scores.numel())
