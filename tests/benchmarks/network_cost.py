"""What SMoE layers cost a whole network: CPU time of training and forecasts beside a plain twin.

Run ``python tests/benchmarks/network_cost.py``. Networks of the planet's shape (16 inputs, 7
outputs, 32 x 64 points, batches of 32) take a step of the first training, ten of their own steps at
once with routing at rest, as fine-tuning does, and forecasts of 1, 16 and 32 starts. All networks
take turns in every round; a ratio to the plain twin is taken within a round, and the median over
rounds printed, with the smallest and the largest. The clock is the process's CPU time, of one
thread. "Whole training" is four epochs of single steps and one of ten at once, as in
``models/planet-smoe/config.yaml``.
"""

import argparse
import os
import statistics
import time

import torch

from smoecast.config.network import Network
from smoecast.nn.build import build
from smoecast.nn.rollout import Unrolled
from smoecast.nn.smoe.model_layers import gate_parameters
from smoecast.training.precision import follow

GRID, INPUTS, FIELDS, EXTRA, BATCH, STEPS = (32, 64), 16, 7, 2, 32, 10
BOTH = {"local_bias": True, "input_skip": True}
SIZES = {"experts_per_channel_at": {"last": 8}, "expansion_at": {"last": 8}, "error_memory": 0.97}


def smoe(samples: int, *layers: str) -> dict:
    """Return the settings of SMoE layers that compare experts on so many samples of a batch."""
    return {"layers": layers, "advanced": {**SIZES, "compared_samples": samples}}


def rows(kind: str) -> dict[str, dict]:
    """Return the networks of one body; the first is the plain twin."""
    body = {"kind": kind, "width": 32, "blocks": 2, "levels": 3, **BOTH}
    return {
        "plain twin": {**body, "smoe": {"layers": "none"}},
        "without offset and inputs": {
            **body, "local_bias": False, "input_skip": False, "smoe": {"layers": "none"},
        },
        "locally connected last layer": {**body, "convolution": "local"},
        "SMoE, compared on all samples": {**body, "smoe": smoe(0, "last")},
        "SMoE, compared on 4 of 32": {**body, "smoe": smoe(4, "last")},
        "SMoE, compared on 2 of 32": {**body, "smoe": smoe(2, "last")},
        "SMoE frozen": {**body, "convolution": "frozen"},
    }  # fmt: skip


class Case:
    """One network, with all that a step of its training needs."""

    def __init__(self, settings: dict, precision: torch.dtype) -> None:
        torch.manual_seed(0)
        self.model = build(Network.model_validate(settings), INPUTS, FIELDS, GRID, True)
        follow(self.model, torch.amp.GradScaler("cpu", enabled=False))
        self.precision = precision
        self.gates = gate_parameters(self.model)
        chosen = {id(gate) for gate in self.gates}
        groups = [{"params": [p for p in self.model.parameters() if id(p) not in chosen]}]
        groups += [{"params": self.gates, "lr": 1.0}] if self.gates else []
        self.optimizer = torch.optim.Adam(groups, lr=1e-4)
        states, extra = (INPUTS - EXTRA) // FIELDS, STEPS * EXTRA
        self.unrolled = Unrolled(self.model, states=states, fields=FIELDS, extra=EXTRA, steps=STEPS)
        self.one = torch.randn(BATCH, INPUTS, *GRID), torch.randn(BATCH, FIELDS, *GRID)
        self.ten = (
            torch.randn(BATCH, INPUTS - EXTRA + extra, *GRID),
            torch.randn(BATCH, FIELDS * STEPS, *GRID),
        )

    def learn(self, steps: int) -> None:
        """Take a step of the optimizer, on one step of the forecast or on ten."""
        for gate in self.gates:
            gate.requires_grad_(steps == 1)
        network, (x, y) = (self.model, self.one) if steps == 1 else (self.unrolled, self.ten)
        network.train()
        self.optimizer.zero_grad()
        with self._cast():
            out = network(x)
        (out.float() - y).square().mean().backward()
        self.optimizer.step()

    def forecast(self, starts: int) -> None:
        """One step of a forecast from so many starts."""
        self.model.eval()
        with torch.no_grad():
            self.model(self.one[0][:starts])

    def _cast(self):
        half = self.precision == torch.bfloat16
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=half)


WORK = {
    "one step": (lambda case: case.learn(1), 1),
    "ten steps": (lambda case: case.learn(STEPS), 1),
    "forecast of 32": (lambda case: case.forecast(32), 3),
    "of 16": (lambda case: case.forecast(16), 5),
    "of 1": (lambda case: case.forecast(1), 20),
}


def seconds(cases: dict[str, Case], work: str, rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each network, one a round; the first round warms up."""
    call, repeats = WORK[work]
    found: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(rounds + 1):
        for name, case in cases.items():
            start = time.process_time()
            for _ in range(repeats):
                call(case)
            if number:
                found[name].append((time.process_time() - start) / repeats)
    return found


def main() -> None:
    """Print a table a body."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="+", default=["resnet", "unet"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--float32", action="store_true", help="train in float32, not bf16")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    precision = torch.float32 if asked.float32 else torch.bfloat16
    for kind in asked.kinds:
        cases = {name: Case(settings, precision) for name, settings in rows(kind).items()}
        taken = {work: seconds(cases, work, asked.rounds) for work in WORK}
        taken["whole training"] = {
            name: [4 * a + b for a, b in zip(taken["one step"][name], ten, strict=True)]
            for name, ten in taken["ten steps"].items()
        }
        print(f"\n{kind}, training in {precision}:\n\n| network | {' | '.join(taken)} |")
        print("|---" * (len(taken) + 1) + "|")
        for name in cases:
            print(f"| {name} | {' | '.join(_ratio(times, name) for times in taken.values())} |")
        first = next(iter(cases))
        told = (f"{1e3 * statistics.median(times[first]):.0f} ms" for times in taken.values())
        print(f"| {first}, CPU time | {' | '.join(told)} |", flush=True)


def _ratio(times: dict[str, list[float]], name: str) -> str:
    """Return the median ratio to the plain twin, and its range."""
    twin = next(iter(times.values()))
    ratios = [a / b for a, b in zip(times[name], twin, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
