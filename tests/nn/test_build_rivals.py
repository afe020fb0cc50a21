"""What SMoE is compared with has all that SMoE is given: every body, offset, inputs, steps."""

import pytest
import torch
from small_training import smoe_of

from smoecast.config.network import Network
from smoecast.errors import ModelError
from smoecast.nn.backbones.blocks import LocalBias
from smoecast.nn.build import build, forecaster, restore
from smoecast.nn.normalize import Statistics
from smoecast.nn.rollout import Unrolled

GRID = (8, 12)
KINDS = ("resnet", "cnn", "unet")
CONVOLUTIONS = ("smoe", "plain", "coordconv", "lowrank", "local")
STATE, EXTRA = 2, 1
STATISTICS = Statistics(
    input_mean=torch.zeros(2 * STATE + EXTRA),
    input_std=torch.ones(2 * STATE + EXTRA),
    target_scale=torch.ones(STATE),
    base=torch.arange(STATE),
    target_mean=torch.zeros(STATE),
)


def network(kind, convolution="smoe", *, position_embedding="none", layers="last", **changes):
    advanced = {"position_embedding": position_embedding, "position_channels": 1}
    return Network(
        kind=kind,
        width=4,
        blocks=2,
        levels=2,
        convolution=convolution,
        smoe=smoe_of(layers=layers),
        advanced=advanced,
        **changes,
    )


def fields_of(model):
    return [module.field for module in model.modules() if isinstance(module, LocalBias)]


@pytest.mark.parametrize("position_embedding", ["none", "first", "all"])
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_all_learn_from_several_steps_with_all_that_smoe_is_given(
    kind, convolution, position_embedding
):
    torch.manual_seed(0)
    config = network(
        kind,
        convolution,
        position_embedding=position_embedding,
        local_bias=True,
        input_skip=True,
    )
    model = forecaster(config, STATISTICS, GRID, True)
    steps = Unrolled(model, states=2, fields=STATE, extra=EXTRA, steps=3)
    output = steps(torch.randn(4, 2 * STATE + 3 * EXTRA, *GRID))
    assert output.shape == (4, 3 * STATE, *GRID)
    output.square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert all(field.grad.abs().sum() > 0 for field in fields_of(model))


@pytest.mark.parametrize("layers", ["none", "all"])
@pytest.mark.parametrize("position_embedding", ["first", "all"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_starts_as_the_network_without_it(kind, position_embedding, layers):
    models = []
    for embedding in ("none", position_embedding):
        torch.manual_seed(0)
        config = network(kind, position_embedding=embedding, layers=layers)
        models.append(build(config, 3, 2, GRID, True).eval())
    inputs = torch.randn(2, 3, *GRID)
    assert torch.equal(models[0](inputs), models[1](inputs))
    assert not fields_of(models[0])


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("resnet", [(4, 8, 12)] * 5),
        ("cnn", [(4, 8, 12)] * 3),
        ("unet", [(4, 8, 12)] * 2 + [(8, 4, 6)] * 2 + [(4, 8, 12)] * 2),
    ],
)
def test_an_embedding_is_as_wide_and_fine_as_what_it_is_added_to(kind, shapes):
    for embedding, wanted in (("first", shapes[:1]), ("all", shapes)):
        config = network(kind, position_embedding=embedding, layers="hidden")
        fields = fields_of(build(config, 3, 2, GRID, True))
        assert [tuple(field.shape) for field in fields] == wanted


def test_an_embedding_is_added_before_the_activation():
    """Below zero a unit that is cut off stays so, and its embedding no longer matters."""
    model = build(network("unet", position_embedding="first", layers="none"), 3, 2, GRID, True)
    model.eval()
    inputs = torch.randn(2, 3, *GRID)
    with torch.no_grad():
        (field,) = fields_of(model)
        field.fill_(-1e3)
        low = model(inputs)
        field.fill_(-2e3)
        assert torch.equal(model(inputs), low)
        field[0, 2, 3] = 1e3
        assert not torch.equal(model(inputs), low)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_with_an_embedding_go_through_a_file_and_fit_no_other_network(kind):
    config = network(kind, position_embedding="all")
    model = forecaster(config, STATISTICS, GRID, True)
    for field in fields_of(model):
        torch.nn.init.normal_(field)
    inputs = torch.randn(2, 2 * STATE + EXTRA, *GRID)
    again = restore(config, model.state_dict(), GRID, True)
    assert torch.equal(again(inputs), model.eval()(inputs))
    with pytest.raises(ModelError, match="do not fit the network"):
        restore(network(kind), model.state_dict(), GRID, True)


@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_only_across_the_poles_of_a_globe_do_fields_go_on(kind, convolution):
    """At the southern pole one sees what lies just beyond it, if a row of zeros is not there."""
    wide = (8, 48)
    inputs, beside = torch.zeros(2, 1, 3, *wide)
    beside[:, :, -1, 0] = 1.0
    told = {"width": 4, "blocks": 1, "levels": 2, "normalization": "none"}
    seen = []
    for polar, periodic in ((True, True), (False, True), (True, False)):
        torch.manual_seed(0)
        config = Network(
            kind=kind,
            convolution=convolution,
            smoe=smoe_of(layers="all"),
            advanced={"polar_padding": polar},
            **told,
        )
        model = build(config, 3, 2, wide, periodic).eval()
        seen.append((model(beside) - model(inputs))[..., -1, 24].abs().max().item())
    assert seen[0] > 0
    assert seen[1:] == [0.0, 0.0]
