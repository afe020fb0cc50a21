"""Training loops in which the gate's gradient cannot be right are refused, with the mend."""

import copy

import pytest
import torch
from foreign_loop import (
    GRID,
    PARTS,
    WHOLE,
    assert_same,
    forget,
    gather,
    gradients,
    loss_of,
    network,
    samples,
)
from made_layers import make_layer
from torch import nn
from torch.nn import functional

from smoecast.nn import SpatialMoE2d, follow_scaler, share_loss
from smoecast.nn.smoe.gate_training.refusals import GateGradientError
from smoecast.nn.smoe.gates import Gate, TensorGate


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_a_second_derivative_is_refused():
    net = network()
    (first,) = torch.autograd.grad(loss_of(net, *samples()), net[0].weight, create_graph=True)
    with pytest.raises(RuntimeError, match="differentiate twice"):
        first.square().sum().backward()


def test_transforms_of_functions_are_refused():
    net = network()
    x, y = samples()

    def loss(weights):
        return functional.mse_loss(torch.func.functional_call(net, weights, (x,)), y)

    with pytest.raises(RuntimeError, match="functorch"):
        torch.func.grad(loss)(dict(net.named_parameters()))


class Smoothed(TensorGate):
    """A gate that makes something of its parameter."""

    def score(self, x):
        return functional.avg_pool2d(self.scores, 3, 1, 1)


CANNOT = {
    "conv gate": {"gate": "conv"},
    "conv gate of the paper": {"gate": "conv", "preset": "paper"},
    "computed scores": {"gate": Smoothed(12, GRID, num_selected=4)},
    "damping": {"damping": 0.5},
    "auxiliary loss": {"importance_weight": 0.1},
}


@pytest.mark.parametrize("options", CANNOT.values(), ids=CANNOT)
def test_passes_that_cannot_be_brought_together_are_refused_unless_told(options):
    options = {"preset": "comparative", "expert_start": "own", **options}
    layer = make_layer(2, 4, 12, grid=GRID, **options).double()
    x, y = samples()[0], torch.randn(6, 4, *GRID).double()
    gather(layer, x, y, WHOLE)
    whole = gradients(layer)
    layer.zero_grad(set_to_none=False)
    forget(layer)
    gather(layer, x, y, PARTS["halves"][:1])
    with pytest.raises(GateGradientError, match=r"smoecast\.nn\.share_loss\(network, 1 / passes\)"):
        gather(layer, x, y, PARTS["halves"][1:])
    share_loss(layer, 0.5)
    layer.zero_grad()
    forget(layer)
    gather(layer, x, y, PARTS["halves"])
    if "computed" not in str(options) and not isinstance(options.get("gate"), Gate):
        assert_same(gradients(layer), whole)
    share_loss(layer, None)
    with pytest.raises(GateGradientError, match="adds to the gradients of one before"):
        gather(layer, x, y, WHOLE)


def scaler_of(scale=2.0**16):
    return torch.amp.GradScaler("cpu", init_scale=scale)


@pytest.mark.parametrize("gate", ["tensor", "conv"])
@pytest.mark.parametrize("preset", ["comparative", "paper"])
def test_a_scaler_that_is_known(preset, gate):
    plain = network(preset, gate=gate)
    scaled = copy.deepcopy(plain)
    scaler = scaler_of()
    follow_scaler(scaled, scaler)
    x, y = samples()
    steps = [torch.optim.SGD(net.parameters(), 0.1) for net in (plain, scaled)]
    cuts = PARTS["halves"] if gate == "tensor" else WHOLE
    for _ in range(2):
        gather(plain, x, y, cuts)
        factor = float(scaler.scale(torch.ones(())))
        gather(scaled, x, y, cuts, factor)
        scaler.unscale_(steps[1])
        assert_same(gradients(scaled), gradients(plain))
        for net in (plain, scaled):
            nn.utils.clip_grad_norm_(net.parameters(), 0.1)
        steps[0].step()
        scaler.step(steps[1])
        scaler.update()
        for step in steps:
            step.zero_grad()


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_a_scaler_that_nobody_told_of_is_refused_at_the_step(gate, fused, clip):
    net = network(gate=gate).float()
    optimizer = torch.optim.Adam(net.parameters(), fused=fused)
    before = net.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    scaler = scaler_of()
    scaler.scale(loss_of(net, *(each.float() for each in samples()))).backward()
    if clip:
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(net.parameters(), 0.1)
    with pytest.raises(GateGradientError, match=r"smoecast\.nn\.follow_scaler\(network, scaler\)"):
        scaler.step(optimizer)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_scaler_that_does_nothing_and_clipping_are_no_reason():
    net = network().float()
    optimizer = torch.optim.Adam(net.parameters())
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    before = [value.clone() for value in net.parameters()]
    scaler.scale(loss_of(net, *(each.float() for each in samples()))).backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1e-3)
    scaler.step(optimizer)
    assert not any(map(torch.equal, net.parameters(), before))
    loss_of(net, *(each.float() for each in samples())).backward()
    optimizer.zero_grad(set_to_none=False)
    scaler.step(optimizer)  # of nothing at all
    loss_of(net, *(each.float() for each in samples())).backward()
    optimizer.zero_grad()
    scaler.step(optimizer)


def test_float16_needs_a_word_about_the_scaler():
    net = network().float()
    x = samples()[0].float()
    with torch.autocast("cpu", dtype=torch.float16):
        with torch.no_grad():
            net(x)
        with pytest.raises(GateGradientError, match="float16 must know its GradScaler"):
            net(x)
        follow_scaler(net, torch.amp.GradScaler("cpu", enabled=False))
        assert net(x).dtype == torch.float16
    assert isinstance(net[0], SpatialMoE2d)
