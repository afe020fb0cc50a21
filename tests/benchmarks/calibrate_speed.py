"""Calibrating one global field of 0.5 degrees by a network on one core: time, memory, and whose.

Run ``python tests/benchmarks/calibrate_speed.py --folder FOLDER``. It makes there one ensemble of
ten members at 361 x 720 points and the networks of the zoo's config ``ens10-smoe-t2m`` and of the
ENS-10 benchmark, their weights random, and calibrates the ensemble to members, mean and spread as
CF NetCDF, each case in a process of its own. Printed are the CPU time of the command from opening
the file to the verified result, the share of it inside the network (normalising, network,
correction), and the peak resident memory, beside what the process had before. One thread; CPU time,
since other programs may run beside it. ``--profile`` prints where the rest goes.
"""

import argparse
import cProfile
import json
import os
import pstats
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

GRID, MEMBERS = (361, 720), 10
METHODS = ("smoe", "mlp", "lenet", "unet", "transformer")
TYPICAL = {
    "t2m": (280, 15), "skt": (280, 15), "sst": (285, 8), "tcw": (20, 8), "tcwv": (20, 8),
    "cp": (5e-4, 1e-4), "tp": (1e-3, 2e-4), "msl": (101_000, 1000), "tcc": (0.5, 0.1),
    "u10": (0, 5), "v10": (0, 5),
}  # fmt: skip


def config_of(folder, channels, method):
    """Return the zoo's config, its results in a folder of our own."""
    from smoecast import zoo
    from smoecast.config import yaml_file

    path = zoo.locate("ens10-smoe-t2m", zoo.CONFIG)
    settings = [
        f"folder={folder}",
        f"name={method}-{channels}",
        f"postprocess.method={method}",
        f"postprocess.channels=[{', '.join(list(TYPICAL)[:channels])}]",
        "postprocess.training.threads=1",
    ]
    return yaml_file.load(path, settings)


def place_of_benchmark():
    """Return the grid of ENS-10."""
    from smoecast.fields.grid import Grid

    return Grid(np.linspace(90, -90, GRID[0]), np.arange(GRID[1]) * 0.5)


def ensemble(folder, channels):
    """Write one start of ten members; what is there stays."""
    import xarray as xr

    from smoecast.names import parse_channel

    path = folder / f"ensemble_{channels}.nc"
    if path.exists():
        return path
    rng, place = np.random.default_rng(0), place_of_benchmark()
    wave = np.sin(np.deg2rad(3 * place.longitude)) * np.cos(np.deg2rad(place.latitude))[:, None]
    dims = ("init_time", "lead_time", "number", "latitude", "longitude")
    fields = {}
    for name, (mean, spread) in list(TYPICAL.items())[:channels]:
        noise = rng.normal(0, 0.1, (1, 1, MEMBERS, *GRID))
        values = (mean + spread * (wave + noise)).astype(np.float32)
        fields[name] = (dims, values, {"units": parse_channel(name).variable.units})
    coordinates = {
        "init_time": np.array(["2017-06-01"], "datetime64[ns]"),
        "lead_time": np.array([48], "timedelta64[h]").astype("timedelta64[ns]"),
        "number": np.arange(MEMBERS),
        "latitude": place.latitude,
        "longitude": place.longitude,
    }
    encoding = {name: {"chunksizes": (1, 1, 1, *GRID)} for name in fields}
    xr.Dataset(fields, coordinates).to_netcdf(path, encoding=encoding)
    return path


def untrained(config):
    """Save a network with random weights as a fitted calibration."""
    import torch

    from smoecast.nn.normalize import Statistics
    from smoecast.tasks.descriptions import CONSTANTS
    from smoecast.tasks.postprocess.network import new_correction, predictors_of
    from smoecast.training.model_files import save_model

    place, settings = place_of_benchmark(), config.postprocess
    constants = {name: np.ones(GRID, np.float32) for name in config.data.constants}
    predictors = predictors_of(settings, place, constants)
    moments = 1 if settings.method == "transformer" else 2
    typical = np.array([TYPICAL[name] for name in settings.channels])
    mean = np.concatenate([typical[:, 0], 0 * typical[:, 0]])[: moments * len(typical)]
    std = np.tile(typical[:, 1], moments)
    beside = predictors.statistics(np.array(settings.lead_hours, float))
    statistics = Statistics(
        input_mean=torch.from_numpy(np.concatenate([mean, beside[0]])),
        input_std=torch.from_numpy(np.concatenate([std, beside[1]])),
        target_scale=torch.ones(1),
        base=torch.zeros(1, dtype=torch.int64),
        target_mean=torch.zeros(1),
    )
    torch.manual_seed(0)
    network = new_correction(settings, predictors, statistics)
    fields = np.array(list(constants.values()), np.float32).reshape(-1, *GRID)
    names = tuple(constants) if settings.method == "smoe" else ()
    state = {
        "kind": settings.method,
        "config": config.model_dump(mode="json", exclude={"folder"}),
        "grid": place.to_dict(),
        "constants": names,
    }
    tensors = {**network.state_dict(), CONSTANTS: torch.from_numpy(fields[: len(names)])}
    save_model(config.calibration, tensors, state)


def measure(folder, channels, method, profile):
    """Calibrate in this process; print what it took as JSON."""
    import torch

    from smoecast.tasks.postprocess import network as postprocess_network
    from smoecast.tasks.postprocess.postprocess import postprocess

    torch.set_num_threads(1)
    config = config_of(folder, channels, method)
    spent = {"network": 0.0, "begin": 0.0, "parameters": 0}

    def before(*_):
        spent["begin"] = time.process_time()

    def after(*_):
        spent["network"] += time.process_time() - spent["begin"]

    opened = postprocess_network.open_correction

    def watched(*given):
        apply, network = opened(*given)
        network.register_forward_pre_hook(before)
        network.register_forward_hook(after)
        spent["parameters"] = sum(p.numel() for p in network.parameters())
        return apply, network

    postprocess_network.open_correction = watched
    output = config.place / "calibrated.nc"
    inputs = [str(folder / f"ensemble_{channels}.nc")]
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    watch = cProfile.Profile(time.process_time)
    begin, wall = time.process_time(), time.perf_counter()
    if profile:
        watch.enable()
    summary = postprocess(config, model=config.calibration, inputs=inputs, output=output)
    total, wall = time.process_time() - begin, time.perf_counter() - wall
    if profile:
        watch.disable()
        pstats.Stats(watch, stream=sys.stderr).sort_stats("tottime").print_stats(40)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {
        "written": summary["written"],
        "parameters": spent["parameters"],
        "cpu_s": total,
        "wall_s": wall,
        "network_s": spent["network"],
        "peak_mib": peak / 1024,
        "added_mib": (peak - resident) / 1024,
    }
    print(json.dumps(found))


def main():
    """Make what is needed, run every case, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--channels", type=int, default=len(TYPICAL), help="predictors, 1 to 11")
    parser.add_argument("--methods", nargs="+", default=METHODS, choices=METHODS)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--case", metavar="METHOD", help="run one, in here")
    given = parser.parse_args()
    if given.case:
        measure(given.folder, given.channels, given.case, given.profile)
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    ensemble(given.folder, given.channels)
    print("| method | parameters | CPU, s | in the network | peak, MiB | added, MiB |")
    print("|---|---|---|---|---|---|")
    for method in given.methods:
        config = config_of(given.folder, given.channels, method)
        untrained(config)
        (config.place / "calibrated.nc").unlink(missing_ok=True)
        command = [sys.executable, __file__, "--folder", str(given.folder), "--case", method]
        command += ["--channels", str(given.channels), *(["--profile"] if given.profile else [])]
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        r = json.loads(done.stdout.splitlines()[-1])
        assert r["written"]
        print(
            f"| {method} | {r['parameters']:,} | {r['cpu_s']:.1f} | "
            f"{r['network_s'] / r['cpu_s']:.1%} | {r['peak_mib']:.0f} | {r['added_mib']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
