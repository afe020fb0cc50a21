"""Which kernels are used, and layers that train with them, against plain PyTorch."""

import copy

import pytest
import torch
from layer_kinds import GRID, LAYERS, step
from made_layers import make_layer
from torch import nn

from smoecast.nn.smoe.kernels import choice
from smoecast.nn.smoe.kernels.choice import find_kernels, load_kernels, use_kernels
from smoecast.nn.smoe.model_layers import follow_scaler


@pytest.mark.parametrize("options", LAYERS.values(), ids=LAYERS.keys())
def test_a_step_equals_plain_pytorch(kernels, options):
    layer = make_layer(3, 4, 16, grid=GRID, **options)
    follow_scaler(layer, None)
    x = torch.randn(3, 3, *GRID)
    plain = step(copy.deepcopy(layer), x)
    with use_kernels(kernels["offer"]):
        ours = step(copy.deepcopy(layer), x)
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b)


def test_bf16_equals_plain_pytorch(kernels):
    layer, x = make_layer(3, 4, 16, grid=GRID), torch.randn(3, 3, *GRID)
    follow_scaler(layer, None)
    results = []
    for which in ("plain", kernels["offer"]):
        again = copy.deepcopy(layer)
        with use_kernels(which), torch.autocast("cpu", dtype=torch.bfloat16):
            results.append(step(again, x))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=2e-2, atol=1e-4)


@pytest.mark.parametrize("preset", ["paper", "comparative"])
def test_gradients_that_are_not_finite_are_refused(kernels, preset):
    layer = make_layer(3, 4, 16, grid=GRID, preset=preset)
    with use_kernels(kernels["offer"]):
        out = layer(torch.randn(2, 3, *GRID))
        grad = torch.zeros_like(out)
        grad[0, 1, 2, 3] = torch.nan
        with pytest.raises(ValueError, match="not finite"):
            out.backward(grad)


def test_without_kernels_in_the_backward_it_is_plain(kernels):
    layer, x = make_layer(3, 4, 16, grid=GRID), torch.randn(3, 3, *GRID)
    plain = step(copy.deepcopy(layer), x)
    x = x.requires_grad_()
    with use_kernels(kernels["offer"]):
        out = layer(x)
    nn.functional.mse_loss(out, torch.ones_like(out) / 3).backward()
    for a, b in zip([out, x.grad, *(p.grad for p in layer.parameters())], plain, strict=False):
        torch.testing.assert_close(a, b)


def test_the_cpu_is_plain_unless_it_is_asked_for(kernels):
    x = torch.zeros(1, 2)
    assert find_kernels(x) is None
    with use_kernels(kernels["offer"]):
        assert find_kernels(x) is kernels["offer"]
        with use_kernels("plain"):
            assert find_kernels(x) is None
        assert find_kernels(x.double()) is None
        assert find_kernels(x[:0]) is None
        assert find_kernels(x, most=2**31) is None
    assert find_kernels(x) is None


def test_cuda_has_them_where_triton_is_installed(monkeypatch):
    class OnCuda:
        device, dtype = torch.device("cuda"), torch.float32

        def numel(self):
            return 4

        def __getitem__(self, _):
            return self

    offer = object()
    monkeypatch.setattr(choice, "load_kernels", lambda: offer)
    assert find_kernels(OnCuda()) is offer
    with use_kernels("plain"):
        assert find_kernels(OnCuda()) is None


@pytest.mark.parametrize("lacking", ["triton", "somewhat"])
def test_a_missing_triton_is_no_error(monkeypatch, lacking):
    def refuse(name):
        raise ModuleNotFoundError(f"No module named '{lacking}'", name=lacking)

    monkeypatch.setattr(choice, "import_module", refuse)
    load_kernels.cache_clear()
    try:
        if lacking == "triton":
            assert load_kernels() is None
        else:
            with pytest.raises(ModuleNotFoundError):
                load_kernels()
    finally:
        load_kernels.cache_clear()
