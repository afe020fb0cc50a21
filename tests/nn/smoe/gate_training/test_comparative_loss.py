"""Experts judged by each other, shared filters, and regions to begin with."""

import pytest
import torch
from made_layers import make_layer
from torch import nn
from torch.nn import functional

from smoecast.nn.smoe.gate_training import routing_loss
from smoecast.nn.smoe.gate_training.evidence import remember
from smoecast.nn.smoe.gates import FixedGate, build_gate
from smoecast.nn.smoe.initial_scores import start_regions
from smoecast.nn.smoe.model_layers import follow_scaler, routing_losses, share_loss
from smoecast.nn.smoe.routing import Selection, winner_labels

GRID = (5, 6)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def layer_of(**changes):
    settings = {"routing": "grouped", "routing_loss": "experts", "bias": True, **changes}
    return make_layer(3, 4, 8, grid=GRID, **settings).double()


def squared_errors(layer, x, target):
    """What each expert's squared error would be at every point, (B, E, H, W)."""
    f = layer.objective
    values = functional.conv2d(x, layer.filters(), layer.bias, padding=1)
    every = values.unflatten(1, (f.how.num_selected, f.how.group_size, f.num_filters))
    wanted = target.unflatten(1, (f.how.num_selected, 1, f.num_filters))
    return ((every - wanted) ** 2).sum(dim=3).flatten(1, 2)


def labels_of(errors, how):
    groups = errors.unflatten(-3, (how.num_selected, how.group_size))
    best = functional.one_hot(groups.argmin(dim=-3), how.group_size)
    return best.movedim(-1, -3).flatten(-4, -3).double()


@pytest.mark.parametrize("filters", [1, 2])
@pytest.mark.parametrize("shared", [False, True])
def test_the_label_goes_to_the_expert_with_the_least_error(filters, shared):
    layer = layer_of(filters_per_expert=filters, shared=shared)
    x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
    functional.mse_loss(layer(x), target).backward()
    scores, how = layer.gate.scores, layer.objective.how
    labels = labels_of(squared_errors(layer, x, target).mean(dim=0), how)
    torch.testing.assert_close(
        scores.grad, (torch.sigmoid(scores.detach()) - labels) / scores.numel()
    )
    expected = functional.binary_cross_entropy_with_logits(scores.detach(), labels)
    torch.testing.assert_close(layer.routing_loss, expected)


@pytest.mark.parametrize("gate", ["conv", "local"])
def test_a_gate_that_sees_the_input_has_labels_for_each_sample(gate):
    layer = layer_of(gate=gate)
    x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
    scores = layer.gate(x).detach()
    functional.mse_loss(layer(x), target).backward()
    labels = labels_of(squared_errors(layer, x, target), layer.objective.how)
    expected = functional.binary_cross_entropy_with_logits(scores, labels)
    torch.testing.assert_close(layer.routing_loss, expected)


@pytest.mark.parametrize("share", [None, 1.0])
def test_earlier_steps_have_their_say_in_the_labels(share):
    layer = layer_of(error_memory=0.75)
    share_loss(layer, share)
    running = None
    for _ in range(3):
        x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
        layer.zero_grad()
        out = layer(x)
        functional.mse_loss(out, target).backward()
        errors = squared_errors(layer, x, target)
        # all experts of a group share the target's square, which the layer leaves out
        errors = (errors - (target**2).repeat_interleave(2, dim=1)).mean(dim=0)
        running = errors if running is None else 0.75 * running + 0.25 * errors
    scores = layer.gate.scores
    labels = labels_of(running, layer.objective.how)
    assert (labels != labels_of(errors, layer.objective.how)).any()
    torch.testing.assert_close(
        scores.grad, (torch.sigmoid(scores.detach()) - labels) / scores.numel()
    )


@pytest.mark.parametrize("damping", [1.0, 0.1])
def test_a_pass_without_a_share_teaches_nothing(damping):
    """A process without samples in a step takes one all the same, its loss multiplied by 0."""
    layer = layer_of(damping=damping)
    share_loss(layer, 0.0)
    (0.0 * layer(torch.randn(1, 3, *GRID).double()).square().mean()).backward()
    assert all((parameter.grad == 0).all() for parameter in layer.parameters())


def test_errors_of_a_skipped_step_are_forgotten():
    error = torch.tensor([1.0, torch.inf, torch.nan])
    first = remember(error, None, 0.5)
    assert first.tolist() == [1.0, 0.0, 0.0]
    assert remember(error + 1.0, first, 0.5).tolist() == [1.5, 0.0, 0.0]


def test_pieces_of_a_batch_give_what_the_whole_gives(monkeypatch):
    layer = layer_of()
    x, target = torch.randn(5, 3, *GRID).double(), torch.randn(5, 4, *GRID).double()
    gradients = []
    for piece in (2**17, 300):
        monkeypatch.setattr(routing_loss, "PIECE", piece)
        layer.zero_grad()
        functional.mse_loss(layer(x), target).backward()
        gradients.append([p.grad.clone() for p in layer.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])


def test_experts_learn_from_the_points_that_they_serve():
    layer = layer_of(damping=1.0)
    x = torch.randn(2, 3, *GRID).double().requires_grad_()
    target = torch.randn(2, 4, *GRID).double()
    functional.mse_loss(layer(x), target).backward()
    ours = [x.grad.clone(), layer.weight.grad.clone()]
    x.grad = None
    values = functional.conv2d(x, layer.weight, layer.bias, padding=1)
    chosen = values.gather(1, layer.route(x).expand(2, -1, -1, -1))
    weight = torch.autograd.grad(
        functional.mse_loss(chosen, target), [x, layer.weight], retain_graph=False
    )
    torch.testing.assert_close(ours, list(weight))


def test_damping_weakens_what_reaches_a_beaten_expert():
    free, damped = layer_of(), layer_of(damping=0.25)
    damped.load_state_dict(free.state_dict())
    x, target = torch.randn(2, 3, *GRID).double(), torch.randn(2, 4, *GRID).double()
    fields = [x.clone().requires_grad_() for _ in range(2)]
    for layer, field in zip((free, damped), fields, strict=True):
        functional.mse_loss(layer(field), target).backward()
    errors, index = squared_errors(free, x, target), free.route(x).expand(2, -1, -1, -1)
    _, beaten = winner_labels(errors, index, free.objective.how)
    assert 0 < beaten.mean() < 1
    factor = 1.0 - 0.75 * beaten
    values = free(x)
    grad = (2.0 / values.numel()) * (values - target) * factor
    expected = torch.autograd.grad(values, free.weight, grad.detach())[0]
    torch.testing.assert_close(damped.weight.grad, expected)


def test_the_selected_expert_keeps_its_place_when_no_other_is_better():
    how = Selection(4, 2, "expert", grouped=True)
    error = torch.tensor([1.0, 1.0, 3.0, 2.0])[:, None, None]
    labels, beaten = winner_labels(error, torch.tensor([1, 2])[:, None, None], how)
    assert labels.flatten().tolist() == [0, 1, 0, 1]
    assert beaten.flatten().tolist() == [0, 1]


def test_a_scaled_loss_gives_the_same_labels():
    plain, scaled = layer_of(), layer_of()
    scaled.load_state_dict(plain.state_dict())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    follow_scaler(scaled, scaler)
    x, target = torch.randn(3, 3, *GRID).double(), torch.randn(3, 4, *GRID).double()
    functional.mse_loss(plain(x), target).backward()
    scaler.scale(functional.mse_loss(scaled(x), target)).backward()
    torch.testing.assert_close(scaled.gate.scores.grad / 1024.0, plain.gate.scores.grad)
    torch.testing.assert_close(scaled.routing_loss, plain.routing_loss)


def test_without_the_loss_weight_the_gate_stays():
    layer = layer_of(routing_loss_weight=0.0)
    layer(torch.randn(2, 3, *GRID).double()).square().mean().backward()
    assert not layer.gate.scores.grad.any()
    assert layer.routing_loss is None


@pytest.mark.parametrize("loss", ["experts", "points"])
def test_a_gate_at_rest_judges_nothing_and_filters_learn_the_same(loss):
    layer = layer_of(
        routing_loss=loss, shared=True, experts_per_channel=2, error_memory=0.9, damping=1.0
    )
    x, found = torch.randn(2, 3, *GRID).double(), {}
    for moves in (True, False):
        layer.zero_grad()
        layer.objective.loss = layer.gate.gradient.loss = layer.gate.gradient.remembered = None
        layer.gate.scores.requires_grad_(moves)
        layer(x).square().mean().backward()
        assert (layer.routing_loss is not None) == moves
        assert moves or layer.gate.gradient.remembered is None
        found[moves] = [p.grad.clone() for p in (layer.weight, layer.common, layer.bias)]
    for learning, resting in zip(*found.values(), strict=True):
        torch.testing.assert_close(resting, learning, rtol=1e-12, atol=1e-12)


def test_a_gate_at_rest_still_damps_its_experts():
    layer = layer_of(damping=0.0)
    x = torch.randn(2, 3, *GRID).double()
    layer.gate.scores.requires_grad_(False)
    layer(x).square().mean().backward()
    damped = layer.weight.grad.clone()
    layer.objective.damping, layer.weight.grad = 1.0, None
    layer(x).square().mean().backward()
    assert damped.norm() < layer.weight.grad.norm()


def test_a_gradient_that_is_not_finite_stops():
    layer = layer_of()
    with pytest.raises(ValueError, match="not finite"):
        (layer(torch.randn(2, 3, *GRID).double()) * torch.inf).sum().backward()


def test_it_finds_the_regions_that_it_is_shown():
    """Two halves of the grid obey two filters; the gate starts wrong and has to find them."""
    layer = make_layer(1, 1, 2, grid=(8, 8), routing="grouped", routing_loss="experts")
    truth = torch.randn(2, 1, 3, 3)
    optimizer = torch.optim.Adam(layer.parameters(), 0.03)
    half = torch.arange(8)[None, None, :, None] < 4
    for _ in range(300):
        x = torch.randn(16, 1, 8, 8)
        both = functional.conv2d(x, truth, padding=1)
        target = torch.where(half, both[:, :1], both[:, 1:])
        optimizer.zero_grad()
        loss = functional.mse_loss(layer(x), target)
        loss.backward()
        optimizer.step()
    index = layer.route(x)[0]
    assert (index[:4] == index[0, 0]).all()
    assert (index[4:] == index[7, 0]).all()
    assert index[0, 0] != index[7, 0]
    assert loss.item() < 0.01


def test_a_shared_filter_is_added_to_every_expert():
    layer = layer_of(shared=True, filters_per_expert=2)
    merged = layer_of(filters_per_expert=2)
    merged.load_state_dict(
        {
            **{k: v for k, v in layer.state_dict().items() if k != "common"},
            "weight": layer.filters(),
        }
    )
    x = torch.randn(2, 3, *GRID).double()
    torch.testing.assert_close(layer(x), merged(x))
    layer(x).square().mean().backward()
    merged(x).square().mean().backward()
    # (E F, ..) -> (K, E / K, F, ..) -> (K F, ..)
    grouped = merged.weight.grad.unflatten(0, (2, 4, 2)).sum(dim=1).flatten(0, 1)
    torch.testing.assert_close(layer.common.grad, grouped)


@pytest.mark.parametrize(("filters", "shared"), [(1, True), (2, True), (2, False)])
def test_terms_add_up_and_each_is_judged_with_the_others_as_they_are(filters, shared):
    layer = make_layer(
        3,
        4,
        24,
        grid=GRID,
        routing="grouped",
        routing_loss="experts",
        experts_per_channel=3,
        shared=shared,
        filters_per_expert=filters,
    ).double()
    x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
    out = layer(x)
    functional.mse_loss(out, target).backward()
    values = functional.conv2d(x, layer.filters(), padding=1).unflatten(1, (24, filters))
    index = layer.route(x)
    taken = values[:, index, :, torch.arange(5)[:, None], torch.arange(6)]
    # (K, H, W, B, F) -> (B, K / T, T, F, H, W)
    taken = taken.permute(3, 0, 4, 1, 2).unflatten(1, (-1, 3))
    torch.testing.assert_close(out, taken.sum(dim=2).flatten(1, 2))
    rest = taken.sum(dim=2, keepdim=True) - taken
    wanted = target.unflatten(1, (-1, 1, filters)) - rest
    how = layer.objective.how
    every = values.unflatten(1, (how.num_selected // 3, 3, how.group_size))
    errors = ((every - wanted.unsqueeze(3)) ** 2).sum(dim=4).mean(dim=0).flatten(0, 2)
    labels = labels_of(errors, how)
    scores = layer.gate.scores
    torch.testing.assert_close(
        scores.grad, (torch.sigmoid(scores.detach()) - labels) / scores.numel()
    )


def test_a_plain_start_with_terms_is_a_convolution():
    layer = layer_of(shared=True, experts_per_channel=2, expert_start="copies", start="plain")
    x = torch.randn(2, 3, *GRID).double()
    torch.testing.assert_close(layer(x), functional.conv2d(x, layer.common, padding=1))
    assert "3, 4, num_experts=8" in repr(layer)


def test_copies_beside_a_shared_filter_begin_as_that_filter():
    layer = layer_of(shared=True, expert_start="copies", start="regions")
    x = torch.randn(2, 3, *GRID).double()
    torch.testing.assert_close(layer(x), functional.conv2d(x, layer.common, padding=1))


def test_a_small_layer_with_a_shared_filter_gives_the_same_by_either_kernel():
    layer = make_layer(1, 1, 3, grid=GRID, routing="grouped", shared=True)
    x = torch.randn(2, 1, *GRID)
    values = nn.functional.conv2d(x, layer.filters(), padding=1)
    expected = values.gather(1, layer.route(x).expand(2, -1, -1, -1))
    torch.testing.assert_close(layer(x), expected)


def test_regions_are_smooth_and_all_experts_have_some():
    gate = build_gate("tensor", in_channels=1, num_experts=4, num_selected=1, grid=(32, 64))
    start_regions(gate)
    best = gate.scores.argmax(dim=0)
    assert (best[:, 1:] == best[:, :-1]).double().mean() > 0.8
    assert best.unique().numel() == 4
    assert gate.scores.std().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", ["conv", "coordconv", "local", "linear"])
def test_gates_that_see_the_input_have_regions_as_their_offset(kind):
    gate = build_gate(kind, in_channels=2, num_experts=3, num_selected=1, grid=GRID)
    start_regions(gate)
    scores = gate(torch.randn(2, 2, *GRID))
    torch.testing.assert_close(scores, gate.offset.expand_as(scores))
    assert gate.offset.std().item() == pytest.approx(1.0, abs=1e-3)


def test_a_fixed_gate_has_no_regions_to_begin_with():
    with pytest.raises(ValueError, match="its map is given"):
        start_regions(FixedGate(torch.zeros(2, 2, 2)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"routing_loss": "jury"}, "routing_loss must be one of points, experts"),
        ({"routing_loss": "experts"}, "routing_loss 'experts' needs routing 'grouped'"),
        ({"experts_per_channel": 2}, "experts_per_channel above 1 needs routing 'grouped'"),
        ({"experts_per_channel": 0}, "experts_per_channel must be at least 1, not 0"),
        ({"preset": "best"}, "settings must be one of paper, comparative, not 'best'"),
        ({"shared": True}, "shared filters need routing 'grouped'"),
        ({"error_memory": 1.0}, "error_memory must be at least 0 and below 1, not 1.0"),
        ({"gate_noise": -1.0}, "must not be negative"),
    ],
)
def test_refuses_choices_that_do_not_go_together(changes, message):
    with pytest.raises(ValueError, match=message):
        make_layer(3, 4, 8, grid=GRID, **changes)


def test_passes_with_shares_are_the_gradient_of_one():
    whole, halves = layer_of(damping=0.5), layer_of(damping=0.5)
    halves.load_state_dict(whole.state_dict())
    share_loss(halves, 0.5)
    x, target = torch.randn(4, 3, *GRID).double(), torch.randn(4, 4, *GRID).double()
    functional.mse_loss(whole(x), target).backward()
    for part in (slice(0, 2), slice(2, 4)):
        (0.5 * functional.mse_loss(halves(x[part]), target[part])).backward()
    assert routing_losses(halves)[1] == pytest.approx(whole.routing_loss.item())
    for ours, theirs in zip(halves.parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


def test_a_gate_that_two_layers_share_has_one_loss_of_both():
    """Errors of both add up; half in one pass, half in another is all in one."""
    grads, losses = [], []
    state = None
    for together in (True, False):
        first = layer_of(error_memory=0.5)
        pair = nn.ModuleList([first, layer_of(error_memory=0.5, gate=first.gate)])
        state = state or pair.state_dict()
        pair.load_state_dict(state)
        share_loss(pair, 1.0)
        torch.manual_seed(1)
        parts = [layer(torch.randn(2, 3, *GRID).double()).square().mean() for layer in pair]
        for loss in [sum(parts)] if together else parts:
            loss.backward()
        grads.append(first.gate.scores.grad)
        losses.append(routing_losses(pair)[1])
        assert losses[-1] == pair[0].routing_loss.item() == pair[1].routing_loss.item()
    torch.testing.assert_close(*grads)
    assert losses[0] == pytest.approx(losses[1])
    labels = torch.sigmoid(first.gate.scores.detach()) - grads[0] * grads[0].numel()
    assert sorted(labels.round(decimals=6).abs().unique().tolist()) == [0.0, 1.0]


def test_gates_that_compare_nothing_have_no_such_loss():
    layers = nn.Sequential(
        layer_of(weighted=True), layer_of(gate="conv"), layer_of(routing_loss="points"), layer_of()
    )
    for layer in layers:
        layer(torch.randn(2, 3, *GRID).double()).square().mean().backward()
    assert routing_losses(layers)[1] == layers[-1].routing_loss.item() > 0
    layers[-1].gate.requires_grad_(False)
    assert routing_losses(layers)[1] == 0.0
