from dataclasses import replace

import pytest
import torch

from smoecast.errors import ModelError
from smoecast.nn.normalize import Normalizer, Statistics, statistics_of

STATISTICS = Statistics(
    input_mean=torch.tensor([280.0, 5e4, 0.0]),
    input_std=torch.tensor([10.0, 1e3, 2.0]),
    target_scale=torch.tensor([2.0, 5.0]),
    base=torch.tensor([1, -1]),
    target_mean=torch.tensor([0.0, 7.0]),
)


def test_inputs_worked():
    fields = torch.tensor([290.0, 49e3, 4.0]).view(1, 3, 1, 1)
    assert Normalizer(STATISTICS).inputs(fields).flatten().tolist() == [1.0, -1.0, 2.0]


def test_forecast_worked():
    fields = torch.tensor([290.0, 49e3, 4.0]).view(1, 3, 1, 1)
    change = torch.tensor([0.5, -1.0]).view(1, 2, 1, 1)
    forecast = Normalizer(STATISTICS).forecast(fields, change)
    assert forecast.flatten().tolist() == [49e3 + 0.5 * 2, 7.0 - 5.0]


def test_no_change_is_persistence_or_the_mean():
    fields = torch.rand(2, 3, 4, 5)
    forecast = Normalizer(STATISTICS).forecast(fields, torch.zeros(2, 2, 4, 5))
    assert torch.equal(forecast[:, 0], fields[:, 1])
    assert (forecast[:, 1] == 7.0).all()


def test_training_samples_come_out_standard():
    fields = 3.0 * torch.randn(2000, 1, 2, 2, generator=torch.Generator().manual_seed(0)) + 280
    one = torch.ones(1)
    normalizer = Normalizer(
        Statistics(fields.mean().view(1), fields.std().view(1), one, torch.tensor([0]), one)
    )
    inputs = normalizer.inputs(fields)
    assert inputs.mean().item() == pytest.approx(0, abs=1e-4)
    assert inputs.std().item() == pytest.approx(1, abs=1e-4)


def test_statistics_are_in_the_state():
    state = Normalizer(STATISTICS).state_dict()
    assert set(state) == set(Statistics.__annotations__)
    assert state["base"].dtype == torch.int64
    again = Normalizer(Statistics(**state))
    assert all(torch.equal(again.state_dict()[name], state[name]) for name in state)


def test_statistics_are_copied():
    mean = STATISTICS.input_mean.clone()
    normalizer = Normalizer(replace(STATISTICS, input_mean=mean))
    mean += 1
    assert torch.equal(normalizer.input_mean, STATISTICS.input_mean)


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["input_std", "target_scale"])
def test_refuses_a_scale_that_scales_nothing(name, bad):
    values = getattr(STATISTICS, name).clone()
    values[1] = bad
    with pytest.raises(ModelError, match=f"{name} of channel 1 is"):
        Normalizer(replace(STATISTICS, **{name: values}))


def test_refuses_shapes_that_disagree():
    with pytest.raises(ModelError, match="3 inputs and 2 targets"):
        Normalizer(replace(STATISTICS, input_mean=torch.zeros(4)))


@pytest.mark.parametrize("bad", [3, -2])
def test_refuses_a_base_past_the_inputs(bad):
    with pytest.raises(ModelError, match=f"input channel {bad} of 3"):
        Normalizer(replace(STATISTICS, base=torch.tensor([bad, 0])))


def test_statistics_come_out_of_the_state_again():
    tensors = {f"normalizer.{k}": v for k, v in Normalizer(STATISTICS).state_dict().items()}
    again = Normalizer(statistics_of(tensors)).state_dict()
    assert all(torch.equal(again[k.removeprefix("normalizer.")], v) for k, v in tensors.items())


@pytest.mark.parametrize(
    ("name", "bad"),
    [("input_std", None), ("input_std", torch.ones(1, 3)), ("base", torch.ones(2))],
)
def test_refuses_statistics_that_are_none(name, bad):
    tensors = {f"normalizer.{k}": v for k, v in Normalizer(STATISTICS).state_dict().items()}
    tensors[f"normalizer.{name}"] = bad
    with pytest.raises(ModelError, match=rf"normalizer\.{name} is missing or no list of numbers"):
        statistics_of({k: v for k, v in tensors.items() if v is not None})
