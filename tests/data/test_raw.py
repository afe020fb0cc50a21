"""What a store of a run holds: derived channels, other grids, sums beside six-hourly fields."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data import raw
from smoecast.data.sources.era5 import source as era5
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError, InputError
from smoecast.fields.regrid import grid_by_name, regrid

LATITUDE, LONGITUDE = np.arange(90, -91, -10.0), np.arange(0, 360, 10.0)
UNITS = {"z500": "m2 s-2", "t2m": "K", "tp": "m", "lsm": "1", "orography": "m2 s-2"}
WORDS = {"z500": "Geopotential", "t2m": "2 metre temperature", "tp": "Total precipitation"}


def hourly(names: list[str], hours: int = 72, step: int = 1) -> xr.Dataset:
    """Global fields of positive noise, and land without time."""
    times = np.datetime64("2001-01-01", "ns") + np.arange(0, hours, step) * np.timedelta64(1, "h")
    rng = np.random.default_rng(0)
    shape = (len(times), len(LATITUDE), len(LONGITUDE))
    fields = {
        name: (
            ("time", "latitude", "longitude"),
            rng.uniform(0, 0.002, shape).astype(np.float32),
            {"units": UNITS[name], "long_name": WORDS[name]},
        )
        for name in names
    }
    land = rng.uniform(0, 1, shape[1:]).astype(np.float32)
    fields["lsm"] = (("latitude", "longitude"), land, {"units": "1", "long_name": "Land-sea mask"})
    return xr.Dataset(fields, {"time": times, "latitude": LATITUDE, "longitude": LONGITUDE})


def run_of(tmp_path: Path, *overrides: str) -> Config:
    text = f"name: run\nfolder: {tmp_path}\ndata: {{source: files, files: ['{tmp_path}/*.nc']}}\n"
    targets = "sample.targets=['t2m']"
    return yaml_file.parse(text, "run.yaml", ["postprocess.files=[]", targets, *overrides])


def test_precipitation_of_six_hours_at_the_steps_of_the_store(tmp_path: Path) -> None:
    dataset = hourly(["t2m", "tp"])
    dataset.to_netcdf(tmp_path / "a.nc")
    config = run_of(tmp_path, "data.channels=['t2m', 'lntp6h', 'tisr']", "data.constants=['lsm']")
    content = raw.content(request_of(config), "")
    fields = content["fields"].compute(scheduler="synchronous")
    times = fields["time"].values
    assert np.datetime_as_string(times[:2], "h").tolist() == ["2001-01-01T06", "2001-01-01T12"]
    assert len(times) == 11
    summed = dataset["tp"].values[1:7].sum(axis=0)  # the hours up to 06:00
    np.testing.assert_allclose(fields[0, 1], np.log1p(summed / 0.001), rtol=1e-5)
    assert float(fields[0, 2].max()) > 3e6
    np.testing.assert_array_equal(content["constant_lsm"], dataset["lsm"])


def test_a_store_on_another_grid_holds_all_fields_there(tmp_path: Path) -> None:
    dataset = hourly(["t2m"], step=6)
    dataset.to_netcdf(tmp_path / "a.nc")
    config = run_of(
        tmp_path,
        "data.channels=['t2m', 'tisr']",
        "data.constants=['lsm']",
        "data.grid=5.625",
        "data.regrid=conservative",
    )
    content = raw.content(request_of(config), "")
    assert content["fields"].shape == (12, 2, 32, 64)
    expected = regrid(dataset[["t2m", "lsm"]], grid_by_name("5.625"), "conservative")
    np.testing.assert_allclose(
        content["fields"][:, 0].compute(scheduler="synchronous"), expected["t2m"], rtol=1e-6
    )
    np.testing.assert_allclose(content["constant_lsm"], expected["lsm"], rtol=1e-6)


def test_an_unknown_grid_is_a_config_error(tmp_path: Path) -> None:
    hourly(["t2m"], step=6).to_netcdf(tmp_path / "a.nc")
    config = run_of(tmp_path, "data.channels=['t2m']", "data.grid=7.5")
    with pytest.raises(ConfigError, match=r"no grid '7\.5'"):
        raw.content(request_of(config), "")


def test_hourly_sums_join_six_hourly_fields_of_era5(tmp_path: Path) -> None:
    hourly(["tp"]).drop_vars("lsm").to_netcdf(tmp_path / "era5_200101_accumulated_1.nc")
    hourly(["t2m"], step=6).to_netcdf(tmp_path / "era5_200101_surface_1.nc")
    paths = sorted(tmp_path.glob("*.nc"))
    config = run_of(
        tmp_path,
        "data.source=era5",
        "data.files=[]",
        "data.years=[2001]",
        "data.channels=['t2m', 'tp6h']",
        "data.constants=['lsm']",
    )
    content = era5.SOURCE.open(paths, request_of(config))
    assert content["fields"].shape == (11, 2, 19, 36)
    assert content["fields"]["time"].dt.hour.values.tolist()[:3] == [6, 12, 18]


def test_a_file_that_changed_is_opened_again(tmp_path: Path) -> None:
    hourly(["t2m"], step=6).to_netcdf(tmp_path / "a.nc")
    config = run_of(tmp_path, "data.channels=['t2m']")
    first = raw.content(request_of(config), "first")
    assert raw.content(request_of(config), "first") is first
    (tmp_path / "a.nc").unlink()
    hourly(["t2m"], hours=96, step=6).to_netcdf(tmp_path / "a.nc")
    assert raw.content(request_of(config), "second").sizes["time"] == 16


def test_truth_of_forecasts_is_refused_but_of_those_of_no_hours(tmp_path: Path) -> None:
    """Open data has its analyses as step 0 of forecasts."""
    there = hourly(["t2m"], 2).drop_vars("lsm").rename(time="init_time")
    for hours in (0, 6):
        lead = np.array([hours]) * np.timedelta64(3_600_000_000_000, "ns")
        one = there.expand_dims(lead_time=lead, axis=1)
        one["init_time"].attrs["standard_name"] = "forecast_reference_time"
        one["lead_time"].attrs["standard_name"] = "forecast_period"
        one.to_netcdf(tmp_path / f"{hours}.nc")
    truth = raw.open_truth([tmp_path / "0.nc"], ["t2m"])
    assert truth.dims == ("time", "channel", "latitude", "longitude")
    with pytest.raises(InputError, match=r"6\.nc: these are forecasts .* but analyses"):
        raw.open_truth([tmp_path / "6.nc"], ["t2m"])


def test_what_is_left_out_of_a_truth_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(raw, "tell", lambda left_out, paths: told.extend(map(str, left_out)))
    dataset = hourly(["t2m"], hours=2)
    dataset.assign(zust=dataset["t2m"].drop_attrs()).to_netcdf(tmp_path / "truth.nc")
    raw.open_truth([tmp_path / "truth.nc"], ["t2m"])
    assert told == ["zust"]
