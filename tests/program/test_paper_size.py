"""The paper's tasks at their full size, on made data, from the download on: what one step takes.

Run with ``-s`` it prints what docs/training.md says.
"""

import json
import mmap
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import made_ens10
import made_weatherbench
import numpy as np
import pytest
import xarray as xr
import yaml
from loopback import Shelf, serving

from smoecast.config.run import Config
from smoecast.config.yaml_file import load
from smoecast.data.ensemble_samples import EnsembleSamples
from smoecast.data.sources.weatherbench import LEVELS
from smoecast.fields.grid import place_of
from smoecast.fields.store.store import open_store
from smoecast.fields.times import as_hours
from smoecast.tasks.postprocess.fit_network import read_constants
from smoecast.tasks.postprocess.network import predictors_of

ROOT = Path(__file__).parents[2]
BATCH = int(os.environ.get("SMOECAST_PAPER_BATCH", "5"))
"""The paper's is 64, which takes more memory than many machines have."""
YEAR = 1980
START = "from smoecast.cli.entry import main; main()"
ONE_DATE = f"""import datetime
from smoecast.data.sources.ens10 import source
source.DATES = (datetime.date(2018, 1, 4),)
{START}
"""
"""105 files of 3.4 GB are as many times as much of the same."""
VARIABLES = (
    "geopotential", "temperature", "u_component_of_wind", "v_component_of_wind",
    "specific_humidity", *made_weatherbench.SURFACE,
)  # fmt: skip


def made_archives(folder: Path, hours: int) -> dict[str, bytes]:
    """Every archive of the task, on the whole grid and all levels."""
    files = {"constants/constants_5.625deg.nc": made_weatherbench.constants()}
    served = {name: made_weatherbench.stored(data, folder) for name, data in files.items()}
    for name in VARIABLES:
        year = made_weatherbench.stored(made_weatherbench.field(name, YEAR, hours), folder)
        served[f"{name}/{name}_5.625deg.zip"] = made_weatherbench.zipped(
            {f"{name}_{YEAR}_5.625deg.nc": year}, 0
        )
    return {f"/5.625deg/{name}": content for name, content in served.items()}


def measure(verb: str, folder: Path, start: str = START) -> None:
    """Run a verb; print its CPU seconds, its peak of memory, and that of what it started."""
    command = [sys.executable, "-c", start, verb, "-q", "-c", "run.yaml"]
    before = os.times()
    peaks: dict[int, float] = {}
    process = subprocess.Popen(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)})
    while process.poll() is None:
        peaks |= {one: peak for one in tree(process.pid) if (peak := peak_of(one))}
        time.sleep(0.02)
    assert process.returncode == 0
    after = os.times()
    seconds = after.children_user + after.children_system
    seconds -= before.children_user + before.children_system
    own = peaks.pop(process.pid)
    print(f"{verb}: {seconds:.0f} CPU s, {own:.0f} MB, {sum(peaks.values()):.0f} MB in helpers")


def tree(process: int) -> list[int]:
    """Return a process and all that it started."""
    try:
        text = " ".join(p.read_text() for p in Path(f"/proc/{process}/task").glob("*/children"))
    except OSError:  # it has ended
        return []
    return [process, *(one for child in text.split() for one in tree(int(child)))]


def peak_of(process: int) -> float:
    """Return the most memory that a process had so far, in MB; 0 of one that has ended."""
    try:
        found = re.search(r"VmHWM:\s*(\d+) kB", Path(f"/proc/{process}/status").read_text())
    except OSError:
        return 0.0
    return int(found[1]) / 1e3 if found else 0.0


@pytest.mark.slow
def test_one_step_of_the_network_of_weatherbench(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(made_weatherbench, "LATITUDE", np.arange(-87.1875, 90, 5.625))
    monkeypatch.setattr(made_weatherbench, "LONGITUDE", np.arange(0, 360, 5.625))
    monkeypatch.setattr(made_weatherbench, "LEVELS", np.array(LEVELS, np.int32))
    # of n days 4 n - 15 samples: 12 h before the start, 72 h after it, and rain begins 6 h late
    days = (BATCH + 15) // 4
    split = {"train": (0, days), "validation": (days, days + 5), "test": (days + 5, days + 10)}
    first = np.datetime64(f"{YEAR}-01-01")
    config = yaml.safe_load((ROOT / "models/weatherbench-smoe/config.yaml").read_text())
    config["data"] |= {
        "years": [YEAR],
        "split": {part: [str(first + a), str(first + b - 1)] for part, (a, b) in split.items()},
    }
    config["training"] |= {"epochs": 1, "batch_size": BATCH, "threads": 1}
    with serving(Shelf(made_archives(tmp_path, 24 * (days + 10)))) as shelf:
        config["download"] = {"url": shelf.address}
        (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
        (tmp_path / "made.nc").unlink()
        measure("download", tmp_path)
    measure("preprocess", tmp_path)
    measure("train", tmp_path)
    history = (tmp_path / "runs/weatherbench-smoe/model/history.jsonl").read_text()
    assert history.count("\n") == 1
    shutil.rmtree(tmp_path / "runs")


def made_truth(folder: Path) -> None:
    """Write a week of analyses with constants, and the truth of one date in all years."""
    place = {"latitude": 90 - 0.5 * np.arange(361), "longitude": 0.5 * np.arange(720)}
    rng = np.random.default_rng(0)
    days = np.arange("1998-01-01", "1998-01-08", dtype="datetime64[D]")
    dates = np.array([f"{year}-01-06" for year in made_ens10.YEARS], "datetime64[D]")
    for name, times in {"analyses": days, "truth": dates}.items():
        shape = (len(times), 361, 720)
        fields: dict[str, Any] = {
            "t2m": (("time", *place), 280 + rng.normal(size=shape), {"units": "K"}),
            "lsm": (tuple(place), rng.random(shape[1:]), {"units": "1"}),
            "orography": (tuple(place), 1e3 * rng.random(shape[1:]), {"units": "m"}),
        }
        dataset = xr.Dataset(fields, {"time": times.astype("M8[ns]"), **place}).astype("f4")
        dataset.to_netcdf(folder / f"{name}.nc")


def measure_batch(config: Config) -> float:
    """Return the CPU seconds in which a batch comes from the store; the mean of two."""
    size, settings = config.postprocess.training.batch_size, config.postprocess
    constants = read_constants(config.store)
    with open_store(config.ensemble_store) as ensembles:
        fields, place = ensembles["fields"], place_of(ensembles)
        starts, hours = fields["init_time"].values, as_hours(fields["lead_time"].values)
        truth = np.zeros((len(starts), 1, 1, *place.shape), np.float32)
        predictors = predictors_of(settings, place, constants)
        samples = EnsembleSamples(fields, truth, starts, hours, predictors)
        began = time.process_time()
        for first in (0, size):
            samples.batch(np.arange(first, first + size))
    return (time.process_time() - began) / 2


@pytest.mark.slow
def test_two_steps_of_the_network_of_ens10(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(made_ens10, "ROWS", 361)
    monkeypatch.setattr(made_ens10, "COLUMNS", 720)
    made_truth(tmp_path)
    config = yaml.safe_load((ROOT / "models/ens10-smoe-t2m/config.yaml").read_text())
    parts = {"train": (1, 3), "validation": (4, 5), "test": (6, 7)}
    config["data"] |= {
        "source": "files",
        "files": ["analyses.nc"],
        "split": {part: [f"1998-01-0{day}" for day in days] for part, days in parts.items()},
    }
    config["postprocess"]["truth"] = ["truth.nc"]
    config["postprocess"]["training"] |= {"epochs": 1, "threads": 1}
    large = tmp_path / "large.grib"
    made_ens10.write_large(large, "sfc", "0104", made_ens10.SURFACE)
    assert large.stat().st_size > 3.4e9
    with large.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as content:
        served = {"/output.sfc.20180104": memoryview(content)}
        with serving(Shelf(served, etags=False)) as shelf:
            config["download"]["url"] = shelf.address
            (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
            measure("download", tmp_path, ONE_DATE)
        served.popitem()[1].release()
    large.unlink()
    measure("preprocess", tmp_path, ONE_DATE)
    measure("postprocess", tmp_path, ONE_DATE)
    run = tmp_path / "runs/ens10-smoe-t2m"
    history = json.loads((run / "calibration/history.jsonl").read_text())
    print(f"two steps and validation: {history['seconds']:.0f} s")
    monkeypatch.chdir(tmp_path)
    print(f"a batch read and prepared: {measure_batch(load(Path('run.yaml'))):.1f} CPU s")
    with xr.open_dataset(run / "calibrated.nc", decode_timedelta=True) as made:
        assert made["t2m"].shape == (2, 1, 10, 361, 720)
    shutil.rmtree(tmp_path / "runs")
