"""The compiler takes every kernel, for GPUs that are not here: to the GPU's own code."""

import pytest
import torch

triton = pytest.importorskip(
    "triton", reason="Triton is not installed: its wheels are for Linux on x86-64"
)

from triton.backends.compiler import GPUTarget  # noqa: E402
from triton.compiler import ASTSource  # noqa: E402

from smoecast.nn.smoe import routing  # noqa: E402
from smoecast.nn.smoe.kernels import comparison, outputs, places, quantile, selection  # noqa: E402

BATCH = {"SHARED": True, "SHARE": 8}
PLANE = {"C_BLOCK": 8, "P_BLOCK": 128}
COUNT = {"STEPS": 1, "FILTERS": 1, "BLOCK_SIZE": 1024}
WHOLE = {"GROUP": 2, "G_BLOCK": 2, "P_BLOCK": 128}
COMPARE = {"FILTERS": 1, "SLOPES": True, "DAMPS": True, "SPREADS": True, "K_BLOCK": 4}
KERNELS = {
    "take": (places._take, BATCH | PLANE),
    "take, of each sample": (places._take, BATCH | PLANE | {"SHARED": False}),
    "spread": (places._spread, BATCH | PLANE),
    "count": (quantile._count, COUNT | {"LAST": False, "SHIFT": 10, "WIDTH": 11, "FILTERS": 2}),
    "count, the last": (quantile._count, COUNT | {"LAST": True, "SHIFT": 16, "WIDTH": 7}),
    "narrow": (quantile._narrow, {"LAST": False, "SHIFT": 10, "WIDTH": 11}),
    "narrow, the last": (quantile._narrow, {"LAST": True, "SHIFT": 0, "WIDTH": 10}),
    "score": (outputs._score, BATCH | {"FILTERS": 2, "E_BLOCK": 8, "P_BLOCK": 128}),
    "blame": (outputs._blame, {"FILTERS": 1, "E_BLOCK": 64, "P_BLOCK": 16}),
    "compare": (comparison._compare, BATCH | WHOLE | COMPARE),
    "win": (comparison._win, WHOLE),
    "rank": (selection._rank, {"E_BLOCK": 32, "P_BLOCK": 64}),
}
POINTERS = {
    **dict.fromkeys(("values", "out", "picked", "whole", "grad"), "*bf16"),
    **dict.fromkeys(("places", "index"), "*i64"),
    **dict.fromkeys(("counts", "state", "above", "infinite"), "*i32"),
    **dict.fromkeys(("limits", "unit", "wrong", "scores", "gradient", "losses"), "*fp32"),
    **dict.fromkeys(("error", "slope"), "*fp32"),
    "slots": "*i16",
    **dict.fromkeys(("weight", "label_margin", "damping_margin", "damping"), "fp32"),
    **dict.fromkeys(("rivals", "share_size", "numel"), "fp32"),
}


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setattr(triton.knobs.cache, "dir", str(tmp_path))


def compile_kernel(name, architecture):
    kernel, constants = KERNELS[name]
    signature = {
        argument: "constexpr" if argument in constants else POINTERS.get(argument, "i32")
        for argument in kernel.arg_names
    }
    source = ASTSource(kernel, signature, constants)
    return triton.compile(source, target=GPUTarget("cuda", architecture, 32))


@pytest.mark.parametrize("architecture", [pytest.param(80, marks=pytest.mark.slow), 90])
@pytest.mark.parametrize("name", KERNELS)
def test_compiles(name, architecture):
    made = compile_kernel(name, architecture)
    assert made.asm["cubin"]
    assert made.metadata.shared < 48 * 1024


def test_the_interpreter_leaves_no_trace():
    """Kernels compile after others have been interpreted in the same process."""
    import sys

    from interpreted_kernels import interpret_kernels

    with interpret_kernels() as kernels:
        values = torch.randn(1, 4, 2, 3)
        error = kernels["offer"].best_experts(values[0], 2)
        assert error.shape == (2, 2, 3)
        scores = torch.randn(4, 2, 3)
        how = routing.Selection(4, 2, grouped=True)
        kernels["offer"].comparative_loss(values[0], scores, routing.select(scores, how), how)
    assert not triton.knobs.runtime.interpret
    assert sys.modules["smoecast.nn.smoe.kernels.comparison"] is comparison
    assert compile_kernel("win", 90).asm["cubin"]
