"""Results of a file a start are one forecast; the truth may come from files."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, small_run, with_evaluate

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError, InputError
from smoecast.tasks.evaluate.evaluate import evaluate
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess.postprocess import postprocess
from smoecast.tasks.preprocess.preprocess import preprocess
from smoecast.tasks.train import train

PATTERN = "fc_{init_time:%Y%m%d}.nc"
FEW = ["evaluate.resamples=20", "evaluate.efi_window_days=0"]
SOME = {
    forecast: {"init_times": ["2001-02-18/2001-02-20"]},
    postprocess: {"catch_up": np.timedelta64(2, "D")},
}
"""Three starts, where more would say no more."""
NO_TRAINING = {"train": 0, "validation": 0, "test": 1}


def asked(done: Config, *overrides: str) -> Config:
    return yaml_file.parse(yaml_file.dump(done), "run.yaml", [*FEW, *overrides])


def by_forecast(summary: dict) -> dict[tuple, dict]:
    return {
        (r["channel"], r["lead_hours"], r["forecast"]): {k: v for k, v in r.items() if k != "truth"}
        for r in summary["scores"]
    }


@pytest.mark.parametrize("verb", [forecast, postprocess])
def test_files_of_one_pattern_score_as_one_file(done: Config, tmp_path: Path, verb: object) -> None:
    verb(done, output=tmp_path / "each" / PATTERN)
    verb(done, output=tmp_path / "whole.nc")
    config = asked(done)
    each = evaluate(config, inputs=[str(tmp_path / "each")], output=tmp_path / "a.json")
    whole = evaluate(config, inputs=[str(tmp_path / "whole.nc")], output=tmp_path / "b.json")
    assert len(each["files"]) > 1
    one, other = by_forecast(each), by_forecast(whole)
    assert one.keys() == other.keys()
    for key, record in one.items():
        assert record["starts"] == other[key]["starts"]
        score = "rmse"
        assert record[score] == pytest.approx(other[key][score], rel=1e-5)


def test_files_of_the_same_starts_are_results_of_their_own(done: Config, tmp_path: Path) -> None:
    for name in ("a", "b"):
        forecast(asked(done, f"forecast.title={name}"), output=tmp_path / f"{name}.nc")
    found = evaluate(asked(done), inputs=[str(tmp_path / "*.nc")], output=tmp_path / "s.json")
    assert {"a", "b"} <= {r["forecast"] for r in found["scores"]}


def test_the_truth_may_come_from_files(done: Config, tmp_path: Path) -> None:
    forecast(done, output=tmp_path / "each" / PATTERN, **SOME[forecast])
    inputs, config = [str(tmp_path / "each")], asked(done)
    truth = analyses()
    truth.isel(time=slice(0, 200)).to_netcdf(tmp_path / "truth1.nc")
    truth.isel(time=slice(200, 400)).to_netcdf(tmp_path / "truth2.nc")
    files = [str(tmp_path / "truth*.nc")]
    found = evaluate(config, inputs=inputs, output=tmp_path / "a.json", truth=files)
    store = evaluate(config, inputs=inputs, output=tmp_path / "b.json")
    assert by_forecast(found) == by_forecast(store)
    assert found["truth"].startswith("files: truth1.nc and 1 more")
    shifted = truth.assign(t2m=truth["t2m"] + 1)
    for name, part in (("truth1.nc", slice(0, 200)), ("truth2.nc", slice(200, 400))):
        shifted.isel(time=part).to_netcdf(tmp_path / name)
    other = evaluate(config, inputs=inputs, output=tmp_path / "a.json", truth=files)
    one, two = by_forecast(other), by_forecast(found)
    for key, record in one.items():
        if key[0] == "t2m" and key[2] == "forecast":
            assert record["bias"] == pytest.approx(two[key]["bias"] - 1, abs=1e-4)


@pytest.mark.parametrize(("verb", "key"), [(forecast, "forecast"), (postprocess, "postprocess")])
def test_both_layouts_score_the_same(done: Config, tmp_path: Path, verb: object, key: str) -> None:
    scores = {}
    for layout in ("default", "cdo"):
        config = asked(done, f"{key}.layout={layout}")
        verb(config, output=tmp_path / layout / PATTERN, **SOME[verb])
        inputs = [str(tmp_path / layout)]
        assert len(list((tmp_path / layout).glob("*.nc"))) == 3
        found = evaluate(asked(done), inputs=inputs, output=tmp_path / f"{layout}.json")
        scores[layout] = by_forecast(found)
    assert scores["cdo"] == scores["default"]


def test_without_a_store_there_is_persistence(done: Config, tmp_path: Path) -> None:
    forecast(done, output=tmp_path / "fc.nc")
    analyses().to_netcdf(tmp_path / "truth.nc")
    alone = [f"folder={tmp_path / 'nowhere'}", "evaluate.baselines=[persistence]"]
    more = {"inputs": [str(tmp_path / "fc.nc")], "truth": [str(tmp_path / "truth.nc")]}
    found = evaluate(asked(done, *alone), output=tmp_path / "s.json", **more)
    assert {r["forecast"] for r in found["scores"]} == {"forecast", "persistence"}
    assert all("acc" not in r or r["acc"] is None for r in found["scores"])
    with pytest.raises(InputError, match="no store to whose training times the baseline climatol"):
        evaluate(asked(done, alone[0]), output=tmp_path / "s.json", **more)


def test_a_store_without_a_training_part_serves_forecasts_and_their_scores(
    done: Config, world: Path, tmp_path: Path
) -> None:
    parts = [f"data.split.{part}={size}" for part, size in NO_TRAINING.items()]
    config = small_run(world, tmp_path, "postprocess.files=[]", *FEW, *parts)
    preprocess(config)
    forecast(config, models=[done.model], init_times=["test"])
    with pytest.raises(InputError, match=r"no training times to which .* climatology could be fit"):
        evaluate(config)
    alone = with_evaluate(config, baselines=("persistence",))
    names = {r["forecast"] for r in evaluate(alone)["scores"]}
    assert names == {"forecast", "persistence"}
    with pytest.raises(ConfigError, match=r"training needs a train part, but data\.split\.train"):
        train(config)


def test_a_truth_on_a_finer_grid_comes_to_that_of_the_result(done: Config, tmp_path: Path) -> None:
    forecast(done, output=tmp_path / "fc.nc")
    truth = analyses()
    longer = xr.concat(
        [truth, truth.isel(longitude=[0]).assign_coords(longitude=[360.0])], dim="longitude"
    )
    finer = longer.interp(longitude=[11.25 * i for i in range(32)])
    finer = finer.interp(latitude=[78.75 - 11.25 * i for i in range(15)]).astype("float32")
    for name, array in truth.data_vars.items():
        finer[name].attrs = array.attrs
    finer.assign(zust=finer["t2m"].drop_attrs()).to_netcdf(tmp_path / "truth.nc")
    found = evaluate(
        asked(done),
        inputs=[str(tmp_path / "fc.nc")],
        output=tmp_path / "s.json",
        truth=[str(tmp_path / "truth.nc")],
    )
    exact = evaluate(asked(done), inputs=[str(tmp_path / "fc.nc")], output=tmp_path / "t.json")
    assert found["left_out"] == [{"name": "zust", "reason": "", "file": "truth.nc"}]
    assert exact["left_out"] == []
    assert "left_out" not in json.loads((tmp_path / "s.json").read_text())
    one, two = by_forecast(found), by_forecast(exact)
    for key, record in one.items():
        assert record["rmse"] == pytest.approx(two[key]["rmse"], rel=1e-3)
