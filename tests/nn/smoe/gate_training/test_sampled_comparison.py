"""Experts compared on some samples: the labels of those samples, at the cost of the selected."""

import copy

import pytest
import torch
from made_layers import make_layer
from torch.nn import functional

from smoecast.nn.smoe.gate_training.refusals import GateGradientError
from smoecast.nn.smoe.gates import TensorGate
from smoecast.nn.smoe.model_layers import follow_scaler, share_loss

GRID = (5, 6)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def layers(samples, terms=2, filters=1, size=8, **options):
    """One layer twice: compared on all samples, and on some."""
    settings = {"routing": "grouped", "routing_loss": "experts", "bias": True}
    settings |= {"experts_per_channel": terms, "filters_per_expert": filters, **options}
    sizes = (3, 4, 4 * terms * size // filters)
    whole = make_layer(*sizes, grid=GRID, **settings)
    some = make_layer(*sizes, grid=GRID, compared_samples=samples, **settings)
    some.load_state_dict(whole.state_dict())
    return whole.double(), some.double()


def learn(layer, x, target):
    functional.mse_loss(layer(x), target).backward()
    return [part.grad for part in layer.parameters()]


@pytest.mark.parametrize("share", [None, 1.0])
@pytest.mark.parametrize(("terms", "filters", "size"), [(1, 1, 2), (1, 1, 8), (2, 1, 8), (2, 2, 8)])
def test_on_all_samples_it_is_the_comparison_of_all(terms, filters, size, share):
    whole, some = layers(6, terms, filters, size, error_memory=0.5)
    share_loss(whole, share)
    share_loss(some, share)
    for _ in range(3):
        x, target = torch.randn(6, 3, *GRID).double(), torch.randn(6, 4, *GRID).double()
        whole.zero_grad(), some.zero_grad()
        torch.testing.assert_close(learn(whole, x, target), learn(some, x, target))
        torch.testing.assert_close(whole.routing_loss, some.routing_loss)


@pytest.mark.parametrize("share", [None, 1.0])
def test_the_gate_hears_the_first_samples_and_the_filters_all(share):
    whole, some = layers(2)
    x, target = torch.randn(6, 3, *GRID).double(), torch.randn(6, 4, *GRID).double()
    share_loss(some, share)
    learn(some, x, target)
    alone = copy.deepcopy(whole)
    learn(alone, x[:2], target[:2])
    torch.testing.assert_close(some.gate.scores.grad, alone.gate.scores.grad)
    learn(whole, x, target)
    assert not torch.equal(whole.gate.scores.grad, some.gate.scores.grad)
    torch.testing.assert_close(some.weight.grad, whole.weight.grad)
    torch.testing.assert_close(some.bias.grad, whole.bias.grad)


@pytest.mark.parametrize("shares", [None, (0.5, 0.5)])
def test_two_passes_are_one_of_the_samples_that_both_compare(shares):
    whole, some = layers(2)
    x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
    for number in (0, 1):
        half = slice(2 * number, 2 * number + 2)
        if shares:
            share_loss(some, shares[number])
        (functional.mse_loss(some(x[half]), target[half]) / 2).backward()
    learn(whole, x, target)
    torch.testing.assert_close(some.gate.scores.grad, whole.gate.scores.grad)


def test_a_pass_without_a_share_teaches_nothing():
    _, some = layers(2)
    share_loss(some, 0.0)
    (0.0 * some(torch.randn(4, 3, *GRID).double()).sum()).backward()
    assert not some.gate.scores.grad.any()


def test_without_the_loss_weight_the_gate_stays():
    _, some = layers(2, routing_loss_weight=0.0)
    some(torch.randn(4, 3, *GRID).double()).sum().backward()
    assert not some.gate.scores.grad.any()


def test_a_scaled_loss_gives_the_same_labels():
    whole, some = layers(4)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    follow_scaler(some, scaler)
    x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
    scaler.scale(functional.mse_loss(some(x), target)).backward()
    learn(whole, x, target)
    torch.testing.assert_close(some.gate.scores.grad / 1024.0, whole.gate.scores.grad)


def test_a_gradient_that_is_not_finite_stops():
    _, some = layers(2)
    out = some(torch.randn(4, 3, *GRID).double())
    with pytest.raises(ValueError, match="not finite"):
        (out.sum() * torch.nan).backward()


class Halved(TensorGate):
    """Its scores are computed, so evidence about them cannot be gathered."""

    def score(self, x):
        return self.scores / 2


def test_scores_that_are_computed_gather_passes_only_if_the_layer_is_told():
    gate = Halved(64, GRID, num_selected=8)
    layer = make_layer(
        3, 4, 64, grid=GRID, gate=gate, preset="comparative", experts_per_channel=2,
        compared_samples=2,
    )  # fmt: skip
    x = torch.randn(4, 3, *GRID)
    layer(x).square().mean().backward()
    with pytest.raises(GateGradientError, match="share_loss"):
        layer(x).square().mean().backward()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"damping": 0.1, "routing": "grouped", "routing_loss": "experts"}, "damping 1"),
        ({"damping": 1.0}, "routing_loss 'experts'"),
        ({"compared_samples": -1}, "not be negative"),
        ({"routing": "grouped", "routing_loss": "experts", "gate": "conv"}, "all samples share"),
    ],
)
def test_refuses_choices_that_do_not_go_together(options, message):
    with pytest.raises(ValueError, match=message):
        make_layer(3, 4, 8, grid=GRID, **{"compared_samples": 2, **options})
