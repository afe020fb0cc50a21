"""The calibrations of the simulated planet's ensembles, compared.

Run ``python tests/benchmarks/calibration_table.py --folder F``: each method and seed is a run of
its own, fitted as ``smoecast postprocess --config planet-calibration`` does it with the settings
named here, and scored on the test years. What is there is not made again; ``--show`` only prints.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from smoecast import configfile, zoo
from smoecast.disk import write_atomic
from smoecast.tasks.calibrations import open_calibration
from smoecast.tasks.download import download
from smoecast.tasks.evaluate import evaluate
from smoecast.tasks.fitting import fit
from smoecast.tasks.postprocess import postprocess
from smoecast.tasks.preprocess import preprocess

CONFIG = "planet-calibration"
METHODS = {
    "raw": ["postprocess.method=raw", "evaluate.normal=false"],
    "EMOS, pooled": ["postprocess.method=emos", "postprocess.where=pooled"],
    "EMOS, local": ["postprocess.method=emos"],
    "EMOS, local, harmonic": ["postprocess.method=emos", "postprocess.season=harmonic"],
    "member by member": ["postprocess.method=mbm", "evaluate.normal=false"],
    "MLP": ["postprocess.method=mlp"],
    "LeNet": ["postprocess.method=lenet"],
    "U-Net": ["postprocess.method=unet"],
    "plain network": ["postprocess.network.smoe.layers=none"],
    "SMoE": [],
    "Transformer": ["postprocess.method=transformer"],
}
SEEDLESS = ("raw", "EMOS", "member")
SHOWN = ("crps", "eecrps", "spread_skill_ratio", "flat_points")


def cell(place: Path, seed: int, settings: list[str]) -> dict:
    """Fit, calibrate and score one method with one seed, unless that was done."""
    done = place / "cell.json"
    if done.exists():
        return json.loads(done.read_text())
    config = configfile.load(
        zoo.locate(CONFIG, zoo.CONFIG),
        [f"folder={place.parent}", f"name={place.name}", f"seed={seed}", *settings],
    )
    place.mkdir(parents=True, exist_ok=True)
    for store in (config.store, config.ensemble_store):
        if not store.exists():
            store.symlink_to(Path("..") / "data" / store.name)
    before, parameters = time.process_time(), 0
    if config.postprocess.method != "raw":
        fit(config)
        parameters = open_calibration(config.calibration).parameters
    seconds = time.process_time() - before
    made = postprocess(config)
    scores = evaluate(config, inputs=[made["output"]])["scores"]
    wanted = {"raw": "raw", "mbm": "calibrated"}.get(config.postprocess.method, "calibrated normal")
    result = {
        "settings": settings,
        "parameters": parameters,
        "cpu_minutes": seconds / 60,
        "scores": {r["channel"]: r for r in scores if r["forecast"] == wanted},
        "all": scores,
    }
    write_atomic(done, json.dumps(result, indent=1).encode())
    Path(made["output"]).unlink()
    return result


def data(folder: Path) -> None:
    """Make the planet, its ensembles and their stores once."""
    config = configfile.load(zoo.locate(CONFIG, zoo.CONFIG), [f"folder={folder}", "name=data"])
    if not (config.store.exists() and config.ensemble_store.exists()):
        download(config)
        preprocess(config)


def place_of(folder: Path, name: str, seed: int) -> Path:
    """Return the run folder of a method and a seed."""
    slug = "".join(c if c.isalnum() else "-" for c in name.replace(",", "")).lower()
    return folder / f"{slug}-{seed}"


def row(name: str, channel: str, cells: list[dict]) -> str:
    """Return a line of the table: means over the seeds, and half the range after them."""

    def value(score: str) -> str:
        numbers = [c["scores"][channel].get(score) for c in cells]
        if None in numbers:
            return "-"
        digits = 2 if channel == "z500" and score in ("crps", "eecrps") else 4
        text = f"{statistics.mean(numbers):.{digits}f}"
        if len(numbers) > 1:
            text += f" ± {(max(numbers) - min(numbers)) / 2:.{digits}f}"
        return text

    minutes = statistics.mean(c["cpu_minutes"] for c in cells)
    scores = " | ".join(value(score) for score in SHOWN)
    return f"| {name} | {len(cells)} | {scores} | {cells[0]['parameters']:,} | {minutes:.1f} |"


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[], help="rows whose names begin so")
    parser.add_argument("--show", action="store_true", help="fit nothing")
    asked = parser.parse_args()
    rows = {n: s for n, s in METHODS.items() if not asked.only or n.startswith(tuple(asked.only))}
    if not asked.show:
        data(asked.folder)
        for seed in asked.seeds:
            for name, settings in rows.items():
                if seed == asked.seeds[0] or not name.startswith(SEEDLESS):
                    cell(place_of(asked.folder, name, seed), seed, settings)
    for channel in ("z500", "t850", "t2m"):
        print(f"| {channel} | seeds | {' | '.join(SHOWN)} | parameters | CPU minutes |")
        print("|---" * (len(SHOWN) + 4) + "|")
        for name in rows:
            places = [place_of(asked.folder, name, seed) / "cell.json" for seed in asked.seeds]
            cells = [json.loads(place.read_text()) for place in places if place.exists()]
            if cells:
                print(row(name, channel, cells))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
