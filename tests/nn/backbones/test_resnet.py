import pytest
import torch
from torch import nn

from smoecast.nn.backbones.conv_slots import ConvSlot
from smoecast.nn.backbones.resnet import Block, ResNet
from smoecast.nn.convolutions import SameConv2d


def convolution(site):
    return SameConv2d(site.in_channels, site.out_channels)


def resnet(**changes):
    settings = {"width": 8, "blocks": 2} | changes
    return ResNet(3, 2, (5, 6), convolution, **settings)


@pytest.mark.parametrize("normalization", ["batch", "group", "none"])
@pytest.mark.parametrize("position_channels", [0, 3])
def test_shape_and_every_parameter_learns(normalization, position_channels):
    model = resnet(normalization=normalization, position_channels=position_channels)
    output = model(torch.randn(4, 3, 5, 6))
    assert output.shape == (4, 2, 5, 6)
    output.square().mean().backward()
    learned = [p for p in model.parameters() if p.numel()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned)


def test_number_of_parameters():
    convolutions = (3 + 2) * 8 * 9 + 8 + 4 * (8 * 8 * 9 + 8) + 8 * 2 * 9 + 2
    count = sum(p.numel() for p in resnet(position_channels=2).parameters())
    assert count == convolutions + 5 * 2 * 8 + 2 * 5 * 6  # + batch norms + learned fields


def test_convolutions_are_asked_for_by_site():
    asked = []

    def note(site):
        asked.append(site)
        return convolution(site)

    grid = (5, 6)
    ResNet(3, 2, grid, note, width=8, blocks=2, position_channels=4)
    assert asked == [
        ConvSlot("first", 7, 8, grid),
        ConvSlot("hidden", 8, 8, grid, number=0, block=0),
        ConvSlot("hidden", 8, 8, grid, number=1, block=0),
        ConvSlot("hidden", 8, 8, grid, number=2, block=1),
        ConvSlot("hidden", 8, 8, grid, number=3, block=1),
        ConvSlot("last", 8, 2, grid),
    ]


def test_block_that_adds_nothing_is_the_identity():
    block = Block(4, (5, 6), 0, convolution, "none", 0.0)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    inputs = torch.randn(2, 4, 5, 6)
    assert torch.equal(block(inputs), inputs)


def test_shifts_along_with_its_input_unless_it_knows_the_place():
    def periodic(site):
        return SameConv2d(site.in_channels, site.out_channels, padding="periodic")

    inputs = torch.randn(1, 3, 5, 6)
    for position_channels in (0, 1):
        model = ResNet(
            3, 2, (5, 6), periodic, width=8, blocks=1, position_channels=position_channels
        ).eval()
        same = torch.allclose(model(inputs.roll(2, -1)), model(inputs).roll(2, -1), atol=1e-5)
        assert same == (position_channels == 0)


def test_dropout_only_in_training():
    model = resnet(dropout=0.5, normalization="none")
    inputs = torch.randn(2, 3, 5, 6)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))
