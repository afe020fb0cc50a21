"""What a step of a network takes: the time of the device that computes, the memory of tensors."""

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


def peak_of_tensors(call: Callable[[], object], device: str) -> int:
    """Return the most bytes that tensors held at once beyond what they held before a call."""
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        held = torch.cuda.memory_allocated()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - held
    with torch.profiler.profile(profile_memory=True) as profile:
        call()
    recorded: Any = profile.profiler
    events = [event for event in recorded.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
