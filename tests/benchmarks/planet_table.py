"""The networks of the simulated planet, compared: the same data, depth, width and budget.

Run ``python tests/benchmarks/planet_table.py --folder F`` for the table of docs/smoe.md, and with
``--ablation`` for the ablation. Each network and seed is a run of its own, trained as ``smoecast
train --config planet-smoe`` does it with the settings named here, and scored on the test years.
What is there is not made again: the work may be cut off, or shared by two processes that are given
different ``--seeds``. ``--show`` only prints.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from smoecast import configfile, zoo
from smoecast.disk import write_atomic
from smoecast.nn.cost import count_parameters, multiply_adds
from smoecast.tasks.assembly import open_model
from smoecast.tasks.download import download
from smoecast.tasks.evaluate import evaluate
from smoecast.tasks.forecast import forecast
from smoecast.tasks.preprocess import preprocess
from smoecast.tasks.train import train

CONFIG = "planet-smoe"
NETWORKS = {
    "ResNet": ["network.smoe.layers=none"],
    "CoordConv": ["network.convolution=coordconv"],
    "low-rank local": ["network.convolution=lowrank"],
    "locally connected": ["network.convolution=local", "network.smoe.layers=last"],
    "SMoE": [],
}
GLOBAL = [
    f"network.smoe.{setting}"
    for setting in ("judge=points", "terms=1", "shared=false", "routing=global")
]
HALF = ["training.epochs=2"]
ABLATION = {
    "ResNet": ["network.smoe.layers=none"],
    "SMoE": [],
    "judged by points (the paper's RC loss)": ["network.smoe.judge=points"],
    "no RC loss: the regions drawn at first": ["network.smoe.routing_loss_weight=0"],
    "damping 0.1": ["network.smoe.damping=0.1"],
    "no shared filter": ["network.smoe.shared=false"],
    "2 experts a channel": ["network.smoe.expansion=2"],
    "8 experts a channel": ["network.smoe.expansion=8"],
    "one term everywhere": ["network.smoe.terms=1"],
    "4 terms of 8 experts in the last": [
        "network.smoe.terms={last: 4}",
        "network.smoe.expansion={last: 8}",
    ],
    "plain start": ["network.smoe.start=plain"],
    "gate of conv": ["network.smoe.gate=conv"],
    "all experts compete, in their order": [*GLOBAL, "network.smoe.order=expert"],
    "all experts compete, by score": [*GLOBAL, "network.smoe.order=score"],
    "last layer alone": ["network.smoe.layers=last"],
    "first and last layer": ["network.smoe.layers=ends"],
    "last block, own gates": ["network.smoe.layers=block.1"],
    "last block, one gate": ["network.smoe.layers=block.1", "network.smoe.share=true"],
    "gate step 0.03": ["training.gate_learning_rate=0.03"],
    "the released recipe": [
        "training.gate_learning_rate=0.002",
        *(
            f"network.smoe.{setting}"
            for setting in (
                "judge=points",
                "terms=1",
                "shared=false",
                "bias=false",
                "start=random",
                "routing=global",
                "order=score",
                "expert_start=own",
                "error_quantile=0.3",
                "damping=0.1",
            )
        ),
    ],
}
"""Each with half the epochs."""


def cell(place: Path, seed: int, settings: list[str]) -> dict:
    """Train, forecast and score one network with one seed, unless that was done."""
    done = place / "cell.json"
    if done.exists():
        return json.loads(done.read_text())
    config = configfile.load(
        zoo.locate(CONFIG, zoo.CONFIG),
        [f"folder={place.parent}", f"name={place.name}", f"seed={seed}", *settings],
    )
    place.mkdir(parents=True, exist_ok=True)
    if not config.store.exists():
        config.store.symlink_to(Path("..") / "data" / "store.zarr")
    before = time.process_time()
    trained = train(config)
    seconds = time.process_time() - before
    forecast(config)
    model = open_model(config.model)
    shape = (len(model.inputs.names), *model.inputs.grid.shape)
    result = {
        "settings": settings,
        "parameters": count_parameters(model.network),
        "multiply_adds": multiply_adds(model.network, shape),
        "cpu_minutes": seconds / 60,
        "validation_loss": trained["best_loss"],
        "rmse": {
            f"{r['channel']} {r['lead_hours']} h": r["rmse"]
            for r in evaluate(config)["scores"]
            if r["forecast"] == "forecast"
        },
    }
    write_atomic(done, json.dumps(result, indent=1).encode())
    (place / "forecast.nc").unlink()
    return result


def data(folder: Path) -> None:
    """Make the planet and its store once."""
    config = configfile.load(
        zoo.locate(CONFIG, zoo.CONFIG), [f"folder={folder}", "name=data", "postprocess.targets=[]"]
    )
    if not config.store.exists():
        download(config)
        preprocess(config)


def place_of(folder: Path, name: str, seed: int) -> Path:
    """Return the run folder of a network and a seed."""
    slug = "".join(c if c.isalnum() else "-" for c in name).strip("-").lower()
    return folder / f"{slug}-{seed}"


def row(name: str, cells: list[dict]) -> str:
    """Return a line of the table: means over the seeds, and half the range after them."""

    def value(numbers: list[float], digits: int) -> str:
        text = f"{statistics.mean(numbers):.{digits}f}"
        if len(numbers) > 1:
            text += f" ± {(max(numbers) - min(numbers)) / 2:.{digits}f}"
        return text

    scores = [
        value([c["rmse"][key] for c in cells], 1 if key.startswith("z500") else 3)
        for key in cells[0]["rmse"]
    ]
    cost = f"{cells[0]['parameters']:,} | {cells[0]['multiply_adds'] / 1e6:.0f} M"
    minutes = statistics.mean(c["cpu_minutes"] for c in cells)
    return f"| {name} | {len(cells)} | {' | '.join(scores)} | {cost} | {minutes:.1f} |"


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ablation", action="store_true", help="those rows, seed 0 by default")
    parser.add_argument("--only", nargs="+", default=[], help="rows whose names begin so")
    parser.add_argument("--show", action="store_true", help="train nothing")
    asked = parser.parse_args()
    rows, begin = NETWORKS, ""
    if asked.ablation:
        rows, begin = {name: [*s, *HALF] for name, s in ABLATION.items()}, "half-"
    rows = {n: s for n, s in rows.items() if not asked.only or n.startswith(tuple(asked.only))}
    if not asked.show:
        data(asked.folder)
        for seed in asked.seeds:
            for name, settings in rows.items():
                cell(place_of(asked.folder, begin + name, seed), seed, settings)
    there = {}
    for name in rows:
        places = [place_of(asked.folder, begin + name, seed) / "cell.json" for seed in asked.seeds]
        there[name] = [json.loads(place.read_text()) for place in places if place.exists()]
    there = {name: cells for name, cells in there.items() if cells}
    if there:
        names = list(next(iter(there.values()))[0]["rmse"])
        print(
            f"| network | seeds | {' | '.join(names)} | parameters | multiply-adds | CPU minutes |"
        )
        print("|---" * (len(names) + 5) + "|")
        for name, cells in there.items():
            print(row(name, cells))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
