import torch
from torch import nn

from smoecast.nn.backbones.blocks import normalization_of, stage, with_position


def test_groups_need_a_fitting_width():
    assert normalization_of("group", 16).num_groups == 8
    assert normalization_of("group", 6).num_groups == 1


def test_a_stage_is_convolution_activation_normalization_dropout():
    layers = stage(nn.Conv2d(2, 4, 1), 4, nn.ELU(), "batch", 0.25)
    kinds = [nn.Conv2d, nn.ELU, nn.BatchNorm2d, nn.Dropout]
    assert [type(layer) for layer in layers] == kinds
    assert layers[-1].p == 0.25


def test_learned_fields_come_after_the_inputs_of_every_sample():
    inputs, position = torch.randn(2, 3, 4, 5), torch.randn(1, 4, 5)
    both = with_position(inputs, position)
    assert torch.equal(both[:, :3], inputs)
    assert torch.equal(both[0, 3], position[0])
    assert torch.equal(both[1, 3], position[0])
