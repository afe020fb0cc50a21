"""The networks on real series over Iberia, compared: at equal epochs and at equal CPU time.

Run ``python tests/benchmarks/iberia_table.py --folder F`` for the table of the validation years,
or with ``--part test`` for that of the test years. Each network and seed is a run of its own,
trained as ``smoecast train --config iberia-smoe`` does it with the settings named here; both parts
score the same runs, and without ``--part test`` the test years are not scored. Rows "in SMoE's
time" have as many epochs as fit into the CPU time that SMoE took with seed 0. What is there is not
made again: the work may be cut off; ``--trained`` only scores, ``--show`` only prints.
"""

import json
import os
import statistics
import time
from dataclasses import replace
from pathlib import Path

import cells
import numpy as np
import torch
from iberia_ridge import ridge

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data.samples import load, starts_within
from smoecast.disk.atomic import write_atomic
from smoecast.fields.store.store import open_store, rows_of
from smoecast.nn.cost import count_parameters, multiply_adds
from smoecast.tasks.forecast_model import inputs_of, open_model, samples_of
from smoecast.tasks.train import train

CONFIG = "iberia-smoe"
SMOE, RIDGE = "SMoE", "ridge, per point"
NONE = ["network.smoe.layers=none"]
NETWORKS = {
    "ResNet, bare": [*NONE, "network.local_bias=false", "network.input_skip=false"],
    "ResNet": NONE,
    "ResNet of 48": [*NONE, "network.width=48"],
    "U-Net": [*NONE, "network.kind=unet", "network.levels=2"],
    "position fields": [*NONE, "network.advanced.position_channels=8"],
    "position embedding": [*NONE, "network.advanced.position_embedding=all"],
    "CoordConv": ["network.convolution=coordconv"],
    "low-rank local": ["network.convolution=lowrank"],
    "locally connected": ["network.convolution=local"],
    SMOE: [],
}
"""All but the first have, as SMoE has, an offset at each point and the inputs at the last layer."""
TIMED = " in SMoE's time"
STARTS = 100
"""Forecasts over which the CPU time of one is a mean."""


def make(config: Config) -> dict:
    """Train one network, and measure what it costs."""
    before = time.process_time()
    trained = train(config)
    seconds = time.process_time() - before
    model = open_model(config.model)
    shape = (len(model.inputs.names), *model.inputs.grid.shape)
    return {
        "parameters": count_parameters(model.network),
        "multiply_adds": multiply_adds(model.network, shape),
        "cpu_minutes": seconds / 60,
        "forecast_seconds": forecast_seconds(model.network, shape),
        "validation_loss": trained["best_loss"],
        "best_epoch": trained["best_epoch"],
    }


def forecast_seconds(network: torch.nn.Module, shape: tuple[int, int, int]) -> float:
    """Return the CPU seconds of one forecast, the network's pass alone."""
    torch.set_num_threads(1)
    fields = torch.zeros(1, *shape)
    with torch.inference_mode():
        network(fields)
        before = time.process_time()
        for _ in range(STARTS):
            network(fields)
    return (time.process_time() - before) / STARTS


def score(config: Config, part: str) -> dict[str, float]:
    """Return the RMSE of a trained network on a part of the split, by channel and lead time.

    The sums are those of ``smoecast forecast`` and ``smoecast evaluate``, without a file between.
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
    keys = [f"{target} {hours} h" for hours in sample.lead_hours for target in sample.targets]
    found = dict(zip(keys, errors, strict=True))
    return {
        f"{t} {hours} h": found[f"{t} {hours} h"]
        for t in sample.targets
        for hours in sample.lead_hours
    }


def fill(folder: Path, name: str, seed: int, settings: list[str], part: str) -> None:
    """Train and score a row and a seed, unless that was done."""
    place = cells.place_of(folder, name, seed)
    cells.cell(place, CONFIG, seed, settings, make)
    done = place / f"{part}.json"
    if not done.exists():
        names = [f"folder={folder}", f"name={place.name}", f"seed={seed}", *settings]
        config = yaml_file.load(zoo.locate(CONFIG, zoo.CONFIG), names)
        write_atomic(done, json.dumps(score(config, part), indent=1).encode())


def in_smoe_time(folder: Path, name: str, settings: list[str]) -> list[str]:
    """Return the settings of a network that trains for as long as SMoE did with seed 0."""
    minutes = [cells.found(folder, row, [0])[0]["cpu_minutes"] for row in (SMOE, name)]
    config = yaml_file.load(zoo.locate(CONFIG, zoo.CONFIG), settings)
    epochs = max(1, round(config.training.epochs * minutes[0] / minutes[1]))
    return [*settings, f"training.epochs={epochs}", f"training.patience={epochs}"]


def found(folder: Path, name: str, seeds: list[int], part: str) -> list[dict]:
    """Return the cells of a row that are trained and scored."""
    places = [cells.place_of(folder, name, seed) for seed in seeds]
    there = [(p / "cell.json", p / f"{part}.json") for p in places if (p / f"{part}.json").exists()]
    return [
        {**json.loads(cell.read_text()), "rmse": json.loads(scores.read_text())}
        for cell, scores in there
    ]


def digits(key: str) -> int:
    """Return how many digits after the point a channel is shown with."""
    return 1 if key.startswith(("z500", "msl")) else 3


def row(name: str, runs: list[dict]) -> str:
    """Return a line of the table."""
    scores = [cells.spread([c["rmse"][key] for c in runs], digits(key)) for key in runs[0]["rmse"]]
    minutes = statistics.mean(c["cpu_minutes"] for c in runs)
    one = 1000 * statistics.mean(c["forecast_seconds"] for c in runs)
    cost = f"{runs[0]['parameters']:,} | {runs[0]['multiply_adds'] / 1e6:.1f} M"
    return f"| {name} | {len(runs)} | {' | '.join(scores)} | {cost} | {minutes:.2f} | {one:.1f} |"


def linear(folder: Path, part: str, make_it: bool) -> dict[str, float] | None:
    """Return the scores of the ridge regression, made once."""
    done = folder / f"ridge-{part}.json"
    if make_it and not done.exists():
        config = yaml_file.load(
            zoo.locate(CONFIG, zoo.CONFIG), [f"folder={folder}", f"name={cells.DATA}"]
        )
        sample = config.sample
        scores = ridge(
            open_store(config.store), list(sample.targets), list(sample.lead_hours), part
        )
        write_atomic(done, json.dumps(scores, indent=1).encode())
    return json.loads(done.read_text()) if done.exists() else None


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser = cells.parser(__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument(
        "--trained", action="store_true", help="score what is trained, train nothing"
    )
    asked = parser.parse_args()
    folder, part = asked.folder, asked.part
    rows = cells.chosen(NETWORKS, asked.only)
    others = [name for name in rows if name != SMOE]
    if not asked.show:
        cells.data(folder, CONFIG)
        for timed, names in (("", list(rows)), (TIMED, others)):
            for seed in asked.seeds:
                for name in names:
                    place = cells.place_of(folder, name + timed, seed)
                    if asked.trained and not (place / "cell.json").exists():
                        continue
                    settings = NETWORKS[name]
                    settings = in_smoe_time(folder, name, settings) if timed else settings
                    fill(folder, name + timed, seed, settings, part)
    names = [*rows, *(name + TIMED for name in others)]
    there = {name: runs for name in names if (runs := found(folder, name, asked.seeds, part))}
    straight = linear(folder, part, not asked.show)
    if there:
        keys = list(next(iter(there.values()))[0]["rmse"])
        print(
            f"| network | seeds | {' | '.join(keys)} | parameters | multiply-adds | CPU minutes | "
            "ms of one forecast |"
        )
        print("|---" * (len(keys) + 6) + "|")
        if straight:
            scores = [f"{straight[key]:.{digits(key)}f}" for key in keys]
            print(f"| {RIDGE} | - | {' | '.join(scores)} | | | | |")
        for name, runs in there.items():
            print(row(name, runs))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
