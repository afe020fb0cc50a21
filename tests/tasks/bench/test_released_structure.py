"""The structure that is timed beside ours computes the same thing."""

import torch

from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.tasks.bench.released_structure import ReleasedStructure, backward


def test_released_structure_has_our_gradients():
    torch.manual_seed(0)
    released = ReleasedStructure(3, 2, 5, (6, 8)).double()
    ours = SpatialMoE2d(3, 2, 5, grid=(6, 8)).double()
    with torch.no_grad():
        ours.weight.copy_(released.experts.weight)
        ours.gate.scores.copy_(released.scores)
    x, y = (torch.randn(4, 3, 6, 8).double().requires_grad_() for _ in range(2))
    y.data.copy_(x)
    out = released(x)
    grad = torch.randn_like(out) / out.numel()
    backward(released, out, grad)
    ours(y).backward(grad)
    torch.testing.assert_close(ours(y), out)
    torch.testing.assert_close(y.grad, x.grad)
    torch.testing.assert_close(ours.weight.grad, released.experts.weight.grad)
    torch.testing.assert_close(ours.gate.scores.grad, released.scores.grad)
    torch.testing.assert_close(ours.routing_loss, released.routing_loss().detach())
