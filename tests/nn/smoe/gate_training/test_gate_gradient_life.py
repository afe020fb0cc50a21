"""What happens to a network between passes, and what stands around it, does a gradient no harm."""

import copy
import gc
import pickle
import weakref

import pytest
import torch
from foreign_loop import (
    GRID,
    PARTS,
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
from torch.utils.checkpoint import checkpoint

from smoecast.nn.smoe.gates import TensorGate


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_looking_on_changes_nothing():
    """Evaluation, no_grad and inference between two passes, and evaluation mode in training."""
    one, many = network(), network()
    many.load_state_dict(one.state_dict())
    x, y = samples()
    loss_of(one, x, y).backward()
    first, second = PARTS["halves"]
    gather(many, x, y, [first])
    many.eval()
    with torch.no_grad():
        many(x)
    with torch.inference_mode():
        many(x)
    gather(many, x, y, [second])
    assert_same(gradients(many), gradients(one))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_begin_anew_with_what_was_remembered(copied):
    net = network()
    loss_of(net, *samples()).backward()
    twin = copied(net)
    for name, errors in (("0", net[0]), ("2", net[2])):
        ours = twin.get_submodule(name).gate.gradient.remembered
        assert torch.equal(ours, errors.gate.gradient.remembered)
        assert ours is not errors.gate.gradient.remembered
    x, y = samples()
    for each in (net, twin):
        each.zero_grad()
    loss_of(net, x, y).backward()
    gather(twin, x, y, PARTS["halves"])
    assert_same(gradients(twin), gradients(net))


@pytest.mark.parametrize("assign", [True, False])
def test_a_state_dict_has_weights_alone_and_may_replace_them(assign):
    one, many = network(), network()
    names = list(many.state_dict())
    assert names == [f"{n}.{w}" for n in "02" for w in ("weight", "bias", "common", "gate.scores")]
    loss_of(many, *samples()).backward()
    state = {name: value.clone() for name, value in one.state_dict().items()}
    many.load_state_dict(state, assign=assign)
    forget(many)
    many.zero_grad()
    x, y = samples()
    loss_of(one, x, y).backward()
    gather(many, x, y, PARTS["halves"])
    assert_same(gradients(many), gradients(one))


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_activations(reentrant):
    one, many = network(), network()
    many.load_state_dict(one.state_dict())
    x, y = samples()
    loss_of(one, x, y).backward()
    for part in PARTS["halves"]:
        inputs = x[part].clone().requires_grad_()
        out = many[2](checkpoint(many[:2], inputs, use_reentrant=reentrant))
        (0.5 * functional.mse_loss(out, y[part])).backward()
    assert_same(gradients(many), gradients(one))


def test_weights_that_are_swapped_for_a_call():
    net = network()
    x, y = samples()
    loss_of(net, x, y).backward()
    leaves = {name: p.detach().clone().requires_grad_() for name, p in net.named_parameters()}
    forget(net)
    for part in PARTS["halves"]:
        out = torch.func.functional_call(net, leaves, (x[part],))
        (0.5 * functional.mse_loss(out, y[part])).backward()
    assert_same({name: leaf.grad for name, leaf in leaves.items()}, gradients(net))


def test_two_sets_of_weights_in_one_backward():
    """The penalty holds back the first gradient until the other has arrived."""
    net = network(error_memory=0.0)
    x, y = samples()
    sets = [
        {
            name: p.detach().clone().mul_(factor).requires_grad_()
            for name, p in net.named_parameters()
        }
        for factor in (1.0, -1.0)
    ]
    apart = []
    for leaves in sets:
        out = torch.func.functional_call(net, leaves, (x,))
        apart.append(torch.autograd.grad(functional.mse_loss(out, y), list(leaves.values())))
    loss = 0.0 * sum(leaf.sum() for leaves in sets for leaf in leaves.values())
    for leaves in sets:
        loss = loss + functional.mse_loss(torch.func.functional_call(net, leaves, (x,)), y)
    loss.backward()
    for leaves, expected in zip(sets, apart, strict=True):
        assert_same(
            {name: leaf.grad for name, leaf in leaves.items()},
            dict(zip(leaves, expected, strict=True)),
        )


def test_a_parameter_where_another_one_stood_in_memory():
    one, many = network(), network()
    many.load_state_dict(one.state_dict())
    gone = torch.zeros(())
    for layer in (many[0], many[2]):
        layer.gate.gradient._hooked[id(layer.gate.scores)] = weakref.ref(gone)
    x, y = samples()
    loss_of(one, x, y).backward()
    gather(many, x, y, PARTS["halves"])
    assert_same(gradients(many), gradients(one))


def test_another_precision_begins_anew():
    net = network()
    x, y = samples()
    loss_of(net, x, y).backward()
    net.float().zero_grad(set_to_none=False)
    net[0].gate.scores.grad.add_(1.0)
    loss_of(net, x.float(), y.float()).backward()
    assert net[0].gate.scores.grad.mean() > 0.9


def test_a_gate_of_two_layers_and_a_layer_called_twice():
    """What one pass gathers in any order, several passes gather too."""
    gate = TensorGate(8, GRID, num_selected=4)
    options = {"gate": gate, "preset": "comparative", "expert_start": "own"}
    pair = [make_layer(4, 4, 8, grid=GRID, **options) for _ in range(2)]
    one = nn.Sequential(*pair, nn.Tanh(), pair[0]).double()
    many = copy.deepcopy(one)
    x, y = torch.randn(6, 4, *GRID).double(), torch.randn(6, 4, *GRID).double()
    twin = copy.deepcopy(one)
    (asked,) = torch.autograd.grad(loss_of(twin, x, y), twin[0].gate.scores)
    loss_of(one, x, y).backward()
    gather(many, x, y, PARTS["of all sizes"])
    assert_same(gradients(many), gradients(one))
    torch.testing.assert_close(asked, gate.scores.grad)
    labels = torch.sigmoid(gate.scores.detach()) - gate.scores.grad * gate.scores.numel()
    assert sorted(labels.round(decimals=6).abs().unique().tolist()) == [0.0, 1.0]


@pytest.mark.parametrize("preset", ["comparative", "paper"])
def test_noise_and_scores_of_low_precision(preset):
    net = network(preset, gate_noise=0.1).to(torch.bfloat16)
    x, y = (each.bfloat16() for each in samples())
    gather(net, x, y, PARTS["halves"])
    for layer in (net[0], net[2]):
        scores = layer.gate.scores
        assert scores.grad.dtype == torch.bfloat16
        assert float(scores.grad.float().abs().max()) <= 1.01 / scores.numel()


def test_nothing_outlives_the_network():
    net = network()
    loss_of(net, *samples()).backward()
    scores, gradient = weakref.ref(net[0].gate.scores), weakref.ref(net[0].gate.gradient)
    gc.disable()  # not even for a moment
    try:
        del net
        assert scores() is None
        assert gradient() is None
    finally:
        gc.enable()


def test_bfloat16_under_autocast():
    """Passes see the same rounding, sample by sample, as the whole batch."""
    one = network().float()
    many = copy.deepcopy(one)
    x, y = (each.float() for each in samples())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outs = [one(x), *(many(x[part]) for part in PARTS["halves"])]
    functional.mse_loss(outs[0].float(), y).backward()
    for out, part in zip(outs[1:], PARTS["halves"], strict=True):
        (0.5 * functional.mse_loss(out.float(), y[part])).backward()
    for layer, other in ((one[0], many[0]), (one[2], many[2])):
        scores = layer.gate.scores
        apart = (scores.grad - other.gate.scores.grad).abs() * scores.numel()
        assert (apart > 0.5).float().mean() < 0.05  # a label here and there
