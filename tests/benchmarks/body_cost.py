"""What a network's body and the rivals of SMoE cost: CPU time of a pass, parameters, multiply-adds.

Run ``python tests/benchmarks/body_cost.py`` for the table of decision 43: one thread, all networks
in turn, the best of five passes each, so that a busy machine slows all alike.
"""

import os
import time

import torch

from smoecast.config.network import Network
from smoecast.nn.build import build
from smoecast.nn.cost import count_parameters, multiply_adds

INPUTS, OUTPUTS, GRID, BATCH, TURNS = 22, 7, (32, 64), 32, 5
"""Those of planet-smoe, and one constant more."""
PLAIN, LAST = {"smoe": {"layers": "none"}}, {"smoe": {"layers": "last"}}
NETWORKS = {
    "plain": PLAIN,
    "`position_channels: 8`": {**PLAIN, "advanced": {"position_channels": 8}},
    "`position_embedding: first`": {**PLAIN, "advanced": {"position_embedding": "first"}},
    "`position_embedding: all`": {**PLAIN, "advanced": {"position_embedding": "all"}},
    "CoordConv, last layer": {**LAST, "convolution": "coordconv"},
    "low-rank local of 4, last layer": {**LAST, "convolution": "lowrank"},
    "locally connected, last layer": {**LAST, "convolution": "local"},
    "`polar_padding: true`": {**PLAIN, "advanced": {"polar_padding": True}},
}
"""What differs from a U-Net of width 32 and three levels with offset and inputs."""


def make(settings: dict) -> torch.nn.Module:
    """Return a network with what all of them have."""
    common = {"kind": "unet", "width": 32, "local_bias": True, "input_skip": True}
    return build(Network(**{**common, **settings}), INPUTS, OUTPUTS, GRID, True)


def run(network: torch.nn.Module, fields: torch.Tensor) -> float:
    """Return the CPU seconds of a forward and a backward pass in bf16."""
    before = time.process_time()
    with torch.autocast("cpu", torch.bfloat16):
        output = network(fields)
    output.float().square().mean().backward()
    return time.process_time() - before


def main() -> None:
    """Print the table."""
    torch.manual_seed(0)
    fields = torch.randn(BATCH, INPUTS, *GRID)
    networks = {name: make(settings) for name, settings in NETWORKS.items()}
    turns = [
        {name: run(network, fields) for name, network in networks.items()} for _ in range(TURNS)
    ]
    print("| network | CPU ms | parameters | multiply-adds |\n|---|---|---|---|")
    for name, network in networks.items():
        best = min(turn[name] for turn in turns)
        million = multiply_adds(network, (INPUTS, *GRID)) / 1e6
        print(f"| {name} | {best * 1e3:.0f} | {count_parameters(network):,} | {million:.0f} M |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    main()
