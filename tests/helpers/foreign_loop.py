"""A small network in anybody's training loop."""

import torch
from made_layers import make_layer
from torch import nn
from torch.nn import functional

from smoecast.nn.smoe.gates import Gate

GRID = (5, 6)


def network(preset="comparative", **options):
    """Two layers, so that one has no target but what the other hands down; no experts alike."""
    options = {"expert_start": "own", "damping": 1.0, **options}
    first = make_layer(2, 4, 12, grid=GRID, preset=preset, **options)
    last = make_layer(4, 2, 8, grid=GRID, preset=preset, **options)
    return nn.Sequential(first, nn.Tanh(), last).double()


def samples(count=6):
    return torch.randn(count, 2, *GRID).double(), torch.randn(count, 2, *GRID).double()


def loss_of(net, x, y):
    return functional.mse_loss(net(x), y)


def gather(net, x, y, parts, factor=1.0):
    """Backward passes whose losses add up to the mean over all samples."""
    for part in parts:
        share = len(x[part]) / len(x)
        (factor * share * loss_of(net, x[part], y[part])).backward()


def gradients(net):
    return {name: p.grad.clone() for name, p in net.named_parameters()}


def assert_same(ours, theirs, **tolerance):
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        torch.testing.assert_close(
            value, theirs[name], msg=lambda m, n=name: f"{n}: {m}", **tolerance
        )


WHOLE = [slice(None)]
PARTS = {
    "halves": [slice(0, 3), slice(3, 6)],
    "of all sizes": [slice(0, 1), slice(1, 4), slice(4, 6)],
}


def penalty_of(net):
    return 0.01 * sum(p.square().sum() for p in net.parameters())


def forget(net):
    """Take away what gates remember of earlier steps."""
    for module in net.modules():
        if isinstance(module, Gate):
            module.gradient.remembered = None
