"""The networks on real series over Iberia, compared: at equal epochs and at equal CPU time.

Run ``python tests/benchmarks/iberia_table.py --folder F`` for the table of the validation years,
or with ``--part test`` for that of the test years; `evidence.py` says how rows are made.
``--long`` has three times the epochs, as ``iberia-smoe`` is trained now, and filters of each point
that begin as the filter of a plain network. ``--trained`` only scores, ``--show`` only prints.
"""

import json
import os
from pathlib import Path

import cells
import evidence
from iberia_ridge import ridge

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.disk.atomic import write_atomic
from smoecast.fields.store.store import open_store

CONFIG, RIDGE = "iberia-smoe", "ridge, per point"
NETWORKS = {
    "ResNet, bare": [*evidence.NONE, "network.local_bias=false", "network.input_skip=false"],
    "ResNet": evidence.NONE,
    "ResNet of 48": [*evidence.NONE, "network.width=48"],
    "U-Net": [*evidence.NONE, "network.kind=unet", "network.levels=2"],
    **evidence.PLACE,
}
"""All but the first have, as SMoE has, an offset at each point and the inputs at the last layer."""
SHORT = ("training.epochs=8", "training.patience=8")
STAGE = (
    *evidence.NONE,
    "training.schedule=plateau",
    "training.epochs=24",
    "training.patience=24",
)
POINTS = "filters of each point, no experts"
LONG = {
    "ResNet": evidence.NONE,
    # without dropout it overfits; the ResNet is worse with it, SMoE as good
    "locally connected": [*evidence.PLACE["locally connected"], "network.dropout=0.1"],
    POINTS: [
        "network.convolution=frozen",
        *SHORT,
        "training.advanced.expert_factor=0.5",
    ],
    evidence.SMOE: [],
}
"""With the epochs of the config; the filters of each point begin after as many plain ones."""
EIGHT_EPOCHS = evidence.World(CONFIG, NETWORKS, evidence.score_direct, SHORT)
AS_PUBLISHED = evidence.World(
    CONFIG,
    LONG,
    evidence.score_direct,
    stage=STAGE,
    alone=tuple(row for row in LONG if row != POINTS),
)


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
    parser = evidence.parser(__doc__.splitlines()[0])
    parser.add_argument("--long", action="store_true", help="three times the epochs")
    asked = parser.parse_args()
    world = AS_PUBLISHED if asked.long else EIGHT_EPOCHS
    rows = list(cells.chosen(world.networks, asked.only))
    if not asked.show:
        evidence.fill(world, asked, rows)
    straight = linear(asked.folder, asked.part, not asked.show)
    evidence.show(asked, rows, {RIDGE: straight} if straight else None)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
