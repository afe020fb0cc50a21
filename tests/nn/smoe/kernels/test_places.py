"""Taking and spreading, to the bit as plain PyTorch."""

import pytest
import torch
from kernel_cases import LAYOUTS, SIZES, TYPES, draw_scores

from smoecast.nn.smoe import gather
from smoecast.nn.smoe.gather import make_route
from smoecast.nn.smoe.routing import Selection


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES[:2])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(("batch", "experts", "selected", "filters", "grid"), SIZES)
def test_take_and_spread(kernels, batch, experts, selected, filters, grid, shared, dtype, layout):
    route = make_route(
        draw_scores(batch, experts, grid, shared), Selection(experts, selected), filters
    )
    values = torch.randn(batch, experts * filters, *grid).to(dtype).to(memory_format=layout)
    taken = kernels["offer"].take(values, route.places)
    assert torch.equal(taken, gather.take(values, route.places))
    assert taken.is_contiguous(memory_format=layout)
    whole = kernels["offer"].spread(taken, route.places, values.shape)
    assert torch.equal(whole, gather.spread(taken, route.places, values.shape))


def test_fields_that_are_cut_out_of_others(kernels):
    route = make_route(torch.randn(4, 3, 5), Selection(4, 2), 1)
    values = torch.randn(2, 4, 3, 8)[..., 2:7]
    taken = kernels["offer"].take(values, route.places)
    assert torch.equal(taken, gather.take(values, route.places))


def test_a_batch_that_is_shared_out(kernels, monkeypatch):
    monkeypatch.setattr(kernels["tiles"], "PROGRAMS", 1)
    route = make_route(torch.randn(4, 3, 5), Selection(4, 2), 1)
    values = torch.randn(7, 4, 3, 5)
    taken = kernels["offer"].take(values, route.places)
    assert torch.equal(taken, gather.take(values, route.places))
