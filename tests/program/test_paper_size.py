"""The paper's task at its full size, on made data, from the download on: what one step takes.

Run with ``-s`` it prints what docs/training.md says.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import made_weatherbench
import numpy as np
import pytest
import yaml
from loopback import Shelf, serving

from smoecast.data.sources.weatherbench import LEVELS

ROOT = Path(__file__).parents[2]
BATCH = int(os.environ.get("SMOECAST_PAPER_BATCH", "5"))
"""The paper's is 64, which takes more memory than many machines have."""
YEAR = 1980
START = """import atexit, pathlib
status = pathlib.Path("/proc/self/status")
atexit.register(lambda: pathlib.Path("peak").write_text(status.read_text()))
from smoecast.cli.entry import main
main()
"""
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


def measure(verb: str, folder: Path) -> tuple[float, float]:
    """Run a verb; return its CPU seconds and its peak of memory in MB."""
    command = [sys.executable, "-c", START, verb, "-q", "-c", "run.yaml"]
    before = os.times()
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    after = os.times()
    seconds = after.children_user + after.children_system
    peak = re.findall(r"VmHWM:\s*(\d+) kB", (folder / "peak").read_text())
    return seconds - before.children_user - before.children_system, int(peak[0]) / 1e3


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
        used = {"download": measure("download", tmp_path)}
    for verb in ("preprocess", "train"):
        used[verb] = measure(verb, tmp_path)
    for verb, (seconds, memory) in used.items():
        print(f"{verb}: {seconds:.0f} CPU s, {memory:.0f} MB; batch {BATCH}")
    history = (tmp_path / "runs/weatherbench-smoe/model/history.jsonl").read_text()
    assert history.count("\n") == 1
    shutil.rmtree(tmp_path / "runs")
