"""Gates: shapes, starts, sharing, noise, auxiliary losses, and what they refuse."""

import math

import pytest
import torch
from made_layers import make_layer
from torch.nn import functional

from smoecast.nn.smoe.gate_losses import agreement_loss, importance_loss, load_loss
from smoecast.nn.smoe.gates import GATES, FixedGate, Gate, TensorGate, build_gate
from smoecast.nn.smoe.initial_scores import start_plain
from smoecast.nn.smoe.inspect import routing_map
from smoecast.nn.smoe.layer import SpatialMoE2d

GRID = (4, 6)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def gate_of(kind, **changes):
    sizes = {"in_channels": 3, "num_experts": 8, "num_selected": 2, "grid": GRID}
    return build_gate(kind, **{**sizes, **changes})


@pytest.mark.parametrize("kind", GATES)
def test_shape_of_the_scores(kind):
    gate = gate_of(kind)
    scores = gate(torch.randn(5, 3, *GRID))
    assert scores.shape == ((5, 8, *GRID) if gate.depends_on_input else (8, *GRID))
    assert f"grid={GRID}" in repr(gate)


def test_tensor_gate_starts_uniform():
    scores = TensorGate(8, (40, 50), num_selected=2).scores.detach()
    bound = math.sqrt(3 * 8 / 2)
    assert scores.abs().max() <= bound
    assert scores.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_conv_gate_is_a_convolution_without_bias():
    gate = gate_of("conv", padding="zeros")
    x = torch.randn(2, 3, *GRID)
    torch.testing.assert_close(gate(x), functional.conv2d(x, gate.weight, padding=1))
    assert [name for name, _ in gate.named_parameters()] == ["weight"]


def test_linear_gate_sees_the_whole_field():
    gate = gate_of("linear")
    x = torch.zeros(1, 3, *GRID)
    x[0, 0, 0, 0] = 1.0
    assert torch.all(gate(x) != 0)


def test_fixed_gate_takes_a_map_or_scores():
    regions = torch.tensor([[0, 2], [1, 0]])
    assert torch.equal(FixedGate(regions)(regions).argmax(dim=0), regions)
    assert FixedGate(regions, 5).num_experts == 5
    scores = torch.randn(4, 2, 3)
    gate = FixedGate(scores)
    assert torch.equal(gate(scores), scores)
    assert list(gate.parameters()) == []
    assert "scores" in gate.state_dict()


def test_fixed_gate_refuses_other_tensors():
    with pytest.raises(ValueError, match="takes scores"):
        FixedGate(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="takes scores"):
        FixedGate(torch.zeros(2, 3, 4, dtype=torch.long))
    with pytest.raises(ValueError, match="must hold expert indices"):
        FixedGate(torch.tensor([[0, 2]]), 2)


def test_unknown_gate_and_unfinished_gate():
    with pytest.raises(ValueError, match="not 'magic'"):
        gate_of("magic")
    with pytest.raises(NotImplementedError, match="defines its own score"):
        Gate(2, GRID)(torch.zeros(1, 1, *GRID))


@pytest.mark.parametrize("order", ["score", "expert"])
@pytest.mark.parametrize("routing", ["global", "grouped"])
@pytest.mark.parametrize("kind", GATES)
def test_plain_start_is_a_convolution(kind, routing, order):
    layer = make_layer(3, 2, 8, grid=GRID, gate=kind, start="plain", routing=routing, order=order)
    x = torch.randn(2, 3, *GRID)
    first = [0, 4] if routing == "grouped" else [0, 1]
    torch.testing.assert_close(layer(x), functional.conv2d(x, layer.weight[first], padding=1))


def test_plain_start_leaves_another_runner_up_at_each_point():
    gate = TensorGate(8, (20, 20), num_selected=2)
    start_plain(gate, torch.arange(2), 2)
    runner_up = gate.scores[2:].argmax(dim=0)
    assert runner_up.unique().numel() == 6


def test_fixed_gate_has_no_plain_start():
    with pytest.raises(ValueError, match="its map is given"):
        start_plain(FixedGate(torch.zeros(2, 2, 2)), torch.arange(1), 1)


def test_a_shared_gate_learns_from_all_its_layers():
    gate = TensorGate(6, GRID, num_selected=2)
    first = SpatialMoE2d(3, 2, 6, grid=GRID, gate=gate)
    second = SpatialMoE2d(2, 2, 6, grid=GRID, gate=gate)
    assert len({id(p) for m in (first, second) for p in m.gate.parameters()}) == 1
    x, y = torch.randn(2, 3, *GRID), torch.randn(2, 2, *GRID)
    apart = []
    for layer, field in ((first, x), (second, y)):
        gate.scores.grad = None
        layer(field).square().mean().backward()
        apart.append(gate.scores.grad.clone())
    gate.scores.grad = None
    (first(x).square().mean() + second(y).square().mean()).backward()
    torch.testing.assert_close(gate.scores.grad, apart[0] + apart[1])


def test_gate_noise_acts_in_training_alone():
    layer = SpatialMoE2d(3, 2, 8, grid=GRID, gate_noise=5.0)
    x = torch.randn(2, 3, *GRID)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    assert torch.equal(layer.route(x), routing_map(layer))


def test_importance_is_the_squared_variation_of_summed_scores():
    scores = torch.tensor([1.0, 3.0]).view(2, 1, 1).expand(2, 1, 1)
    assert importance_loss(scores).item() == pytest.approx((2**0.5 / 2) ** 2)
    assert importance_loss(scores.expand(4, 2, 3, 5)).item() == pytest.approx(0.5)


def test_load_of_experts_that_are_all_alike_is_even():
    scores = torch.zeros(4, 2, 3)
    assert load_loss(scores, scores, 0.25, 2).item() == pytest.approx(0.0)
    uneven = scores.clone()
    uneven[0] = 1.0
    chance = 0.5 * (1 + torch.erf(torch.tensor([4.0, 0.0]) / 2**0.5))
    values = torch.tensor([chance[0], *[chance[1]] * 3]).repeat_interleave(6)
    expected = (values.std() / values.mean()) ** 2
    assert load_loss(uneven, uneven, 0.25, 2).item() == pytest.approx(expected.item(), rel=1e-5)
    assert load_loss(uneven.expand(3, 4, 2, 3), uneven.expand(3, 4, 2, 3), 0.25, 2) > 0


def test_agreement_is_the_spread_over_the_batch():
    scores = torch.stack((torch.zeros(3, 2, 2), torch.full((3, 2, 2), 2.0)))
    assert agreement_loss(scores).item() == pytest.approx(3 * 2**0.5)
    assert agreement_loss(scores[0]).item() == 0.0
    assert agreement_loss(scores[:1]).item() == 0.0


@pytest.mark.parametrize("kind", ["tensor", "conv"])
def test_auxiliary_losses_join_the_loss_by_themselves(kind):
    weights = {"importance_weight": 0.3, "load_weight": 0.2, "agreement_weight": 0.1}
    layer = SpatialMoE2d(3, 2, 6, grid=GRID, gate=kind, gate_noise=0.5, **weights).double()
    x = torch.randn(3, 3, *GRID, dtype=torch.float64)
    layer.objective.weight = 0.0
    torch.manual_seed(1)
    layer(x).sum().backward()
    ours = next(layer.gate.parameters()).grad
    torch.manual_seed(1)
    clean = layer.gate(x)
    noisy = clean + 0.5 * torch.randn_like(clean)
    total = 0.3 * importance_loss(clean) + 0.2 * load_loss(clean, noisy, 0.5, 2)
    total = total + 0.1 * agreement_loss(clean)
    (expected,) = torch.autograd.grad(total, next(layer.gate.parameters()))
    torch.testing.assert_close(ours, expected)
