"""SMoE beside its rivals on the worlds that are forecast by steps of 12 h.

Run ``python tests/benchmarks/worlds.py planet --folder F`` for the simulated planet drawn from
another seed than the zoo's, or ``worlds.py gcm --folder F --files 'gcm/*.nc'`` for the circulation
model that `gcm.py` runs; `evidence.py` says how rows are made. All networks but the ResNet are a
U-Net of the same width, and all but the bare one have what SMoE has: an offset at each point and
the inputs at the last layer. All train in the same two stages. ``worlds.py grown --folder F`` has
a planet drawn from yet another seed, on which experts join a plain U-Net that has learned already,
as in ``planet-unet-smoe``, and all are tuned on ten steps at once; ``worlds.py grown-gcm`` has the
circulation model for the same.
Scores are of the validation year, with ``--part test`` of the test years; ``--trained`` only
scores, ``--show`` only prints.
"""

import json
import os
from dataclasses import replace
from pathlib import Path

import cells
import evidence

from smoecast.config.run import Config
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast

NETWORKS = {
    "ResNet": [*evidence.NONE, "network.kind=resnet", "network.width=32"],
    "U-Net, bare": [*evidence.NONE, "network.local_bias=false", "network.input_skip=false"],
    "U-Net": evidence.NONE,
    **evidence.PLACE,
    # these tables were made before freed filters kept the experts' part of the rate
    evidence.FREED: ["network.convolution=frozen", "training.advanced.expert_factor=1"],
}
PLAIN = ("training.epochs=16", "training.patience=16", "training.initial_weights=''")
POINTS = "filters of each point, no experts"
GROWN = {
    "U-Net": [*evidence.NONE, *PLAIN],
    POINTS: ["network.convolution=frozen"],
    evidence.FREED: ["training.fine_tuning.free_filters=true"],
}
"""Beside the U-Net: what begins with the plain U-Net of as many epochs."""
FOR_ALL = (
    "network.kind=unet",
    "network.width=16",
    "network.levels=3",
    "network.smoe.layers=[last]",
    "network.smoe.advanced.compared_samples=2",
    "network.smoe.advanced.error_memory=0.996",
    "training.batch_size=8",
    "training.learning_rate=1e-3",
    "training.epochs=1",
    "training.fine_tuning.epochs=0",
    "training.precision=float32",
    "evaluate.baselines=[]",
    "evaluate.resamples=0",
)
AS_PLANET_UNET_SMOE = (
    *FOR_ALL,
    "training.epochs=2",
    "training.schedule=plateau",
    "training.precision=auto",
    "training.keep_statistics=true",
    "training.fine_tuning.epochs=1",
    "training.fine_tuning.schedule=cosine",
)
"""What the config of the circulation model lacks of that one."""
STAGE = ("training.schedule=plateau",)
"""Half of the epochs at a steady rate, then as many along a cosine, SMoE's filters apart."""
SCORED, LEADS = ("z500", "t850", "t2m"), (72, 120)


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


FIRST = (
    *evidence.NONE,
    *PLAIN,
    "training.fine_tuning.epochs=0",
    "training.fine_tuning.free_filters=false",
)
GCM = str(Path(__file__).with_name("gcm.yaml"))
WORLDS = {
    "planet": evidence.World(
        "planet-smoe", NETWORKS, score, ("data.planet.seed=21", *FOR_ALL), starts=16, stage=STAGE
    ),
    "grown": evidence.World(
        "planet-unet-smoe",
        GROWN,
        score,
        ("data.planet.seed=33", "data.run=''", "evaluate.baselines=[]", "evaluate.resamples=0"),
        starts=16,
        stage=FIRST,
        alone=("U-Net",),
    ),
    "grown-gcm": evidence.World(
        GCM, GROWN, score, AS_PLANET_UNET_SMOE, starts=16, stage=FIRST, alone=("U-Net",)
    ),
    "gcm": evidence.World(GCM, NETWORKS, score, FOR_ALL, starts=16, stage=STAGE),
}


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser = evidence.parser(__doc__.splitlines()[0])
    parser.add_argument("world", choices=WORLDS)
    parser.add_argument("--files", nargs="+", default=[], help="of gcm.py")
    asked = parser.parse_args()
    world = WORLDS[asked.world]
    if asked.files:
        files = f"data.files={json.dumps(asked.files)}"
        world = replace(world, settings=(files, *world.settings))
    rows = list(cells.chosen(world.networks, asked.only))
    if not asked.show:
        evidence.fill(world, asked, rows)
    evidence.show(asked, rows)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
