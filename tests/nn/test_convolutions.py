"""Comparison layers and their shared padding."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from smoecast.nn.convolutions import (
    CondConv2d,
    ConvThenLocal2d,
    CoordConv2d,
    LocallyConnected2d,
    LowRankLocal2d,
    SameConv2d,
    translate_older,
)
from smoecast.nn.padding import check_padding, conv2d_same, pad_same, unfold_same

GRID = (5, 6)
SMALL = (3, 4)
"""Here every derivative of every output is asked for."""
LAYERS = {
    "conv": lambda p: SameConv2d(3, 4, padding=p),
    "coordconv": lambda p: CoordConv2d(3, 4, padding=p),
    "condconv": lambda p: CondConv2d(3, 4, 2, padding=p),
    "local": lambda p: LocallyConnected2d(3, 4, grid=SMALL, padding=p),
    "low rank": lambda p: LowRankLocal2d(3, 4, 2, grid=SMALL, padding=p),
    "conv then local": lambda p: ConvThenLocal2d(3, 4, grid=SMALL, padding=p),
}


@pytest.fixture
def x():
    torch.manual_seed(0)
    return torch.randn(2, 3, *GRID, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("padding", ["zeros", "periodic", "polar"])
@pytest.mark.parametrize("name", LAYERS)
def test_shape_and_gradient(name, padding):
    torch.manual_seed(0)
    x = torch.randn(2, 3, *SMALL, dtype=torch.float64, requires_grad=True)
    layer = LAYERS[name](padding).double()
    assert layer(x).shape == (2, 4, *SMALL)
    assert torch.autograd.gradcheck(layer, x)


@pytest.mark.parametrize("padding", ["periodic", "polar"])
@pytest.mark.parametrize("name", ["conv", "condconv"])
def test_layers_on_a_globe_commute_with_its_turn(name, padding, x):
    layer = LAYERS[name](padding).double()
    torch.testing.assert_close(layer(x.roll(2, dims=3)), layer(x).roll(2, dims=3))


def test_zeros_equal_pytorch_and_periodic_equals_padding_by_hand(x):
    weight = torch.randn(4, 3, 3, 3, dtype=x.dtype)
    torch.testing.assert_close(
        conv2d_same(x, weight, None, "zeros"), functional.conv2d(x, weight, padding=1)
    )
    wrapped = torch.cat((x[..., -1:], x, x[..., :1]), dim=3)
    by_hand = functional.conv2d(functional.pad(wrapped, (0, 0, 1, 1)), weight)
    torch.testing.assert_close(conv2d_same(x, weight, None, "periodic"), by_hand)
    torch.testing.assert_close(functional.conv2d(pad_same(x, 3, "periodic"), weight), by_hand)
    columns = unfold_same(x, 3, "periodic")
    torch.testing.assert_close(weight.flatten(1) @ columns, by_hand.flatten(2))


@pytest.mark.parametrize("size", [3, 5, 7])
def test_a_field_on_the_sphere_goes_on_across_the_poles(size):
    """Its formula tells what lies beyond: 100 degrees north is 80 on the opposite meridian."""
    half = size // 2
    latitude = torch.deg2rad(81.0 - 18.0 * torch.arange(-half, 10 + half))
    longitude = torch.deg2rad(45.0 * torch.arange(-half, 8 + half))

    def field(rows, columns):
        along = torch.cos(latitude[rows])[:, None] * torch.cos(longitude[columns] - 0.3)
        return (along + torch.sin(latitude[rows])[:, None])[None, None]

    inner = slice(half, -half)
    padded = pad_same(field(inner, inner), size, "polar")
    torch.testing.assert_close(padded, field(slice(None), slice(None)))


def test_padding_across_the_poles_is_the_other_elsewhere(x):
    both = [pad_same(x, 5, padding)[:, :, 2:-2] for padding in ("periodic", "polar")]
    assert torch.equal(*both)
    weight = torch.randn(4, 3, 3, 3, dtype=x.dtype)
    columns = unfold_same(x, 3, "polar")
    by_hand = functional.conv2d(pad_same(x, 3, "polar"), weight)
    torch.testing.assert_close(weight.flatten(1) @ columns, by_hand.flatten(2))
    torch.testing.assert_close(conv2d_same(x, weight, None, "polar"), by_hand)


def test_kernel_of_one_point_needs_no_padding(x):
    assert torch.equal(pad_same(x, 1, "polar"), x)
    weight = torch.randn(4, 3, 1, 1, dtype=x.dtype)
    torch.testing.assert_close(
        conv2d_same(x, weight, None, "periodic"), functional.conv2d(x, weight)
    )


def test_locally_connected_with_equal_weights_is_a_convolution(x):
    conv = SameConv2d(3, 4, bias=False).double()
    layer = LocallyConnected2d(3, 4, grid=GRID).double()
    with torch.no_grad():
        layer.filters.copy_(conv.weight.permute(0, 2, 3, 1)[:, None, None])
    torch.testing.assert_close(layer(x), conv(x))


@pytest.mark.parametrize("kernel_size", [1, 3])
def test_weights_of_older_models_are_read(x, kernel_size):
    """They were (D, C k k, H W); the same seed draws the same weights."""
    torch.manual_seed(0)
    layer = nn.Sequential(LocallyConnected2d(3, 4, grid=GRID, kernel_size=kernel_size)).double()
    torch.manual_seed(0)
    older = torch.empty(4, 3 * kernel_size**2, GRID[0] * GRID[1])
    limit = (3 * kernel_size**2) ** -0.5
    older = nn.init.uniform_(older, -limit, limit).double()
    columns = functional.unfold(x, kernel_size, padding=kernel_size // 2)
    expected = torch.einsum("bcp,dcp->bdp", columns, older).unflatten(2, GRID)
    torch.testing.assert_close(layer(x), expected)
    with torch.no_grad():
        layer[0].filters.zero_()
    layer.load_state_dict(translate_older(layer, {"0.weight": older}))
    torch.testing.assert_close(layer(x), expected)


def test_what_no_older_model_had_is_not_translated():
    layer = nn.Sequential(LocallyConnected2d(3, 4, grid=GRID))
    other = {"0.weight": torch.zeros(4, 3, 3, 3), "1.weight": torch.zeros(4, 27, 1)}
    assert translate_older(layer, other) == other
    assert translate_older(layer, layer.state_dict()).keys() == {"0.filters"}


def test_low_rank_starts_as_a_convolution_and_can_pick_a_basis(x):
    layer = LowRankLocal2d(3, 4, 2, grid=GRID).double()
    bases = layer.basis.weight.view(4, 2, 3, 3, 3)
    torch.testing.assert_close(
        layer(x), functional.conv2d(x, bases.mean(dim=1), padding=1), rtol=1e-10, atol=1e-12
    )
    with torch.no_grad():
        layer.mixture[1, 2, 3] = 1e3
    torch.testing.assert_close(
        layer(x)[:, :, 2, 3], functional.conv2d(x, bases[:, 1], padding=1)[:, :, 2, 3]
    )


def test_condconv_mixes_by_sample(x):
    layer = CondConv2d(3, 4, 2).double()
    with torch.no_grad():
        layer.router.weight.zero_()
        layer.router.bias.copy_(torch.tensor([0.0, -1e3]))
    expected = functional.conv2d(x, 0.5 * layer.weight[0], padding=1)
    torch.testing.assert_close(layer(x), expected)


def test_coordconv_sees_places():
    layer = CoordConv2d(1, 2, kernel_size=1, bias=False)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, 1] = 1.0
        layer.weight[1, 2] = 1.0
    row, column = layer(torch.zeros(1, 1, 3, 5))[0]
    torch.testing.assert_close(row[:, 0], torch.tensor([-1.0, 0.0, 1.0]))
    torch.testing.assert_close(column[0], torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0]))


def test_parameter_counts():
    def count(layer):
        return sum(p.numel() for p in layer.parameters())

    assert count(LocallyConnected2d(1, 1, grid=(64, 64))) == 36_864
    assert count(ConvThenLocal2d(1, 1, grid=(64, 64))) == 27 + 3 * 4096
    assert count(SameConv2d(3, 4)) == count(nn.Conv2d(3, 4, 3))


def test_unknown_padding_and_even_kernels_are_refused():
    with pytest.raises(ValueError, match="not 'reflect'"):
        check_padding("reflect", 3)
    with pytest.raises(ValueError, match="must be odd"):
        check_padding("zeros", 4)
