"""A warm process: what comes into a folder is forecast and calibrated, once, whatever happens."""

import os
import signal
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses, ensembles, small_run
from watching import Scene, nothing, write_at_once

from smoecast.cli.attempts import attempt
from smoecast.errors import AbsentError, ConfigError, Interrupted, ModelError, OutputError
from smoecast.fields.read.results import read_attributes
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.postprocess import calibration
from smoecast.tasks.watch import result_kinds
from smoecast.tasks.watch.watch import watch
from smoecast.training.model_files import load_state, load_tensors, save_model


def test_a_new_analysis_is_forecast_as_the_command_does(scene: Scene) -> None:
    scene.bring(0)
    scene.watch(nothing, partial(scene.bring, 1), nothing)
    assert scene.made == ["2001010106"]
    assert [(r["verb"], r["exit_code"]) for r in scene.on_disk] == [("forecast", 0)]
    assert scene.on_disk[0]["outputs"] == scene.records[0]["outputs"]
    assert len(scene.records[0]["notes"]["config_sha256"]) == 64
    again = forecast(
        scene.config,
        models=[scene.model],
        inputs=[str(scene.inputs)],
        init_times=["2001-01-01T06"],
        output=scene.config.place / "forecast_{init_time:%Y%m%d%H}.nc",
    )
    assert not again["written"]
    cold = forecast(
        scene.config,
        models=[scene.model],
        inputs=[str(scene.inputs)],
        init_times=["2001-01-01T06"],
        output=scene.place / "cold.nc",
    )
    with (
        xr.open_dataset(scene.config.place / "forecast_2001010106.nc") as warm,
        xr.open_dataset(cold["output"]) as other,
    ):
        xr.testing.assert_equal(warm, other)


def test_a_file_that_grows_is_left_alone(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.bring(0)
    whole = scene.bring(1)
    content, hidden = whole.read_bytes(), scene.inputs / "an_1.nc.part"
    whole.rename(hidden)
    grows = scene.inputs / "other.nc"
    grows.touch()
    seen = []

    def grow() -> None:
        seen.append(scene.made)
        size = grows.stat().st_size
        with grows.open("ab") as file:
            file.write(content[size : size + len(content) // 3 + 1])

    scene.watch(grow, grow, grow, nothing, nothing)
    assert seen == [[], [], []]
    assert scene.made == ["2001010106"]
    assert "smoecast:" not in capsys.readouterr().err
    assert [entry["file"] for entry in scene.records[0]["inputs"]] == ["an_0.nc", "other.nc"]


def test_a_late_analysis_makes_the_starts_that_waited(scene: Scene) -> None:
    scene.bring(0)
    scene.bring(2)
    seen = []
    scene.watch(nothing, lambda: seen.append(scene.made), partial(scene.bring, 1), nothing, nothing)
    assert seen == [[]]
    assert scene.made == ["2001010106", "2001010112"]
    assert len(scene.on_disk) == 2


def test_a_damaged_file_is_told_once_and_tried_when_it_changes(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.bring(0)
    whole = scene.bring(1).read_bytes()
    (scene.inputs / "an_1.nc").write_bytes(whole[: len(whole) // 2])
    mend = partial((scene.inputs / "an_1.nc").write_bytes, whole)
    scene.watch(nothing, nothing, nothing, mend, nothing, nothing)
    err = capsys.readouterr().err
    assert err.count("an_1.nc: ") == 1
    assert "left alone until it changes" in err
    assert scene.made == ["2001010106"]
    assert len(scene.records) == 1


def test_what_was_made_is_not_made_again_after_a_restart(scene: Scene) -> None:
    for number in range(3):
        scene.bring(number)
    scene.watch(nothing, nothing)
    before = {path: path.stat() for path in scene.config.place.rglob("*")}
    assert len(scene.records) == 2
    scene.watch(nothing, nothing, nothing)
    assert {path: path.stat() for path in scene.config.place.rglob("*.nc")} == {
        path: found for path, found in before.items() if path.suffix == ".nc"
    }
    assert len(scene.records) == len(scene.on_disk) == 2


def test_a_signal_ends_it_after_the_file_in_hand_and_the_next_start_goes_on(scene: Scene) -> None:
    for number in range(4):
        scene.bring(number)

    def stop(record: dict) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted, match=r"in hand is whole \(forecasts: 1\)") as caught:
        scene.watch(nothing, nothing, publish=stop)
    assert caught.value.exit_code == 143
    assert scene.made == ["2001010118"]  # the newest comes first
    assert not list(scene.config.place.glob(".*"))
    scene.watch(nothing)
    assert scene.made == ["2001010106", "2001010112", "2001010118"]


def test_a_replaced_model_is_loaded_for_the_next_file(scene: Scene, tmp_path: Path) -> None:
    model = tmp_path / "model"
    state, tensors = load_state(scene.model), load_tensors(scene.model)
    save_model(model, tensors, state)
    scene.bring(0)
    scene.bring(1)

    def replace() -> None:
        other = {n: t * 1.01 if t.is_floating_point() else t for n, t in tensors.items()}
        save_model(model, other, state)
        scene.bring(2)

    scene.watch(nothing, replace, nothing, nothing, models=[model])
    results = [scene.config.place / f"forecast_{start}.nc" for start in scene.made]
    first, second = (read_attributes(path)["model_sha256"] for path in results)
    assert first != second
    assert len(scene.records) == 2  # the old one stays what it is


def test_a_model_on_its_way_to_its_place_is_tried_again(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    save_model(model, load_tensors(scene.model), load_state(scene.model))
    whole = (model / "model.safetensors").read_bytes()
    scene.bring(0)
    scene.bring(1)
    half = partial((model / "model.safetensors").write_bytes, whole[:-8])
    mend = partial((model / "model.safetensors").write_bytes, whole)
    scene.watch(half, nothing, mend, nothing, nothing, models=[model])
    assert [r["exit_code"] for r in scene.records] == [6, 0]
    assert capsys.readouterr().err.count("(tried again)") == 1


def test_a_model_whose_description_goes_is_told_once_and_waited_for(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model"
    save_model(model, load_tensors(scene.model), load_state(scene.model))
    said = (model / "state.json").read_bytes()
    scene.bring(0)
    scene.bring(1)
    back = partial((model / "state.json").write_bytes, said)
    scene.watch((model / "state.json").unlink, nothing, nothing, back, nothing, models=[model])
    assert scene.made == ["2001010106"]
    assert capsys.readouterr().err.count("it is tried again") == 1


def test_an_ensemble_is_calibrated_by_what_was_loaded_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, real = [], calibration.load_tensors

    def load(folder: Path, state: dict) -> dict:
        loaded.append(folder)
        return real(folder, state)

    monkeypatch.setattr(calibration, "load_tensors", load)
    made = ensembles(analyses(10))

    def bring(number: int) -> None:
        write_at_once(made.isel(init_time=[number]), scene.ensembles / f"{number}.nc")

    bring(0)
    scene.watch(
        nothing,
        partial(bring, 1),
        nothing,
        nothing,
        analyses=None,
        ensembles=str(scene.ensembles / "*.nc"),
        calibration=scene.calibration,
    )
    found = sorted(p.name for p in scene.config.place.glob("*.nc"))
    assert found == ["calibrated_2001010100.nc", "calibrated_2001010200.nc"]
    assert [(r["verb"], r["exit_code"]) for r in scene.records] == [("postprocess", 0)] * 2
    assert loaded == [scene.calibration]


def test_an_analysis_with_a_hole_fails_alone(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.bring(0)
    scene.bring(1)
    scene.bring(3)
    bad = analyses(5).isel(time=[2])
    bad["t2m"].values[0, 3, 3] = np.nan
    write_at_once(bad, scene.inputs / "an_2.nc")
    scene.watch(nothing, nothing, nothing, partial(scene.bring, 2), nothing, nothing)
    assert [r["exit_code"] for r in scene.records] == [3, 3, 0, 0, 0]
    assert scene.made == ["2001010106", "2001010112", "2001010118"]
    assert capsys.readouterr().err.count("(left alone until its files change)") == 2
    assert "t2m" in scene.records[0]["error"]


def test_channels_that_come_in_files_of_their_own_are_waited_for(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.bring(0)
    scene.bring(1, name="upper.nc", only="z500")
    surface = partial(scene.bring, 1, name="surface.nc", only="t2m")
    scene.watch(nothing, nothing, surface, nothing, nothing)
    assert [r["exit_code"] for r in scene.records] == [0]
    # what never comes is told after a while
    scene.bring(2, name="late.nc", only="z500")
    scene.watch(*[nothing] * 8)
    assert [r["exit_code"] for r in scene.records] == [0, 3]
    assert capsys.readouterr().err.count("smoecast:") == 1


def test_a_place_that_takes_no_results_is_told_once_and_tried_again(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.bring(0)
    scene.bring(1)
    scene.config.folder.mkdir()
    scene.config.place.touch()  # no folder
    scene.watch(nothing, nothing, scene.config.place.unlink, nothing, nothing, nothing)
    assert scene.made == ["2001010106"]
    assert [r["exit_code"] for r in scene.records] == [5, 0]
    assert capsys.readouterr().err.count("(tried again)") == 1


def test_a_folder_that_is_lost_is_told_once_and_looked_for(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.bring(0)
    away = scene.place / "away"
    lose, find = partial(scene.inputs.rename, away), partial(away.rename, scene.inputs)
    scene.watch(nothing, lose, nothing, find, partial(scene.bring, 1), nothing)
    err = capsys.readouterr().err
    assert err.count("looked for again") == err.count("is there again") == 1
    assert scene.made == ["2001010106"]


def test_old_results_go_and_are_not_made_again(scene: Scene) -> None:
    for number in range(6):
        scene.bring(number)
    keep = np.timedelta64(12, "h")
    scene.watch(nothing, nothing)
    assert len(scene.made) == 5
    scene.watch(nothing, partial(scene.bring, 6), nothing, nothing, keep=keep)
    assert scene.made == ["2001010200", "2001010206", "2001010212"]
    assert len(scene.records) == 6


def test_results_in_the_folder_that_is_watched_are_no_analyses(
    done: object, world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here = (f"folder={tmp_path}", "name=in", "forecast.output=f_{init_time}.nc")
    scene = Scene(done, world, tmp_path, *here)
    scene.bring(0)
    scene.bring(1)
    scene.watch(nothing, nothing, nothing)
    assert (scene.inputs / "f_2001010106.nc").is_file()
    assert "smoecast:" not in capsys.readouterr().err


def test_once_ends_when_all_is_made_and_says_what_is_not(scene: Scene) -> None:
    asked = {"models": [scene.model], "every": 600.0, "once": True, "attempt": attempt}
    asked |= {"analyses": str(scene.inputs), "pause": lambda _: None}
    scene.bring(0)
    scene.bring(1)
    assert watch(scene.config, **asked) == {"forecast": 1}
    scene.bring(2, only="z500")
    with pytest.raises(OutputError, match=r"some results were not made \(.*t2m"):
        watch(scene.config, **asked)


def test_a_zarr_group_is_there_with_its_metadata(scene: Scene) -> None:
    scene.bring(0)
    group = scene.inputs / "an_1.zarr"
    later = analyses(5).isel(time=[1])
    later.to_zarr(group, zarr_format=2, consolidated=True)
    metadata = group / ".zmetadata"
    metadata.rename(scene.place / "late")
    seen = []
    back = partial((scene.place / "late").rename, metadata)
    scene.watch(nothing, nothing, lambda: seen.append(scene.made), back, nothing, nothing)
    assert seen == [[]]
    assert scene.made == ["2001010106"]


def test_names_that_mean_many_files_are_taken_literally(scene: Scene) -> None:
    scene.bring(0)
    scene.bring(1, name="an[1].nc")
    scene.watch(nothing, nothing)
    assert scene.made == ["2001010106"]


def test_what_nobody_foresaw_is_recorded_and_ends_the_watch(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        scene.bring(number)

    def fail(*given: object, **more: object) -> dict:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(result_kinds, "forecast", fail)
    with pytest.raises(ZeroDivisionError):
        scene.watch(nothing, nothing, nothing)
    (record,) = scene.records
    assert (record["exit_code"], record["error"]) == (1, "unexpected ZeroDivisionError: by zero")
    monkeypatch.undo()
    scene.watch(nothing, nothing, nothing)
    assert scene.made == ["2001010106", "2001010112"]


def test_what_cannot_be_watched_is_refused_at_once(
    scene: Scene, world: Path, tmp_path: Path
) -> None:
    def refuse(kind: type[Exception], words: str, *overrides: str, **wanted: object) -> None:
        config = small_run(world, tmp_path, *overrides)
        with pytest.raises(kind, match=words):
            watch(config, attempt=attempt, **wanted)

    there = {"analyses": str(scene.inputs), "models": [scene.model]}
    refuse(ConfigError, "no folder was named")
    refuse(AbsentError, "no such folder to watch", **{**there, "analyses": str(tmp_path / "no")})
    refuse(ConfigError, "is one file for all starts", "forecast.output=a.nc", **there)
    same = [f"{verb}.output=a_{{init_time}}.nc" for verb in ("forecast", "postprocess")]
    refuse(ConfigError, "are the same", *same, **there)
    refuse(ModelError, "train first", **{**there, "models": []})
    refuse(ModelError, "train first", **{**there, "ensembles": str(scene.ensembles)})
