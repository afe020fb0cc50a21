"""The heat-diffusion experiment: which layer finds the regions of a made-up world, and how fast.

A research command, not a verb: ``python -m smoecast.tasks.heat.experiment --layer smoe --seed 0
--runs 1000``. Data and task are those of Dryden & Hoefler 2022 (arXiv 2211.13491, section 3.1; see
`smoecast.tasks.heat.world`). Without a config it follows the released recipe; what mends that
recipe when there is little data is in ``models/heat-diffusion/smoe.yaml``, and why in
``docs/decisions/0007-heat-diffusion-with-few-runs.md``.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smoecast import console
from smoecast.config.training import Training
from smoecast.config.yaml_text import one_line, read_yaml
from smoecast.errors import ConfigError
from smoecast.nn.smoe.inspect import agreement, routing_map
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import gate_parameters
from smoecast.tasks.heat.settings import LAYERS, HeatRun, build, read
from smoecast.tasks.heat.world import DIFFUSIVITIES, Heat, grow_regions, simulate, within
from smoecast.training.schedule import Progress, is_over, rate

Record = dict[str, Any]
"""One epoch: epoch, train_loss, validation_accuracy, map_agreement, seconds."""


def make_data(run: HeatRun) -> tuple[Heat, Heat, Heat]:
    """Make the runs to train, to validate and to test."""
    regions = grow_regions((run.points, run.points), run.data_seed)
    counts = (run.runs, run.validation_runs, run.test_runs)
    train, validation, test = (
        simulate(regions, count, run.steps_per_run, run.data_seed, part)
        for part, count in enumerate(counts)
    )
    return train, validation, test


@torch.no_grad()
def accuracy(model: nn.Module, data: Heat) -> float:
    """Return the share of values within 1 % of the truth, 0 to 1."""
    model.eval()
    hits = 0
    for start in range(0, len(data), 100):
        inputs, targets = data.batch(np.arange(start, min(start + 100, len(data))))
        hits += int(within(model(inputs), targets).sum())
    model.train()
    return hits / (len(data) * data.regions.size)


def map_agreement(model: nn.Module, data: Heat) -> float | None:
    """Return the share of points routed to their region's expert; None without experts."""
    if not isinstance(model, SpatialMoE2d):
        return None
    regions = torch.from_numpy(data.regions)
    return agreement(routing_map(model), regions, len(DIFFUSIVITIES)).share


class Trainer:
    """Trains one network, epoch by epoch.

    Parameters
    ----------
    run : HeatRun
        What to train, and how.
    train : Heat
        What to learn from.

    Attributes
    ----------
    model : nn.Module
        Drawn from ``run.seed``.
    step : int
        Training steps done.
    progress : Progress
        Of the validation accuracy, with its sign changed.
    """

    def __init__(self, run: HeatRun, train: Heat) -> None:
        torch.manual_seed(run.seed)
        self.run, self.train = run, train
        self.model = build(run)
        gates = gate_parameters(self.model)
        chosen = {id(parameter) for parameter in gates}
        weights = [p for p in self.model.parameters() if id(p) not in chosen]
        self.firsts = (run.learning_rate, run.gate_learning_rate)
        self.optimizer = torch.optim.Adam(
            [{"params": weights}, {"params": gates}], run.learning_rate
        )
        self.step, self.progress = 0, Progress()
        self.settings = Training(
            epochs=run.epochs,
            plateau_patience=run.patience,
            patience=2 * run.patience,
            minimum_rate=0,
        )

    def epoch(self, number: int) -> float:
        """Train for one epoch, counted from 0, and return its mean loss."""
        order = np.random.default_rng([self.run.seed, number]).permutation(len(self.train))
        size = self.run.batch_size
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        total = 0.0
        for indices in parts:
            if self.is_over():
                break
            total += self.train_step(indices) * len(indices)
        return total / len(order)

    def train_step(self, indices: NDArray[np.int64]) -> float:
        """Make one step on the given samples and return its loss, before the step."""
        for group, first in zip(self.optimizer.param_groups, self.firsts, strict=True):
            group["lr"] = self.rate(first)
        inputs, targets = self.train.batch(indices)
        self.optimizer.zero_grad()
        loss = nn.functional.mse_loss(self.model(inputs), targets)
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
        self.optimizer.step()
        self.step += 1
        return loss.item()

    def rate(self, first: float) -> float:
        """Return the learning rate of the next step."""
        if self.run.schedule == "plateau":
            return rate(first, self.progress, 0.0, self.settings)
        done = max(0.0, self.step / self.run.steps - self.run.hold) / (1.0 - self.run.hold)
        return first * max(0.01, 0.5 * (1.0 + math.cos(math.pi * done)))

    def is_over(self) -> bool:
        """Whether the schedule has no step left."""
        return self.run.schedule == "hold" and self.step >= self.run.steps


def train(run: HeatRun, report: Callable[[Record], None] | None = None) -> dict[str, Any]:
    """Train one network and test the epoch that was best on the validation runs.

    Parameters
    ----------
    run : HeatRun
        What to train, and how.
    report : callable, optional
        Called with the record of each epoch.

    Returns
    -------
    dict
        layer, seed, runs, parameters, epochs, best_epoch, seconds (training alone),
        seconds_per_epoch, validation_accuracy and test_accuracy of the best epoch (0 to 1),
        map_agreement (0 to 1, or None), history (accuracy of each epoch).
    """
    learn, validation, test = make_data(run)
    trainer = Trainer(run, learn)
    history: list[Record] = []
    best = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    over = False
    while not over:
        begun = time.perf_counter()
        loss = trainer.epoch(len(history))
        seconds = time.perf_counter() - begun
        record = _measure(trainer, validation, len(history) + 1, loss, seconds)
        history.append(record)
        trainer.progress = trainer.progress.after(
            record["epoch"], -record["validation_accuracy"], trainer.settings
        )
        if trainer.progress.best_epoch == record["epoch"]:
            best = {name: value.clone() for name, value in trainer.model.state_dict().items()}
        if report:
            report(record)
        over = _is_over(trainer, record)
    trainer.model.load_state_dict(best)
    return _summary(trainer, history, test)


def _measure(trainer: Trainer, validation: Heat, epoch: int, loss: float, took: float) -> Record:
    return {
        "epoch": epoch,
        "train_loss": loss,
        "validation_accuracy": accuracy(trainer.model, validation),
        "map_agreement": map_agreement(trainer.model, validation),
        "seconds": took,
    }


def _is_over(trainer: Trainer, record: Record) -> bool:
    if record["validation_accuracy"] >= trainer.run.until:
        return True
    if trainer.run.schedule == "hold":
        return trainer.is_over()
    return is_over(trainer.progress, record["epoch"], trainer.settings)


def _summary(trainer: Trainer, history: list[Record], test: Heat) -> dict[str, Any]:
    run, progress = trainer.run, trainer.progress
    seconds = sum(record["seconds"] for record in history)
    return {
        "layer": run.layer,
        "seed": run.seed,
        "data_seed": run.data_seed,
        "runs": run.runs,
        "parameters": sum(p.numel() for p in trainer.model.parameters()),
        "epochs": len(history),
        "best_epoch": progress.best_epoch,
        "seconds": round(seconds, 1),
        "seconds_per_epoch": round(seconds / len(history), 2),
        "validation_accuracy": history[progress.best_epoch - 1]["validation_accuracy"],
        "test_accuracy": accuracy(trainer.model, test),
        "map_agreement": map_agreement(trainer.model, test),
        "history": [round(record["validation_accuracy"], 6) for record in history],
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the experiment: progress to stderr, one JSON summary to stdout."""
    parser = argparse.ArgumentParser(
        prog="python -m smoecast.tasks.heat.experiment", description=__doc__
    )
    parser.add_argument("--config", type=Path, help="a file of models/heat-diffusion")
    parser.add_argument("--layer", choices=LAYERS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--runs", type=int, help="runs to train on, of 100 samples each")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="changes")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    given = parser.parse_args(arguments)
    named = {name: getattr(given, name) for name in ("layer", "seed", "runs")}
    changes = {name: value for name, value in named.items() if value is not None}
    torch.set_num_threads(given.threads)
    try:
        changes.update(_change(text) for text in given.changes)
        run = read(given.config, changes)
    except ConfigError as error:
        console.fail(str(error))
        sys.exit(error.exit_code)
    print(json.dumps(train(run, _say)))


def _change(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: write it as key=value")
    return key, read_yaml(value, f"--set {one_line(text, 100)}")


def _say(record: Record) -> None:
    share = record["map_agreement"]
    routed = "" if share is None else f", {100 * share:.2f} % of points routed right"
    print(
        f"epoch {record['epoch']}: loss {record['train_loss']:.3g}, "
        f"{100 * record['validation_accuracy']:.3f} % within 1 %{routed}, "
        f"{record['seconds']:.1f} s",
        file=sys.stderr,
        flush=True,
    )


if __name__ == "__main__":
    main()
