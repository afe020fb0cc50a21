import pytest
import torch

from smoecast.errors import ModelError
from smoecast.nn.rollout import rollout


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
