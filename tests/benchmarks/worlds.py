"""SMoE beside its rivals on the worlds that go by steps: at equal epochs, and at equal CPU time.

Run ``python tests/benchmarks/worlds.py planet --folder F`` for the simulated planet drawn from
another seed than the zoo's, or ``worlds.py gcm --folder F --files 'gcm/*.nc'`` for the circulation
model that `gcm.py` runs. All networks are a U-Net of the same width, and all but the bare one have
what SMoE has: an offset at each point and the inputs at the last layer. Each network and seed is a
run of its own; rows "in SMoE's time" have as many epochs as fit into the CPU time that SMoE took
with seed 0. Scores are of the validation year, with ``--part test`` of the test years: the same
runs, scored once more. What is there is not made again; ``--show`` only prints.
"""

import argparse
import json
import os
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import cells
import torch

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.disk.atomic import write_atomic
from smoecast.nn.cost import count_parameters, multiply_adds
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.train import train

SMOE = "SMoE"
TIMED = " in SMoE's time"
NONE = ["network.smoe.layers=none"]
BODY = ["network.kind=unet", "network.width=16", "network.levels=3", "network.smoe.layers=[last]"]
SAMPLED = ("network.smoe.advanced.compared_samples=8", "network.smoe.advanced.error_memory=0.985")
NETWORKS = {
    "ResNet": [*NONE, "network.kind=resnet", "network.width=32"],
    "U-Net, bare": [*NONE, "network.local_bias=false", "network.input_skip=false"],
    "U-Net": NONE,
    "position fields": [*NONE, "network.advanced.position_channels=8"],
    "position embedding": [*NONE, "network.advanced.position_embedding=all"],
    "CoordConv": ["network.convolution=coordconv"],
    "low-rank local": ["network.convolution=lowrank"],
    "locally connected": ["network.convolution=local"],
    SMOE: [],
}
SCORED, LEADS, STARTS = ("z500", "t850", "t2m"), (72, 120), 50


@dataclass(frozen=True)
class World:
    """Data, and the networks that learn from it.

    Attributes
    ----------
    config : str
        A name in the zoo or a path.
    settings : tuple of str
        What is set in it for all networks.
    """

    config: str
    settings: tuple[str, ...]


WORLDS = {
    "planet": World("planet-smoe", ("data.planet.seed=21", *BODY, *SAMPLED)),
    "gcm": World(str(Path(__file__).with_name("gcm.yaml")), (*BODY, *SAMPLED)),
}


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
    }


def forecast_seconds(network: torch.nn.Module, shape: tuple[int, int, int]) -> float:
    """Return the CPU seconds of one step of one forecast, the network's pass alone."""
    torch.set_num_threads(1)
    fields = torch.zeros(16, *shape)
    with torch.inference_mode():
        network(fields)
        before = time.process_time()
        for _ in range(STARTS // 16):
            network(fields)
    return (time.process_time() - before) / (STARTS // 16) / 16


def score(config: Config, part: str) -> dict[str, float]:
    """Return the RMSE of a trained network on a part of the split, by channel and lead time."""
    made = forecast(config, init_times=[part])
    scores = evaluate(config)["scores"]
    Path(made["output"]).unlink()
    return {
        f"{record['channel']} {record['lead_hours']} h": record["rmse"]
        for record in scores
        if record["forecast"] == "forecast"
        and record["channel"] in SCORED
        and record["lead_hours"] in LEADS
    }


def fill(world: World, folder: Path, name: str, seed: int, settings: list[str], part: str) -> None:
    """Train and score a row and a seed, unless that was done."""
    place = cells.place_of(folder, name, seed)
    mine = [*world.settings, *settings]
    cells.cell(place, world.config, seed, mine, make)
    done = place / f"{part}.json"
    if not done.exists():
        chosen = ["evaluate.baselines=[]", "evaluate.resamples=0"]
        names = [f"folder={folder}", f"name={place.name}", f"seed={seed}", *mine, *chosen]
        config = yaml_file.load(zoo.locate(world.config, zoo.CONFIG), names)
        write_atomic(done, json.dumps(score(config, part), indent=1).encode())


def in_smoe_time(world: World, folder: Path, name: str, settings: list[str]) -> list[str]:
    """Return the settings of a network that trains for as long as SMoE did with seed 0.

    The fine-tuning stays as it is; a step of it counts as many passes as it has steps.
    """
    smoe, mine = (cells.found(folder, row, [0])[0]["cpu_minutes"] for row in (SMOE, name))
    names = [*world.settings, *settings]
    training = yaml_file.load(zoo.locate(world.config, zoo.CONFIG), names).training
    tuning = training.fine_tuning
    passes = training.epochs + tuning.epochs * tuning.rollout_steps
    epochs = max(1, round(training.epochs + passes * (smoe / mine - 1)))
    return [*settings, f"training.epochs={epochs}", f"training.patience={epochs}"]


def found(folder: Path, name: str, seeds: list[int], part: str) -> list[dict]:
    """Return the cells of a row that are trained and scored."""
    places = [cells.place_of(folder, name, seed) for seed in seeds]
    there = [(p / "cell.json", p / f"{part}.json") for p in places if (p / f"{part}.json").exists()]
    return [
        {**json.loads(cell.read_text()), "rmse": json.loads(scores.read_text())}
        for cell, scores in there
    ]


def row(name: str, runs: list[dict]) -> str:
    """Return a line of the table."""
    scores = [
        cells.spread([c["rmse"][key] for c in runs], 1 if key.startswith("z500") else 3)
        for key in runs[0]["rmse"]
    ]
    minutes = statistics.mean(c["cpu_minutes"] for c in runs)
    one = 1000 * statistics.mean(c["forecast_seconds"] for c in runs)
    cost = f"{runs[0]['parameters']:,} | {runs[0]['multiply_adds'] / 1e6:.0f} M"
    return f"| {name} | {len(runs)} | {' | '.join(scores)} | {cost} | {minutes:.1f} | {one:.1f} |"


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser: argparse.ArgumentParser = cells.parser(__doc__.splitlines()[0])
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--part", choices=("validation", "test"), default="validation")
    parser.add_argument("--files", nargs="+", default=[], help="of gcm.py")
    asked = parser.parse_args()
    world = WORLDS[asked.world]
    if asked.files:
        files = f"data.files={json.dumps(asked.files)}"
        world = World(world.config, (files, *world.settings))
    folder, part, rows = asked.folder, asked.part, cells.chosen(NETWORKS, asked.only)
    others = [name for name in rows if name != SMOE]
    if not asked.show:
        cells.data(folder, world.config, *world.settings)
        for seed in asked.seeds:
            for name, settings in rows.items():
                fill(world, folder, name, seed, settings, part)
        for seed in asked.seeds:
            for name in others:
                settings = in_smoe_time(world, folder, name, NETWORKS[name])
                fill(world, folder, name + TIMED, seed, settings, part)
    names = [*rows, *(name + TIMED for name in others)]
    there = {name: runs for name in names if (runs := found(folder, name, asked.seeds, part))}
    if there:
        keys = list(next(iter(there.values()))[0]["rmse"])
        print(
            f"| network | seeds | {' | '.join(keys)} | parameters | multiply-adds | CPU minutes | "
            "ms of a step |"
        )
        print("|---" * (len(keys) + 6) + "|")
        for name, runs in there.items():
            print(row(name, runs))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
