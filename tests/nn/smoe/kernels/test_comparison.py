"""Comparing experts: errors, slopes, damping, the comparative routing loss."""

import pytest
import torch
from kernel_cases import LAYOUTS, close, draw_scores

from smoecast.nn.smoe.gate_training import comparative_loss
from smoecast.nn.smoe.gate_training.loss_scale import LossScale
from smoecast.nn.smoe.gate_training.routing_loss import RoutingObjective
from smoecast.nn.smoe.gather import make_route, spread
from smoecast.nn.smoe.routing import Selection


def check(kernels, sizes, damping, told, shared, dtype=torch.float32, layout=LAYOUTS[0]):
    batch, experts, selected, filters, grid = sizes
    how = Selection(experts, selected, grouped=True)
    scores = draw_scores(batch, experts, grid, shared)
    route = make_route(scores, how, filters)
    scale = LossScale(share=1.0 if told else None)
    objective = RoutingObjective(how, filters, 0.3, damping, 1.0, scale, compares=True)
    values = torch.randn(batch, experts * filters, *grid).to(dtype)
    grad = (torch.randn(batch, selected * filters, *grid) / 100).to(dtype)
    plain = (values, grad, route, objective, 1.0, batch)
    error, slope, damped = comparative_loss._score_plainly(*plain)
    loss, gradient = comparative_loss._comparative_loss(error, scores, route.index, objective)

    found = kernels["offer"].score_experts(
        values.to(memory_format=layout),
        grad,
        route.index,
        how,
        unit=batch * grad[0].numel() / 2.0,
        damping=damping,
        slopes=slope is not None,
        spreads=True,
    )
    assert found.finite
    close(found.error, error)
    assert (found.slope is None) == (slope is None)
    if slope is not None:
        close(found.slope, slope)
    close(found.whole, spread(damped, route.places, values.shape), dtype)
    ours = kernels["offer"].comparative_loss(error, scores, route.index, how)
    close(ours[0], loss)
    close(ours[1], gradient)


SIZES = [(3, 6, 3, 1, (5, 7)), (2, 6, 2, 2, (3, 11)), (1, 3, 1, 1, (1, 1)), (2, 10, 1, 1, (4, 6))]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("damping", "told"), [(1.0, False), (0.1, True)])
@pytest.mark.parametrize("sizes", SIZES)
def test_equals_plain_pytorch(kernels, sizes, damping, told, dtype):
    check(kernels, sizes, damping, told, shared=True, dtype=dtype)


@pytest.mark.parametrize("shared", [True, False])
def test_layouts_and_scores_of_each_sample(kernels, shared):
    check(kernels, SIZES[1], 0.1, True, shared, layout=torch.channels_last)


def test_a_batch_in_shares(kernels, monkeypatch):
    monkeypatch.setattr(kernels["tiles"], "PROGRAMS", 2)
    check(kernels, (5, 6, 3, 1, (2, 3)), 1.0, False, shared=True)


def test_errors_alone_and_what_is_not_finite(kernels):
    how = Selection(4, 2, grouped=True)
    values, grad = torch.randn(2, 4, 3, 5), torch.randn(2, 2, 3, 5)
    grad[1, 0, 2, 3] = torch.inf
    index = make_route(torch.randn(4, 3, 5), how, 1).index
    found = kernels["offer"].score_experts(
        values, grad, index, how, unit=1.0, damping=1.0, slopes=False, spreads=False
    )
    assert found.whole is None
    assert not found.finite


def test_equal_experts_stay(kernels):
    how, scores = Selection(6, 2, grouped=True), torch.randn(6, 2, 3)
    index, error = make_route(scores, how, 1).index, torch.ones(6, 2, 3)
    error[4] = error[5] = 0.5  # two rivals alike: the first
    objective = RoutingObjective(how, 1, 0.3, 1.0, 1.0, LossScale(), compares=True)
    expected = comparative_loss._comparative_loss(error, scores, index, objective)
    for ours, plain in zip(
        kernels["offer"].comparative_loss(error, scores, index, how), expected, strict=True
    ):
        close(ours, plain)
