"""Picking and training in one, against the two after each other."""

import pytest
import torch

from smoecast.nn.smoe.gate_training.picked_values import pick_and_train
from smoecast.nn.smoe.gate_training.routing_loss import train_routing
from smoecast.nn.smoe.gather import pick
from smoecast.nn.smoe.layer import SpatialMoE2d

GRID = (4, 6)


@pytest.mark.parametrize("gate", ["tensor", "conv"])
@pytest.mark.parametrize(("damping", "weight"), [(0.1, 1.0), (1.0, 1.0), (0.3, 0.0), (1.0, 0.0)])
def test_equals_picking_then_training(gate, damping, weight):
    torch.manual_seed(0)
    layer = SpatialMoE2d(
        3, 4, 5, grid=GRID, gate=gate, damping=damping, routing_loss_weight=weight,
        filters_per_expert=2,
    )  # fmt: skip
    x, objective = torch.randn(3, 3, *GRID), layer.objective
    results = []
    for together in (True, False):
        layer.zero_grad()
        objective.loss = None
        scores = layer.gate(x)
        values, route = layer.all_values(x), layer._route(scores)
        link = layer.gate.link(told=True)
        if together:
            out = pick_and_train(values, scores, route, objective, link)
        else:
            out = train_routing(pick(values, route), scores, route.index, objective, link)
        out.square().mean().backward()
        results.append([out, objective.loss, *(p.grad for p in layer.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert theirs is None if ours is None else torch.equal(ours, theirs)
