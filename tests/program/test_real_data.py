"""The verbs on real files; skipped where the shared data is not beside the repository."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.fields.read.open import open_file
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train

SHARED = Path(__file__).parents[3] / "shared" / "data"
UK = SHARED / "era5-uk" / "era5-2mt-2019-03-uk.grib"
MEMBERS = SHARED / "era5-members" / "era5-levels-members.grib"
NCEP = SHARED / "ncep-air" / "air_temperature_2013_2014.nc"
HOSTILE = sorted((SHARED / "hostile").glob("*.*"))
run = CliRunner().invoke

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data folder does not stand beside the repository"
)


def uk(folder: Path, *overrides: str) -> Config:
    text = f"""
name: uk
folder: {folder}
data: {{source: files, files: [{UK}], channels: [t2m], step_hours: 1}}
sample: {{history_hours: [0, 1], lead_hours: [6]}}
network: {{width: 8, blocks: 1, smoe: {{layers: none}}}}
training: {{epochs: 2, threads: 1}}
evaluate: {{resamples: 0}}
"""
    return yaml_file.parse(text, "uk.yaml", overrides)


def test_era5_grib_from_file_to_scores(tmp_path: Path) -> None:
    config = uk(tmp_path)
    assert preprocess(config)["analyses"]["split"]["train"] == 521
    train(config)
    assert forecast(config)["written"]
    scores = {r["forecast"]: r for r in evaluate(config)["scores"]}
    assert scores["forecast"]["rmse"] < scores["persistence"]["rmse"]


def test_a_cut_grib_is_refused_whole(tmp_path: Path) -> None:
    cut = tmp_path / "cut.grib"
    cut.write_bytes(UK.read_bytes()[:1_100_000])
    result = run(
        app, ["preprocess", "-c", _saved(tmp_path, uk(tmp_path)), "-s", f"data.files=[{cut}]"]
    )
    assert result.exit_code == 3
    assert "cut.grib" in result.output
    assert not (tmp_path / "uk" / "store.zarr").exists()


def _saved(folder: Path, config: Config) -> str:
    path = folder / "run.yaml"
    path.write_text(yaml_file.dump(config))
    return str(path)


@pytest.mark.parametrize("path", HOSTILE, ids=lambda p: p.stem)
def test_hostile_files_end_in_3_or_are_read_whole(tmp_path: Path, path: Path) -> None:
    """Through the command line: one sentence with the file, exit code 3, nothing written."""
    if path.name == "LICENSE":
        pytest.skip("no data")
    if path.stem == "soil-surface-level-mix":
        pytest.skip("read whole and right: tested with the reader")
    channels = {"uv_on_different_levels": "[u500]", "test_data_has_nan": "[u10]"}
    wanted = channels.get(path.stem, "[t500, z500]" if "zt" in path.stem else "[t2m]")
    config = _saved(tmp_path, uk(tmp_path))
    result = run(
        app,
        [
            "preprocess",
            "-q",
            "-c",
            config,
            "-s",
            f"data.files=[{path}]",
            "-s",
            f"data.channels={wanted}",
        ],
    )
    assert result.exit_code == 3, result.output
    assert path.name in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "uk" / "store.zarr").exists()


@pytest.mark.slow
def test_ncep_baselines_are_those_of_the_data(tmp_path: Path) -> None:
    """`test_zoo` holds persistence and climatology of the same series to the published figures."""
    text = f"""
name: ncep
folder: {tmp_path}
data: {{source: files, files: [{NCEP}], channels: [tsig995]}}
network: {{width: 4, blocks: 1}}
training: {{epochs: 1, threads: 1, batch_size: 128}}
forecast: {{init_every_hours: 6}}
evaluate: {{resamples: 0}}
"""
    config = yaml_file.parse(text, "ncep.yaml")
    preprocess(config)
    train(config)
    forecast(config)
    rmse = {r["forecast"]: r["rmse"] for r in evaluate(config)["scores"]}
    # persistence is the figure that comes with the data; its climatology of 7.15 K is a mean over
    # 80 % of the series, ours leaves the validation part out
    assert rmse["persistence"] == pytest.approx(2.20, abs=0.01)
    assert rmse["climatology"] == pytest.approx(7.43, abs=0.01)


def members_run(folder: Path, *overrides: str) -> Config:
    text = f"""
name: members
folder: {folder}
postprocess:
  source: files
  files: [{MEMBERS}]
  channels: [z500, t850]
  targets: [z500, t850]
  lead_hours: [0]
  method: raw
"""
    return yaml_file.parse(text, "members.yaml", overrides)


def test_ten_members_from_grib_pass_through_postprocess(tmp_path: Path) -> None:
    out = tmp_path / "members.nc"
    postprocess(members_run(tmp_path), inputs=[str(MEMBERS)], output=out)
    with xr.open_dataset(out, decode_timedelta=True) as written:
        assert written.sizes["number"] == 10
        assert written.sizes["init_time"] == 4
        raw = open_file(MEMBERS)["t"].sel(level=850).squeeze("lead_time")
        np.testing.assert_array_equal(written["t850"].squeeze("lead_time"), raw)
        assert float(written["t850_std"].min()) > 0


def test_ten_members_are_calibrated_to_a_truth(tmp_path: Path) -> None:
    """The control stands in for a truth: the point is the path from GRIB to calibrated NetCDF."""
    raw = open_file(MEMBERS)
    control = raw.sel(number=0, lead_time=np.timedelta64(0, "h"), drop=True)
    truth = control.rename(init_time="time").compute()
    truth["time"].attrs = {"standard_name": "time"}
    truth.attrs = {}
    truth.to_netcdf(tmp_path / "truth.nc")
    fractions = "{train: 0.5, validation: 0.0, test: 0.5}"
    config = members_run(
        tmp_path,
        "postprocess.method=emos",
        "postprocess.coefficients=pooled",
        f"postprocess.split={fractions}",
        f"postprocess.truth=['{tmp_path}/truth.nc']",
        "data.source=none",
    )
    preprocess(config)
    assert postprocess(config)["written"]
    scores = evaluate(config)["scores"]
    assert {r["channel"] for r in scores} == {"z500", "t850"}
    assert json.dumps(scores)
