import pytest
import torch

from smoecast.errors import ModelError
from smoecast.nn.rollout import Unrolled, rollout


def test_fibonacci():
    """Newest plus the one before, plus a forcing that is told its step."""
    asked = []

    def extra(step):
        asked.append(step)
        return torch.full((1, 1, 1, 1), 100.0 * step)

    def model(fields):
        return fields[:, :1] + fields[:, 1:2] + fields[:, 2:]

    history = [torch.full((1, 1, 1, 1), v) for v in (1.0, 1.0)]
    states = [state.item() for state in rollout(model, history, extra, 4)]
    assert states == [2.0, 3.0 + 100, 105.0 + 200, 103 + 305 + 300.0]
    assert asked == [0, 1, 2, 3]


def test_history_is_not_changed_and_nothing_runs_ahead():
    calls = []

    def model(fields):
        calls.append(fields)
        return fields[:, :2] + 1

    history = [torch.zeros(3, 2, 4, 5), torch.ones(3, 2, 4, 5)]
    steps = rollout(model, history, lambda _: torch.zeros(3, 0, 4, 5), 10)
    assert not calls
    assert next(steps).shape == (3, 2, 4, 5)
    assert len(calls) == 1
    assert (history[0] == 0).all()
    assert (history[1] == 1).all()


def test_gradient_flows_through_all_steps():
    factor = torch.tensor(2.0, requires_grad=True)
    history, none = [torch.ones(1, 1, 1, 1)], torch.zeros(1, 0, 1, 1)
    *_, last = rollout(lambda x: factor * x, history, lambda _: none, 3)
    last.sum().backward()
    assert factor.grad.item() == pytest.approx(3 * 2.0**2)


def test_refuses_a_model_that_gives_no_full_state():
    history, none = [torch.ones(1, 3, 2, 2)], torch.zeros(1, 0, 2, 2)
    with pytest.raises(ModelError, match="1 fields of the 3"):
        next(rollout(lambda x: x[:, :1], history, lambda _: none, 1))


def linear_step():
    """Two fields, two states of history, one other input: a 1 x 1 convolution."""
    torch.manual_seed(0)
    return torch.nn.Conv2d(5, 2, 1).double()


def test_unrolled_steps_are_those_of_the_rollout():
    network = linear_step()
    unrolled = Unrolled(network, states=2, fields=2, extra=1, steps=3)
    inputs = torch.randn(4, 4 + 3, 3, 3, dtype=torch.float64)
    states = [inputs[:, :2], inputs[:, 2:4]]
    expected = rollout(network, states, lambda step: inputs[:, 4 + step : 5 + step], 3)
    torch.testing.assert_close(unrolled(inputs), torch.cat(list(expected), dim=1))


def test_gradients_go_back_through_all_steps():
    network = linear_step()
    unrolled = Unrolled(network, states=2, fields=2, extra=1, steps=3)
    inputs = torch.randn(1, 7, 2, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(unrolled, (inputs,))
    last = unrolled(inputs)[:, 4:].sum()
    (gradient,) = torch.autograd.grad(last, inputs)
    assert gradient[:, 4].abs().min() > 0  # the first step's own input moves the third step


def test_one_step_is_the_network_itself():
    network = linear_step()
    inputs = torch.randn(2, 5, 3, 3, dtype=torch.float64)
    one = Unrolled(network, states=2, fields=2, extra=1, steps=1)
    assert torch.equal(one(inputs), network(inputs))


def test_the_next_state_is_the_first_of_what_a_model_gives():
    history, none = [torch.ones(1, 2, 1, 1)], torch.zeros(1, 0, 1, 1)
    states = rollout(lambda x: torch.cat([2 * x, -x], dim=1), history, lambda _: none, 3)
    assert [s.flatten().tolist() for s in states] == [[2.0, 2.0], [4.0, 4.0], [8.0, 8.0]]
