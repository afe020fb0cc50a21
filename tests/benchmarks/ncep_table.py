"""The networks on two years over North America, compared: SMoE, its plain twin, and others.

Run ``python tests/benchmarks/ncep_table.py --folder F --part test`` for the table; `evidence.py`
says how rows are made. The config is ``ncep-air-24h`` of the zoo, which forecasts 6 and 24 h ahead
at once; all have its dropout, and its position fields where nothing else is said. Filters of each
point begin, after 24 plain epochs, as the plain filter, and learn for eight. ``--trained`` only
scores, ``--show`` only prints.
"""

import os

import cells
import evidence

CONFIG = "ncep-air-24h"
NO_FIELDS = "network.advanced.position_channels=0"
STAGE = (*evidence.NONE, "training.schedule=plateau", "training.epochs=24", "training.patience=24")
POINTS = "filters of each point, no experts"
NETWORKS = {
    "ResNet": evidence.NONE,
    "ResNet, no position fields": [*evidence.NONE, NO_FIELDS],
    "locally connected": ["network.convolution=local", "network.smoe.layers=last"],
    POINTS: [
        "network.convolution=frozen",
        "network.smoe.layers=last",
        "training.epochs=8",
        "training.patience=8",
        "training.advanced.expert_factor=0.5",
    ],
    "SMoE, no position fields": [NO_FIELDS],
    evidence.SMOE: [],
}


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    asked = evidence.parser(__doc__.splitlines()[0]).parse_args()
    rows = list(cells.chosen(NETWORKS, asked.only))
    if not asked.show:
        alone = tuple(row for row in NETWORKS if row != POINTS)
        world = evidence.World(CONFIG, NETWORKS, evidence.score_direct, stage=STAGE, alone=alone)
        evidence.fill(world, asked, rows)
    evidence.show(asked, rows)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
