"""The structure of the authors' released layer, written anew to be timed beside ours.

One convolution to all E channels, the gate tensor repeated for every sample, top-k and gather per
sample, the error signal kept, quantiles by a full sort (twice), and the routing loss by a second
backward pass over the retained graph. Read in the released code of Dryden & Hoefler 2022
(arXiv 2211.13491).
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class _Route(torch.autograd.Function):
    """Top-k of the scores, gathered forward; scattered and damped backward."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, scores: Tensor, layer: Any) -> Any:
        """Take the values of the selected experts."""
        best, index = scores.topk(layer.num_selected, dim=1)
        ctx.layer, ctx.index = layer, index
        ctx.save_for_backward(values, scores)
        routed = torch.zeros_like(scores).scatter_(1, index, best)
        ctx.mark_non_differentiable(routed, index)
        return values.gather(1, index), routed, index

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        """Spread the gradient to the experts, less of it where they were wrong."""
        gradient = gradients[0]
        values, _ = ctx.saved_tensors
        ctx.layer.error_signal = gradient
        spread = torch.zeros_like(values).scatter_(1, ctx.index, gradient)
        factor = torch.ones_like(gradient)
        factor[find_incorrect(gradient, ctx.layer.quantile, 1e-3)] = ctx.layer.damping
        spread *= torch.ones_like(spread).scatter_(1, ctx.index, factor)
        return spread, None, None


def find_incorrect(gradient: Tensor, quantile: float, margin: float) -> Tensor:
    """Return where the error signal is larger than its quantile in the sample."""
    error = gradient.abs() * (gradient.numel() / 2)
    if error.dtype in (torch.float16, torch.bfloat16):  # which have no quantile
        error = error.float()
    limit = error.flatten(1).quantile(quantile, dim=1).view(-1, 1, 1, 1)
    return error > limit + margin


class ReleasedStructure(nn.Module):
    """The layer, of 3 x 3 filters without bias, with a tensor gate.

    Parameters
    ----------
    in_channels, num_selected, num_experts : int
        C, K and E.
    grid : (int, int)
        H and W.
    quantile, damping : float
        What errors count as wrong, and how much of their gradient is kept.
    """

    error_signal: Tensor

    def __init__(
        self,
        in_channels: int,
        num_selected: int,
        num_experts: int,
        grid: tuple[int, int],
        quantile: float = 0.3,
        damping: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_selected, self.quantile, self.damping = num_selected, quantile, damping
        self.experts = nn.Conv2d(in_channels, num_experts, 3, padding=1, bias=False)
        bound = (3 * num_experts / num_selected) ** 0.5
        self.scores = nn.Parameter(torch.empty(num_experts, *grid).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Return the selected experts' values, (B, K, H, W)."""
        self.repeated = self.scores.repeat(len(x), 1, 1, 1)
        route: Any = _Route.apply
        out: Tensor
        out, self.routed, self.index = route(self.experts(x), self.repeated, self)
        return out

    def routing_loss(self) -> Tensor:
        """Return the loss of the last pass; its backward pass runs over the retained graph."""
        wrong = find_incorrect(self.error_signal, self.quantile, 1e-5).to(self.repeated.dtype)
        experts = self.repeated.shape[1]
        blame = wrong.sum(dim=1, keepdim=True) / (experts - self.num_selected)
        labels = blame.repeat(1, experts, 1, 1).scatter_(1, self.index, 1.0 - wrong)
        return functional.binary_cross_entropy_with_logits(self.repeated, labels)


def backward(layer: ReleasedStructure, out: Tensor, gradient: Tensor) -> None:
    """Go backward as the released training does: the main loss, then the routing loss."""
    torch.autograd.backward(out, gradient, retain_graph=True)
    torch.autograd.backward(layer.routing_loss())
