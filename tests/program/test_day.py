"""A day in the life: analyses arrive while cycles run and are killed, and nothing is missing."""

import json
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import arrivals
import contents
import pytest
import xarray as xr
from mishaps import Outcome, Runner

from smoecast.config import yaml_file
from smoecast.fields.grid import grid_of
from smoecast.tasks.download import download

PLANET = """
name: planet
data:
  channels: [z500, t2m]
  step_hours: 6
  planet: {years: 0.05, ensemble_years: 0.05, members: 3}
sample: {lead_hours: [6]}
postprocess: {channels: [z500, t2m], lead_hours: [24]}
"""
STARTS = 60
SECONDS = 1.0
"""Between two arrivals."""
CYCLE = ("cycle", "-q", "-c", "run.yaml", "-s", "cycle.catch_up_hours=480")

FEED = """
import os, sys, time
seconds, *folders = sys.argv[1:]
coming = [(name, f) for f in folders for name in os.listdir(f"coming/{f}")]
for name, folder in sorted(coming):
    time.sleep(float(seconds) * (folder == "analyses"))
    os.rename(f"coming/{folder}/{name}", f"{folder}/{name}")
"""


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with models, and with all that will arrive, a file a time, in `coming`."""
    folder = tmp_path_factory.mktemp("weather")
    download(yaml_file.parse(PLANET, "planet.yaml", [f"folder={folder}/runs"]))
    shutil.move(folder / "runs/planet/raw", folder / "raw")
    shutil.rmtree(folder / "runs")
    channels = ["z500", "t2m"]
    with xr.open_dataset(folder / "raw/planet_2001.nc") as opened:
        truth = opened[channels].isel(time=slice(STARTS + 1)).load()
    with xr.open_dataset(folder / "raw/planet_ens_2001.nc") as opened:
        ensembles = opened[channels].sel(init_time=slice(truth["time"].values[-1])).load()
    moments = {name: (float(truth[name].mean()), float(truth[name].std())) for name in channels}
    arrivals.prepare(folder, moments, grid_of(truth))
    for kind in ("analyses", "ensembles"):
        (folder / "coming" / kind).mkdir(parents=True)
    for i in range(truth.sizes["time"]):
        arrivals.bring(truth.isel(time=[i]), folder / "coming/analyses")
    for i in range(ensembles.sizes["init_time"]):
        arrivals.bring(ensembles.isel(init_time=[i]), folder / "coming/ensembles")
    shutil.rmtree(folder / "raw")
    return folder


@pytest.fixture
def place(weather: Path, tmp_path: Path) -> Path:
    """A copy of it in which the first two analyses and the first ensemble have arrived.

    A folder in which nothing has arrived yet is 3: only the first call of all may meet one.
    """
    arrivals.copy(weather, tmp_path)
    for folder, count in (("analyses", 2), ("ensembles", 1)):
        for path in sorted((tmp_path / "coming" / folder).iterdir())[:count]:
            path.rename(tmp_path / folder / path.name)
    return tmp_path


@pytest.fixture
def runner(place: Path) -> Iterator[Runner]:
    runner = Runner(place)
    yield runner


def live(place: Path, runner: Runner) -> Counter[int]:
    """Call cycles while files arrive, and disturb most of them; return how each ended."""
    moments, ends = random.Random(0), Counter[int]()
    feed = subprocess.Popen(
        [sys.executable, "-c", FEED, str(SECONDS), "analyses", "ensembles"], cwd=place
    )
    try:
        while feed.poll() is None or ends.total() < STARTS:
            how = moments.choice(["kill in", "end in", "kill in", "end in", ""])
            outcome = runner.run(*CYCLE, mishap=how, at=moments.uniform(0.02, 2.0))
            assert outcome.code in {"kill in": (0, -9), "end in": (0, 143)}.get(how, (0,)), outcome
            ends[outcome.code] += 1
    finally:
        feed.kill()
        feed.wait()
    return ends


def steady(leaves: contents.Leaves) -> contents.Leaves:
    """Leave out when a result was made."""
    return {key: value for key, value in leaves.items() if "history" not in key}


@pytest.mark.slow
def test_a_day_in_the_life(weather: Path, place: Path, runner: Runner) -> None:
    ends = live(place, runner)
    print(f"cycles by their end: {dict(ends)}")  # the figures of docs/reliability.md
    assert ends[-9] > 0
    assert ends[143] > 0
    last: Outcome = runner.run(*CYCLE)
    assert last.code == 0, last
    again = runner.run(*CYCLE[:1], "--json", *CYCLE[1:])
    stages = json.loads(again.out)["stages"]
    assert stages["evaluate"] is None
    assert not stages["forecast"]["written"]
    assert not stages["postprocess"]["written"]

    found = contents.names(place / "runs")
    results = place / "runs/ops"
    assert len(list(results.glob("forecast_*.nc"))) == STARTS
    assert not [name for name in found if Path(name).name.startswith(".") and name != "ops/.lock"]

    for path in results.iterdir():  # the same, undisturbed
        if path.name != "model":
            shutil.rmtree(path) if path.is_dir() else path.rename(place / path.name)
    undisturbed = runner.run(*CYCLE)
    assert undisturbed.code == 0, undisturbed
    assert contents.names(place / "runs") == found
    for path in results.glob("*_*.nc"):
        assert steady(contents.read(path)) == steady(contents.read(place / path.name)), path
    scores = [json.loads((folder / "scores.json").read_text()) for folder in (place, results)]
    assert scores[0]["scores"] == scores[1]["scores"]
    assert len(scores[0]["scores"]) > 0
