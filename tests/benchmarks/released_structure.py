"""The structure of the authors' released layer, written anew to be timed beside ours.

One convolution to all E channels, the gate tensor repeated for every sample, top-k and gather per
sample, the error signal kept, quantiles by a full sort (twice), and the routing loss by a second
backward pass over the retained graph. Read in the released code of Dryden & Hoefler 2022
(arXiv 2211.13491).
"""

import torch
from torch import nn
from torch.nn import functional


class Routing(torch.autograd.Function):
    @staticmethod
    def forward(ctx, values, scores, layer):
        best, index = scores.topk(layer.num_selected, dim=1)
        ctx.layer, ctx.index = layer, index
        ctx.save_for_backward(values, scores)
        routed = torch.zeros_like(scores).scatter_(1, index, best)
        ctx.mark_non_differentiable(routed, index)
        return values.gather(1, index), routed, index

    @staticmethod
    def backward(ctx, grad, _routed, _index):
        values, _ = ctx.saved_tensors
        ctx.layer.error_signal = grad
        spread = torch.zeros_like(values).scatter_(1, ctx.index, grad)
        factor = torch.ones_like(grad)
        factor[incorrect(grad, ctx.layer.quantile, 1e-3)] = ctx.layer.damping
        spread *= torch.ones_like(spread).scatter_(1, ctx.index, factor)
        return spread, None, None


def incorrect(grad, quantile, margin):
    error = grad.abs() * (grad.numel() / 2)
    limit = error.flatten(1).quantile(quantile, dim=1).view(-1, 1, 1, 1)
    return error > limit + margin


class ReleasedStructure(nn.Module):
    def __init__(self, in_channels, num_selected, num_experts, grid, quantile=0.3, damping=0.1):
        super().__init__()
        self.num_selected, self.quantile, self.damping = num_selected, quantile, damping
        self.experts = nn.Conv2d(in_channels, num_experts, 3, padding=1, bias=False)
        bound = (3 * num_experts / num_selected) ** 0.5
        self.scores = nn.Parameter(torch.empty(num_experts, *grid).uniform_(-bound, bound))

    def forward(self, x):
        self.repeated = self.scores.repeat(len(x), 1, 1, 1)
        out, self.routed, self.index = Routing.apply(self.experts(x), self.repeated, self)
        return out

    def routing_loss(self):
        wrong = incorrect(self.error_signal, self.quantile, 1e-5).to(self.repeated.dtype)
        experts = self.repeated.shape[1]
        blame = wrong.sum(dim=1, keepdim=True) / (experts - self.num_selected)
        labels = blame.repeat(1, experts, 1, 1).scatter_(1, self.index, 1.0 - wrong)
        return functional.binary_cross_entropy_with_logits(self.repeated, labels)


def backward(layer, out, grad):
    """The step's backward half: the main loss, then the routing loss."""
    out.backward(grad, retain_graph=True)
    layer.routing_loss().backward()
