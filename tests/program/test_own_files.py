"""The page docs/own-files.md: its configs and its commands, run as they stand there."""

import re
import shlex
from pathlib import Path

import numpy as np
import own_files
import pytest
import xarray as xr
from small_world import analyses, ensembles, small_run
from typer.testing import CliRunner, Result

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.errors import InputError
from smoecast.fields.store import store
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train
from smoecast.training.model_files import load_state

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/own-files.md").read_text()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, in which commands are called."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def follow(name: str, *more: str) -> list[Result]:
    """Write the config of that name as the page has it, and call its commands one by one."""
    (part,) = (part for part in PAGE.split("\n## ") if f"# {name}.yaml" in part)
    (config,) = re.findall(r"```yaml\n(.*?)```", part, re.DOTALL)
    Path(f"{name}.yaml").write_text(config)
    results = []
    for line in re.findall(r"^\$ (smoecast .*)$", part, re.MULTILINE):
        results.append(CliRunner().invoke(app, [*shlex.split(line)[1:], *more]))
        assert results[-1].exit_code == 0, (line, results[-1].output)
    return results


def test_a_folder_of_netcdf_files(place: Path) -> None:
    own_files.write_era5(place / "era5")
    assert len(follow("era5")) == 3
    with store.open_store(place / "runs/era5/store.zarr") as made:
        assert made["fields"].shape == (40, 3, 12, 24)


def test_whole_gfs_files(place: Path) -> None:
    assert own_files.write_gfs(place / "gfs") > 90
    assert len(follow("gfs")) == 3
    with store.open_store(place / "runs/gfs/store.zarr") as made:
        assert made["channel"].values.tolist() == ["z500", "t850", "u500", "v500", "t2m", "msl"]
        assert made["time"].values.astype("datetime64[h]").astype(str).tolist() == [
            "2026-01-01T00",
            "2026-01-01T06",
        ]
        said = store.details_of(made)["data"]["select"]
        assert said["typeOfLevel"] == ["isobaricInhPa", "heightAboveGround", "meanSea"]


def test_downloads_that_say_too_little_at_noon(place: Path) -> None:
    own_files.write_interim(place / "interim")
    follow("interim", "--set", "training.epochs=1")
    with store.open_store(place / "runs/interim/store.zarr") as made:
        noon = np.datetime64("2001-01-01T12", "ns") + np.arange(80) * own_files.DAY
        np.testing.assert_array_equal(made["time"].values, noon)
        assert store.details_of(made)["data"]["assume"]["z500_ei*.nc"]["level"] == 500
    assert load_state(place / "runs/interim/model")["offset_seconds"] == 12 * 3600
    with xr.open_dataset(place / "latest.nc", decode_timedelta=True) as latest:
        assert latest["init_time"].values == noon[-1]
        assert latest["valid_time"].values.ravel()[-1] == noon[-1] + 3 * own_files.DAY
    with xr.open_dataset(place / "runs/interim/forecast.nc", decode_timedelta=True) as tested:
        assert set(tested["init_time"].values) <= set(noon)
    days = ["forecast", "-c", "interim.yaml", "-t", "2001-03-01/2001-03-03", "-o", "days.nc"]
    said = CliRunner().invoke(app, days)
    assert said.exit_code == 0, said.output
    with xr.open_dataset("days.nc") as found:
        np.testing.assert_array_equal(found["init_time"].values, noon[59:62])
    # the same files, given by hand, are read as the config says
    again = ["forecast", "-c", "interim.yaml", "-t", "latest", "-o", "again.nc", "-i", "interim"]
    assert CliRunner().invoke(app, again).exit_code == 0
    with xr.open_dataset("again.nc") as one, xr.open_dataset("latest.nc") as other:
        np.testing.assert_array_equal(one["z500"].values, other["z500"].values)


def test_the_refusals_of_the_page_are_those_of_the_program() -> None:
    sources = "".join(path.read_text() for path in sorted((ROOT / "smoecast").rglob("*.py")))
    text = re.sub(r'"\s*\n\s*f?"', "", sources)
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert len(rows) > 10
    said = [words for row in rows for words in re.findall(r"`([^`]+)`", row)]
    assert [words for words in said if words not in text] == []


def test_every_verb_reads_as_the_config_says(place: Path) -> None:
    """Analyses are the starts of forecasts, the ensemble is one of two heights."""
    truth = analyses()
    hours = np.array([0, 6], "timedelta64[h]").astype("timedelta64[ns]")
    forecasts = truth.expand_dims(step=hours, axis=1)
    later = xr.DataArray([0.0, 99.0], dims="step")
    forecasts["t2m"] = (forecasts["t2m"] + later).assign_attrs(truth["t2m"].attrs)
    forecasts["t2m_again"] = forecasts["t2m"].assign_attrs(short_name="2t")
    forecasts.to_netcdf("forecasts.nc")
    both = ensembles(truth).expand_dims(heightAboveGround=[80.0, 2.0]).copy()
    both.assign(z500=both["z500"].isel(heightAboveGround=1, drop=True)).to_netcdf("ensemble.nc")
    config = small_run(
        place,
        place / "runs",
        "data.files=[forecasts.nc]",
        "data.select={step: 0, not: {variable: t2m_again}}",
        "postprocess.files=[ensemble.nc]",
        "postprocess.select={heightAboveGround: 2}",
        "postprocess.truth=[forecasts.nc]",
        "training.epochs=1",
    )
    preprocess(config)
    with store.open_store(config.store) as made:
        np.testing.assert_array_equal(made["fields"].sel(channel="t2m").values, truth["t2m"].values)
    train(config)
    assert "offset_seconds" not in load_state(config.model)  # it is as a model ever was
    forecast(config)
    latest = {"inputs": ["forecasts.nc"], "init_times": ["latest"], "output": place / "latest.nc"}
    assert forecast(config, **latest)["first"] == "2001-03-01T18:00"
    assert not forecast(config, **latest)["written"]
    postprocess(config)
    found = evaluate(config, truth=["forecasts.nc"])
    errors = [one["rmse"] for one in found["scores"] if one["channel"] == "t2m"]
    assert errors
    assert max(errors) < 30  # and 99 too much is nowhere read
    six = yaml_file.parse(
        yaml_file.dump(config), "six.yaml", ["data.select={step: 6, variable: [t2m, z500]}"]
    )
    with pytest.raises(InputError, match=r"take their starts alone, by data\.select: {step: 0}"):
        forecast(six, **latest)
