"""A file a start: each made once, of the files that hold its analyses, whatever befalls others."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses

from smoecast.config.run import Config
from smoecast.disk.locks import lock_output
from smoecast.errors import ConfigError, LockedError, ModelError, NotPublishedError, OutputError
from smoecast.fields.read.results import read_attributes
from smoecast.tasks import forecast_model
from smoecast.tasks.forecast.forecast import forecast
from smoecast.tasks.forecast.networks import Networks
from smoecast.training import model_files

PATTERN = "fc_{init_time:%Y%m%d%H}.nc"
RANGE = "2001-02-20/2001-02-23"


@pytest.fixture
def days(tmp_path: Path) -> Path:
    """The analyses, a file a day."""
    folder = tmp_path / "days"
    folder.mkdir()
    truth = analyses(58)
    for day in range(48, 57):
        truth.isel(time=slice(4 * day, 4 * day + 4)).to_netcdf(folder / f"day{day}.nc")
    return folder


@pytest.fixture
def call(done: Config, tmp_path: Path, days: Path) -> Callable[..., dict]:
    """Forecast from these files, a file a start."""

    def call(*init_times: str, **more: object) -> dict:
        output = tmp_path / "out" / PATTERN
        given = {"output": output, "init_times": init_times or (RANGE,), **more}
        return forecast(done, models=[done.model], inputs=[str(days)], **given)

    return call


def made(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in folder.glob("*.nc")}


def test_each_start_has_its_file_and_the_values_of_all_in_one(
    call: Callable[..., dict], done: Config, days: Path, tmp_path: Path
) -> None:
    found = call()
    assert (found["made"], found["starts"]) == (4, 4)
    assert [Path(p).name for p in found["outputs"]] == [
        f"fc_200102{day}00.nc" for day in (20, 21, 22, 23)
    ]
    whole = tmp_path / "whole.nc"
    forecast(done, models=[done.model], inputs=[str(days)], init_times=[RANGE], output=whole)
    with xr.open_dataset(whole) as together:
        for index, path in enumerate(found["outputs"]):
            with xr.open_dataset(path) as one:
                # a network rounds otherwise where several starts go through it together
                xr.testing.assert_allclose(one, together.isel(init_time=[index]), rtol=1e-6)


def test_a_re_run_makes_what_is_missing(call: Callable[..., dict], tmp_path: Path) -> None:
    call()
    before = made(tmp_path / "out")
    (tmp_path / "out" / "fc_2001022100.nc").unlink()
    damaged = tmp_path / "out" / "fc_2001022200.nc"
    content = bytearray(damaged.read_bytes())
    content[-2000] ^= 1
    damaged.write_bytes(content)
    assert call()["made"] == 2
    after = made(tmp_path / "out")
    assert {name for name in before if before[name] == after[name]} >= {
        "fc_2001022000.nc",
        "fc_2001022300.nc",
    }
    assert call()["made"] == 0
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.startswith(".")]


def test_only_what_comes_of_other_inputs_is_made_again(
    call: Callable[..., dict], days: Path, tmp_path: Path
) -> None:
    call()
    changed = xr.open_dataset(days / "day51.nc").load()  # 21 February
    changed["t2m"] += 1
    changed.to_netcdf(tmp_path / "new.nc")
    (tmp_path / "new.nc").replace(days / "day51.nc")
    extra = analyses(58).isel(time=slice(4 * 57, 4 * 58))
    extra.to_netcdf(days / "day57.nc")  # another analysis has come
    before = made(tmp_path / "out")
    # it starts from 00 and 18 UTC: the 21st, and the 22nd, whose history reaches back
    assert call()["made"] == 2
    after = made(tmp_path / "out")
    assert {n for n in before if before[n] != after[n]} == {"fc_2001022100.nc", "fc_2001022200.nc"}
    said = json.loads(read_attributes(tmp_path / "out" / "fc_2001022200.nc")["inputs_manifest"])
    assert [entry["file"] for entry in said] == ["day51.nc", "day52.nc"]


def test_of_a_store_it_is_the_fields(done: Config, tmp_path: Path) -> None:
    output = tmp_path / PATTERN
    found = forecast(done, output=output, init_times=["2001-02-20/2001-02-21"])
    assert found["made"] == 2
    assert forecast(done, output=output, init_times=["2001-02-20/2001-02-22"])["made"] == 1
    said = json.loads(read_attributes(tmp_path / "fc_2001022000.nc")["inputs_manifest"])
    assert [entry["file"] for entry in said] == [
        "store.zarr 2001-02-19T18:00",
        "store.zarr 2001-02-20T00:00",
    ]


def test_a_start_that_fails_leaves_the_others(
    call: Callable[..., dict], days: Path, tmp_path: Path
) -> None:
    broken = xr.open_dataset(days / "day51.nc").load()
    broken["t2m"][0, 3, 4] = np.nan  # 00 UTC of the 21st
    broken.to_netcdf(tmp_path / "new.nc")
    (tmp_path / "new.nc").replace(days / "day51.nc")
    with pytest.raises(OutputError, match=r"1 of 4 results were not made.*fc_2001022100\.nc .*t2m"):
        call()
    names = {"fc_2001022000.nc", "fc_2001022200.nc", "fc_2001022300.nc"}
    assert set(made(tmp_path / "out")) == names
    analyses(58).isel(time=slice(4 * 51, 4 * 52)).to_netcdf(tmp_path / "good.nc")
    (tmp_path / "good.nc").replace(days / "day51.nc")
    assert call()["made"] == 2  # the failed one, and the next, which comes of the mended file too


def test_a_gap_long_ago_stops_no_forecast_of_today(
    call: Callable[..., dict], days: Path, tmp_path: Path
) -> None:
    (days / "day50.nc").unlink()
    assert call("latest")["made"] == 1
    with pytest.raises(OutputError, match=r"2 of 4 .*the analysis of 2001-02-20T00:00 is missing"):
        call()
    assert len(made(tmp_path / "out")) == 3


def test_what_is_not_published_is_4_and_the_rest_is_made(
    call: Callable[..., dict], tmp_path: Path
) -> None:
    with pytest.raises(NotPublishedError, match=r"1 of 2 .*has to wait"):
        call("2001-02-25", "2001-03-09")
    assert set(made(tmp_path / "out")) == {"fc_2001022500.nc"}


def test_one_that_another_run_makes_is_75(call: Callable[..., dict], tmp_path: Path) -> None:
    with (
        lock_output(tmp_path / "out" / "fc_2001022100.nc"),
        pytest.raises(LockedError, match=r"1 of 4 .*held by another run"),
    ):
        call()
    assert len(made(tmp_path / "out")) == 3


def test_an_old_latest_is_4(call: Callable[..., dict]) -> None:
    newest = np.datetime64("2001-02-26T18:00")
    assert call("latest", oldest=newest)["first"] == "2001-02-26T18:00"
    with pytest.raises(NotPublishedError, match=r"that of 2001-02-26T18:00, older than the 2001"):
        call("latest", oldest=newest + np.timedelta64(1, "s"))


def test_old_results_are_removed_when_all_is_made(
    call: Callable[..., dict], tmp_path: Path
) -> None:
    call()
    call("2001-02-25", keep=np.timedelta64(72, "h"))
    assert set(made(tmp_path / "out")) == {
        *("fc_2001022200.nc", "fc_2001022300.nc", "fc_2001022500.nc")
    }
    with pytest.raises(ConfigError, match="all are in one"):
        call(output=tmp_path / "one.nc", keep=np.timedelta64(72, "h"))


def test_networks_stay_open_until_they_are_others(
    done: Config, call: Callable[..., dict], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks, opened = Networks(), []
    real = forecast_model.open_model
    monkeypatch.setattr(
        forecast_model, "open_model", lambda folder: opened.append(folder) or real(folder)
    )
    call("2001-02-25", networks=networks)
    call("2001-02-24", networks=networks)
    assert opened == [done.model]
    other = tmp_path / "other"
    shutil.copytree(done.model, other)
    state = model_files.load_state(other)
    tensors = model_files.load_tensors(other)
    model_files.save_model(other, tensors, {**state, "seed": 5})
    forecast(
        done, models=[other], init_times=["2001-02-24"], output=tmp_path / "o.nc", networks=networks
    )
    assert opened == [done.model, other]


def test_a_model_that_is_replaced_meanwhile_is_refused(
    call: Callable[..., dict], tmp_path: Path, done: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = forecast_model.open_model

    def another(folder: Path) -> object:
        model = real(folder)
        model.state["seed"] = 99
        return model

    monkeypatch.setattr(forecast_model, "open_model", another)
    with pytest.raises(ModelError, match="was replaced while this run began"):
        call("2001-02-25")


def test_nothing_to_do_loads_no_pytorch(
    call: Callable[..., dict], done: Config, days: Path, tmp_path: Path
) -> None:
    call()
    code = (
        "import sys\nfrom pathlib import Path\nfrom smoecast.config import yaml_file\n"
        "from smoecast.tasks.forecast.forecast import forecast\n"
        "config, model, inputs, output = sys.argv[1:]\n"
        "found = forecast(yaml_file.load(Path(config)), models=[Path(model)], inputs=[inputs],\n"
        f"    init_times=['{RANGE}'], output=Path(output))\n"
        "assert not found['written'], found\nassert 'torch' not in sys.modules\n"
    )
    place = done.place / "forecast.config.yaml"
    out = tmp_path / "out" / PATTERN
    subprocess.run([sys.executable, "-c", code, place, done.model, days, out], check=True)
