"""A thousand starts in one command: how much is the network's, memory, one process and two.

Run ``python tests/benchmarks/load.py --folder FOLDER``. It makes a store of synthetic fields there
(3 channels, 32 x 64 points, 6-hourly) and a model of the size of the zoo's planet-resnet (32
channels, two residual blocks, random weights), and forecasts 10 lead times from 100, 300 and 1,000
starts: into one file, and into a file a start; 1,000 of them in two processes too, with a few of
one process. Each case is a process of its own with one thread; each is preceded by the bare network
on the same inputs, in memory, in batches as the forecast makes them. Printed are seconds and CPU
seconds of the whole command, workers included; the bare network's CPU seconds as a share of them;
and the peak resident memory of the command and of its largest worker. CPU time, since other
programs may run beside it: seconds are those of a machine that is as busy as it is.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from forecast_share import CHANNELS, make

LEADS, STEP = 10, 6
FIRST = np.datetime64("2001-01-02T00")
KINDS = {"one file": "out.nc", "a file a start": "fc_{init_time:%Y%m%d%H}.nc"}
OURS = {name: CHANNELS[name] for name in ("z500", "t850", "t2m")}
CASES = [(n, 1, kind) for kind in KINDS for n in (100, 300, 1000)]
CASES += [(1000, 2, kind) for kind in KINDS]


def config_of(folder, workers=1):
    """Return the config of the run."""
    from smoecast.config import yaml_file

    text = f"""
name: load
folder: {folder}
data:
  source: files
  files: ["{folder}/analyses.nc"]
  channels: [{", ".join(OURS)}]
  step_hours: {STEP}
  split: {{train: 0.2, validation: 0.1, test: 0.7}}
sample: {{lead_hours: [{STEP}]}}
network: {{width: 32, blocks: 2}}
compute: {{workers: {workers}}}
forecast:
  init_every_hours: {STEP}
  lead_hours: [{", ".join(str(STEP * (i + 1)) for i in range(LEADS))}]
"""
    return yaml_file.parse(text, "load.yaml", [])


def starts_of(count):
    """Return the starts of a case."""
    return (FIRST + np.arange(count) * np.timedelta64(STEP, "h")).astype("datetime64[ns]")


def bare(folder, count, kind):
    """Run the network alone, in batches as the forecast makes them; return its CPU seconds."""
    import torch

    from smoecast.fields.store import store
    from smoecast.tasks.descriptions import read_description
    from smoecast.tasks.forecast.blocks import predict
    from smoecast.tasks.forecast.ensemble import ensemble_of
    from smoecast.tasks.forecast.networks import Networks
    from smoecast.tasks.forecast.pieces import cut

    torch.set_num_threads(1)
    config = config_of(folder)
    ensemble = ensemble_of(config.forecast, 0, [read_description(config.model)])
    model = next(iter(Networks().open(ensemble).values()))
    with store.open_store(config.store) as dataset:
        fields = dataset["fields"].load()
    member = ensemble.members[0]
    starts = starts_of(count)
    jobs = [starts] if kind == "one file" else [starts[[i]] for i in range(count)]
    batches = [piece.starts for job in jobs for piece in cut(ensemble, job)]
    pieces = [(batch, member.read_history(fields, batch)) for batch in batches]
    begin = time.process_time()
    for starts, history in pieces:
        predict(model, ensemble.plan, history, starts)
    return {"network_s": time.process_time() - begin}


def command(folder, count, workers, kind):
    """Forecast in this process; return what it took with all of its children."""
    from smoecast.tasks.forecast.forecast import forecast

    init = f"{FIRST}/{starts_of(count)[-1].astype('datetime64[h]')}"
    output = folder / f"{kind.replace(' ', '_')}_{count}_{workers}" / KINDS[kind]
    wall = time.perf_counter()
    summary = forecast(config_of(folder, workers), init_times=[init], output=output)
    assert summary["made"] == len(summary["outputs"])
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": sum(u.ru_utime + u.ru_stime for u in used),
        "peak_mib": used[0].ru_maxrss / 1024,
        "worker_mib": used[1].ru_maxrss / 1024 if workers > 1 else 0.0,
    }


def call(folder, *words):
    """Run one part in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--folder", str(folder), "--part", *map(str, words)],
        check=True, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Make what is needed, run every case, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--starts", type=int, nargs="*", default=[100, 300, 1000])
    parser.add_argument("--part", nargs="+", help="run one part, in here")
    given = parser.parse_args()
    folder = given.folder.absolute()
    if given.part:
        what, kind, count, *workers = given.part
        numbers = [int(count), *map(int, workers)]
        print(json.dumps((bare if what == "bare" else command)(folder, *numbers, kind)))
        return
    make(folder, config_of(folder), OURS, 1100)
    print("| result | starts | processes | s | CPU, s | network's share | peak, MiB | a worker's |")
    print("|---|---|---|---|---|---|---|---|")
    for count, workers, kind in CASES:
        if count not in given.starts:
            continue
        network = call(folder, "bare", kind, count)["network_s"]
        r = call(folder, "command", kind, count, workers)
        worker = f"{r['worker_mib']:.0f}" if r["worker_mib"] else ""
        print(
            f"| {kind} | {count:,} | {workers} | {r['wall_s']:.0f} | {r['cpu_s']:.0f} | "
            f"{network / r['cpu_s']:.2f} | {r['peak_mib']:.0f} | {worker} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
