"""Seconds per epoch of the heat-diffusion experiment: our layer beside the released structure.

Run ``python tests/benchmarks/heat_epoch.py``. Whole training steps on real samples (batch of 32,
64 x 64 points, forward, backward, routing loss, Adam), a block of each layer in turn, so that
whatever else the machine does falls on both alike; one thread, the process's CPU time. An epoch of
1000 runs has 3,125 steps; its seconds are the median step times 3,125.
"""

import argparse
import os
import statistics
import sys
import time

import numpy as np
import torch
from ratios import KEEP_MEMORY
from released_structure import ReleasedStructure, backward
from torch.nn import functional

from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.tasks.heat.experiment import make_data
from smoecast.tasks.heat.settings import HeatRun

BLOCK = 10
STEPS_PER_EPOCH = 3125


class Course:
    """One layer and its optimizer, on shared samples."""

    def __init__(self, layer, data):
        self.layer, self.data = layer, data
        self.optimizer = torch.optim.Adam(layer.parameters(), 1e-3)

    def step(self, indices):
        inputs, targets = self.data.batch(indices)
        self.optimizer.zero_grad()
        output = self.layer(inputs)
        if isinstance(self.layer, ReleasedStructure):
            loss = functional.mse_loss(output, targets)
            backward(self.layer, output, 2.0 * (output.detach() - targets) / output.numel())
        else:
            loss = functional.mse_loss(output, targets)
            loss.backward()
        self.optimizer.step()
        return loss.item()


def courses(data):
    """Both layers with the same filters, scores and settings."""
    torch.manual_seed(0)
    released = ReleasedStructure(1, 1, 3, (64, 64), quantile=0.3, damping=0.0)
    ours = SpatialMoE2d(1, 1, 3, grid=(64, 64), error_quantile=0.3, damping=0.0)
    ours.weight.data.copy_(released.experts.weight.data)
    ours.gate.scores.data.copy_(released.scores.data)
    return {"released structure": Course(released, data), "smoecast": Course(ours, data)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300, help="of each layer")
    steps = parser.parse_args().steps
    torch.set_num_threads(1)
    data, _, _ = make_data(HeatRun(runs=20))
    both = courses(data)
    times = {name: [] for name in both}
    losses = {name: [] for name in both}
    generator = np.random.default_rng(0)
    for number in range(1 + steps // BLOCK):
        blocks = generator.integers(0, len(data), (BLOCK, 32))
        for name, course in both.items():
            start = time.process_time()
            losses[name] += [course.step(indices) for indices in blocks]
            if number:  # The first block warms up.
                times[name].append((time.process_time() - start) / BLOCK)
    apart = max(abs(a / b - 1) for a, b in zip(*losses.values(), strict=True))
    for name, found in times.items():
        step = statistics.median(found)
        print(f"{name}: {1e3 * step:.2f} ms a step, {STEPS_PER_EPOCH * step:.1f} s an epoch")
    ratio = statistics.median(a / b for a, b in zip(*times.values(), strict=True))
    print(
        f"ratio {ratio:.2f} (median over {len(found)} blocks); losses differ by {apart:.1e} at most"
    )


if __name__ == "__main__":
    if not KEEP_MEMORY.keys() <= os.environ.keys():  # Read when a process starts.
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **KEEP_MEMORY})
    main()
