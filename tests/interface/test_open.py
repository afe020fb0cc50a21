"""`smoecast.open`: files as one canonical dataset, with what is not read of them."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from small_world import analyses

import smoecast
from smoecast.config.run import Config
from smoecast.errors import AbsentError, ConfigError, InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files that continue each other, the second with a variable that nobody knows."""
    truth = analyses(days=4)
    truth.isel(time=slice(None, 8)).to_netcdf(tmp_path / "a.nc")
    later = truth.isel(time=slice(8, None))
    later.assign(zust=later["t2m"].drop_attrs()).to_netcdf(tmp_path / "b.nc")
    return tmp_path


@pytest.mark.parametrize("named", ["folder", "glob", "list"])
def test_files_continue_each_other_and_tell_what_is_left_out(folder: Path, named: str) -> None:
    source = {
        "folder": folder,
        "glob": str(folder / "*.nc"),
        "list": [folder / "b.nc", str(folder / "a.nc")],
    }[named]
    opened = smoecast.open(source)
    truth = analyses(days=4)
    for name in ("z500", "t2m"):
        np.testing.assert_array_equal(opened[name], truth[name])
    np.testing.assert_array_equal(opened["time"], truth["time"])
    left = [{"name": "zust", "reason": "", "file": "b.nc"}]
    assert json.loads(opened.attrs["smoecast_left_out"]) == left


def test_what_was_opened_can_be_written(folder: Path, tmp_path: Path) -> None:
    opened = smoecast.open(folder / "b.nc")
    opened.to_netcdf(tmp_path / "again.nc")
    xr.testing.assert_equal(smoecast.open(tmp_path / "again.nc"), opened)
    assert "smoecast_left_out" not in smoecast.open(folder / "a.nc").attrs


def test_select_and_assume_are_those_of_a_config(folder: Path, tmp_path: Path) -> None:
    alone = smoecast.open(folder / "b.nc", select={"variable": "t2m"})
    assert set(alone.data_vars) == {"t2m"}
    assert "z500" in alone.attrs["smoecast_left_out"]
    bare = analyses(days=1)[["t2m"]].rename(t2m="strange").drop_attrs()
    bare.to_netcdf(tmp_path / "bare.nc")
    said = {"variable": "t2m", "units": "K"}
    assert "t2m" in smoecast.open(tmp_path / "bare.nc", assume={"bare.nc": said})
    with pytest.raises(ConfigError, match=r"smoecast.open: data.assume.*there is no such key"):
        smoecast.open(folder, assume={"*.nc": {"lvel": 500}})


def test_products_are_read_and_quantiles_are_told(tmp_path: Path) -> None:
    t2m = analyses(days=2)["t2m"].rename(time="init_time").expand_dims(lead_time=1)
    t2m = t2m.transpose("init_time", "lead_time", ...)
    t2m = t2m.assign_coords(lead_time=[np.timedelta64(24 * 3600 * 10**9, "ns")])
    quantiles = t2m.expand_dims(quantile=[0.1, 0.9])
    made = xr.Dataset({"t2m_mean": t2m, "t2m_std": t2m, "t2m_quantile": quantiles})
    made.to_netcdf(tmp_path / "alone.nc")
    made.assign(t2m=t2m).to_netcdf(tmp_path / "beside.nc")
    for name in ("alone", "beside"):
        opened = smoecast.open(tmp_path / f"{name}.nc")
        np.testing.assert_array_equal(opened["t2m_mean"], t2m)
        left = json.loads(opened.attrs["smoecast_left_out"])
        assert [one["name"] for one in left] == ["t2m_quantile"]


def test_a_store_of_ours(done: Config) -> None:
    opened = smoecast.open(done.store)
    np.testing.assert_array_equal(opened["t2m"], analyses()["t2m"])
    assert opened["z500"].attrs["units"] == "m2 s-2"


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(AbsentError, match="there is no such file"):
        smoecast.open(tmp_path / "none.nc")
    (tmp_path / "empty.nc").touch()
    with pytest.raises(InputError, match="is empty"):
        smoecast.open(tmp_path / "empty.nc")
    for strange in (3, [], [tmp_path, 3]):
        with pytest.raises(ConfigError, match="names no file: give a path"):
            smoecast.open(strange)  # type: ignore[arg-type]
