"""Routing: which experts serve a point, and what the gate learns from the error.

Definitions from Dryden & Hoefler 2022 (arXiv 2211.13491, section 2) and the released code, which
fixes the numbers: routing classification loss, expert error damping, auxiliary losses. Ours: the
closed form of the routing loss' gradient, computed once per layer from the error signal that the
layer's backward receives anyway; routing inside groups; the order of the experts.

Letters: B batch, E experts, K selected experts, F filters per expert, H latitude, W longitude.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LABEL_MARGIN = 1e-5
"""An output is incorrect for the labels when its error exceeds the quantile by this much."""
DAMPING_MARGIN = 1e-3
"""An output is incorrect for the damping when its error exceeds the quantile by this much."""


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
        groups = torch.unflatten(
            scores, -3, (how.num_selected, how.group_size)
        )  # (.., K, E/K, H, W)
        best: Tensor = groups.argmax(dim=-3)
        first = torch.arange(0, how.num_experts, how.group_size, device=scores.device)
        return best + first[:, None, None]
    index = scores.topk(how.num_selected, dim=-3).indices
    return index.sort(dim=-3).values if how.order == "expert" else index


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
    below = int(rank)
    low = flat.kthvalue(below + 1, dim=1).values
    if rank == below:
        return low
    # The next larger value: itself where it occurs once more, else the smallest above it.
    more = (flat <= low[:, None]).sum(dim=1) > below + 1
    above = flat.masked_fill(flat <= low[:, None], torch.inf).amin(dim=1)
    high = torch.where(more, low, above)
    return torch.lerp(low, high, rank - below)


def signal_error(grad: Tensor, num_filters: int, scale: float | Tensor = 1.0) -> Tensor:
    """Error of each selected expert at each point, from the gradient that reaches its output.

    For a mean squared error loss on this very output it is abs(output - target).

    Parameters
    ----------
    grad : Tensor
        dL/dy, (B, K F, H, W).
    num_filters : int
        F; the filters of one expert are averaged (ours; the paper has one).
    scale : float or Tensor
        Factor by which the loss was scaled before the backward pass.

    Returns
    -------
    Tensor
        (B, K, H, W), at least float32.
    """
    wide = grad if grad.dtype in (torch.float32, torch.float64) else grad.float()
    error = wide.abs() * (grad.numel() / 2 / scale)
    if num_filters == 1:
        return error
    return torch.unflatten(error, 1, (-1, num_filters)).mean(dim=2)


def rc_labels(incorrect: Tensor, index: Tensor, how: Selection, dtype: torch.dtype) -> Tensor:
    """Labels of the routing classification loss.

    Parameters
    ----------
    incorrect : Tensor
        Which selected experts were wrong, (B, K, H, W) bool.
    index : Tensor
        Selected experts, (K, H, W) or (B, K, H, W).
    how : Selection
        Says who shares the blame.
    dtype : torch.dtype
        Of the labels.

    Returns
    -------
    Tensor
        (E, H, W) averaged over the batch when `index` is shared by it, else (B, E, H, W).
        Selected and correct 1, selected and incorrect 0, unselected: the number of incorrect
        selected experts (in the group) over the number of unselected ones (in the group).
    """
    wrong = incorrect.to(dtype)
    if index.dim() == 3:
        wrong = wrong.mean(dim=0)  # (K, H, W)
    if how.rivals == 0:
        blame = torch.zeros_like(wrong)
    elif how.grouped:
        blame = wrong / how.rivals  # (.., K, H, W)
    else:
        blame = wrong.sum(dim=-3, keepdim=True) / how.rivals  # (.., 1, H, W)
    repeats = how.num_experts // blame.shape[-3]
    labels = blame.repeat_interleave(repeats, dim=-3)  # (.., E, H, W)
    return labels.scatter_(-3, index, 1.0 - wrong)


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
    return loss, (torch.sigmoid(scores) - labels) / scores.numel()


def importance_loss(scores: Tensor) -> Tensor:
    """Squared coefficient of variation of the experts' summed scores, scores (.., E, H, W)."""
    importance = scores.movedim(-3, 0).flatten(1).sum(dim=1)  # (E,)
    return _squared_variation(importance)


def load_loss(scores: Tensor, noisy: Tensor, noise: float, num_selected: int) -> Tensor:
    """Squared coefficient of variation of the chance to be selected under fresh gate noise.

    Parameters
    ----------
    scores, noisy : Tensor
        Without and with the noise of this step, (E, H, W) or (B, E, H, W).
    noise : float
        Standard deviation of the noise; above 0.
    num_selected : int
        K.
    """
    threshold = noisy.topk(num_selected, dim=-3).values.narrow(-3, num_selected - 1, 1)
    chance = torch.special.ndtr((scores - threshold) / noise)
    load = chance.sum(dim=0) if chance.dim() == 4 else chance
    return _squared_variation(load)


def agreement_loss(scores: Tensor) -> Tensor:
    """Spread of the scores over the batch: std, averaged over points, summed over experts.

    Zero for scores that are the same for all samples, (E, H, W), and for a batch of one.
    """
    if scores.dim() == 3 or scores.shape[0] == 1:
        return scores.new_zeros(())
    return scores.std(dim=0).mean(dim=(1, 2)).sum()


def _squared_variation(values: Tensor) -> Tensor:
    return (values.std() / values.mean()) ** 2


class LossScale:
    """The factor by which the loss is scaled: 1, or what a GradScaler applies.

    A shared holder: copies of a layer follow the same scaler.
    """

    def __init__(self, scaler: torch.amp.GradScaler | None = None) -> None:
        self.scaler = scaler

    def __deepcopy__(self, memo: dict[int, object]) -> "LossScale":
        """Stay one and the same for all copies of a layer."""
        return self

    def __call__(self, like: Tensor) -> Tensor | float:
        """Return the factor, on the device of `like`, without waiting for the device."""
        if self.scaler is None or not self.scaler.is_enabled():
            return 1.0
        scale: Tensor = self.scaler.scale(torch.ones((), device=like.device))
        return scale
