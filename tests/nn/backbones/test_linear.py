import pytest
import torch

from smoecast.nn.backbones.linear import MOST_PARAMETERS, LinearMap


def test_weatherbench_has_16781312_parameters():
    with torch.device("meta"):
        model = LinearMap(2, 2, (32, 64))
    assert sum(p.numel() for p in model.parameters()) == 16781312


def test_every_output_value_depends_on_every_input_value():
    model = LinearMap(2, 3, (2, 2))
    inputs = torch.randn(1, 2, 2, 2)
    jacobian = torch.autograd.functional.jacobian(model, inputs)
    assert jacobian.abs().min() > 0
    torch.testing.assert_close(jacobian.view(12, 8), model.last.weight.detach())


def test_gradient_descent_finds_the_exact_map():
    """A rotation of the globe by one point is linear: regression must find it."""
    torch.manual_seed(0)
    model = LinearMap(1, 1, (2, 3))
    inputs = torch.randn(64, 1, 2, 3)
    targets = inputs.roll(1, -1)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        (model(inputs) - targets).square().mean().backward()
        optimizer.step()
    assert (model(inputs) - targets).abs().max() < 1e-3


def test_a_map_too_large_is_refused():
    with pytest.raises(ValueError, match=r"117 to 3 fields of 32 x 64 points has 1,472,206,848"):
        LinearMap(117, 3, (32, 64))
    with torch.device("meta"):
        largest = LinearMap(23, 2, (32, 64))
    assert sum(p.numel() for p in largest.parameters()) <= MOST_PARAMETERS
