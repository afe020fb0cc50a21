"""The time that a step of a network takes on the device that computes."""

import time
from collections.abc import Callable
from typing import Any

import torch


def seconds_of(call: Callable[[], object], device: str) -> float:
    """Return the seconds of a call: of the GPU, between two events; else of the CPU."""
    if device != "cuda":
        begun = time.process_time()
        call()
        return time.process_time() - begun
    new_event: Any = torch.cuda.Event
    begin, end = (new_event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return float(begin.elapsed_time(end)) / 1000
