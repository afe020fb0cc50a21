import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from smoecast.config.network import Network, Smoe
from smoecast.nn.build import build
from smoecast.nn.convolutions import CondConv2d, ConvThenLocal2d, LowRankLocal2d, SameConv2d
from smoecast.nn.cost import count_parameters, multiply_adds, peak_of_tensors
from smoecast.nn.smoe.layer import SpatialMoE2d

GRID = (4, 6)
POINTS = 24


def test_worked_numbers():
    assert multiply_adds(SameConv2d(3, 5), (3, *GRID)) == 3 * 5 * 9 * POINTS
    assert multiply_adds(nn.Conv2d(4, 8, 3, stride=2, groups=2), (4, 5, 7)) == 2 * 8 * 9 * 2 * 3
    assert multiply_adds(nn.Sequential(nn.Flatten(), nn.Linear(48, 5)), (2, *GRID)) == 48 * 5
    low_rank = 3 * 10 * 9 * POINTS + 2 * 5 * POINTS
    assert multiply_adds(LowRankLocal2d(3, 5, 2, grid=GRID), (3, *GRID)) == low_rank
    both = (3 * 2 * 9 + 2 * 5) * POINTS
    assert multiply_adds(ConvThenLocal2d(3, 5, 2, grid=GRID), (3, *GRID)) == both
    mixed = 3 * 4 + 4 * (5 * 3 * 9) + 5 * 3 * 9 * POINTS
    assert multiply_adds(CondConv2d(3, 5, 4), (3, *GRID)) == mixed


def test_experts_all_or_selected():
    layer = SpatialMoE2d(3, 4, 12, grid=GRID)
    assert multiply_adds(layer, (3, *GRID)) == 12 * 3 * 9 * POINTS
    assert multiply_adds(layer, (3, *GRID), experts="selected") == 4 * 3 * 9 * POINTS
    weighted = SpatialMoE2d(3, 4, 12, grid=GRID, weighted=True)
    assert multiply_adds(weighted, (3, *GRID)) == (12 * 3 * 9 + 4) * POINTS
    with pytest.raises(ValueError, match="must be all or selected, not 'some'"):
        multiply_adds(layer, (3, *GRID), experts="some")


@pytest.mark.parametrize(
    ("gate", "extra"),
    [
        ("conv", 12 * 3 * 9 * POINTS),
        ("coordconv", 12 * 5 * 9 * POINTS),
        ("local", 12 * 3 * 9 * POINTS),
        ("linear", 12 * 3 * POINTS * POINTS),
    ],
)
def test_gates_that_look_at_the_input_cost(gate, extra):
    layer = SpatialMoE2d(3, 4, 12, grid=GRID, gate=gate)
    assert multiply_adds(layer, (3, *GRID)) == 12 * 3 * 9 * POINTS + extra


@pytest.mark.parametrize("kind", ["resnet", "cnn", "unet", "linear"])
@pytest.mark.parametrize("convolution", ["plain", "smoe", "coordconv", "local"])
def test_agrees_with_the_counter_of_torch(kind, convolution):
    config = Network(
        kind=kind,
        width=32,
        blocks=1,
        levels=2,
        convolution=convolution,
        smoe=Smoe(layers="all", expansion=3),
    )
    model = build(config, 20, 16, GRID, True).eval()
    # on a device without values the layers take the way of a GPU
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.to("meta")(torch.empty(1, 20, *GRID, device="meta"))
    model = build(config, 20, 16, GRID, True)
    assert 2 * multiply_adds(model, (20, *GRID)) == counter.get_total_flops()


def test_leaves_the_network_as_it_was():
    model = build(Network(width=8, blocks=1, smoe=Smoe(layers="all")), 3, 2, GRID, True)
    model.blocks.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    multiply_adds(model, (3, *GRID))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.training
    assert not model.blocks.training
    assert not any(module._forward_hooks for module in model.modules())


def test_a_shared_gate_counts_once():
    def count(share):
        smoe = Smoe(layers="hidden", expansion=2, advanced={"share_gates": share})
        return count_parameters(build(Network(width=8, blocks=2, smoe=smoe), 3, 2, GRID, True))

    assert count(False) - count(True) == 3 * 16 * POINTS


def hold_two_of_three():
    first = torch.ones(1000)
    del first
    second, third = torch.ones(2000), torch.ones(3000)
    return float(second.sum() + third.sum())


def test_the_peak_is_what_tensors_hold_at_once_and_nothing_is_said(capfd):
    assert 20_000 <= peak_of_tensors(hold_two_of_three, "cpu") <= 20_100
    assert capfd.readouterr() == ("", "")


def test_a_closed_stderr_is_none_to_be_kept_clean(monkeypatch):
    def refuse(_):
        raise OSError(9, "Bad file descriptor")

    with monkeypatch.context() as patch:
        patch.setattr("smoecast.nn.cost.os.dup", refuse)
        peak = peak_of_tensors(hold_two_of_three, "cpu")
    assert 20_000 <= peak <= 20_100
