"""The paper's training signal: damping, counts of incorrect outputs, the routing loss."""

import pytest
import torch
from kernel_cases import LAYOUTS, SIZES, close, draw_scores

from smoecast.nn.smoe import gather
from smoecast.nn.smoe.gate_training import routing_loss
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective
from smoecast.nn.smoe.gather import make_route
from smoecast.nn.smoe.routing import Selection


def check(kernels, sizes, shared=True, grouped=False, dtype=torch.float32, layout=LAYOUTS[0]):
    batch, experts, selected, filters, grid = sizes
    how = Selection(experts, selected, "score", grouped)
    scores = draw_scores(batch, experts, grid, shared)
    route = make_route(scores, how, filters)
    objective = RoutingObjective(how, filters, 0.3, 0.1, 1.0, LossScale())
    grad = (torch.randn(batch, selected * filters, *grid) / 100).to(dtype)
    shape = torch.Size((batch, experts * filters, *grid))
    damped, wrong = routing_loss.score_outputs(grad, route.index, objective, 1.0)
    gradient = routing_loss.score_gate(scores, wrong, route.index, objective)

    verdict = kernels["offer"].score_outputs(
        grad.to(memory_format=layout),
        route.places,
        shape,
        num_filters=filters,
        quantile=0.3,
        damping=0.1,
        unit=2.0 / grad.numel(),
    )
    samples = batch if shared else 1
    loss, ours = kernels["offer"].routing_loss(scores, verdict, samples, how)
    assert verdict.finite
    close(verdict.whole, gather.spread(damped, route.places, shape), dtype)
    close(ours, gradient)
    close(loss, objective.loss)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sizes", [p.values for p in SIZES], ids=[p.id for p in SIZES])
def test_equals_plain_pytorch(kernels, sizes, dtype):
    check(kernels, sizes, dtype=dtype)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("shared", [True, False])
def test_scores_of_each_sample_and_groups(kernels, shared, layout):
    check(kernels, (3, 6, 2, 2, (3, 5)), shared, grouped=True, layout=layout)


def test_scores_of_each_sample(kernels):
    check(kernels, (3, 5, 2, 1, (3, 5)), shared=False)


def test_a_batch_in_shares_and_experts_in_blocks(kernels, monkeypatch):
    monkeypatch.setattr(kernels["tiles"], "PROGRAMS", 2)
    monkeypatch.setattr(kernels["outputs"], "BLOCK", 64)
    check(kernels, (5, 7, 2, 1, (3, 5)))
