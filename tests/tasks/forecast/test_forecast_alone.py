"""A model and a file of analyses alone: a forecast from the newest of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
from made_models import forecast_model
from typer.testing import CliRunner, Result

from smoecast.cli.main import app
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.provenance import CONFIG

NEWEST = "2001-03-01T18:00"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights for the small world."""
    overrides = ("data.channels=[z500, t2m]", "data.constants=[]", "forecast.lead_hours=[12]")
    moments = {"z500": (54_000.0, 1000.0), "t2m": (280.0, 10.0)}
    return forecast_model(tmp_path_factory.mktemp("made") / "model", *overrides, moments=moments)


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["forecast", *map(str, words)])


def test_it_starts_from_the_newest_analysis(model: Path, world: Path, tmp_path: Path) -> None:
    analyses, path = world / "analyses_b.nc", tmp_path / "f.nc"
    made = call("-m", model, "-i", analyses, "-o", path)
    assert made.exit_code == 0, made.output
    assert f"{path}: {NEWEST}, z500, t2m at 12 h" in made.stdout
    with xr.open_dataset(path, decode_timedelta=True) as found:
        assert str(found["init_time"].values[0]).startswith(NEWEST)
    said = json.loads(read_attributes(path)[CONFIG])
    assert said["network"]["width"] == 4
    assert said["forecast"]["init_times"] == ["latest"]
    again = call("-m", model, "-i", analyses, "-o", path, "-t", NEWEST)
    assert "made before" in again.stdout
    refused = call("-m", model, "-i", analyses, "-o", path, "-s", "network.width=5")
    assert refused.exit_code == 2
    assert "another network.width (4, now 5)" in refused.output


def test_a_rerun_loads_no_torch(model: Path, world: Path, tmp_path: Path) -> None:
    words = ["forecast", "-m", model, "-i", world / "analyses_b.nc", "-o", tmp_path / "f.nc"]
    assert call(*words[1:]).exit_code == 0
    code = (
        "import sys\n"
        "from smoecast.cli.main import app\n"
        f"app({[*map(str, words)]}, standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "made before" in done.stdout


@pytest.mark.parametrize("words", [[], ["-m", "ncep-air-6h"], ["-i", "x.nc"]])
def test_less_than_both_is_refused(words: list[str]) -> None:
    refused = call(*words)
    assert refused.exit_code == 2
    assert "no config was named: give --config FILE|NAME, or --model" in refused.output
