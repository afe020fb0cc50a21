"""The training signal inside the backward: against explicit passes, by hand, under scaling."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import follow_scaler
from smoecast.nn.smoe.routing import Selection, rc_labels, rc_loss_and_gradient

GRID = (6, 8)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def x():
    return torch.randn(3, 2, *GRID)


def network(dtype=torch.float64, first_gate="tensor", **options):
    sizes = ((2, 4, 9), (4, 3, 5), (3, 1, 3))
    gates = (first_gate, "tensor", "tensor")
    layers = [
        SpatialMoE2d(c, d, e, grid=GRID, gate=gate, **options)
        for (c, d, e), gate in zip(sizes, gates, strict=True)
    ]
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2]).to(dtype)


class TwoPasses:
    """The released way: keep each layer's error signal, then a second backward pass."""

    def __init__(self, net, quantile, damping):
        self.net, self.quantile, self.damping = net, quantile, damping
        self.signals = {}

    def forward(self, x):
        for module in self.net:
            x = self.layer(module, x) if isinstance(module, SpatialMoE2d) else module(x)
        return x

    def layer(self, module, x):
        scores = module.gate(x)
        scores = scores if scores.dim() == 4 else scores.repeat(len(x), 1, 1, 1)
        index = scores.topk(module.objective.how.num_selected, dim=1).indices
        out = functional.conv2d(x, module.weight, padding=1).gather(1, index)
        out.register_hook(lambda grad: self.keep(module, grad, scores, index))
        return out

    def keep(self, module, grad, scores, index):
        self.signals[module] = (grad, scores, index)
        return torch.where(self.incorrect(grad, 1e-3), grad * self.damping, grad)

    def incorrect(self, grad, margin):
        error = grad.abs() * grad.numel() / 2
        limit = torch.quantile(error.flatten(1), self.quantile, dim=1)[:, None, None, None]
        return error > limit + margin

    def routing_losses(self):
        losses = {}
        for module, (grad, scores, index) in self.signals.items():
            wrong = self.incorrect(grad, 1e-5).to(scores.dtype)
            experts, selected = scores.shape[1], index.shape[1]
            labels = wrong.sum(dim=1, keepdim=True) / (experts - selected)
            labels = labels.repeat(1, experts, 1, 1).scatter(1, index, 1.0 - wrong)
            losses[module] = functional.binary_cross_entropy_with_logits(scores, labels)
        return losses


@pytest.mark.parametrize("first_gate", ["tensor", "conv", "local"])
@pytest.mark.parametrize(("quantile", "damping"), [(0.3, 0.1), (0.9, 0.0), (0.5, 1.0)])
def test_many_layers_equal_two_explicit_passes(x, first_gate, quantile, damping):
    net = network(first_gate=first_gate, error_quantile=quantile, damping=damping)
    explicit = TwoPasses(copy.deepcopy(net), quantile, damping)
    inputs = [x.double().requires_grad_() for _ in range(2)]
    target = torch.randn(3, 1, *GRID, dtype=torch.float64)

    functional.mse_loss(net(inputs[0]), target).backward()
    functional.mse_loss(explicit.forward(inputs[1]), target).backward(retain_graph=True)
    losses = explicit.routing_losses()
    for parameter in explicit.net.parameters():
        parameter.retain_grad()
    sum(losses.values()).backward()

    torch.testing.assert_close(inputs[0].grad, inputs[1].grad)
    for (name, ours), theirs in zip(net.named_parameters(), explicit.net.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, msg=lambda m, n=name: f"{n}: {m}")
    for module, loss in zip(net[::2], reversed(list(losses.values())), strict=True):
        torch.testing.assert_close(module.routing_loss, loss.detach())


@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_derivative_of_the_experts(gate):
    layer = SpatialMoE2d(2, 2, 5, grid=(3, 4), gate=gate, damping=1.0, routing_loss_weight=0.0)
    layer = layer.double()
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(field, weight):
        return torch.func.functional_call(layer, {"weight": weight}, (field,))

    weight = layer.weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(run, (x, weight), eps=1e-7, atol=1e-5)


def test_derivative_of_the_weighted_variant():
    layer = SpatialMoE2d(2, 2, 5, grid=(3, 4), weighted=True).double()
    x = torch.randn(2, 2, 3, 4, dtype=torch.float64, requires_grad=True)

    def run(field, weight, scores):
        changed = {"weight": weight, "gate.scores": scores}
        return torch.func.functional_call(layer, changed, (field,))

    parts = [p.detach().clone().requires_grad_() for p in (layer.weight, layer.gate.scores)]
    assert torch.autograd.gradcheck(run, (x, *parts), eps=1e-7, atol=1e-5)


def test_labels_by_hand():
    index = torch.tensor([2, 0]).view(2, 1, 1)
    wrong = torch.tensor([1.0, 0.0]).view(2, 1, 1)
    labels = rc_labels(wrong, index, Selection(5, 2))
    torch.testing.assert_close(labels.flatten(), torch.tensor([1, 1 / 3, 0, 1 / 3, 1 / 3]))


def test_labels_in_groups_share_the_blame_inside():
    index = torch.tensor([1, 3]).view(2, 1, 1)
    wrong = torch.tensor([1.0, 0.0]).view(2, 1, 1)
    labels = rc_labels(wrong, index, Selection(6, 2, grouped=True))
    torch.testing.assert_close(labels.flatten(), torch.tensor([0.5, 0, 0.5, 1, 0, 0]))


def test_closed_form_equals_autograd():
    scores = torch.randn(4, 3, 2, requires_grad=True, dtype=torch.float64)
    labels = torch.rand(4, 3, 2, dtype=torch.float64)
    loss, gradient = rc_loss_and_gradient(scores, labels)
    torch.testing.assert_close(torch.autograd.grad(loss, scores)[0], gradient)


@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_pieces_of_a_batch_equal_the_whole(monkeypatch, gate, x):
    layer = SpatialMoE2d(2, 2, 4, grid=GRID, gate=gate, filters_per_expert=2)
    grads = []
    for piece in (1, 2**17):
        monkeypatch.setattr("smoecast.nn.smoe.gate_training.routing_loss.PIECE", piece)
        grads.append(torch.autograd.grad(layer(x).square().mean(), tuple(layer.parameters())))
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_a_frozen_gate_leaves_the_damping(x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID, damping=0.0)
    layer.gate.requires_grad_(False)
    layer(x).square().mean().backward()
    assert layer.gate.scores.grad is None
    assert layer.routing_loss is None
    undamped = copy.deepcopy(layer)
    undamped.objective.damping = 1.0
    undamped.zero_grad()
    undamped(x).square().mean().backward()
    assert layer.weight.grad.norm() < undamped.weight.grad.norm()


def test_without_routing_loss_the_gate_rests(x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID, damping=1.0, routing_loss_weight=0.0)
    layer(x).square().mean().backward()
    assert torch.count_nonzero(layer.gate.scores.grad) == 0


def test_routing_loss_falls_while_training(x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID)
    optimizer = torch.optim.Adam(layer.gate.parameters(), 0.05)
    values = []
    for _ in range(30):
        layer(x).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
        values.append(layer.routing_loss.item())
    assert values[-1] < 0.8 * values[0]


def test_gradients_that_are_not_finite_are_refused(x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID)
    follow_scaler(layer, torch.amp.GradScaler("cpu", enabled=False))
    for bad in (torch.nan, torch.inf):
        with pytest.raises(ValueError, match="is not finite"):
            (layer(x) * bad).sum().backward()


def scaler_of(scale):
    return torch.amp.GradScaler("cpu", init_scale=scale)


@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_a_scaled_loss_gives_the_same_gradients(gate, x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID, gate=gate, importance_weight=0.1, agreement_weight=0.1)
    scaled = copy.deepcopy(layer)
    scaler = scaler_of(1024.0)
    follow_scaler(scaled, scaler)
    optimizer = torch.optim.SGD(scaled.parameters(), 0.0)
    layer(x).square().mean().backward()
    scaler.scale(scaled(x).square().mean()).backward()
    scaler.unscale_(optimizer)
    for ours, theirs in zip(layer.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(theirs.grad, ours.grad)
    torch.testing.assert_close(scaled.routing_loss, layer.routing_loss)


def test_a_scaler_skips_steps_that_overflow(x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID)
    scaler = scaler_of(2.0**120)
    follow_scaler(layer, scaler)
    optimizer = torch.optim.SGD(layer.parameters(), 1.0)
    before = [p.detach().clone() for p in layer.parameters()]
    scaler.scale(layer(x).square().sum() * 1e6).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() < 2.0**120
    assert all(torch.equal(a, b) for a, b in zip(before, layer.parameters(), strict=True))


def test_copies_follow_the_same_scaler():
    net = network(torch.float32)
    scaler = scaler_of(8.0)
    follow_scaler(net, scaler)
    assert copy.deepcopy(net)[0].objective.scale.scaler is scaler
    follow_scaler(net, None)
    assert net[0].objective.scale.scaler is None


def test_bfloat16_under_autocast(x):
    net = network(torch.float32, damping=1.0)
    exact = copy.deepcopy(net)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = net(x)
    assert out.dtype == torch.bfloat16
    out.float().square().mean().backward()
    exact(x).square().mean().backward()
    for name, parameter in net.named_parameters():
        reference = exact.get_parameter(name).grad
        assert parameter.grad.dtype == torch.float32
        assert (parameter.grad - reference).norm() < 0.1 * reference.norm(), name


def test_bfloat16_scores_learn(x):
    layer = SpatialMoE2d(2, 3, 9, grid=GRID, gate="conv")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    out.float().square().mean().backward()
    assert layer.routing_loss.dtype == torch.float32
    assert layer.gate.weight.grad.abs().sum() > 0


def test_float16_under_a_scaler(x):
    layer = SpatialMoE2d(2, 2, 5, grid=GRID)
    half = copy.deepcopy(layer)
    scaler = scaler_of(2.0**12)
    follow_scaler(half, scaler)
    with torch.autocast("cpu", dtype=torch.float16):
        out = half(x)
    assert out.dtype == torch.float16
    scaler.scale(out.float().square().mean()).backward()
    scaler.unscale_(torch.optim.SGD(half.parameters(), 0.0))
    layer(x).square().mean().backward()
    difference = (half.gate.scores.grad - layer.gate.scores.grad).norm()
    assert difference < 0.1 * layer.gate.scores.grad.norm()
