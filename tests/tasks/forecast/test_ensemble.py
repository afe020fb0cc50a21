"""Ensembles of forecasts: several models, older starts, starts with noise, and all of them."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from small_world import small_run
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.scores.crps import crps_ensemble
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.evaluate.tables import tables
from smoecast.tasks.forecast import pieces
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.plot.plot import plot
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train

HOUR = np.timedelta64(1, "h")
NOISY = {"members": 3, "perturbation": 0.1}


def asked(config: Config, **changes: Any) -> Config:
    section = config.forecast.model_copy(update=changes)
    return config.model_copy(update={"forecast": section})


def opened(path: Path) -> xr.Dataset:
    with xr.open_dataset(path, decode_timedelta=True) as dataset:
        return dataset.load()


@pytest.fixture(scope="module")
def other(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Config:
    """The same run from another seed."""
    config = small_run(world, tmp_path_factory.mktemp("other"), "seed=1", "training.epochs=1")
    preprocess(config)
    train(config)
    return config


def test_the_first_member_is_the_plain_forecast(done: Config, tmp_path: Path) -> None:
    out = tmp_path / "ens.nc"
    summary = forecast(asked(done, **NOISY), output=out)
    assert "3 members (3 starts, all but the first with noise" in summary["what"]
    made, plain = opened(out), opened(done.place / "forecast.nc")
    assert made["t2m"].dims == ("init_time", "lead_time", "number", "latitude", "longitude")
    assert made["number"].attrs["standard_name"] == "realization"
    assert "noise of 0.1" in made.attrs["ensemble"]
    assert "ensemble" not in plain.attrs
    for name in ("t2m", "z500"):
        np.testing.assert_allclose(made[name].sel(number=0), plain[name], rtol=1e-6)
    spread = made["t2m"].std("number", ddof=1).mean(["init_time", "latitude", "longitude"])
    assert 0.1 < float(spread[0]) < 3.0


def test_the_same_run_gives_the_same_bytes_in_any_batch(
    done: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, alone = (tmp_path / f"{n}.nc" for n in "abc")
    forecast(asked(done, **NOISY), output=first)
    monkeypatch.setattr(pieces, "BATCH", 3)
    forecast(asked(done, **NOISY), output=second)
    start = str(opened(first)["init_time"].values[4].astype("datetime64[h]"))
    forecast(asked(done, **NOISY), init_times=[start], output=alone)
    np.testing.assert_allclose(opened(first)["t2m"], opened(second)["t2m"], rtol=1e-6)
    np.testing.assert_allclose(
        opened(alone)["t2m"][0], opened(first)["t2m"].isel(init_time=4), rtol=1e-6
    )
    before = first.stat().st_mtime_ns
    monkeypatch.undo()
    assert not forecast(asked(done, **NOISY), output=first)["written"]
    assert first.stat().st_mtime_ns == before
    forecast(asked(done, **NOISY), output=tmp_path / "d.nc")
    xr.testing.assert_equal(opened(first), opened(tmp_path / "d.nc"))
    assert forecast(asked(done, members=3, perturbation=0.2), output=first)["written"]


def test_an_older_start_holds_at_the_same_time(done: Config, tmp_path: Path) -> None:
    forecast(asked(done, lags_hours=(0, 6, 12)), output=tmp_path / "lagged.nc")
    made = opened(tmp_path / "lagged.nc")
    assert made.sizes["number"] == 3
    start = made["init_time"].values[3]
    older = str((start - 12 * HOUR).astype("datetime64[h]"))
    forecast(asked(done, lead_hours=(18, 36)), init_times=[older], output=tmp_path / "one.nc")
    for name in ("t2m", "z500"):
        np.testing.assert_allclose(
            made[name].sel(init_time=start, number=2),
            opened(tmp_path / "one.nc")[name][0],
            rtol=1e-6,
        )


def test_models_lags_and_noise_multiply(done: Config, other: Config, tmp_path: Path) -> None:
    config = asked(done, **NOISY, lags_hours=(0, 6), lead_hours=(6,))
    forecast(config, models=[done.model, other.model], output=tmp_path / "all.nc")
    made = opened(tmp_path / "all.nc")
    assert made.sizes["number"] == 12
    assert made.attrs["ensemble"].startswith("2 models x analyses 0, 6 h old x 3 starts")
    assert len(made.attrs["model_sha256"].split()) == 2
    forecast(asked(done, lead_hours=(6,)), models=[other.model], output=tmp_path / "other.nc")
    np.testing.assert_allclose(
        made["t2m"].sel(number=6), opened(tmp_path / "other.nc")["t2m"], rtol=1e-6
    )
    named = asked(done, models=(str(done.model), str(other.model)), lead_hours=(6,))
    assert forecast(named, output=tmp_path / "two.nc")["written"]
    assert opened(tmp_path / "two.nc").sizes["number"] == 2


def test_scores_and_maps_of_an_ensemble(done: Config, tmp_path: Path) -> None:
    from small_world import analyses

    out, scores = tmp_path / "ens.nc", tmp_path / "s.json"
    forecast(asked(done, **NOISY), output=out)
    evaluate(done, inputs=[str(out)], output=scores)
    records = json.loads(scores.read_text())["scores"]
    assert {r["forecast"] for r in records} == {"forecast", "persistence", "climatology"}
    made = opened(out)
    valid = made["init_time"].values + made["lead_time"].values[1]
    truth = analyses()["t2m"].sel(time=valid).values
    rows = np.cos(np.deg2rad(made["latitude"].values))[None, :, None]
    weights = np.broadcast_to(rows, truth.shape)
    members = made["t2m"].values[:, 1]
    expected = np.average(crps_ensemble(truth, members, 1), weights=weights)
    squared = (members.mean(axis=1, dtype=float) - truth) ** 2
    own = next(
        r
        for r in records
        if (r["forecast"], r["channel"], r["lead_hours"]) == ("forecast", "t2m", 24)
    )
    assert own["crps"] == pytest.approx(expected, rel=1e-6)
    assert own["rmse"] == pytest.approx(np.sqrt(np.average(squared, weights=weights)), rel=1e-5)
    other = next(r for r in records if r["forecast"] == "persistence")
    assert "spread" not in other
    assert other["crps_difference"] < 0
    assert "forecast - it" in tables(json.loads(scores.read_text()))
    moved = done.model_copy(update={"folder": tmp_path / "runs"})
    moved.place.mkdir(parents=True)
    (moved.place / "forecast.nc").write_bytes(out.read_bytes())
    (moved.place / "store.zarr").symlink_to(done.store)
    assert len(plot(moved, kinds=["maps"])["files"]) == 2


def test_a_weatherbench_2_store_of_members(done: Config, tmp_path: Path) -> None:
    config = asked(done, **NOISY)
    forecast(config, output=tmp_path / "e.nc")
    forecast(asked(config, format="wb2"), output=tmp_path / "e.zarr")
    with xr.open_zarr(tmp_path / "e.zarr") as found:
        assert found["2m_temperature"].dims[:3] == ("time", "prediction_timedelta", "number")
    one, two = (
        evaluate(done, inputs=[str(tmp_path / name)], output=tmp_path / "s.json")["scores"]
        for name in ("e.nc", "e.zarr")
    )
    assert one == two


def test_the_same_model_twice_is_refused(done: Config, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(done.model, copy)
    for again in (done.model, copy):
        with pytest.raises(ConfigError, match=r"is the same model as .*: name each once"):
            forecast(done, models=[done.model, again], output=tmp_path / "no.nc")


def test_models_that_do_not_agree(done: Config, world: Path, tmp_path: Path) -> None:
    fewer = small_run(world, tmp_path, "sample.targets=[t2m]", "training.epochs=1")
    preprocess(fewer)
    train(fewer)
    swapped = small_run(world, tmp_path / "b", "data.channels=[t2m, z500]", "training.epochs=1")
    preprocess(swapped)
    train(swapped)
    for model, words in (
        (fewer.model, "has the targets t2m, but"),
        (swapped.model, "the channels"),
    ):
        with pytest.raises(ModelError, match=words):
            forecast(done, models=[done.model, model], output=tmp_path / "no.nc")
    narrow = tmp_path / "narrow"
    narrow.mkdir()
    for name in ("analyses_a.nc", "analyses_b.nc"):
        opened(world / name).isel(latitude=slice(0, 6)).to_netcdf(narrow / name)
    files = f"data.files=['{narrow}/analyses_*.nc']"
    part = small_run(world, tmp_path / "c", files, "training.epochs=1", "postprocess.files=[]")
    preprocess(part)
    train(part)
    with pytest.raises(ModelError, match=r"is for 6 x 16 points.*but .* for 8 x 16 points"):
        forecast(done, models=[done.model, part.model], output=tmp_path / "no.nc")


def test_a_lag_that_cannot_be(done: Config, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot forecast"):
        forecast(asked(done, lags_hours=(0, 3)), output=tmp_path / "no.nc")
    with pytest.raises(InputError, match="needed 12 h before the start"):
        early = asked(done, lags_hours=(0, 12))
        forecast(early, init_times=["2001-01-01T06"], output=tmp_path / "no.nc")


def test_a_part_of_the_split_begins_where_there_is_a_history(done: Config, tmp_path: Path) -> None:
    """The data begin with the training part: its first starts lack the analysis a day before."""
    early = asked(done, lags_hours=(0, 24))
    forecast(early, init_times=["train"], output=tmp_path / "train.nc")
    first = opened(tmp_path / "train.nc")["init_time"].values[0]
    with xr.open_zarr(done.store) as store:
        assert store["time"].values[0] + 24 * HOUR <= first < store["time"].values[0] + 72 * HOUR


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("forecast.members=2", "need a perturbation above 0"),
        ("forecast.perturbation=0.1", "a perturbation needs members"),
        ("forecast.lags_hours=[6, 0]", "ascending and without repeats"),
        ("forecast.lags_hours=[]", "ascending and without repeats"),
    ],
)
def test_members_that_would_be_the_same(override: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        yaml_file.parse("name: x", "x.yaml", [override])


def test_noise_leaves_what_is_never_negative_and_what_is_known(done: Config) -> None:
    from smoecast.tasks.descriptions import read_description
    from smoecast.tasks.forecast import ensemble

    model = read_description(done.model)
    made = ensemble.ensemble_of(asked(done, **NOISY).forecast, 0, [model]).members[1].perturbation
    assert made is not None
    np.testing.assert_allclose(
        made.scale, [0.1 * s for s in model.state["statistics"]["std"].values()], rtol=1e-6
    )
    rain = ensemble.Perturbation(made.noise, np.ones(2, np.float32), np.array([0, -np.inf], "f4"))
    history = np.zeros((2, 2, 8, 16), np.float32)
    raised = rain.add_noise(history, start=0, member=1)
    assert raised[:, 0].min() == 0.0
    assert raised[:, 1].min() < 0.0
    np.testing.assert_array_equal(raised[0], raised[1])


def test_the_command_line_takes_several_models(done: Config, other: Config, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(done))
    out = str(tmp_path / "two.nc")
    words = ["forecast", "-c", str(path), "-m", str(done.model), "-m", str(other.model)]
    result = CliRunner().invoke(app, [*words, "-o", out])
    assert result.exit_code == 0, result.output
    assert "2 members (2 models)" in result.output
    result = CliRunner().invoke(app, [*words, "-m", str(done.calibration), "-o", out])
    assert result.exit_code == 6
