"""Weights that lie channels-last give the same forecasts, to rounding."""

import copy

import pytest
import torch

from smoecast.config.network import Network
from smoecast.nn.build import build
from smoecast.nn.memory_format import put_channels_last


@pytest.mark.parametrize("kind", ["resnet", "cnn", "unet"])
@pytest.mark.parametrize(
    "convolution", ["smoe", "plain", "coordconv", "lowrank", "local", "frozen"]
)
def test_the_same_network_but_for_rounding(kind: str, convolution: str) -> None:
    torch.manual_seed(0)
    asked = {"kind": kind, "width": 8, "blocks": 2, "levels": 2, "convolution": convolution}
    network = build(Network.model_validate(asked), 5, 3, (8, 16), True).eval()
    laid = copy.deepcopy(network)
    put_channels_last(laid)
    four = [p for p in laid.parameters() if p.dim() == 4 and p.shape[1] > 1 and p.shape[-1] > 1]
    assert four
    assert all(p.is_contiguous(memory_format=torch.channels_last) for p in four)
    for name, value in network.state_dict().items():
        assert torch.equal(value, laid.state_dict()[name]), name
    fields = torch.randn(2, 5, 8, 16)
    with torch.inference_mode():
        torch.testing.assert_close(laid(fields), network(fields), rtol=1e-4, atol=1e-5)
