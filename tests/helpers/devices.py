"""Devices that a test runs on: the CPU in every suite, CUDA where there is one (`make gpu`)."""

import pytest
import torch

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
    ],
)
BOTH = pytest.mark.parametrize("device", ["cpu", CUDA])
CUDA_ALONE = pytest.mark.parametrize("device", [CUDA])
"""What only makes sense there, or takes too long on a CPU."""


def keep_time(record_property, device, name, task, rounds):
    """Note the seconds that a task takes, the median of rounds, in the report of the tests."""
    import time

    taken = []
    for _ in range(rounds + 1):  # the first one compiles
        if device == "cuda":
            torch.cuda.synchronize()
        begun = time.perf_counter()
        task()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
    record_property(f"{name}, seconds", sorted(taken[1:])[rounds // 2])
