"""The layer on a device: golden arrays in float32, gradients against the CPU, half precision."""

import copy

import pytest
import torch
from devices import BOTH, CUDA_ALONE, keep_time
from golden_arrays import GOLDEN, SMOE, golden, layer_of
from layer_kinds import GRID, LAYERS, step
from made_layers import make_layer
from torch import nn

from smoecast.nn.smoe.kernels.choice import find_kernels, load_kernels, use_kernels
from smoecast.nn.smoe.model_layers import follow_scaler


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def exact():
    """Convolutions in whole float32, whose sums are the same each time."""
    with torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False):
        yield


def moved(values, device):
    return [value.to(device) for value in values]


@BOTH
@pytest.mark.skipif(not GOLDEN.is_dir(), reason="../shared/golden is not here")
@pytest.mark.parametrize("name", SMOE)
def test_golden_arrays_in_float32(exact, device, name):
    arrays = golden(name)
    layer = layer_of(name, arrays).float().to(device)
    x = arrays["x"].float().to(device).requires_grad_()
    out = layer(x)
    nn.functional.mse_loss(out, arrays["target"].float().to(device)).backward()
    gate = next(v for k, v in arrays.items() if k.startswith("grad_gate_"))
    expected = [arrays["output"], arrays["grad_expert_weight"], arrays["grad_x"], gate]
    found = [out, layer.weight.grad, x.grad, next(layer.gate.parameters()).grad]
    for ours, theirs in zip(moved(found, "cpu"), expected, strict=True):
        torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=1e-6)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS.keys())
def test_a_step_equals_that_of_the_cpu(exact, device, options, dtype):
    layer = make_layer(3, 4, 16, grid=GRID, **options).to(dtype)
    follow_scaler(layer, None)
    x = torch.randn(3, 3, *GRID, dtype=dtype)
    expected = step(copy.deepcopy(layer), x)
    found = step(copy.deepcopy(layer).to(device), x.to(device))
    for ours, theirs in zip(moved(found, "cpu"), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@BOTH
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("preset", ["paper", "comparative"])
def test_kernels_equal_plain_pytorch_on_the_same_device(exact, device, preset, dtype):
    layer = make_layer(3, 4, 16, grid=GRID, preset=preset).to(device)
    follow_scaler(layer, torch.amp.GradScaler(device, enabled=False))
    x, results = torch.randn(3, 3, *GRID, device=device), []
    for which in ("plain", "auto"):
        half = torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)
        with use_kernels(which), half:
            results.append(step(copy.deepcopy(layer), x))
    loose = 1e-4 if dtype == torch.float32 else 2e-2
    for ours, plain in zip(*results, strict=True):
        torch.testing.assert_close(ours, plain, rtol=loose, atol=loose / 100)


@BOTH
@pytest.mark.parametrize("preset", ["paper", "comparative"])
def test_a_step_done_twice_is_the_same_to_the_bit(exact, device, preset):
    layer = make_layer(8, 8, 32, grid=(16, 32), preset=preset).to(device)
    x = torch.randn(4, 8, 16, 32, device=device)
    first, second = (step(copy.deepcopy(layer), x) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one, other)


@CUDA_ALONE
def test_kernels_are_there(device):
    assert load_kernels() is not None, "Triton is not installed beside this PyTorch"
    assert find_kernels(torch.zeros(1, device=device)) is load_kernels()


SIZES = {
    "layer of the paper's network": (64, 128, 128, 256, (32, 64)),
    "half a degree": (2, 64, 64, 128, (361, 720)),
}
"""Batch, C, K, E, grid."""


@CUDA_ALONE
@pytest.mark.parametrize("preset", ["paper", "comparative"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", SIZES)
def test_full_size(device, record_property, size, dtype, preset):
    batch, inner, selected, experts, grid = SIZES[size]
    layer = make_layer(inner, selected, experts, grid=grid, preset=preset).to(device)
    follow_scaler(layer, None)
    x = torch.randn(batch, inner, *grid, device=device)
    plain = nn.Conv2d(inner, experts, 3, padding=1, bias=False, device=device)
    kind, name = str(dtype).removeprefix("torch."), f"{size}, {preset}"
    with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
        results = []
        for which in ("plain", "auto"):
            with use_kernels(which):
                results.append(step(copy.deepcopy(layer), x))
                what = "kernels" if which == "auto" else "PyTorch"
                keep_time(
                    record_property, device, f"{name}, {kind}, {what}", lambda: step(layer, x), 5
                )
        keep_time(
            record_property, device, f"{size}, {kind}, convolution", lambda: step(plain, x), 5
        )
    loose = 1e-3 if dtype == torch.float32 else 3e-2
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=loose, atol=loose * float(theirs.abs().max()))
