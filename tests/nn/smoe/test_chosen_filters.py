"""The experts of a point as one filter: the same values and gradients as of all experts."""

import copy

import pytest
import torch
from made_layers import make_layer
from torch import nn

from smoecast.nn.rollout import Unrolled
from smoecast.nn.smoe import chosen_filters
from smoecast.nn.smoe import layer as layer_module
from smoecast.nn.smoe.model_layers import reuse_filters

GRID = (6, 8)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def grouped(filters=1, terms=2, **options):
    """Four channels, 8 x `terms` experts for each, all of them different."""
    made = make_layer(
        3, 4, 32 * terms // filters, grid=GRID, preset="comparative", experts_per_channel=terms,
        filters_per_expert=filters, padding="periodic", expert_start="own", **options,
    ).double()  # fmt: skip
    with torch.no_grad():
        made.weight.normal_()
        if made.bias is not None:
            made.bias.normal_()
    made.gate.requires_grad_(False)
    return made


def by_all_experts(layer, monkeypatch):
    monkeypatch.setattr(layer_module, "is_worth_it", lambda *_: False)
    return copy.deepcopy(layer)


LAYERS = {
    "grouped": grouped,
    "one term": lambda: grouped(terms=1),
    "filters": lambda: grouped(filters=2),
    "nothing shared": lambda: grouped(shared=False, bias=False),
    "the paper's": lambda: make_layer(3, 4, 40, grid=GRID, damping=1.0, bias=True).double(),
}


@pytest.mark.parametrize("name", LAYERS)
def test_it_gives_what_all_experts_give(name, monkeypatch):
    layer = LAYERS[name]()
    layer.gate.requires_grad_(False)
    x = torch.randn(5, 3, *GRID, dtype=torch.float64, requires_grad=True)
    parts = [p for p in layer.parameters() if p.requires_grad]
    assert chosen_filters.is_worth_it(layer.weight, layer._route(layer.gate(x)), layer.objective)
    out = layer(x)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), out)
    grad = torch.randn_like(out)
    mine = torch.autograd.grad(out, (x, *parts), grad)
    twin = by_all_experts(layer, monkeypatch)
    theirs = twin(x)
    torch.testing.assert_close(out, theirs)
    parts = [p for p in twin.parameters() if p.requires_grad]
    torch.testing.assert_close(mine, torch.autograd.grad(theirs, (x, *parts), grad))


def test_without_gradients_filters_are_made_once_and_anew_when_an_expert_changes(monkeypatch):
    layer = grouped()
    made = []
    choose = chosen_filters.choose_filters
    monkeypatch.setattr(chosen_filters, "choose_filters", lambda *of: made.append(1) or choose(*of))
    x = torch.randn(2, 3, *GRID).double()
    with torch.no_grad():
        first = layer(x)
        torch.testing.assert_close(layer(x), first)
        assert len(made) == 1
        for part in (layer.weight, layer.bias, layer.common, layer.gate.scores):
            part.data.flatten()[::7] += 3.0
            other = layer(x)
            assert not torch.allclose(other, first)
            first = other
    assert len(made) == 5


def test_steps_of_one_graph_make_them_once_and_learn_the_same(monkeypatch):
    net = nn.Sequential(grouped(), nn.Conv2d(4, 2, 1).double())
    steps = Unrolled(net, states=1, fields=2, extra=1, steps=4)
    x = torch.randn(2, 6, *GRID).double()
    made = []
    choose = chosen_filters.choose_filters
    monkeypatch.setattr(chosen_filters, "choose_filters", lambda *of: made.append(1) or choose(*of))
    for _ in range(2):  # a second backward has a graph of its own
        steps(x).square().mean().backward()
    assert len(made) == 2
    mine = net[0].weight.grad
    twin = by_all_experts(net, monkeypatch)
    twin.zero_grad()
    for _ in range(2):
        Unrolled(twin, states=1, fields=2, extra=1, steps=4)(x).square().mean().backward()
    torch.testing.assert_close(mine, twin[0].weight.grad)


def test_outside_of_it_nothing_is_kept():
    layer = grouped()
    with reuse_filters(layer):
        layer(torch.randn(1, 3, *GRID).double())
    # a tensor of a graph could not be copied
    assert torch.equal(copy.deepcopy(layer).weight, layer.weight)


@pytest.mark.parametrize(
    ("experts", "limit", "worth"), [(32, 2**25, True), (28, 2**25, False), (32, 1000, False)]
)
def test_few_experts_or_too_many_points_stay_as_they_are(experts, limit, worth, monkeypatch):
    monkeypatch.setattr(chosen_filters, "MOST_VALUES", limit)
    layer = make_layer(3, 4, experts, grid=GRID, preset="comparative")
    route = layer._route(layer.gate(torch.zeros(1, 3, *GRID)))
    assert chosen_filters.is_worth_it(layer.weight, route, layer.objective) is worth


def test_a_gate_that_sees_the_input_has_no_filters_of_points():
    layer = make_layer(3, 4, 32, grid=GRID, preset="comparative", gate="conv")
    route = layer._route(layer.gate(torch.zeros(1, 3, *GRID)))
    assert not chosen_filters.is_worth_it(layer.weight, route, layer.objective)
