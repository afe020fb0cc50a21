import pytest
import torch
from small_training import smoe_of

from smoecast.config.network import Network, Smoe
from smoecast.errors import ConfigError, ModelError
from smoecast.nn.build import build, forecaster, restore
from smoecast.nn.normalize import Statistics
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import gate_parameters, routing_losses, smoe_layers

GRID = (6, 8)
STATISTICS = Statistics(
    input_mean=torch.tensor([280.0, 0.0, 0.0]),
    input_std=torch.tensor([10.0, 1.0, 1.0]),
    target_scale=torch.tensor([2.0, 3.0]),
    base=torch.tensor([0, 1]),
    target_mean=torch.zeros(2),
)


def network(**smoe):
    return Network(width=8, blocks=2, smoe=smoe_of(**smoe), advanced={"position_channels": 1})


@pytest.mark.parametrize(
    ("layers", "count"), [("none", 0), ("first", 1), ("last", 1), ("ends", 2), ("all", 6)]
)
def test_smoe_layers_stand_where_the_config_says(layers, count):
    model = build(network(layers=layers), 3, 2, GRID, periodic=True)
    assert len(smoe_layers(model)) == count
    assert len(gate_parameters(model)) == count
    assert model(torch.randn(2, 3, *GRID)).shape == (2, 2, *GRID)


@pytest.mark.parametrize(
    ("expansion", "routing", "terms", "experts"),
    [(2.0, "global", 1, 4), (1.3, "global", 1, 3), (1.3, "grouped", 1, 4), (3.0, "grouped", 2, 12)],
)
def test_number_of_experts(expansion, routing, terms, experts):
    smoe = {"expansion": expansion, "routing": routing, "experts_per_channel": terms}
    if routing == "global":
        smoe |= {"routing_loss": "points", "shared": False}
    model = build(network(layers="last", **smoe), 3, 2, GRID, False)
    assert smoe_layers(model)[0].gate.num_experts == experts


@pytest.mark.parametrize("kind", ["resnet", "cnn", "unet"])
def test_an_offset_is_nothing_at_first_and_learns_what_each_point_needs(kind):
    settings = Network(kind=kind, width=4, blocks=1, levels=2, local_bias=True)
    torch.manual_seed(0)
    model = build(settings, 3, 2, (8, 8), True)
    torch.manual_seed(0)
    without = build(settings.model_copy(update={"local_bias": False}), 3, 2, (8, 8), True)
    fields, target = torch.randn(4, 3, 8, 8), torch.randn(2, 8, 8)
    assert torch.equal(model.eval()(fields), without.eval()(fields))
    (model(fields) - target).square().mean().backward()
    own = {n: p for n, p in model.named_parameters() if p.shape == (2, 8, 8)}
    assert list(own) == ["last.1.field"]
    expected = (model(fields) - target).mean(dim=0) * 2 / target.numel()
    torch.testing.assert_close(own["last.1.field"].grad, expected)


def test_linear_regression_has_its_own_offset():
    model = build(Network(kind="linear", local_bias=True), 3, 2, GRID, True)
    assert [name for name, _ in model.named_parameters()] == ["last.weight", "last.bias"]


def test_places_have_sizes_of_their_own():
    smoe = {"layers": ["hidden.1", "last"], "expansion": 5, "experts_per_channel": 3}
    by_place = {"expansion_at": {"last": 8}, "experts_per_channel_at": {"hidden.1": 2}}
    inner, last = smoe_layers(build(network(**smoe, **by_place), 3, 2, GRID, False))
    assert (inner.gate.num_experts, inner.objective.terms) == (5 * 8 * 2, 2)
    assert (last.gate.num_experts, last.objective.terms) == (8 * 2 * 3, 3)


def test_the_preset_paper_is_the_layer_as_it_is_by_default():
    torch.manual_seed(0)
    made = smoe_layers(build(network(layers="first", preset="paper"), 3, 2, GRID, False))[0]
    channels, experts = made.weight.shape[1], made.gate.num_experts
    torch.manual_seed(0)
    layer = SpatialMoE2d(channels, experts // 4, experts, grid=GRID)
    mine, theirs = ({**vars(one.objective), "scale": None} for one in (made, layer))
    assert mine == theirs
    assert made.state_dict().keys() == layer.state_dict().keys()
    assert not torch.equal(layer.weight[0], layer.weight[1])
    assert not torch.equal(made.weight[0], made.weight[1])
    spread = made.gate.scores.std().item()
    assert spread == pytest.approx(layer.gate.scores.std().item(), rel=0.2)


@pytest.mark.parametrize("key", ["expansion_at", "experts_per_channel_at"])
def test_sizes_of_places_that_there_are_not_are_refused(key):
    with pytest.raises(ConfigError, match=r"section smoe names hidden\.9"):
        build(network(layers="last", **{key: {"hidden.9": 2}}), 3, 2, GRID, False)


@pytest.mark.parametrize("layers", ["none", "last", "all"])
@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_everything_learns_and_the_gates_report(layers, gate):
    model = forecaster(network(layers=layers, gate=gate, bias=True), STATISTICS, GRID, True)
    model(torch.randn(4, 3, *GRID)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert (sum(routing_losses(model)) > 0) == (layers != "none")


def test_no_routing_loss_before_the_first_step():
    assert routing_losses(build(network(), 3, 2, GRID, False)) == (0.0, 0.0)


@pytest.mark.parametrize("layers", ["none", "last", "all"])
def test_the_first_forecast_is_near_persistence(layers):
    torch.manual_seed(0)
    fields = torch.randn(16, 3, *GRID) * 10 + 280
    model = forecaster(network(layers=layers), STATISTICS, GRID, False)
    change = (model(fields) - fields[:, :2]) / STATISTICS.target_scale.view(-1, 1, 1)
    assert 0 < change.std().item() < 0.3


def test_periodic_in_longitude_only_on_a_globe():
    inputs = torch.randn(1, 3, *GRID)
    plain = Network(width=8, blocks=1, smoe=Smoe(layers="none"))
    for periodic in (True, False):
        model = build(plain, 3, 2, GRID, periodic).eval()
        turned = torch.allclose(model(inputs.roll(3, -1)), model(inputs).roll(3, -1), atol=1e-5)
        assert turned == periodic


@pytest.mark.parametrize("layers", ["none", "all"])
def test_restore_gives_the_same_forecast(layers):
    config = network(layers=layers)
    model = forecaster(config, STATISTICS, GRID, True)
    fields = torch.randn(4, 3, *GRID)
    model(fields)  # moves the running statistics away from their start
    again = restore(config, model.state_dict(), GRID, True)
    assert not again.training
    assert torch.equal(again(fields), model.eval()(fields))


def test_restore_refuses_other_weights():
    model = forecaster(network(), STATISTICS, GRID, True)
    tensors = model.state_dict()
    with pytest.raises(ModelError, match="do not fit the network"):
        restore(Network(width=9, blocks=2, advanced={"position_channels": 1}), tensors, GRID, True)
    del tensors["normalizer.base"]
    with pytest.raises(ModelError, match=r"normalizer\.base"):
        restore(network(), tensors, GRID, True)
