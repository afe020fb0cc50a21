"""A plain network gets experts, or filters of points: it forecasts as before until they learn."""

import pytest
import torch

from smoecast.config.network import Network, Smoe
from smoecast.nn.build import forecaster
from smoecast.nn.normalize import Statistics
from smoecast.nn.smoe.model_layers import extend_plain, gate_parameters, smoe_layers

GRID = (5, 6)


def build(seed, convolution="smoe", **smoe):
    torch.manual_seed(seed)
    one = torch.ones(1)
    statistics = Statistics(torch.zeros(2), torch.ones(2), one, torch.tensor([0]), torch.zeros(1))
    network = Network(width=4, blocks=1, smoe=Smoe(**smoe), convolution=convolution)
    return forecaster(network, statistics, GRID, True).eval()


@pytest.fixture
def plain():
    network = build(0, layers="none")
    with torch.no_grad():
        for parameter in network.parameters():  # biases begin at zero
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("layers", ["last", "all"])
@pytest.mark.parametrize("terms", [1, 3])
def test_the_network_is_the_plain_one_at_first(plain, layers, terms):
    grown = build(1, layers=layers, expansion=4 * terms, experts_per_channel=terms)
    scores = [gate.detach().clone() for gate in gate_parameters(grown)]
    grown.load_state_dict(extend_plain(grown, plain.state_dict()))
    x = torch.randn(3, 2, *GRID)
    torch.testing.assert_close(grown(x), plain(x))
    assert smoe_layers(grown)
    for before, after in zip(scores, gate_parameters(grown), strict=True):
        assert torch.equal(before, after)  # where they begin is the layer's own business


@pytest.mark.parametrize("layers", ["last", "all"])
def test_every_point_begins_with_the_filter_of_all(plain, layers):
    grown = build(1, "frozen", layers=layers)
    grown.load_state_dict(extend_plain(grown, plain.state_dict()))
    x = torch.randn(3, 2, *GRID)
    torch.testing.assert_close(grown(x), plain(x))


def test_a_network_that_has_them_is_left_alone():
    grown = build(0, layers="last")
    tensors = grown.state_dict()
    assert extend_plain(grown, tensors).keys() == tensors.keys()


@pytest.mark.parametrize("convolution", ["smoe", "frozen"])
@pytest.mark.parametrize("other", ["no shared filter", "no such layer", "another width"])
def test_what_does_not_fit_is_left_for_the_caller_to_refuse(plain, other, convolution):
    shared = {"advanced": {"shared": False}} if other == "no shared filter" else {}
    convolution = "smoe" if shared else convolution  # only experts may share
    grown = build(0, convolution, layers="last", **shared)
    tensors = dict(plain.state_dict())
    name = next(n for n in tensors if n.startswith("backbone.last") and n.endswith("weight"))
    if other == "no such layer":
        del tensors[name]
    if other == "another width":
        tensors[name] = tensors[name][:, :1]
    assert extend_plain(grown, tensors) == tensors
