"""The layer against arrays of the authors' released implementation (float64)."""

import pytest
import torch
from golden_arrays import GOLDEN, SMOE, golden, layer_of
from torch.nn import functional

from smoecast.nn.convolutions import LocallyConnected2d, translate_older
from smoecast.nn.smoe.gates import FixedGate

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="../shared/golden is not here")


def close(actual, expected):
    torch.testing.assert_close(actual, expected.to(actual.dtype), rtol=1e-6, atol=1e-12)


@pytest.fixture(params=SMOE)
def case(request):
    arrays = golden(request.param)
    layer = layer_of(request.param, arrays)
    x = arrays["x"].clone().requires_grad_()
    output = layer(x)
    loss = functional.mse_loss(output, arrays["target"])
    loss.backward()
    return request.param, arrays, layer, x, output, loss


def test_forward(case):
    _, arrays, layer, x, output, loss = case
    close(output, arrays["output"])
    close(loss, arrays["loss"])
    index = layer.route(x)
    assert torch.equal(index.expand_as(arrays["routing_indices"]), arrays["routing_indices"])


def test_gradients(case):
    _, arrays, layer, x, _, _ = case
    close(layer.weight.grad, arrays["grad_expert_weight"])
    close(x.grad, arrays["grad_x"])
    expected = next(v for k, v in arrays.items() if k.startswith("grad_gate_"))
    close(next(layer.gate.parameters()).grad, expected)


def test_routing_loss(case):
    name, arrays, layer, _, _, _ = case
    if name.startswith("weighted"):
        assert layer.routing_loss is None
    else:
        close(layer.routing_loss, arrays["rc_loss"])


@pytest.mark.parametrize("name", SMOE[:4])
def test_input_gradient_of_the_main_loss_alone(name):
    arrays = golden(name)
    layer = layer_of(name, arrays)
    layer.gate.requires_grad_(False)
    fixed = FixedGate(layer.gate(arrays["x"][:1])[0]) if name == "conv_gate" else layer.gate
    if name == "conv_gate":  # A routing that depends on the input is frozen by the scores of x.
        layer.objective.weight = 0.0
    else:
        layer.gate = fixed
    x = arrays["x"].clone().requires_grad_()
    functional.mse_loss(layer(x), arrays["target"]).backward()
    close(x.grad, arrays["grad_x_main"])


def test_locally_connected():
    arrays = golden("locally_connected")
    layer = LocallyConnected2d(3, 4, grid=(6, 8)).double()
    layer.load_state_dict(translate_older(layer, {"weight": arrays["weight"]}))  # (D, C k k, H W)
    x = arrays["x"].clone().requires_grad_()
    output = layer(x)
    output.backward(arrays["grad_output"])
    close(output, arrays["output"])
    close(x.grad, arrays["grad_x"])
    grad = layer.filters.grad.permute(0, 5, 3, 4, 1, 2).flatten(1, 3).flatten(2)
    close(grad, arrays["grad_weight"])
