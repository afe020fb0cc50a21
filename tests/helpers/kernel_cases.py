"""Shapes and types that kernels are tried with, and how close they must come to plain PyTorch."""

import pytest
import torch

TYPES = [torch.float32, torch.bfloat16, torch.float16]
LAYOUTS = [torch.contiguous_format, torch.channels_last]
SIZES = [
    pytest.param(3, 9, 3, 1, (5, 7), id="odd"),
    pytest.param(2, 6, 2, 2, (3, 11), id="two filters"),
    pytest.param(1, 3, 1, 1, (1, 1), id="one point"),
    pytest.param(5, 4, 4, 3, (1, 6), id="all selected"),
    pytest.param(2, 40, 20, 1, (9, 16), id="many"),
]
"""B, E, K, F, (H, W)."""


def close(actual, expected, dtype=torch.float32):
    """Equal to rounding; the interpreter cuts bf16 off where a device rounds."""
    loose = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2**-7}[dtype]
    torch.testing.assert_close(
        actual.contiguous(), expected.contiguous(), rtol=loose, atol=1e-6, check_dtype=True
    )


def draw_scores(batch, experts, grid, shared):
    return torch.randn(*(() if shared else (batch,)), experts, *grid)
