"""Order statistics, picking, and the point-by-point kernel, against plain PyTorch."""

import pytest
import torch
from made_layers import make_layer

from smoecast.nn.smoe import gather as stencil_kernel
from smoecast.nn.smoe.gather import RouteMemory, make_route, pick
from smoecast.nn.smoe.routing import Selection, error_quantile
from smoecast.nn.smoe.topk import best_experts, neighbours_in_order

DRAWS = {
    "normal": lambda *shape: torch.randn(*shape).abs(),
    "ties": lambda *shape: torch.randint(0, 3, shape).float(),
    "steep": lambda *shape: torch.rand(*shape) ** 12,
    "zeros": torch.zeros,
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("draw", DRAWS)
@pytest.mark.parametrize("shape", [(1, 2), (2, 9), (5, 700), (1, 20_000), (200, 64)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neighbours_in_order_equal_a_sort(draw, shape, dtype):
    values = DRAWS[draw](*shape).to(dtype)
    ordered = values.sort(dim=1).values
    for rank in {0, shape[1] // 3, shape[1] - 2}:
        low, high = neighbours_in_order(values, rank)
        assert torch.equal(low, ordered[:, rank])
        assert torch.equal(high, ordered[:, rank + 1])


@pytest.mark.parametrize("q", [0.0, 0.3, 0.5, 0.95, 1.0])
@pytest.mark.parametrize("shape", [(2, 1), (3, 2), (4, 5, 6, 7), (1, 30_001)])
def test_quantile_equals_torch(q, shape):
    error = torch.rand(shape)
    expected = torch.quantile(error.flatten(1).double(), q, dim=1).float()
    torch.testing.assert_close(error_quantile(error, q), expected, rtol=2e-6, atol=1e-7)


def test_quantile_lets_infinite_and_missing_values_pass():
    error = torch.rand(2, 5000)
    error[0, 7], error[1, 3] = torch.inf, torch.nan
    assert torch.isfinite(error_quantile(error, 0.3)).all()
    assert not torch.isfinite(error_quantile(error, 1.0)).any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(7, 4, 5), (2, 7, 4, 5)])
@pytest.mark.parametrize("k", [1, 3, 7])
def test_best_experts_equal_topk(dtype, shape, k):
    scores = torch.randn(shape).argsort(dim=-3).to(dtype) - 3.0  # Distinct in any precision.
    expected = scores.topk(k, dim=-3).indices
    assert torch.equal(best_experts(scores, k), expected)
    assert torch.equal(best_experts(scores, k, by_score=False), expected.sort(dim=-3).values)


def test_equal_scores_go_to_the_lower_index():
    assert best_experts(torch.zeros(5, 1, 1), 3).flatten().tolist() == [0, 1, 2]
    assert best_experts(torch.zeros(5, 1, 1), 1).flatten().tolist() == [0]


@pytest.mark.parametrize("batch_scores", [False, True])
@pytest.mark.parametrize("filters", [1, 3])
def test_pick_equals_gather_and_its_gradient(batch_scores, filters):
    scores = torch.randn(*((2,) if batch_scores else ()), 5, 3, 4)
    route = make_route(scores, Selection(5, 2), filters)
    values = torch.randn(2, 5 * filters, 3, 4, requires_grad=True, dtype=torch.float64)
    channels = route.channels.expand(2, -1, -1, -1)
    picked = pick(values, route)
    assert torch.equal(picked, values.gather(1, channels))
    grad = torch.randn_like(picked)
    (ours,) = torch.autograd.grad(picked, values, grad)
    (plain,) = torch.autograd.grad(values.gather(1, channels), values, grad)
    assert torch.equal(ours, plain)


def test_remembered_routes_follow_every_change_of_the_scores():
    memory, how = RouteMemory(), Selection(5, 2)
    scores = torch.nn.Parameter(torch.randn(5, 3, 4))
    first = memory.route(scores, how, 1)
    assert memory.route(scores, how, 1) is first
    scores.data.mul_(-1.0)  # Unseen by autograd's version counter.
    assert torch.equal(memory.route(scores, how, 1).index, (scores.topk(2, dim=0).indices))
    assert memory.route(scores.double(), how, 1).index.shape == (2, 3, 4)


@pytest.mark.parametrize("padding", ["zeros", "periodic"])
@pytest.mark.parametrize(
    ("channels_in", "channels_out", "filters", "bias"),
    [(1, 1, 1, False), (2, 2, 1, True), (1, 4, 2, False)],
)
def test_point_by_point_equals_convolution(
    monkeypatch, padding, channels_in, channels_out, filters, bias
):
    layer = make_layer(
        channels_in,
        channels_out,
        5,
        grid=(6, 7),
        padding=padding,
        filters_per_expert=filters,
        bias=bias,
    ).double()
    if bias:
        torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, channels_in, 6, 7, dtype=torch.float64, requires_grad=True)
    results = []
    for most in (stencil_kernel.MOST_PRODUCTS, 0):
        monkeypatch.setattr("smoecast.nn.smoe.layer.MOST_PRODUCTS", most)
        assert layer._is_small(x, layer._route(layer.gate(x))) is bool(most)
        out = layer(x)
        inputs = (x, *layer.parameters())
        results.append((out, *torch.autograd.grad(out.square().mean(), inputs)))
    for small, dense in zip(*results, strict=True):
        torch.testing.assert_close(small, dense, rtol=1e-10, atol=1e-13)


def test_point_by_point_gradient():
    channels = torch.randint(0, 4, (2, 3, 4))
    padded = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(4, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda p, w: stencil_kernel.stencil(p, w, channels), (padded, weight)
    )
