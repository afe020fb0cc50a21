"""The networks of the simulated planet, compared: the same data, depth, width and budget.

Run ``python tests/benchmarks/planet_table.py --folder F`` for the table of docs/smoe-tables.md,
with ``--direct`` for that of the same networks when they forecast both lead times at once, not by
steps, and with ``--ablation`` for the ablation of these. Each network and seed is a run of its own,
trained as ``smoecast train --config planet-smoe`` does it with the settings named here, and scored
on the test years. What is there is not made again: the work may be cut off, or shared by two
processes that are given different ``--seeds``. ``--show`` only prints.
"""

import os
import statistics
import time
from pathlib import Path

import cells

from smoecast.config.run import Config
from smoecast.nn.cost import count_parameters, multiply_adds
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.train import train

CONFIG = "planet-smoe"
BARE = ["network.local_bias=false", "network.input_skip=false"]
"""The convolutions alone, as published: no offset at each point, no inputs at the last layer."""
LOCAL = ["network.convolution=local", "network.smoe.layers=last"]
PLAIN = ["network.smoe.layers=none", *BARE]
FOUR = [
    "network.smoe.advanced.experts_per_channel_at={last: 4}",
    "training.advanced.expert_factor=0.5",
]
"""Half as many terms, and experts at twice the rate: better where the forecast is one leap."""
NETWORKS = {
    "ResNet": PLAIN,
    "4 times as long: ResNet": [*PLAIN, "training.epochs=16", "training.fine_tuning.epochs=4"],
    "CNN": [*PLAIN, "network.kind=cnn", "network.blocks=4"],
    "U-Net": [*PLAIN, "network.kind=unet"],
    "CoordConv": ["network.convolution=coordconv", *BARE],
    "low-rank local": ["network.convolution=lowrank", *BARE],
    "locally connected": [*LOCAL, *BARE],
    "bare SMoE": BARE,
    "with both: ResNet": ["network.smoe.layers=none"],
    "with both: CoordConv": ["network.convolution=coordconv"],
    "with both: locally connected": LOCAL,
    "4 terms: SMoE": FOUR,
    "SMoE": [],
}
GLOBAL = [
    f"network.smoe.advanced.{setting}"
    for setting in (
        "routing_loss=points",
        "experts_per_channel_at={}",
        "shared=false",
        "routing=global",
    )
]
BLOCK = ["network.smoe.layers=[block.1]", "network.smoe.advanced.experts_per_channel_at={}"]
MEMORY, STEP = "network.smoe.advanced.error_memory=0.9", "training.advanced.gate_learning_rate=1.0"
DIRECT = [
    "sample.lead_hours=[72,120]",
    "sample.targets=[z500,t850,t2m]",
    "training.fine_tuning.epochs=0",
    "forecast.lead_hours=[72,120]",
    *FOUR,
]
LEAN = [
    *DIRECT,
    "training.epochs=2",
    *BARE,
    "network.smoe.advanced.experts_per_channel_at={last: 2}",
    "network.smoe.advanced.expansion_at={}",
    "training.advanced.expert_factor=1",
    "network.smoe.advanced.error_memory=0",
    "training.advanced.gate_learning_rate=0.3",
]
"""Half the epochs, and the lean SMoE that the ablation changes one by one."""
ABLATION = {
    "ResNet": ["network.smoe.layers=none"],
    "SMoE": [],
    "with a memory of errors": [MEMORY],
    "and a gate step of 1": [MEMORY, STEP],
    "and an offset": [MEMORY, STEP, "network.local_bias=true"],
    "and the inputs at the last layer": [MEMORY, STEP, "network.input_skip=true"],
    "and experts at half the rate": [MEMORY, STEP, "training.advanced.expert_factor=0.5"],
    "and 4 terms of 8 experts in the last": [
        MEMORY,
        STEP,
        "network.smoe.advanced.experts_per_channel_at={last: 4}",
        "network.smoe.advanced.expansion_at={last: 8}",
    ],
    "judged by points (the paper's RC loss)": ["network.smoe.advanced.routing_loss=points"],
    "no RC loss: the regions drawn at first": ["network.smoe.advanced.routing_loss_weight=0"],
    "damping 0.1": ["network.smoe.advanced.damping=0.1"],
    "no shared filter": ["network.smoe.advanced.shared=false"],
    "2 experts a channel": ["network.smoe.expansion=2"],
    "8 experts a channel": ["network.smoe.expansion=8"],
    "one term everywhere": ["network.smoe.advanced.experts_per_channel_at={}"],
    "plain start": ["network.smoe.advanced.start=plain"],
    "gate of conv": ["network.smoe.advanced.gate=conv"],
    "all experts compete, in their order": [*GLOBAL, "network.smoe.advanced.order=expert"],
    "all experts compete, by score": [*GLOBAL, "network.smoe.advanced.order=score"],
    "last layer alone": ["network.smoe.layers=last"],
    "first and last layer": ["network.smoe.layers=ends"],
    "last block, own gates": BLOCK,
    "last block, one gate": [*BLOCK, "network.smoe.advanced.share_gates=true"],
    "gate step 0.03": ["training.advanced.gate_learning_rate=0.03"],
    "the released recipe": [
        "training.advanced.gate_learning_rate=0.002",
        "network.smoe.preset=paper",
        "network.smoe.advanced.experts_per_channel_at={}",
    ],
}
SCORED, LEADS = ("z500", "t850", "t2m"), (72, 120)


def make(config: Config) -> dict:
    """Train, forecast and score one network."""
    before = time.process_time()
    trained = train(config)
    seconds = time.process_time() - before
    made = forecast(config)
    model = open_model(config.model)
    shape = (len(model.inputs.names), *model.inputs.grid.shape)
    scores = evaluate(config)["scores"]
    Path(made["output"]).unlink()
    return {
        "parameters": count_parameters(model.network),
        "multiply_adds": multiply_adds(model.network, shape),
        "cpu_minutes": seconds / 60,
        "validation_loss": trained["best_loss"],
        "rmse": {
            f"{r['channel']} {r['lead_hours']} h": r["rmse"]
            for r in scores
            if r["forecast"] == "forecast" and r["channel"] in SCORED and r["lead_hours"] in LEADS
        },
    }


def row(name: str, runs: list[dict]) -> str:
    """Return a line of the table."""
    scores = [
        cells.spread([c["rmse"][key] for c in runs], 1 if key.startswith("z500") else 3)
        for key in runs[0]["rmse"]
    ]
    cost = f"{runs[0]['parameters']:,} | {runs[0]['multiply_adds'] / 1e6:.0f} M"
    minutes = statistics.mean(c["cpu_minutes"] for c in runs)
    return f"| {name} | {len(runs)} | {' | '.join(scores)} | {cost} | {minutes:.1f} |"


def main() -> None:
    """Fill what is asked for, and print all that is there."""
    parser = cells.parser(__doc__.splitlines()[0])
    parser.add_argument("--direct", action="store_true", help="both lead times at once")
    parser.add_argument("--ablation", action="store_true", help="of a lean SMoE, half the epochs")
    asked = parser.parse_args()
    rows, begin = NETWORKS, ""
    if asked.direct:
        rows, begin = {name: [*DIRECT, *s] for name, s in NETWORKS.items()}, "direct-"
    if asked.ablation:
        rows, begin = {name: [*LEAN, *s] for name, s in ABLATION.items()}, "half-"
    rows = cells.chosen(rows, asked.only)
    if not asked.show:
        cells.data(asked.folder, CONFIG)
        for seed in asked.seeds:
            for name, settings in rows.items():
                place = cells.place_of(asked.folder, begin + name, seed)
                cells.cell(place, CONFIG, seed, settings, make)
    there = {name: cells.found(asked.folder, begin + name, asked.seeds) for name in rows}
    there = {name: runs for name, runs in there.items() if runs}
    if there:
        names = list(next(iter(there.values()))[0]["rmse"])
        print(
            f"| network | seeds | {' | '.join(names)} | parameters | multiply-adds | CPU minutes |"
        )
        print("|---" * (len(names) + 5) + "|")
        for name, runs in there.items():
            print(row(name, runs))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
