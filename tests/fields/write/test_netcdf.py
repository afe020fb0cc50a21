"""Results as CF-1.11 has them, written block by block."""

import shutil
import subprocess
import sys
from pathlib import Path

import dask
import netCDF4
import numpy as np
import pytest
import xarray as xr
from made_fields import forecast, leftovers
from write_whole import write_netcdf

from smoecast.errors import InputError
from smoecast.fields.channels import field_of
from smoecast.fields.read.netcdf.open import open_netcdf
from smoecast.fields.times import as_lead
from smoecast.fields.write.blocks import blank
from smoecast.fields.write.netcdf import netcdf_writer

# ---- what is in the file


@pytest.mark.parametrize(
    "names",
    [
        ("z500", "z850", "t500", "t850", "t2m"),
        ("z500", "t850", "u10"),
        ("u10", "u_10hPa", "z500", "fg10_3h"),
    ],
)
@pytest.mark.parametrize("members", [0, 4])
def test_round_trip(tmp_path, names, members):
    given = forecast(*names, members=members)
    path = tmp_path / "deep" / "er" / "out.nc"
    write_netcdf(given, path)
    found = open_netcdf(path)
    assert leftovers(path.parent) == ["out.nc"]
    for name in names:
        np.testing.assert_array_equal(field_of(found, name).values, field_of(given, name).values)
        assert field_of(found, name).dims == field_of(given, name).dims
    for name in ("init_time", "lead_time", "latitude", "longitude"):
        np.testing.assert_array_equal(found[name].values, given[name].values)
    assert found.attrs["title"] == "a forecast"


def test_analyses_and_constants_round_trip(tmp_path):
    given = forecast("t2m", "lsm").isel(lead_time=0, drop=True).rename(init_time="time")
    given["lsm"] = given["lsm"].isel(time=0, drop=True)
    with netcdf_writer(given, tmp_path / "out.nc") as append:
        append(given.isel(time=slice(0, 1)))
        append(given.isel(time=slice(1, None)).drop_vars("lsm"))
    found = open_netcdf(tmp_path / "out.nc")
    np.testing.assert_array_equal(found["t2m"].values, given["t2m"].values)
    np.testing.assert_array_equal(found["lsm"].values, given["lsm"].values)


def test_a_projection_keeps_its_mapping(tmp_path):
    given = forecast("t2m").rename(
        latitude="projection_y_coordinate", longitude="projection_x_coordinate"
    )
    for name in ("projection_y_coordinate", "projection_x_coordinate"):
        given[name].attrs = {"standard_name": name, "units": "m"}
    given["lambert"] = xr.DataArray(
        np.int32(0), attrs={"grid_mapping_name": "lambert_azimuthal_equal_area"}
    )
    given = given.set_coords("lambert")
    given["t2m"].attrs["grid_mapping"] = "lambert"
    write_netcdf(given, tmp_path / "out.nc")
    found = open_netcdf(tmp_path / "out.nc", any_grid=True)
    assert found["t2m"].attrs["grid_mapping"] == "lambert"
    assert found["lambert"].attrs["grid_mapping_name"] == "lambert_azimuthal_equal_area"
    np.testing.assert_array_equal(found["t2m"].values, given["t2m"].values)


def test_storage(tmp_path):
    write_netcdf(forecast("z500", "z850", "t2m", members=4), tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert file.Conventions == "CF-1.11"
        assert file["z"].chunking() == [1, 1, 1, 1, 9, 16]
        assert file["z"].filters()["zlib"] and file["z"].filters()["complevel"] == 4
        assert file["z"].filters()["shuffle"]
        assert file["z"].dtype == np.float32
        assert file["init_time"].dtype == np.int64
        assert file["init_time"].units == "hours since 1970-01-01"
        assert file["lead_time"].units == "hours"
        assert file["lead_time"][...].tolist() == [6, 12]
        assert file["valid_time"][0, 1] - file["init_time"][0] == 12
        assert file["number"].dtype == file["level"].dtype == np.int32
        assert file["height_2m"][...] == 2.0
        assert file["t2m"].coordinates == "height_2m"
        for variable in file.variables.values():
            assert variable.long_name and variable.units


def test_half_hours_are_stored_in_minutes(tmp_path):
    write_netcdf(forecast("t2m", hours=(0.5, 1)), tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert file["lead_time"].units == "minutes"
        assert file["lead_time"][...].tolist() == [30, 60]
    found = open_netcdf(tmp_path / "out.nc")
    assert found["lead_time"].values.tolist() == as_lead([0.5, 1]).tolist()


def test_attributes_without_value_are_left_out(tmp_path):
    write_netcdf(forecast("t2m").assign_attrs(comment=None), tmp_path / "out.nc")
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert "comment" not in file.ncattrs()


# ---- other readers


@pytest.mark.parametrize("names", [("z500", "z850", "t500", "t850", "t2m", "tp"), ("z500", "t850")])
def test_compliance_checker(tmp_path, names):
    checker = Path(sys.executable).with_name("compliance-checker")
    if not checker.exists():
        pytest.skip("compliance-checker is not installed beside this Python")
    path = tmp_path / "out.nc"
    write_netcdf(forecast(*names, members=2), path)
    done = subprocess.run(
        [checker, "--test=cf:1.11", path], capture_output=True, text=True, check=False
    )
    assert "All tests passed!" in done.stdout, done.stdout


@pytest.mark.skipif(shutil.which("ncdump") is None, reason="ncdump is not installed")
def test_ncdump(tmp_path):
    write_netcdf(forecast("z500", "t850"), tmp_path / "out.nc")
    done = subprocess.run(
        ["ncdump", "-h", tmp_path / "out.nc"], capture_output=True, text=True, check=True
    )
    assert "float z500(init_time, lead_time, latitude, longitude)" in done.stdout


@pytest.mark.skipif(shutil.which("cdo") is None, reason="cdo is not installed")
@pytest.mark.parametrize(("members", "seen"), [(0, True), (2, False)])
def test_cdo(tmp_path, members, seen):
    """CDO knows four dimensions: it opens every file, and shows the fields without members."""
    write_netcdf(forecast("z500", "z850", members=members, stack=False), tmp_path / "out.nc")
    done = subprocess.run(
        ["cdo", "infon", tmp_path / "out.nc"], capture_output=True, text=True, check=True
    )
    assert ("z500" in done.stdout) is seen


# ---- block by block


def template_of(given: xr.Dataset) -> xr.Dataset:
    """The same without values."""
    return given.map(lambda array: array.copy(data=blank(array.shape)))


def test_blocks_go_where_their_coordinates_say(tmp_path):
    given = forecast("t2m", "z500", members=4)
    parts = [
        given.isel(init_time=slice(a, a + 1), number=slice(b, b + 2)).copy(deep=True)
        for a in (2, 0, 1)
        for b in (0, 2)
    ]
    with netcdf_writer(template_of(given), tmp_path / "out.nc") as append:
        for part in parts:
            append(part)
    found = open_netcdf(tmp_path / "out.nc")
    for name in ("t2m", "z500"):
        np.testing.assert_array_equal(field_of(found, name).values, field_of(given, name).values)


def test_what_makes_a_block_reads_in_one_thread(tmp_path):
    given = forecast("t2m")
    with netcdf_writer(given, tmp_path / "out.nc") as append:
        assert dask.config.get("scheduler") == "synchronous"
        append(given)
    assert dask.config.get("scheduler", None) is None


def test_a_template_takes_no_memory():
    assert blank((10_000, 100, 50, 721, 1440)).base.nbytes == 4


@pytest.mark.parametrize("error", [InputError("no"), RuntimeError("CUDA"), KeyboardInterrupt()])
def test_what_fails_in_a_block_comes_out_as_it_is(tmp_path, error):
    given = forecast("t2m")
    with (
        pytest.raises(type(error)) as caught,
        netcdf_writer(given, tmp_path / "out.nc") as append,
    ):
        append(given.isel(init_time=slice(0, 1)))
        raise error
    assert caught.value is error
    assert leftovers(tmp_path) == []
