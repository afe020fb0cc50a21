"""The verbs in a row on a small world: each does its part, and nothing twice."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import BIAS, analyses, small_run

from smoecast import zoo
from smoecast.config.run import Config
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError, InputError, LockedError, ModelError, NotPublishedError
from smoecast.fields.store import store
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.evaluate.tables import tables
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.models import verify_model
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train


def test_every_verb_leaves_what_it_promises(done: Config) -> None:
    names = {p.name for p in done.place.iterdir() if not p.name.startswith(".")}
    assert names - {"records"} == {  # of runs that other tests made from the command line
        "store.zarr",
        "ensemble.zarr",
        "model",
        "calibration",
        "forecast.nc",
        "forecast.config.yaml",
        "calibrated.nc",
        "calibrated.config.yaml",
        "scores.json",
        "scores.csv",
        "scores.curves.csv",
        "scores.config.yaml",
    }
    model = {p.name for p in done.model.iterdir()}
    assert {"config.yaml", "model.safetensors", "state.json", "history.jsonl"} <= model


def test_the_same_commands_again_change_nothing(done: Config) -> None:
    files = [p for p in done.place.rglob("*") if p.is_file() and p.name != ".lock"]
    before = {p: p.stat().st_mtime_ns for p in files if "scores" not in p.name}
    assert not preprocess(done)["analyses"]["written"]
    assert not train(done)["trained"]
    assert not forecast(done)["written"]
    assert not postprocess(done)["written"]
    after = {p: p.stat().st_mtime_ns for p in before}
    rewritten = {p.name for p in before if before[p] != after[p]}
    assert rewritten <= {"config.yaml", "history.jsonl"}


def test_the_store_holds_the_files(done: Config, world: Path) -> None:
    truth = analyses()
    with store.open_store(done.store) as dataset:
        np.testing.assert_array_equal(dataset["fields"].sel(channel="t2m"), truth["t2m"])
        assert [int(dataset[p].sum()) for p in ("train", "validation", "test")] == [168, 24, 48]
        expected = truth["z500"].values[:168].mean(dtype=np.float64)
        assert float(dataset["mean"][0]) == pytest.approx(expected, rel=1e-9)
        details = store.details_of(dataset)
    assert [e["file"] for e in details["manifest"]] == ["analyses_a.nc", "analyses_b.nc"]


def test_forecasts_roll_out_and_carry_their_lineage(done: Config) -> None:
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        assert dict(written.sizes) == {
            "init_time": 11,
            "lead_time": 2,
            "latitude": 8,
            "longitude": 16,
        }
        assert written["z500"].dims == ("init_time", "lead_time", "latitude", "longitude")
        assert int(written["level_500"]) == 500
        for name in ("title", "institution", "source", "history", "references", "license"):
            assert written.attrs[name]
        state = json.loads((done.model / "state.json").read_text())
        assert written.attrs["model_sha256"] == state["sha256"]["state.json"]
        assert json.loads(written.attrs["inputs_manifest"])[0]["file"] == "analyses_a.nc"


def test_the_forecast_equals_the_network_called_by_hand(done: Config) -> None:
    import torch

    model = open_model(done.model)
    truth = analyses()
    fields = np.stack([truth["z500"].values, truth["t2m"].values], axis=1)
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        start = int(np.flatnonzero(truth["time"].values == written["init_time"].values[0])[0])
        history = np.stack([fields[start], fields[start - 1]])[None]
        inputs = model.inputs.assemble(history, truth["time"].values[start : start + 1])
        with torch.no_grad():
            expected = model.network(torch.from_numpy(inputs)).numpy()
        np.testing.assert_allclose(written["t2m"][0, 0], expected[0, 1], rtol=1e-5)
        np.testing.assert_allclose(written["z500"][0, 0], expected[0, 0], rtol=1e-5)


def test_scores_are_those_of_a_few_lines_of_numpy(done: Config) -> None:
    scores = json.loads((done.place / "scores.json").read_text())["scores"]
    truth = analyses()["t2m"]
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        lead = written["lead_time"].values[1]
        true = truth.sel(time=written["init_time"].values + lead).values
        error = written["t2m"].values[:, 1] - true
        weights = np.cos(np.deg2rad(written["latitude"].values))[None, :, None]
    expected = np.sqrt((error**2 * weights).sum() / (np.ones_like(error) * weights).sum())
    record = next(
        r
        for r in scores
        if (r["forecast"], r["channel"], r["lead_hours"]) == ("forecast", "t2m", 24)
    )
    assert record["rmse"] == pytest.approx(float(expected), rel=1e-6)
    assert {r["forecast"] for r in scores} == {
        "forecast",
        "persistence",
        "climatology",
        "raw",
        "calibrated",
    }


def test_emos_takes_the_bias_away(done: Config) -> None:
    scores = json.loads((done.place / "scores.json").read_text())["scores"]
    by_name = {r["forecast"]: r for r in scores if "crps" in r and r["lead_hours"] == 24}
    assert by_name["raw"]["bias"] == pytest.approx(BIAS, abs=0.3)
    assert abs(by_name["calibrated"]["bias"]) < 0.3
    assert by_name["calibrated"]["crps"] < 0.8 * by_name["raw"]["crps"]
    assert by_name["calibrated"]["crpss"] > 0.2


def test_tables_name_every_score(done: Config) -> None:
    text = tables(json.loads((done.place / "scores.json").read_text()))
    for word in ("t2m [K]", "z500 [m2 s-2]", "persistence", "calibrated", "crpss", "24 h"):
        assert word in text


def test_calibrated_ensembles_hold_members_mean_and_spread(done: Config) -> None:
    with xr.open_dataset(done.place / "calibrated.nc", decode_timedelta=True) as written:
        assert written["t2m"].dims == (
            "init_time",
            "lead_time",
            "number",
            "latitude",
            "longitude",
        )
        assert written["t2m_mean"].attrs["cell_methods"] == "realization: mean"
        assert written["t2m_std"].attrs["units"] == "K"
        raw = store.open_store(done.ensemble_store)["fields"].sel(
            channel="t2m", init_time=written["init_time"]
        )
        ranks = written["t2m"].values.argsort(axis=2)
        np.testing.assert_array_equal(ranks, raw.values.argsort(axis=2))


def test_a_calibration_by_network(world: Path, tmp_path: Path, done: Config) -> None:
    config = small_run(world, tmp_path, "postprocess.method=smoe", "postprocess.members=7")
    preprocess(config)
    assert postprocess(config)["written"]
    with xr.open_dataset(config.place / "calibrated.nc") as written:
        assert written.sizes["number"] == 7
        assert float(written["t2m_std"].min()) > 0
    assert evaluate(config)["scores"]
    # the fitted network serves another run's ensemble as it is
    again = postprocess(done, model=config.calibration, output=tmp_path / "again.nc")
    assert again["written"]


def test_raw_members_pass_unchanged(world: Path, tmp_path: Path) -> None:
    config = small_run(world, tmp_path, "postprocess.method=raw")
    out = tmp_path / "raw.nc"
    postprocess(config, inputs=[str(world / "ensembles.nc")], output=out)
    with xr.open_dataset(out) as written, xr.open_dataset(world / "ensembles.nc") as raw:
        np.testing.assert_array_equal(written["t2m"], raw["t2m"])
        np.testing.assert_allclose(written["t2m_mean"], raw["t2m"].mean("number"), rtol=1e-6)


def test_a_store_and_files_give_the_same_forecast(
    done: Config, world: Path, tmp_path: Path
) -> None:
    out = tmp_path / "from_files.nc"
    forecast(done, inputs=[str(world / "analyses_*.nc")], init_times=["2001-02-20"], output=out)
    with xr.open_dataset(out) as files, xr.open_dataset(done.place / "forecast.nc") as whole:
        chosen = whole["t2m"].sel(init_time=files["init_time"])
        np.testing.assert_allclose(files["t2m"], chosen, rtol=1e-6)


def test_latest_is_the_newest_analysis(done: Config, tmp_path: Path) -> None:
    summary = forecast(done, init_times=["latest"], output=tmp_path / "latest.nc")
    assert summary["first"] == "2001-03-01T18:00"


def test_a_start_after_the_newest_analysis_has_to_wait(done: Config, tmp_path: Path) -> None:
    with pytest.raises(NotPublishedError, match="has to wait"):
        forecast(done, init_times=["2001-05-01"], output=tmp_path / "later.nc")
    assert not (tmp_path / "later.nc").exists()


@pytest.mark.parametrize("text", ["1677-01-01", "2300-01-01", "0000-01-01/2001-03-01"])
def test_a_start_that_no_time_can_be_is_no_reason_to_wait(
    done: Config, tmp_path: Path, text: str
) -> None:
    with pytest.raises(ConfigError, match="reaches outside the years 1678 to 2261"):
        forecast(done, init_times=[text], output=tmp_path / "never.nc")


def test_a_start_without_its_history_is_named(done: Config, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2000-12-31T18:00 is missing"):
        forecast(done, init_times=["2001-01-01"], output=tmp_path / "early.nc")


def test_a_split_without_room_for_the_lead_time(done: Config, tmp_path: Path) -> None:
    config = done.model_copy(
        update={"forecast": done.forecast.model_copy(update={"lead_hours": (2400,)})}
    )
    with pytest.raises(ConfigError, match="no start with its history and a truth 2400 h later"):
        forecast(config, output=tmp_path / "far.nc")


def test_a_lead_time_off_the_model_s_step_is_refused(done: Config, tmp_path: Path) -> None:
    config = done.model_copy(
        update={"forecast": done.forecast.model_copy(update={"lead_hours": (9,)})}
    )
    with pytest.raises(ModelError, match="its step is 6 h"):
        forecast(config, output=tmp_path / "odd.nc")


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("sample.targets=[t2m]", "only some of the channels"),
        ("sample.history_hours=[0, 12]", "not spaced by its first lead time"),
    ],
)
def test_a_model_that_cannot_roll_out_says_why(
    world: Path, tmp_path: Path, override: str, reason: str
) -> None:
    config = small_run(world, tmp_path, override, "training.epochs=1")
    preprocess(config)
    train(config)
    with pytest.raises(ModelError, match=reason):
        forecast(config)


def test_ensembles_on_another_grid_are_refused(done: Config, world: Path, tmp_path: Path) -> None:
    with xr.open_dataset(world / "ensembles.nc", decode_timedelta=True) as dataset:
        dataset.isel(latitude=slice(4)).to_netcdf(tmp_path / "north_ens.nc")
    with pytest.raises(ModelError, match="the calibration on 8 x 16"):
        postprocess(done, inputs=[str(tmp_path / "north_ens.nc")], output=tmp_path / "o.nc")


def test_fields_in_other_units_are_refused_by_their_size(
    done: Config, world: Path, tmp_path: Path
) -> None:
    with xr.open_dataset(world / "analyses_b.nc") as dataset:
        dataset["z500"] = (dataset["z500"] / 9.80665).assign_attrs(dataset["z500"].attrs)
        dataset.load().to_netcdf(tmp_path / "metres.nc")
    with pytest.raises(ModelError, match=r"z500 has a mean of .* check the units"):
        forecast(
            done,
            inputs=[str(tmp_path / "metres.nc")],
            init_times=["latest"],
            output=tmp_path / "o.nc",
        )
    assert not (tmp_path / "o.nc").exists()


def test_a_store_of_other_channels_is_refused(done: Config) -> None:
    other = done.model_copy(
        update={"data": done.data.model_copy(update={"channels": ("t2m", "z500")})}
    )
    with pytest.raises(InputError, match="run `smoecast preprocess` again"):
        train(other)


def test_a_constant_that_the_store_lacks_is_named(done: Config) -> None:
    other = done.model_copy(update={"data": done.data.model_copy(update={"constants": ("lsm",)})})
    with pytest.raises(InputError, match="holds no constant lsm"):
        train(other)


def test_a_model_on_a_store_without_its_channel(done: Config, world: Path, tmp_path: Path) -> None:
    other = small_run(world, tmp_path, "data.channels=[t2m]", "training.epochs=1")
    preprocess(other)
    with pytest.raises(ModelError, match="the model needs z500"):
        forecast(other, models=[done.model], init_times=["latest"])


def test_a_finished_run_of_another_config_is_refused(done: Config) -> None:
    other = done.model_copy(update={"seed": 5})
    with pytest.raises(ConfigError, match="seed"):
        train(other)


def test_fresh_starts_again(world: Path, tmp_path: Path) -> None:
    config = small_run(world, tmp_path, "training.epochs=1")
    preprocess(config)
    train(config)
    other = config.model_copy(update={"seed": 5})
    assert train(other, fresh=True)["trained"]


def test_a_locked_run_is_left_alone(done: Config) -> None:
    with lock(done.model), pytest.raises(LockedError):
        train(done)


def test_a_calibration_is_no_forecast_model(done: Config, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="this is a emos model, no forecast model"):
        forecast(done, models=[done.calibration])
    with pytest.raises(ModelError, match="this is a forecast model, no calibration"):
        postprocess(done, model=done.model)


def test_an_ensemble_without_members_is_refused(done: Config, tmp_path: Path) -> None:
    source = done.place / "forecast.nc"
    config = done.model_copy(
        update={
            "postprocess": done.postprocess.model_copy(
                update={"lead_hours": (24,), "method": "raw"}
            )
        }
    )
    with pytest.raises(ModelError, match="no ensemble members"):
        postprocess(config, inputs=[str(source)], output=tmp_path / "o.nc")


def test_nothing_to_score(world: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no forecast\.nc and no calibrated\.nc"):
        evaluate(small_run(world, tmp_path))


def test_a_forecast_of_other_channels_cannot_be_scored(
    done: Config, world: Path, tmp_path: Path
) -> None:
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        renamed = written[["t2m"]].rename(t2m="skt")
        renamed["skt"].attrs = {"units": "K", "long_name": "skin temperature"}
        renamed.load().to_netcdf(tmp_path / "skt.nc")
    with pytest.raises(InputError, match="holds none of z500, t2m"):
        evaluate(done, inputs=[str(tmp_path / "skt.nc")])


def test_a_forecast_on_another_grid_cannot_be_scored(done: Config, tmp_path: Path) -> None:
    with xr.open_dataset(done.place / "forecast.nc", decode_timedelta=True) as written:
        written.isel(latitude=slice(4)).load().to_netcdf(tmp_path / "half.nc")
    with pytest.raises(InputError, match="score against a truth on the same grid"):
        evaluate(done, inputs=[str(tmp_path / "half.nc")])


def test_a_calibration_without_truth_in_its_split(world: Path, tmp_path: Path) -> None:
    with xr.open_dataset(world / "analyses_b.nc") as late:
        late.isel(time=slice(100, None)).to_netcdf(tmp_path / "late.nc")
    config = small_run(world, tmp_path, f"postprocess.truth=['{tmp_path}/late.nc']")
    preprocess(config)
    with pytest.raises(InputError, match="no start of the train split has its truth"):
        postprocess(config)


def test_a_model_without_a_card_says_what_to_do(done: Config) -> None:
    with pytest.raises(ModelError, match="models verify"):
        zoo.show_model(done.model)
    assert verify_model(done.model)["parameters"] > 0


def test_more_members_and_other_threads_need_no_new_fit(done: Config, tmp_path: Path) -> None:
    before = (done.calibration / "state.json").stat().st_mtime_ns
    training = done.postprocess.training.model_copy(update={"threads": 2})
    changed = done.postprocess.model_copy(update={"members": 9, "training": training})
    config = done.model_copy(update={"postprocess": changed})
    postprocess(config, output=tmp_path / "nine.nc")
    assert (done.calibration / "state.json").stat().st_mtime_ns == before
    with xr.open_dataset(tmp_path / "nine.nc") as written:
        assert written.sizes["number"] == 9


def test_another_title_or_target_is_another_result(done: Config, tmp_path: Path) -> None:
    out = tmp_path / "one.nc"
    assert forecast(done, init_times=["latest"], output=out)["written"]
    titled = done.forecast.model_copy(update={"title": "Another"})
    other = done.model_copy(update={"forecast": titled})
    assert forecast(other, init_times=["latest"], output=out)["written"]
    assert not forecast(other, init_times=["latest"], output=out)["written"]
    raw = done.postprocess.model_copy(update={"method": "raw"})
    both = raw.model_copy(update={"targets": ("z500", "t2m")})
    members = tmp_path / "members.nc"
    postprocess(done.model_copy(update={"postprocess": raw}), output=members)
    config = done.model_copy(update={"postprocess": both})
    assert postprocess(config, output=members)["written"]
    with xr.open_dataset(members) as written:
        assert "z500" in written
