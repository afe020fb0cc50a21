"""The calibrations of the simulated planet's ensembles, compared.

Run ``python tests/benchmarks/calibration_table.py --folder F``: each method and seed is a run of
its own, fitted as ``smoecast postprocess --config planet-calibration`` does it with the settings
named here, and scored on the test years. What is there is not made again; ``--show`` only prints.
``--members 5`` is another table, and wants a folder of its own.
"""

import os
import statistics
import time
from pathlib import Path

import cells

from smoecast.config.run import Config
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.postprocess.calibration import open_calibration
from smoecast.tasks.postprocess.fit import fit
from smoecast.tasks.postprocess.postprocess import postprocess

CONFIG = "planet-calibration"
PUBLISHED = "postprocess.advanced.correction_units=spread"
"""The head of the ENS-10 benchmark's networks."""
METHODS = {
    "raw": ["postprocess.method=raw", "evaluate.normal=false"],
    "EMOS, pooled": ["postprocess.method=emos", "postprocess.coefficients=pooled"],
    "EMOS, local": ["postprocess.method=emos"],
    "EMOS, local, harmonic": ["postprocess.method=emos", "postprocess.season=harmonic"],
    "member by member": ["postprocess.method=mbm", "evaluate.normal=false"],
    "MLP": ["postprocess.method=mlp", PUBLISHED],
    "LeNet": ["postprocess.method=lenet", PUBLISHED],
    "U-Net": ["postprocess.method=unet", PUBLISHED],
    "Transformer": ["postprocess.method=transformer", PUBLISHED],
    "SMoE": [],
    "offset, no SMoE": ["postprocess.network.smoe.layers=none"],
    "no offset, no SMoE": [
        "postprocess.network.smoe.layers=none",
        "postprocess.network.local_bias=false",
    ],
    "no offset: SMoE": ["postprocess.network.local_bias=false"],
    "shifts by spread: SMoE": [PUBLISHED],
    "one resolution: SMoE": ["postprocess.network.kind=resnet", "postprocess.network.blocks=2"],
}
SEEDLESS = ("raw", "EMOS", "member")
SHOWN = ("crps", "eecrps", "spread_skill_ratio", "flat_points")


def make(config: Config) -> dict:
    """Fit, calibrate and score one method."""
    method, parameters = config.postprocess.method, 0
    before = time.process_time()
    if method != "raw":
        fit(config)
        parameters = open_calibration(config.calibration).parameters
    seconds = time.process_time() - before
    made = postprocess(config)
    scores = evaluate(config, inputs=[made["output"]])["scores"]
    Path(made["output"]).unlink()
    wanted = {"raw": "raw", "mbm": "calibrated"}.get(method, "calibrated normal")
    return {
        "parameters": parameters,
        "cpu_minutes": seconds / 60,
        "scores": {r["channel"]: r for r in scores if r["forecast"] == wanted},
        "all": scores,
    }


def row(name: str, channel: str, runs: list[dict]) -> str:
    """Return a line of the table."""

    def value(score: str) -> str:
        numbers = [c["scores"][channel].get(score) for c in runs]
        if None in numbers:
            return "-"
        digits = 2 if channel == "z500" and score in ("crps", "eecrps") else 4
        return cells.spread(numbers, digits)

    minutes = statistics.mean(c["cpu_minutes"] for c in runs)
    scores = " | ".join(value(score) for score in SHOWN)
    return f"| {name} | {len(runs)} | {scores} | {runs[0]['parameters']:,} | {minutes:.1f} |"


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser = cells.parser(__doc__.splitlines()[0])
    parser.add_argument("--members", type=int, default=10, help="of the planet's ensembles")
    asked = parser.parse_args()
    size = f"data.planet.members={asked.members}"
    rows = cells.chosen(METHODS, asked.only)
    if not asked.show:
        cells.data(asked.folder, CONFIG, size)
        for seed in asked.seeds:
            for name, settings in rows.items():
                if seed == asked.seeds[0] or not name.startswith(SEEDLESS):
                    place = cells.place_of(asked.folder, name, seed)
                    cells.cell(place, CONFIG, seed, [size, *settings], make)
    for channel in ("z500", "t850", "t2m"):
        print(f"| {channel} | seeds | {' | '.join(SHOWN)} | parameters | CPU minutes |")
        print("|---" * (len(SHOWN) + 4) + "|")
        for name in rows:
            runs = cells.found(asked.folder, name, asked.seeds)
            if runs:
                print(row(name, channel, runs))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
