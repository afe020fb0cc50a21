"""SMoE beside its rivals on any world: at equal epochs, at equal CPU time, on either part.

Each network and seed is a run of its own; where a world asks for it, two trainings, one after the
other, between which `FREED` makes a filter of each point's experts. Both parts score the same
runs, and the test years are not scored before they are asked for. Rows "in SMoE's time" have as
many epochs as fit into the CPU time that SMoE took with seed 0. What is there is not made again, so
the work may be cut off.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import cells
import numpy as np
import torch

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data.samples import load, starts_within
from smoecast.disk.atomic import write_atomic
from smoecast.fields.store.store import open_store, rows_of
from smoecast.nn.cost import count_parameters, multiply_adds
from smoecast.tasks.forecast_model import inputs_of, open_model, samples_of
from smoecast.tasks.models import freeze_model
from smoecast.tasks.train import train

SMOE, TIMED = "SMoE", " in SMoE's time"
FREED = "SMoE, then filters of each point"
"""SMoE until its filters are frozen (`smoecast models freeze`), which then learn apart."""
NONE = ["network.smoe.layers=none"]
PLACE = {
    "position fields": [*NONE, "network.advanced.position_channels=8"],
    "position embedding": [*NONE, "network.advanced.position_embedding=all"],
    "CoordConv": ["network.convolution=coordconv"],
    "low-rank local": ["network.convolution=lowrank"],
    "locally connected": ["network.convolution=local"],
    SMOE: [],
}
"""Rows of every table: what knows its place in another way than SMoE, and SMoE."""
PASSES = 100
"""Over which the CPU time of one is a mean."""


@dataclass(frozen=True)
class World:
    """Data, and the networks that learn from it.

    Attributes
    ----------
    config : str
        A name in the zoo or a path.
    networks : dict
        Rows of the table: what is set in the config for each.
    score : callable
        (config, part of the split) to RMSE by channel and lead time: ``t2m 72 h``.
    settings : tuple of str
        What is set in the config for all of them.
    starts : int
        So many starts are forecast at once where the time of a forecast is taken.
    stage : tuple of str
        What is set for a first training of as many epochs, whose weights the second begins with;
        none: one training. One of a plain network is made once for all rows, and counts in each.
    alone : tuple of str
        Rows without that first training.
    """

    config: str
    networks: dict[str, list[str]]
    score: Callable[[Config, str], dict[str, float]]
    settings: tuple[str, ...] = ()
    starts: int = 1
    stage: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()

    def read(self, settings: Sequence[str]) -> Config:
        """Return the config of a run."""
        return yaml_file.load(zoo.locate(self.config, zoo.CONFIG), [*self.settings, *settings])


def parser(description: str) -> argparse.ArgumentParser:
    """Return what the table of a world can be asked."""
    asked = cells.parser(description)
    asked.add_argument("--part", choices=("validation", "test"), default="validation")
    asked.add_argument(
        "--trained", action="store_true", help="score what is trained, train nothing"
    )
    return asked


def make(config: Config, starts: int, first: Config | None = None) -> dict:
    """Train one network, after the `first` that it begins with, and measure its cost."""
    before, earlier = time.process_time(), 0.0
    if first is not None:
        earlier = train_once(first)
        before = time.process_time()
        if Path(config.training.initial_weights) != first.model:
            freeze_model(first.model, Path(config.training.initial_weights))
    trained = train(config)
    seconds = earlier + time.process_time() - before
    model = open_model(config.model)
    shape = (len(model.inputs.names), *model.inputs.grid.shape)
    return {
        "parameters": count_parameters(model.network),
        "multiply_adds": multiply_adds(model.network, shape),
        "cpu_minutes": seconds / 60,
        "forecast_seconds": forecast_seconds(model.network, torch.zeros(starts, *shape)),
        "validation_loss": trained["best_loss"],
        "best_epoch": trained["best_epoch"],
    }


def train_once(config: Config) -> float:
    """Train, and return the CPU seconds that it took, now or for an earlier row."""
    told = config.place / "cpu_seconds.json"
    if not told.exists():
        before = time.process_time()
        train(config)
        write_atomic(told, json.dumps(time.process_time() - before).encode())
    seconds: float = json.loads(told.read_text())
    return seconds


def forecast_seconds(network: torch.nn.Module, fields: torch.Tensor) -> float:
    """Return the CPU seconds of one forecast of these (B, C, H, W), the network's pass alone."""
    torch.set_num_threads(1)
    with torch.inference_mode():
        network(fields)
        before = time.process_time()
        for _ in range(PASSES):
            network(fields)
    return (time.process_time() - before) / PASSES / len(fields)


def fill(world: World, asked: argparse.Namespace, rows: Sequence[str]) -> None:
    """Train and score what is asked for and not there: all rows, then the others in SMoE's time."""
    folder = asked.folder.resolve()
    cells.data(folder, world.config, *world.settings)
    for timed in ("", TIMED):
        for seed in asked.seeds:
            for name in rows:
                place = cells.place_of(folder, name + timed, seed)
                left = asked.trained and not (place / "cell.json").exists()
                if left or (timed and name in (SMOE, FREED)):
                    continue
                settings = list(world.networks[name])
                if timed:
                    epochs = _epochs_in_smoe_time(world, folder, name)
                    settings += [f"training.epochs={epochs}", f"training.patience={epochs}"]
                    if epochs == world.read(world.networks[name]).training.epochs:
                        continue
                staged = world.stage if name not in world.alone else ()
                _fill_cell(replace(world, stage=staged), place, seed, settings, asked.part)


def _fill_cell(world: World, place: Path, seed: int, settings: list[str], part: str) -> None:
    first = None
    if world.stage:
        # a plain first training is the same for all, and there is nothing to freeze
        plain = set(NONE) <= set(world.stage)
        freed = not plain and "network.convolution=frozen" in settings
        same = [] if plain or freed else settings
        name = f"first-{seed}" if plain else f"{place.name}-first"
        run = [f"folder={place.parent}", f"name={name}", f"seed={seed}"]
        first = world.read([*run, f"data.run={cells.DATA}", *same, *world.stage])
        weights = place / "filters" if freed else first.model
        settings = [*settings, f"training.initial_weights={weights}"]
    mine = [*world.settings, *settings]
    train_it = partial(make, starts=world.starts, first=first)
    cells.cell(place, world.config, seed, mine, train_it)
    done = place / f"{part}.json"
    if not done.exists():
        run = [f"folder={place.parent}", f"name={place.name}", f"seed={seed}"]
        scores = world.score(world.read([*run, *settings]), part)
        write_atomic(done, json.dumps(scores, indent=1).encode())


def _epochs_in_smoe_time(world: World, folder: Path, name: str) -> int:
    """Return for how many epochs a network trains in the time that SMoE took with seed 0.

    Rather one more than one less; a tenth of one is the clock's. A fine-tuning stays as it is; a
    step of it counts as many passes as it has steps. So does a first training whose epochs are
    set; where they are not, it has as many as the second.
    """
    smoe, mine = (_minutes(folder, row) for row in (_row_to_match(folder), name))
    training = world.read(world.networks[name]).training
    tuning = training.fine_tuning
    passes = training.epochs + tuning.epochs * tuning.rollout_steps
    if name not in world.alone and any(s.startswith("training.epochs=") for s in world.stage):
        passes += world.read(world.stage).training.epochs
    return max(1, math.ceil(training.epochs + passes * (smoe / mine - 1) - 0.1))


def _row_to_match(folder: Path) -> str:
    """Return the row of SMoE whose time others are given: `FREED` where it is there."""
    return FREED if cells.found(folder, FREED, [0]) else SMOE


def _minutes(folder: Path, name: str) -> float:
    return cells.found(folder, name, [0])[0]["cpu_minutes"]


def score_direct(config: Config, part: str) -> dict[str, float]:
    """Return the RMSE of a network that forecasts in one leap on a part of the split.

    By channel and lead time. The sums are those of ``smoecast forecast`` and ``smoecast evaluate``,
    without a file between.
    """
    dataset, sample = open_store(config.store), config.sample
    source = load(rows_of(config.store))
    inputs = inputs_of(config.data, sample, dataset, config.store)
    samples = samples_of(sample, config.data.step_hours, dataset, inputs, source)["validation"]
    mask = dataset[part].values
    starts = starts_within(mask, samples.history_steps, samples.lead_steps, part)
    samples = replace(samples, starts=starts)
    network = open_model(config.model).network.eval()
    squares = []
    with torch.inference_mode():
        for some in np.array_split(np.arange(len(samples)), -(-len(samples) // 256)):
            fields, truth = samples.batch(some)
            squares.append(((network(fields) - truth).double() ** 2).mean(dim=3).numpy())
    rows = np.concatenate(squares).mean(axis=0)  # (B, L D, H) to (L D, H)
    errors = np.sqrt((rows * inputs.grid.weights()).mean(axis=1)).tolist()
    keys = [f"{target} {hours} h" for hours in sample.lead_hours for target in config.targets]
    found = dict(zip(keys, errors, strict=True))
    return {
        f"{t} {hours} h": found[f"{t} {hours} h"]
        for t in config.targets
        for hours in sample.lead_hours
    }


def show(
    asked: argparse.Namespace,
    rows: Sequence[str],
    before: dict[str, dict[str, float]] | None = None,
) -> None:
    """Print the rows that are there, after those `before` that are no networks."""
    names = [*rows, *(name + TIMED for name in rows if name != SMOE)]
    there = {name: runs for name in names if (runs := _found(asked, name))}
    if not there:
        return
    keys = list(next(iter(there.values()))[0]["rmse"])
    print(
        f"| network | seeds | {' | '.join(keys)} | parameters | multiply-adds | CPU minutes | "
        "ms of one forecast |"
    )
    print("|---" * (len(keys) + 6) + "|")
    for name, scores in (before or {}).items():
        print(f"| {name} | - | {' | '.join(_cell([scores], key) for key in keys)} | | | | |")
    for name, runs in there.items():
        scores = [_cell([run["rmse"] for run in runs], key) for key in keys]
        minutes = statistics.mean(run["cpu_minutes"] for run in runs)
        one = 1000 * statistics.mean(run["forecast_seconds"] for run in runs)
        cost = f"{runs[0]['parameters']:,} | {runs[0]['multiply_adds'] / 1e6:.1f} M"
        print(
            f"| {name} | {len(runs)} | {' | '.join(scores)} | {cost} | {minutes:.2f} | {one:.1f} |"
        )


def _found(asked: argparse.Namespace, name: str) -> list[dict]:
    """Return the cells of a row that are trained and scored."""
    places = [cells.place_of(asked.folder, name, seed) for seed in asked.seeds]
    there = [(place / "cell.json", place / f"{asked.part}.json") for place in places]
    return [
        {**json.loads(cell.read_text()), "rmse": json.loads(scores.read_text())}
        for cell, scores in there
        if scores.exists()
    ]


def _cell(scores: list[dict[str, float]], key: str) -> str:
    digits = 1 if key.startswith(("z500", "msl")) else 3
    return cells.spread([one[key] for one in scores], digits)
