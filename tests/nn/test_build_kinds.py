"""Every kind of network, with every kind of layer at its places."""

import copy
import itertools

import pytest
import torch
from safetensors.torch import load, save
from small_training import smoe_of

from smoecast.config import yaml_file
from smoecast.config.network import Network, NetworkAdvanced, Smoe
from smoecast.errors import ConfigError
from smoecast.nn.build import build, forecaster, restore
from smoecast.nn.convolutions import CoordConv2d, LocallyConnected2d, LowRankLocal2d, SameConv2d
from smoecast.nn.cost import count_parameters
from smoecast.nn.normalize import Statistics
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import gate_parameters, routing_losses, smoe_layers
from smoecast.training.model_files import portable

GRID = (4, 8)
KINDS = ("resnet", "cnn", "unet")
LAYERS = {
    "smoe": SpatialMoE2d,
    "plain": SameConv2d,
    "coordconv": CoordConv2d,
    "lowrank": LowRankLocal2d,
    "local": LocallyConnected2d,
}
STATISTICS = Statistics(
    input_mean=torch.zeros(3),
    input_std=torch.ones(3),
    target_scale=torch.ones(2),
    base=torch.tensor([0, 1]),
    target_mean=torch.zeros(2),
)


def network(kind="resnet", convolution="smoe", **smoe):
    return Network(
        kind=kind, width=6, blocks=2, levels=2, convolution=convolution, smoe=smoe_of(**smoe)
    )


def small(config):
    return build(config, 3, 2, GRID, True)


@pytest.mark.parametrize("kind", [*KINDS, "linear"])
@pytest.mark.parametrize("in_channels", [1, 5])
def test_any_number_of_channels(kind, in_channels):
    model = build(network(kind), in_channels, 4, GRID, periodic=False)
    assert model(torch.randn(2, in_channels, *GRID)).shape == (2, 4, *GRID)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("convolution", list(LAYERS))
def test_layers_stand_where_the_config_says_and_all_learn(kind, convolution):
    torch.manual_seed(0)
    model = forecaster(
        network(kind, convolution, layers=["first", "hidden.1", "last"]), STATISTICS, GRID, True
    )
    wanted = [m for m in model.modules() if type(m) is LAYERS[convolution]]
    inner = convolution == "lowrank"  # its basis is a plain convolution too
    plain = [m for m in model.modules() if type(m) is SameConv2d]
    total = {"resnet": 6, "cnn": 4, "unet": 7}[kind]
    assert len(wanted) == (total if convolution == "plain" else 3)
    assert len(plain) == (total if convolution == "plain" or inner else total - 3)
    model(torch.randn(4, 3, *GRID)).square().mean().backward()
    learned = {n: p for n, p in model.named_parameters() if p.numel()}
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in learned.values())
    assert (sum(routing_losses(model)) > 0) == (convolution == "smoe")


@pytest.mark.parametrize(
    ("layers", "kind", "count"),
    [
        ("hidden", "resnet", 4),
        ("alternate", "resnet", 2),
        ("alternate", "cnn", 1),
        ("alternate", "unet", 2),
        ("all", "unet", 7),
        (("block.1",), "resnet", 2),
        (("block.1",), "unet", 2),
        (("block.0", "hidden.0", "alternate"), "resnet", 3),
        (("last", "first"), "cnn", 2),
    ],
)
def test_choices_of_layers(layers, kind, count):
    assert len(smoe_layers(small(network(kind, layers=layers)))) == count


def test_the_second_convolution_of_each_block():
    model = small(network(layers="alternate"))
    for block in model.blocks:
        assert type(block.layers[0]) is SameConv2d
        assert type(block.layers[4]) is SpatialMoE2d


@pytest.mark.parametrize("outputs", [2, 3])
def test_rasp_and_thuerey_have_six_million_parameters(outputs):
    """Section 3 of their paper says about 6.36 M: 6,354,434 to 2 fields, 6,355,587 to 3.

    With the running statistics of batch norm, which Keras counts too: 6,364,418 and 6,365,571.
    """
    config = Network(
        width=128,
        blocks=19,
        dropout=0.1,
        smoe=Smoe(layers="none"),
        advanced={"first_kernel_size": 7},
    )
    with torch.device("meta"):
        model = build(config, 117, outputs, (32, 64), True)
    first = 117 * 128 * 49 + 128
    blocks = 38 * (128 * 128 * 9 + 128)
    norms = 39 * 2 * 128
    last = outputs * (128 * 9 + 1)
    assert count_parameters(model) == first + blocks + norms + last
    assert count_parameters(model) == {2: 6354434, 3: 6355587}[outputs]
    running = sum(b.numel() for b in model.buffers() if b.dim())
    assert count_parameters(model) + running == {2: 6364418, 3: 6365571}[outputs]


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_convolution_alone_has_the_first_kernel_size(kind):
    wide = NetworkAdvanced(first_kernel_size=5)
    config = network(kind, layers="ends").model_copy(update={"advanced": wide})
    layers = smoe_layers(small(config))
    assert [layer.weight.shape[-1] for layer in layers] == [5, 3]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gate", ["tensor", "conv"])
def test_layers_of_equal_experts_and_grid_share_a_gate(kind, gate):
    model = small(network(kind, layers="all", share_gates=True, gate=gate))
    alike = {}
    for layer in smoe_layers(model):
        key = (layer.gate.num_experts, layer.grid)
        alike.setdefault(key, []).append(layer)
    for layers in alike.values():
        for one, two in itertools.combinations(layers, 2):
            same_input = one.weight.shape[1] == two.weight.shape[1]
            assert (one.gate is two.gate) == (gate == "tensor" or same_input)
    assert len({id(layer.gate) for layer in smoe_layers(model)}) < len(smoe_layers(model))


def test_a_shared_gate_learns_from_all_its_layers():
    torch.manual_seed(0)
    model = small(network(layers="hidden", share_gates=True, start="random", routing_loss="points"))
    inputs = torch.randn(4, 3, *GRID)
    apart = copy.deepcopy(model)
    for layer in smoe_layers(apart):
        layer.gate = copy.deepcopy(layer.gate)
    for each in (model, apart):
        each(inputs).square().mean().backward()
    scores = [layer.gate.scores.grad for layer in smoe_layers(apart)]
    torch.testing.assert_close(smoe_layers(model)[0].gate.scores.grad, torch.stack(scores).sum(0))


@pytest.mark.parametrize("kind", [*KINDS, "linear"])
@pytest.mark.parametrize("share", [False, True])
def test_weights_go_through_a_file(kind, share):
    config = network(kind, layers="all", share_gates=share)
    model = forecaster(config, STATISTICS, GRID, True)
    fields = torch.randn(4, 3, *GRID)
    model(fields)  # moves the running statistics away from their start
    again = restore(config, load(save(portable(model.state_dict()))), GRID, True)
    assert torch.equal(again(fields), model.eval()(fields))
    assert len(gate_parameters(again)) == len(gate_parameters(model))


@pytest.mark.parametrize("kind", [*KINDS, "linear"])
@pytest.mark.parametrize("convolution", list(LAYERS))
def test_the_first_forecast_is_near_persistence(kind, convolution):
    torch.manual_seed(0)
    model = forecaster(network(kind, convolution, layers="all"), STATISTICS, GRID, True)
    fields = torch.randn(16, 3, *GRID)
    change = model(fields) - fields[:, :2]
    assert 0 < change.std().item() < 0.3


def test_what_does_not_fit_is_refused_with_the_key():
    with pytest.raises(ConfigError, match=r"^network: a linear map from 40 to 40 fields"):
        build(Network(kind="linear"), 40, 40, (32, 64), True)
    with pytest.raises(ConfigError, match=r"^network: a U-Net of 8 levels must halve"):
        build(Network(kind="unet", levels=8), 3, 2, (73, 144), True)
    with pytest.raises(ConfigError, match=r"^network: section smoe names hidden\.4, but"):
        small(network(layers=["hidden.4"]))
    with pytest.raises(ConfigError, match=r"^network: a kernel of 7 points wraps"):
        build(Network(kind="unet", kernel_size=7), 3, 2, (8, 8), True)


@pytest.mark.parametrize("text", ["midst", "[]", "[first, hidden.01]", "[none]", "[hidden.-1]"])
def test_places_that_mean_nothing_are_refused(text):
    with pytest.raises(ConfigError, match=r"^run\.yaml: network\.smoe\.layers"):
        yaml_file.parse("", "run.yaml", [f"network.smoe.layers={text}"])


@pytest.mark.parametrize("layers", ["alternate", ("first", "block.2", "hidden.3")])
def test_a_choice_of_layers_survives_its_file(layers):
    text = layers if isinstance(layers, str) else f"[{', '.join(layers)}]"
    config = yaml_file.parse("", "run.yaml", [f"network.smoe.layers={text}"])
    assert config.network.smoe.layers == layers
    assert yaml_file.parse(yaml_file.dump(config), "again.yaml") == config


@pytest.mark.parametrize("kind", KINDS)
def test_a_shortcut_brings_the_inputs_to_the_last_layer(kind):
    """Without a signal from within, the last layer alone makes the output of the inputs."""
    settings = network(kind, layers="last").model_copy(update={"input_skip": True})
    backbone = build(settings, 3, 2, GRID, True)
    last = backbone.last
    assert last.weight.shape[1] == 6 + 3
    with torch.no_grad():
        last.weight.zero_()
        last.common.zero_()
        last.common[0, 6 + 1, 1, 1] = 1.0
    inputs = torch.randn(2, 3, *GRID)
    torch.testing.assert_close(backbone(inputs)[:, 0], inputs[:, 1])
