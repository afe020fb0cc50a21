"""CPU time of a forecast in a warm `smoecast watch`, against that of `smoecast forecast` by itself.

Run ``PYTHONPATH=tests/helpers python tests/benchmarks/watch_speed.py``. Two networks: that of the
small world of the tests (8 x 16 points, trained here for two epochs), and the published
``planet-smoe`` (32 x 64 points, 7 channels) on waves around its own climate, to 12 h, one pass
through the network, and to 120 h, ten. Each analysis is a NetCDF file of its own.

A start in a warm process is what a watch of 2 + N new analyses takes more than one of 2, over N:
looking at the folder, opening and hashing files, the network, the write, its verification and the
record are all in it. The command is the median of some; it is given the same two files. Both are
CPU seconds of whole processes and their children, from `resource`, in one thread, alternating.
"""

import argparse
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
import small_world
import xarray as xr

from smoecast import zoo
from smoecast.config import yaml_file
from smoecast.tasks.descriptions import read_description
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train

SCRIPT = "import sys; sys.argv[0] = 'smoecast'; from smoecast.cli.entry import main; main()"
UNITS = {"z": "m2 s-2", "t": "K", "u": "m s-1", "v": "m s-1"}


def cpu_seconds(*arguments):
    """Return the CPU seconds of a command, its children included."""
    command = [sys.executable, "-c", SCRIPT, *map(str, arguments), "-q"]
    pid = os.posix_spawn(sys.executable, command, {**os.environ, "OMP_NUM_THREADS": "1"})
    _, status, used = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{arguments}: ended with {os.waitstatus_to_exitcode(status)}")
    return used.ru_utime + used.ru_stime


def write_files(analyses, folder, count):
    """Write the first analyses, each to a file."""
    folder.mkdir()
    for number in range(count):
        analyses.isel(time=[number]).to_netcdf(folder / f"{number:03}.nc")


def make_small(folder):
    """Train the network of the small world; return its config and analyses."""
    config = small_world.small_run(small_world.write_world(folder), folder / "runs")
    preprocess(config)
    train(config)
    path = folder / "small.yaml"
    path.write_text(yaml_file.dump(config))
    return path, small_world.analyses(), ("--model", config.model)


def make_planet(folder, lead_hours):
    """Return the config of the published network, and waves around its climate."""
    said = read_description(zoo.locate("planet-smoe"))
    known, grid = said.state["statistics"], said.grid
    times = np.datetime64("2014-01-01", "ns") + np.arange(200) * np.timedelta64(12, "h")
    phase = np.deg2rad(grid.longitude) - 0.3 * np.arange(len(times))[:, None, None]
    rows = np.cos(np.deg2rad(grid.latitude))[:, None]
    dims = ("time", "latitude", "longitude")
    fields = {}
    for name in said.config.data.channels:
        values = known["mean"][name] + known["std"][name] * rows * np.sin(2 * phase)
        fields[name] = (dims, values.astype(np.float32), {"units": UNITS[name[0]]})
    analyses = xr.Dataset(
        fields, {"time": times, "latitude": grid.latitude, "longitude": grid.longitude}
    )
    path = folder / "planet.yaml"
    leads = {"forecast": said.config.forecast.model_copy(update={"lead_hours": lead_hours})}
    path.write_text(yaml_file.dump(said.config.model_copy(update={"folder": folder, **leads})))
    return path, analyses, ("--model", "planet-smoe")


def measure(folder, made, starts, tries):
    """Return the CPU seconds of a warm start, and those of the command: medians."""
    path, analyses, model = made
    warm, cold = [], []
    for number in range(tries):
        spent = []
        for count in (3, 3 + starts):  # the first is history alone
            files = folder / f"in_{number}_{count}"
            write_files(analyses, files, count)
            into = ("-s", f"folder={folder / f'out_{number}_{count}'}")
            spent.append(
                cpu_seconds("watch", "-c", path, files, "--every", "1s", "--once", *model, *into)
            )
        warm.append((spent[1] - spent[0]) / starts)
        inputs = [part for i in range(2) for part in ("-i", files / f"{i:03}.nc")]
        output = folder / f"cold_{number}.nc"
        cold.append(
            cpu_seconds("forecast", "-c", path, *inputs, "-t", "latest", *model, "-o", output)
        )
    return statistics.median(warm), statistics.median(cold)


def main():
    """Print a line for each network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--tries", type=int, default=3)
    given = parser.parse_args()
    cases = {
        "small world, 8 x 16, 6 and 24 h": make_small,
        "planet-smoe, 32 x 64, 12 h": lambda folder: make_planet(folder, (12,)),
        "planet-smoe, 32 x 64, 24 to 120 h": lambda folder: make_planet(
            folder, (24, 48, 72, 96, 120)
        ),
    }
    for name, make in cases.items():
        with tempfile.TemporaryDirectory() as place:
            warm, cold = measure(Path(place), make(Path(place)), given.starts, given.tries)
        print(f"{name}: warm {warm:.3f} s, command {cold:.2f} s, {cold / warm:.0f} times")


if __name__ == "__main__":
    main()
