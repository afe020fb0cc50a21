"""The networks on two years over North America, compared: SMoE and its plain twin.

Run ``python tests/benchmarks/ncep_table.py --folder F --part test`` for the table; `evidence.py`
says how rows are made. The config is ``ncep-air-24h`` of the zoo, which forecasts 6 and 24 h ahead
at once; both have its position fields and its dropout. ``--trained`` only scores, ``--show``
only prints.
"""

import os

import cells
import evidence

CONFIG = "ncep-air-24h"
NETWORKS = {"ResNet": evidence.NONE, evidence.SMOE: []}


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    asked = evidence.parser(__doc__.splitlines()[0]).parse_args()
    rows = list(cells.chosen(NETWORKS, asked.only))
    if not asked.show:
        evidence.fill(evidence.World(CONFIG, NETWORKS, evidence.score_direct), asked, rows)
    evidence.show(asked, rows)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
