import pytest
from torch import nn

from smoecast.config.network import Network
from smoecast.errors import ConfigError
from smoecast.nn.backbones.conv_slots import Convolutions, ConvSlot
from smoecast.nn.build import build
from smoecast.nn.convolutions import SameConv2d

GRID = (4, 6)
HIDDEN = ConvSlot("hidden", 2, 3, GRID, number=5, block=2)


def convolutions(*layers, kernel_size=3, first_kernel_size=3, **changes):
    return Convolutions(
        layers,
        lambda site, size: nn.Identity(),
        kernel_size=kernel_size,
        first_kernel_size=first_kernel_size,
        **{"padding": "zeros", **changes},
    )


def test_names_of_places():
    assert HIDDEN.names == {"hidden.5", "block.2", "hidden", "alternate", "all"}
    even = ConvSlot("hidden", 2, 3, GRID, number=4, block=2)
    assert even.names == {"hidden.4", "block.2", "hidden", "all"}
    assert ConvSlot("first", 2, 3, GRID).names == {"first", "ends", "all"}
    assert ConvSlot("last", 2, 3, GRID).name == "last"


def test_a_network_of_too_many_parameters_is_refused_before_it_is_made():
    settings = Network(kind="cnn", width=8192, blocks=200)
    with pytest.raises(ConfigError, match=r"up to hidden\.\d+ there are [\d,]+ parameters, more"):
        build(settings, 3, 2, (32, 64), True)


@pytest.mark.parametrize(
    ("layers", "special"),
    [(("none",), False), (("hidden.4",), False), (("first", "block.2"), True), (("all",), True)],
)
def test_special_layers_stand_where_they_are_asked_for(layers, special):
    layer = convolutions(*layers)(HIDDEN)
    assert isinstance(layer, nn.Identity if special else SameConv2d)


def test_the_first_convolution_has_its_own_size():
    make = convolutions("none", first_kernel_size=7)
    assert make(ConvSlot("first", 2, 3, GRID)).weight.shape == (3, 2, 7, 7)
    assert make(HIDDEN).weight.shape == (3, 2, 3, 3)


def test_a_learned_field_follows_where_it_is_asked_for():
    make = convolutions("hidden.5", embedded=("hidden",))
    layer, bias = make(HIDDEN)
    assert isinstance(layer, nn.Identity)
    assert bias.field.shape == (3, *GRID)
    assert make.parameters == bias.field.numel()
    assert isinstance(make(ConvSlot("first", 2, 3, GRID)), SameConv2d)


def test_a_kernel_that_wraps_twice_is_refused():
    narrow = ConvSlot("hidden", 2, 3, (8, 2))
    with pytest.raises(ValueError, match=r"7 points wraps around the 2 longitudes at hidden\.0"):
        convolutions(padding="periodic", kernel_size=7)(narrow)
    convolutions(padding="periodic", kernel_size=5)(narrow)
    convolutions(padding="zeros", kernel_size=7)(narrow)


@pytest.mark.parametrize("grid", [(2, 8), (8, 9)])
def test_a_kernel_that_cannot_look_across_the_poles_is_refused(grid):
    place = ConvSlot("hidden", 2, 3, grid)
    with pytest.raises(ValueError, match=r"across the poles of the \d x \d points at hidden\.0"):
        convolutions(padding="polar", kernel_size=7)(place)
    convolutions(padding="periodic", kernel_size=7)(place)
    convolutions(padding="polar", kernel_size=1)(place)


def test_places_that_there_are_not_are_refused():
    make = convolutions("none", "hidden.5", "hidden.6")
    make(HIDDEN)
    with pytest.raises(ValueError, match=r"names hidden\.6, but .* 1 hidden convolutions in 1 bl"):
        make.check_all_used()
    fine = convolutions("none", "hidden.5", "block.2", "alternate")
    fine(HIDDEN)
    fine.check_all_used()
