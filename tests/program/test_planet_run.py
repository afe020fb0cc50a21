"""The simulated planet through the verbs, in small."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.evaluate import Evaluate
from smoecast.config.run import Config
from smoecast.disk.digests import digest
from smoecast.errors import ConfigError
from smoecast.fields.store import store
from smoecast.tasks import demo as demo_task
from smoecast.tasks.download import download
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train

run = CliRunner().invoke

SMALL = """
name: planet-demo
folder: {folder}
data:
  channels: [z500, t850, t2m, u250]
  constants: [orography, lsm]
  step_hours: 12
  planet: {{years: 0.1, ensemble_years: 0.08, members: 3}}
sample: {{history_hours: [0, 12], lead_hours: [72], targets: [z500, t2m]}}
network: {{width: 4, blocks: 1}}
training: {{epochs: 1, threads: 1}}
postprocess:
  channels: [z500, t2m]
  method: smoe
  network: {{width: 4, blocks: 1}}
  training: {{epochs: 1, threads: 1}}
"""


@pytest.fixture(scope="module")
def planet(tmp_path_factory: pytest.TempPathFactory) -> Config:
    config = yaml_file.parse(SMALL.format(folder=tmp_path_factory.mktemp("planet")), "small.yaml")
    download(config)
    preprocess(config)
    return config


def test_download_says_what_it_made_and_makes_it_once(planet: Config) -> None:
    before = {p: p.stat().st_mtime_ns for p in planet.raw.glob("*.nc")}
    summary = download(planet)
    assert [f["file"] for f in summary["files"]] == ["planet_2001.nc", "planet_ens_2001.nc"]
    assert {p: p.stat().st_mtime_ns for p in planet.raw.glob("*.nc")} == before
    assert (planet.raw / "config.yaml").exists()


def test_the_stores_hold_constants_and_members(planet: Config) -> None:
    with store.open_store(planet.store) as dataset:
        land = dataset["constant_lsm"].values
        assert 0 <= land.min() < land.max() <= 1
        assert float(dataset["constant_orography"].max()) > 1000
    with store.open_store(planet.ensemble_store) as dataset:
        assert dataset["fields"].sizes["number"] == 3


def test_ensembles_hold_at_times_of_the_analyses(planet: Config) -> None:
    with store.open_store(planet.store) as truth, store.open_store(planet.ensemble_store) as ens:
        valid = ens["init_time"].values + ens["lead_time"].values[0]
        assert np.isin(valid, truth["time"].values).mean() > 0.5


def test_land_and_sea_are_scored_apart(planet: Config, tmp_path: Path) -> None:
    train(planet)
    forecast(planet)
    settings = {"regions": ("global", "land", "sea"), "baselines": ("persistence",)}
    config = planet.model_copy(update={"evaluate": Evaluate(**settings)})
    scores = evaluate(config, output=tmp_path / "scores.json")["scores"]
    with store.open_store(planet.store) as dataset:
        land = dataset["constant_lsm"].values > 0.5
        cosine = np.cos(np.deg2rad(dataset["latitude"].values))[:, None]
    share = float((land * cosine).sum() / (np.ones_like(land) * cosine).sum())
    assert 0.1 < share < 0.6
    for name in ("forecast", "persistence"):
        squares = {
            r["region"]: r["rmse"] ** 2
            for r in scores
            if r["forecast"] == name and r["channel"] == "t2m"
        }
        both = share * squares["land"] + (1 - share) * squares["sea"]
        assert squares["global"] == pytest.approx(both, rel=1e-6)
        assert squares["land"] > squares["sea"]


def test_the_demo_walks_the_chain_and_a_second_time_does_nothing(
    planet: Config, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small = tmp_path / "config.yaml"
    small.write_text(yaml_file.dump(planet))
    monkeypatch.setattr(demo_task.zoo, "locate", lambda *_: small)
    summary = demo_task.demo(planet.folder)
    assert "simulated weather" in summary["report"]
    assert str(planet.place / "forecast.nc") in summary["report"]
    assert {r["forecast"] for r in summary["scores"]} >= {"forecast", "raw", "calibrated"}
    before = (planet.place / "forecast.nc").stat().st_mtime_ns
    demo_task.demo(planet.folder)
    assert (planet.place / "forecast.nc").stat().st_mtime_ns == before
    with xr.open_dataset(planet.place / "calibrated.nc") as written:
        assert written["t2m_std"].attrs["cell_methods"] == "realization: standard_deviation"


def test_a_run_without_any_files_has_nothing_to_download() -> None:
    with pytest.raises(ConfigError, match="nothing to do"):
        download(Config.model_validate({"data": {"source": "none"}}))


def test_download_through_the_command_line(planet: Config, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(planet))
    result = run(app, ["download", "-c", str(path), "--json", "-q"])
    assert result.exit_code == 0
    assert '"source": "planet"' in result.output
    record = json.loads(Path(json.loads(result.output)["record"]).read_text())
    for entry in record["outputs"]:
        assert digest(Path(entry["path"])) == entry["sha256"]
    assert [Path(entry["path"]).parent for entry in record["outputs"]] == [planet.raw.resolve()] * 2
    result = run(app, ["preprocess", "-c", str(path)])
    assert result.output.count("nothing to do") == 2
