"""The layer: what it computes, its options, its life as a module, and what it refuses."""

import copy
import io

import pytest
import torch
from made_layers import make_layer
from torch import nn
from torch.nn import functional

from smoecast.nn.smoe.gates import FixedGate, TensorGate
from smoecast.nn.smoe.layer import SpatialMoE2d

GRID = (5, 6)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def x():
    return torch.randn(2, 3, *GRID)


def test_replaces_a_convolution(x):
    assert SpatialMoE2d(3, 4, 8, grid=GRID)(x).shape == nn.Conv2d(3, 4, 3, padding=1)(x).shape


def test_each_point_has_the_values_of_its_best_experts(x):
    layer = SpatialMoE2d(3, 2, 5, grid=GRID)
    everything = functional.conv2d(x, layer.weight, padding=1)
    for row, column in ((0, 0), (2, 3), (4, 5)):
        best = layer.gate.scores[:, row, column].argsort(descending=True)[:2]
        torch.testing.assert_close(layer(x)[:, :, row, column], everything[:, best, row, column])


def test_all_experts_selected_in_their_order_is_a_convolution(x):
    layer = make_layer(3, 4, 4, grid=GRID, order="expert")
    torch.testing.assert_close(layer(x), functional.conv2d(x, layer.weight, padding=1))
    layer(x).square().mean().backward()  # Nobody is left to take the blame.
    assert torch.isfinite(layer.gate.scores.grad).all()


def test_order_of_experts_holds_the_same_channels(x):
    by_score = SpatialMoE2d(3, 3, 7, grid=GRID)
    by_expert = copy.deepcopy(by_score)
    by_expert.objective.how = make_layer(3, 3, 7, grid=GRID, order="expert").objective.how
    index = by_expert.route(x)
    assert torch.equal(index, by_score.route(x).sort(dim=0).values)
    torch.testing.assert_close(
        by_expert(x).sort(dim=1).values, by_score(x).sort(dim=1).values, rtol=0, atol=0
    )


def test_a_group_serves_its_own_channel(x):
    layer = make_layer(3, 3, 12, grid=GRID, routing="grouped")
    index = layer.route(x)
    assert torch.equal(index // 4, torch.arange(3)[:, None, None].expand(3, *GRID))
    best = layer.gate.scores.view(3, 4, *GRID).argmax(dim=1)
    assert torch.equal(index % 4, best)


def test_copies_begin_as_the_experts_they_would_replace(x):
    for routing, twins in (("global", (0, 3)), ("grouped", (0, 1))):
        layer = make_layer(3, 3, 6, grid=GRID, routing=routing, expert_start="copies")
        assert torch.equal(*layer.weight[list(twins)])
        assert not torch.equal(layer.weight[0], layer.weight[5])


def test_filters_of_an_expert_stay_together(x):
    layer = SpatialMoE2d(3, 4, 5, grid=GRID, filters_per_expert=2)
    everything = functional.conv2d(x, layer.weight, padding=1).view(2, 5, 2, *GRID)
    index = layer.route(x).view(1, 2, 1, *GRID).expand(2, 2, 2, *GRID)
    torch.testing.assert_close(layer(x), everything.gather(1, index).flatten(1, 2))


def test_bias_and_periodic_padding(x):
    layer = make_layer(3, 2, 4, grid=GRID, bias=True, padding="periodic")
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.arange(4.0))
    assert torch.equal(layer(x)[0], layer.route(x).float())
    turned = SpatialMoE2d(
        3, 1, 2, grid=GRID, padding="periodic", gate=FixedGate(torch.zeros(GRID).long(), 2)
    )
    torch.testing.assert_close(turned(x.roll(1, dims=3)), turned(x).roll(1, dims=3))


def test_weighted_multiplies_by_the_score(x):
    layer = SpatialMoE2d(3, 2, 4, grid=GRID, weighted=True, filters_per_expert=2)
    plain = copy.deepcopy(layer)
    plain.weighted = False
    best = layer.gate.scores.gather(0, layer.route(x)).repeat_interleave(2, dim=0)
    torch.testing.assert_close(layer(x), plain(x) * best)


@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_state_dict_round_trip(gate, x):
    layer, other = (make_layer(3, 2, 4, grid=GRID, gate=gate, start="plain") for _ in range(2))
    layer(x).square().mean().backward()
    other(x)  # Remembers a route that must not survive the loading.
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    assert torch.equal(layer(x), other(x))


def test_deepcopy_is_equal_and_apart(x):
    layer = SpatialMoE2d(3, 2, 4, grid=GRID)
    layer(x).square().mean().backward()
    twin = copy.deepcopy(layer)
    assert torch.equal(layer(x), twin(x))
    with torch.no_grad():
        twin.gate.scores.neg_()
    assert not torch.equal(layer.route(x), twin.route(x))
    assert twin.routing_loss is not None


def test_repr_shows_the_sizes():
    text = repr(SpatialMoE2d(3, 4, 8, grid=GRID, filters_per_expert=2))
    assert "3, 4, num_experts=8, grid=(5, 6), kernel_size=3, padding=zeros" in text


def test_same_seed_same_losses(x):
    def losses():
        torch.manual_seed(3)
        layer = SpatialMoE2d(3, 2, 4, grid=GRID, gate_noise=0.1)
        optimizer = torch.optim.Adam(layer.parameters(), 1e-2)
        history = []
        for _ in range(10):
            optimizer.zero_grad()
            loss = layer(x).square().mean()
            loss.backward()
            optimizer.step()
            history.append(loss.item())
        return history

    assert losses() == losses()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"out_channels": 9}, "cannot select 9 of 8"),
        ({"out_channels": 0}, "multiple of filters_per_expert"),
        ({"filters_per_expert": 3}, "multiple of filters_per_expert"),
        ({"filters_per_expert": 0}, "multiple of filters_per_expert"),
        ({"num_experts": 7, "routing": "grouped"}, "multiple of 4, not 7"),
        ({"order": "alphabet"}, "order must be one of score, expert, not 'alphabet'"),
        ({"routing": "random"}, "routing must be one of"),
        ({"start": "cold"}, "start must be one of"),
        ({"expert_start": "twins"}, "expert_start must be one of"),
        ({"gate": "magic"}, "or a gate module, not 'magic'"),
        ({"padding": "reflect"}, "padding must be"),
        ({"kernel_size": 2}, "must be odd"),
        ({"error_quantile": 1.5}, "between 0 and 1"),
        ({"damping": -0.1}, "must not be negative"),
        ({"load_weight": 0.1}, "needs gate_noise"),
        ({"gate": TensorGate(8, (4, 4), num_selected=4)}, r"grid \(4, 4\), the layer 8"),
        ({"gate": TensorGate(6, GRID, num_selected=4)}, "the gate has 6 experts"),
    ],
)
def test_refuses_sizes_and_choices_that_do_not_fit(changes, message):
    arguments = {"in_channels": 3, "out_channels": 4, "num_experts": 8, "grid": GRID, **changes}
    with pytest.raises(ValueError, match=message):
        make_layer(**arguments)


@pytest.mark.parametrize("shape", [(2, 3, 6, 5), (2, 4, *GRID), (3, *GRID)])
def test_refuses_input_of_another_shape(shape):
    layer = SpatialMoE2d(3, 4, 8, grid=GRID)
    with pytest.raises(ValueError, match=r"takes \(B, 3, 5, 6\)"):
        layer(torch.zeros(shape))


def test_refuses_integers():
    layer = SpatialMoE2d(3, 4, 8, grid=GRID)
    with pytest.raises(TypeError, match=r"floating-point tensor, not torch\.int64"):
        layer(torch.zeros(2, 3, *GRID, dtype=torch.int64))
