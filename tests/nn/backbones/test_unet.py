import pytest
import torch

from smoecast.nn.backbones.conv_slots import ConvSlot
from smoecast.nn.backbones.unet import UNet, check_levels
from smoecast.nn.convolutions import SameConv2d


def convolution(site):
    return SameConv2d(site.in_channels, site.out_channels, padding="periodic")


def unet(levels=3, **changes):
    return UNet(3, 2, (8, 12), convolution, width=4, levels=levels, **changes)


@pytest.mark.parametrize("normalization", ["batch", "group", "none"])
@pytest.mark.parametrize("levels", [1, 2, 3])
def test_shape_and_every_parameter_learns(levels, normalization):
    torch.manual_seed(0)
    model = unet(levels, normalization=normalization, position_channels=1)
    output = model(torch.randn(4, 3, 8, 12))
    assert output.shape == (4, 2, 8, 12)
    output.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_sites_say_width_grid_and_block_of_every_level():
    asked = []

    def note(site):
        asked.append(site)
        return convolution(site)

    UNet(3, 2, (8, 12), note, width=4, levels=2, position_channels=1)
    fine, coarse = (8, 12), (4, 6)
    assert asked == [
        ConvSlot("first", 4, 4, fine),
        ConvSlot("hidden", 4, 4, fine, number=0, block=0),
        ConvSlot("hidden", 4, 8, coarse, number=1, block=1),
        ConvSlot("hidden", 8, 8, coarse, number=2, block=1),
        ConvSlot("hidden", 12, 4, fine, number=3, block=2),
        ConvSlot("hidden", 4, 4, fine, number=4, block=2),
        ConvSlot("last", 4, 2, fine),
    ]


def test_number_of_parameters():
    # (C in, C out) of the convolutions of three levels: down, up, last
    pairs = [(3, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16)]
    pairs += [(24, 8), (8, 8), (12, 4), (4, 4), (4, 2)]
    count = sum(9 * inside * outside + outside for inside, outside in pairs)
    assert sum(p.numel() for p in unet(normalization="none").parameters()) == count


def test_sees_farther_with_more_levels():
    """Three 3 x 3 convolutions reach 3 points; a coarser level reaches farther."""
    inputs = torch.zeros(1, 3, 8, 12)
    beside = inputs.clone()
    beside[..., 4, 0] = 1.0
    far = []
    for levels in (1, 3):
        torch.manual_seed(0)
        model = unet(levels, normalization="none").eval()
        far.append((model(beside) - model(inputs))[..., 6].abs().max().item())
    assert far[0] == 0.0
    assert far[1] > 0.0


def test_shifts_along_with_its_input_by_whole_coarse_points():
    model = unet(3).eval()
    inputs = torch.randn(1, 3, 8, 12)
    torch.testing.assert_close(model(inputs.roll(4, -1)), model(inputs).roll(4, -1))


@pytest.mark.parametrize(
    ("grid", "levels", "most"), [((73, 144), 8, 7), ((32, 64), 7, 6), ((12, 64), 5, 4)]
)
def test_more_levels_than_the_grid_has_are_refused(grid, levels, most):
    with pytest.raises(ValueError, match=f"do not allow: take at most {most} levels"):
        UNet(3, 2, grid, convolution, width=2, levels=levels)
    check_levels(grid, most)


@pytest.mark.parametrize("grid", [(73, 144), (13, 11), (361, 20)])
def test_odd_grids_stay_as_they_are(grid):
    model = UNet(3, 2, grid, convolution, width=2, levels=3)
    assert model(torch.randn(1, 3, *grid)).shape == (1, 2, *grid)
