"""Print the table of docs/benchmarks.md: times and memory relative to the plain convolution.

Run ``python tests/benchmarks/ratios.py``. All layers are timed in turn in every round, so that
whatever else the machine does falls on all alike; a ratio is taken within a round, and the median
over rounds reported. The clock is the process's CPU time, of one thread. The C library is told to
keep freed memory: else page faults, more of them for the convolution, decide about the small case.
"""

import argparse
import os
import statistics
import sys
import time

import torch
from cases import LAYERS, SIZES, Case

REFERENCE = "convolution to E"
KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": "1000000000", "MALLOC_MMAP_THRESHOLD_": "1000000000"}


def times(cases, work, rounds):
    """CPU seconds per call, {layer: [one for each round]}."""
    found = {name: [] for name in cases}
    for number in range(rounds + 2):
        for name, case in cases.items():
            getattr(case, work)()  # Untimed, as in a loop: the layer before has left the cache.
            start = time.process_time()
            getattr(case, work)()
            if number >= 2:
                found[name].append(time.process_time() - start)
    return found


def peak_memory(case):
    """Most bytes that PyTorch held at once beyond what it held before the step."""
    case.step()
    with torch.profiler.profile(profile_memory=True) as profile:
        case.step()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for size in SIZES:
        cases = {name: Case(name, size, arguments.seed) for name in LAYERS}
        step = times(cases, "step", arguments.rounds)
        infer = times(cases, "infer", arguments.rounds)
        memory = {name: peak_memory(case) for name, case in cases.items()}
        print(f"\n{size}: {SIZES[size]}\n")
        print("| layer | step, ms | ratio | inference, ms | ratio | peak memory, ratio |")
        print("|---|---|---|---|---|---|")
        for name in cases:
            row = [name]
            for found in (step, infer):
                pairs = zip(found[name], found[REFERENCE], strict=True)
                row.append(f"{1e3 * statistics.median(found[name]):.1f}")
                row.append(f"{statistics.median(a / b for a, b in pairs):.2f}")
            row.append(f"{memory[name] / memory[REFERENCE]:.2f}")
            print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    if not KEEP_MEMORY.keys() <= os.environ.keys():  # Read when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})
    main()
