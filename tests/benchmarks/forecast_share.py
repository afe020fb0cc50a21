"""A long rollout from many starts: memory, and how much of the time is not the network's.

Run ``python tests/benchmarks/forecast_share.py --folder FOLDER``. It makes a store of synthetic
fields there (7 channels, 32 x 64 points, 12-hourly), a rollout model of 64 channels and five
residual blocks with random weights, and forecasts 40 lead times (20 days) from 25 and from 100
starts as CF NetCDF, and from 100 as a WeatherBench 2 store, each in a process of its own. Printed
are the CPU time of the process, the share of it outside the network (assembling inputs, reading,
compressing, writing, verifying), the peak resident memory and what it adds to that of the process
before the forecast. One thread; CPU time, since other programs may run beside it.
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

CHANNELS = {
    "z500": (54_000, 3_000), "z850": (13_800, 1_400), "t500": (253, 11), "t850": (275, 15),
    "u500": (8, 12), "v500": (0, 9), "t2m": (278, 20),
}  # fmt: skip
LEADS, STEP = 40, 12


def config_of(folder):
    """Return the config of the run."""
    from smoecast.config import yaml_file

    text = f"""
name: share
folder: {folder}
data:
  source: files
  files: ["{folder}/analyses.nc"]
  channels: [{", ".join(CHANNELS)}]
  step_hours: {STEP}
  split: {{train: 0.2, validation: 0.1, test: 0.7}}
sample: {{history_hours: [0, {STEP}], lead_hours: [{STEP}]}}
network: {{width: 64, blocks: 5}}
forecast:
  init_every_hours: 24
  lead_hours: [{", ".join(str(STEP * (i + 1)) for i in range(LEADS))}]
"""
    return yaml_file.parse(text, "share.yaml", [])


def make(folder, config, channels, count):
    """Write `count` analyses, the store and a model with random weights; what is there stays."""
    import xarray as xr

    from smoecast.fields.store import store
    from smoecast.names import parse_channel
    from smoecast.tasks.forecast_model import describe, inputs_of, new_network, samples_of
    from smoecast.tasks.preprocess.preprocess import preprocess
    from smoecast.training.model_files import save_model

    if (config.model / "state.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    times = np.datetime64("2001-01-01", "ns") + np.arange(count) * np.timedelta64(
        config.data.step_hours, "h"
    )
    latitude, longitude = np.linspace(87.1875, -87.1875, 32), np.arange(64) * 5.625
    phase = np.deg2rad(longitude)[None, None, :] - 0.2 * np.arange(len(times))[:, None, None]
    waves = sum(np.sin(k * phase) for k in (1, 3, 5)) * np.cos(np.deg2rad(latitude))[None, :, None]
    fields = {}
    for name, (mean, spread) in channels.items():
        noise = rng.normal(0, 0.3, waves.shape)
        values = (mean + 0.7 * spread * (waves + noise)).astype(np.float32)
        units = {"units": parse_channel(name).variable.units}
        fields[name] = (("time", "latitude", "longitude"), values, units)
    place = {"time": times, "latitude": latitude, "longitude": longitude}
    xr.Dataset(fields, place).to_netcdf(folder / "analyses.nc")
    preprocess(config)
    with store.open_store(config.store) as dataset:
        inputs = inputs_of(config.data, config.sample, dataset, config.store)
        samples = samples_of(
            config.sample, config.data.step_hours, dataset, inputs, store.rows_of(config.store)
        )
        network = new_network(config.network, config.seed, dataset, samples["train"])
        save_model(config.model, network.state_dict(), describe(config, dataset, inputs))


def measure(folder, starts, form):
    """Forecast in this process; print what it took as JSON."""
    import torch

    from smoecast.tasks import forecast_model
    from smoecast.tasks.forecast.forecast import forecast

    torch.set_num_threads(1)
    spent = {"network": 0.0, "begin": 0.0}

    def before(*_):
        spent["begin"] = time.process_time()

    def after(*_):
        spent["network"] += time.process_time() - spent["begin"]

    open_model = forecast_model.open_model

    def watched(place):
        model = open_model(place)
        model.network.register_forward_pre_hook(before)
        model.network.register_forward_hook(after)
        return model

    forecast_model.open_model = watched
    config = config_of(folder)
    section = config.forecast.model_copy(update={"format": form})
    config = config.model_copy(update={"forecast": section})
    first = np.datetime64("2001-03-01")
    init = f"{first}/{first + starts - 1}T00"
    output = folder / f"out_{starts}{'.zarr' if form == 'wb2' else '.nc'}"
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, wall = time.process_time(), time.perf_counter()
    summary = forecast(config, init_times=[init], output=output)
    total, wall = time.process_time() - begin, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    parameters = sum(p.numel() for p in open_model(config.model).network.parameters())
    found = {
        "starts": summary["starts"],
        "written": summary["written"],
        "parameters": parameters,
        "cpu_s": total,
        "wall_s": wall,
        "outside": 1 - spent["network"] / total,
        "peak_mib": peak / 1024,
        "added_mib": (peak - resident) / 1024,
        "fields_mib": summary["starts"] * LEADS * len(CHANNELS) * 32 * 64 * 4 / 2**20,
    }
    print(json.dumps(found))


def main():
    """Make what is needed, run every case, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--case", nargs=2, metavar=("STARTS", "FORMAT"), help="run one, in here")
    given = parser.parse_args()
    if given.case:
        measure(given.folder, int(given.case[0]), given.case[1])
        return
    make(given.folder, config_of(given.folder), CHANNELS, 440)
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    print(
        "| starts | format | fields, MiB | CPU, s | outside the network | peak, MiB | added, MiB |"
    )
    print("|---|---|---|---|---|---|---|")
    for starts, form in ((25, "netcdf"), (100, "netcdf"), (100, "wb2")):
        suffix = ".zarr" if form == "wb2" else ".nc"
        for left in given.folder.glob(f"out_{starts}{suffix}"):
            left.rename(given.folder / f"old_{time.time_ns()}{suffix}")
        command = [sys.executable, __file__, "--folder", str(given.folder)]
        done = subprocess.run(
            [*command, "--case", str(starts), form],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        r = json.loads(done.stdout.splitlines()[-1])
        assert r["written"]
        print(
            f"| {r['starts']} | {form} | {r['fields_mib']:.0f} | {r['cpu_s']:.1f} | "
            f"{r['outside']:.1%} | {r['peak_mib']:.0f} | {r['added_mib']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
