"""Anybody's training loop: passes that make one step have the gate's gradient of one pass."""

import copy

import pytest
import torch
from foreign_loop import (
    PARTS,
    WHOLE,
    assert_same,
    forget,
    gather,
    gradients,
    loss_of,
    network,
    penalty_of,
    samples,
)
from torch import nn
from torch.nn import functional


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("preset", ["comparative", "paper"])
@pytest.mark.parametrize("to_none", [True, False])
def test_gathered_passes_are_one_large_one(preset, parts, to_none):
    """Over three steps, so that what is remembered of errors counts too."""
    one, many = network(preset), network(preset)
    many.load_state_dict(one.state_dict())
    for _ in range(3):
        x, y = samples()
        for net, cut in ((one, WHOLE), (many, parts)):
            net.zero_grad(set_to_none=to_none)
            gather(net, x, y, cut)
        assert_same(gradients(many), gradients(one))
        if preset == "comparative":
            torch.testing.assert_close(many[0].routing_loss, one[0].routing_loss)


def test_parts_of_the_gradient_would_not_do():
    """Else the tests above could not fail: labels of a half are not those of the whole."""
    net = network()
    x, y = samples()
    apart = []
    for part in PARTS["halves"]:
        net.zero_grad()
        forget(net)
        loss_of(net, x[part], y[part]).backward()
        apart.append(net[2].gate.scores.grad.clone())
    net.zero_grad()
    gather(net, x, y, PARTS["halves"])
    mean = sum(apart) / 2
    assert (net[2].gate.scores.grad - mean).abs().max() > 0.1 / mean.numel()


OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.1),
    "Adam": lambda p: torch.optim.Adam(p, 0.01),
    "AdamW": lambda p: torch.optim.AdamW(p, 0.01),
    "Adam, fused": lambda p: torch.optim.Adam(p, 0.01, fused=True),
    "SGD, foreach": lambda p: torch.optim.SGD(p, 0.1, foreach=True),
    "RMSprop": lambda p: torch.optim.RMSprop(p, 0.01),
    "LBFGS": lambda p: torch.optim.LBFGS(p, 0.1, max_iter=4),
}


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_of_all_kinds(name, to_none):
    weights = {}
    start = network().state_dict()
    for kind, cut in (("one", WHOLE), ("many", PARTS["halves"])):
        net = network()
        net.load_state_dict(start)
        optimizer = OPTIMIZERS[name](net.parameters())
        torch.manual_seed(1)
        for _ in range(4):
            x, y = samples()

            def closure(net=net, optimizer=optimizer, x=x, y=y, cut=cut):
                optimizer.zero_grad(set_to_none=to_none)
                gather(net, x, y, cut)
                nn.utils.clip_grad_norm_(net.parameters(), 0.05)
                with torch.no_grad():
                    return loss_of(net, x, y)

            optimizer.step(closure)
        weights[kind] = net.state_dict()
    assert_same(weights["many"], weights["one"], rtol=1e-6, atol=1e-8)
    assert not torch.equal(weights["one"]["0.gate.scores"], start["0.gate.scores"])


def test_a_loop_of_the_old_kind_that_goes_behind_autograd():
    one, other = network(), network()
    other.load_state_dict(one.state_dict())
    for _ in range(3):
        x, y = samples()
        one.zero_grad()
        loss_of(one, x, y).backward()
        gather(other, x, y, PARTS["halves"])
        assert_same(gradients(other), gradients(one))
        for net in (one, other):
            for parameter in net.parameters():
                parameter.data.add_(parameter.grad.data, alpha=-0.1)
        for parameter in other.parameters():
            parameter.grad.data.zero_()


def test_two_losses_of_one_forward_are_their_sum():
    one, both = network(), network()
    both.load_state_dict(one.state_dict())
    x, y = samples()
    out = both(x)
    (0.25 * functional.mse_loss(out, y)).backward(retain_graph=True)
    (0.75 * functional.mse_loss(out, y)).backward()
    loss_of(one, x, y).backward()
    assert_same(gradients(both), gradients(one))


def test_a_penalty_in_the_loss_stays():
    one, many = network(), network()
    many.load_state_dict(one.state_dict())
    x, y = samples()
    (loss_of(one, x, y) + penalty_of(one)).backward()
    for part in PARTS["halves"]:
        (0.5 * loss_of(many, x[part], y[part]) + 0.5 * penalty_of(many)).backward()
    assert_same(gradients(many), gradients(one))


@pytest.mark.parametrize("first", [True, False])
def test_a_penalty_with_backward_passes_of_its_own_stays(first):
    """First of all or after each pass; then once more, from gradients of zero."""
    one, many = network(), network()
    many.load_state_dict(one.state_dict())
    for _ in range(2):
        x, y = samples()
        for net in (one, many):
            net.zero_grad(set_to_none=False)
        (loss_of(one, x, y) + penalty_of(one)).backward()
        if first:
            penalty_of(many).backward()
        for part in PARTS["of all sizes"]:
            gather(many, x, y, [part])
            for _ in range(0 if first else 2):
                (penalty_of(many) / 6).backward()
        assert_same(gradients(many), gradients(one))


def test_gradients_that_somebody_changed_are_added_to_as_they_are():
    """After clipping each pass there is no step of all passes any more."""
    net = network()
    x, y = samples()
    first, second = PARTS["halves"]
    loss_of(net, x[second], y[second]).backward()
    alone = gradients(net)
    net.zero_grad()
    forget(net)
    loss_of(net, x[first], y[first]).backward()
    forget(net)
    for parameter in net.parameters():
        parameter.grad.mul_(0.5)
    halved = gradients(net)
    loss_of(net, x[second], y[second]).backward()
    assert_same(gradients(net), {name: halved[name] + alone[name] for name in alone})


def test_gradients_that_nobody_zeroed_pile_up_over_steps():
    net = network(error_memory=0.0)
    x, y = samples()
    optimizer = torch.optim.SGD(net.parameters(), 0.5)
    loss_of(net, x, y).backward()
    before = gradients(net)
    optimizer.step()
    fresh = copy.deepcopy(net)
    loss_of(fresh, x, y).backward()
    loss_of(net, x, y).backward()
    assert_same(gradients(net), {n: before[n] + g for n, g in gradients(fresh).items()})


def test_a_gradient_that_is_only_asked_for_leaves_no_trace():
    net = network()
    x, y = samples()
    first, second = PARTS["halves"]
    asked = torch.autograd.grad(loss_of(net, x, y), list(net.parameters()))
    forget(net)
    twin = copy.deepcopy(net)
    loss_of(twin, x, y).backward()
    assert_same(gradients(twin), dict(zip(gradients(twin), asked, strict=True)))
    (0.5 * loss_of(net, x[first], y[first])).backward()
    torch.autograd.grad(loss_of(net, *samples()), net[2].gate.scores)
    (0.5 * loss_of(net, x[second], y[second])).backward()
    assert_same(gradients(net), gradients(twin))


def test_a_gradient_that_was_only_asked_for_does_not_join_that_of_another_loss():
    one, many = network(), network()
    many.load_state_dict(one.state_dict())
    x, y = samples()
    (loss_of(one, x, y) + penalty_of(one)).backward()
    for part in PARTS["halves"]:
        gather(many, x, y, [part])
        torch.autograd.grad(loss_of(many, *samples()), many[0].gate.scores)
        (0.5 * penalty_of(many)).backward()
    assert_same(gradients(many), gradients(one))
