import pytest
import torch

from smoecast.nn.backbones.cnn import CNN
from smoecast.nn.backbones.conv_slots import ConvSlot
from smoecast.nn.convolutions import SameConv2d


def of_size(size):
    def convolution(site):
        return SameConv2d(site.in_channels, site.out_channels, kernel_size=size, padding="periodic")

    return convolution


def test_weatherbench_has_313858_parameters():
    """Five layers of 5 x 5, 64 channels, two channels in and out (Rasp et al. 2020)."""
    model = CNN(2, 2, (32, 64), of_size(5), width=64, blocks=3)
    expected = (2 * 64 * 25 + 64) + 3 * (64 * 64 * 25 + 64) + (64 * 2 * 25 + 2)
    assert sum(p.numel() for p in model.parameters()) == expected == 313858


@pytest.mark.parametrize("normalization", ["batch", "group", "none"])
@pytest.mark.parametrize("position_channels", [0, 2])
def test_shape_and_every_parameter_learns(normalization, position_channels):
    model = CNN(
        3,
        2,
        (5, 6),
        of_size(3),
        width=8,
        blocks=2,
        normalization=normalization,
        position_channels=position_channels,
    )
    output = model(torch.randn(4, 3, 5, 6))
    assert output.shape == (4, 2, 5, 6)
    output.square().mean().backward()
    learned = [p for p in model.parameters() if p.numel()]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned)


def test_without_hidden_weights_only_the_offset_is_left():
    model = CNN(3, 2, (5, 6), of_size(3), width=4, blocks=1)
    torch.nn.init.zeros_(model.last.weight)
    output = model(torch.randn(1, 3, 5, 6))
    assert torch.equal(output, model.last.bias.view(1, 2, 1, 1).expand_as(output))


def test_shifts_along_with_its_input():
    model = CNN(3, 2, (5, 6), of_size(3), width=8, blocks=1)
    inputs = torch.randn(1, 3, 5, 6)
    torch.testing.assert_close(model(inputs.roll(2, -1)), model(inputs).roll(2, -1))


def test_sites_are_counted_through():
    asked = []

    def note(site):
        asked.append(site)
        return of_size(3)(site)

    CNN(3, 2, (5, 6), note, width=8, blocks=2)
    assert [site.name for site in asked] == ["first", "hidden.0", "hidden.1", "last"]
    assert asked[2] == ConvSlot("hidden", 8, 8, (5, 6), number=1, block=1)


def test_dropout_only_in_training():
    model = CNN(3, 2, (5, 6), of_size(3), width=8, blocks=1, dropout=0.5)
    inputs = torch.randn(2, 3, 5, 6)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))
