"""Results along the time at which fields hold: four dimensions, as CDO reads them."""

import shutil
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from made_fields import forecast
from write_whole import write_netcdf

from smoecast.errors import ConfigError
from smoecast.fields.read.netcdf.open import open_netcdf
from smoecast.fields.read.results import open_result
from smoecast.fields.write.blocks import blank
from smoecast.fields.write.netcdf import netcdf_writer

Names = tuple[str, ...]


def calibrated(start: slice, lead: slice) -> xr.Dataset:
    """Members, moments, quantiles and probabilities of some of three starts and two lead times."""
    members = forecast("t2m", "z500", members=4, stack=False).isel(init_time=start, lead_time=lead)
    made = members.assign(
        t2m_mean=members["t2m"].mean("number").assign_attrs(cell_methods="realization: mean"),
        t2m_quantile=members["t2m"].isel(number=slice(0, 3)).rename(number="quantile"),
        t2m_probability_above=members["t2m"].isel(number=[0]).rename(number="t2m_threshold_above"),
    ).assign_coords(quantile=[0.1, 0.5, 0.9])
    threshold = ("t2m_threshold_above", [273.15], {"units": "K", "long_name": "threshold"})
    made = made.assign_coords(t2m_threshold_above=threshold)
    for array in made.data_vars.values():
        array.attrs.setdefault("long_name", "made")
    return made


ONE_START, ONE_LEAD = (slice(1, 2), slice(None)), (slice(None), slice(1, 2))


@pytest.mark.parametrize("part", [ONE_START, ONE_LEAD, (slice(0, 1), slice(0, 1))])
def test_both_layouts_read_the_same(tmp_path: Path, part: tuple[slice, slice]) -> None:
    given = calibrated(*part)
    for layout in ("default", "cdo"):
        write_netcdf(given, tmp_path / f"{layout}.nc", layout=layout)
    one, other = (open_result(tmp_path / f"{layout}.nc") for layout in ("default", "cdo"))
    xr.testing.assert_identical(one.load(), other.load())
    assert {"t2m", "z500", "t2m_mean", "t2m_probability_above"} <= set(other.data_vars)


@pytest.mark.parametrize("part", [ONE_START, ONE_LEAD])
def test_the_rules_of_cdo_are_kept(tmp_path: Path, part: tuple[slice, slice]) -> None:
    """At most four dimensions: time, one other, latitude, longitude; and one vertical axis."""
    given = calibrated(*part)
    write_netcdf(given, tmp_path / "out.nc", layout="cdo")
    valid = given["init_time"].values[:, None] + given["lead_time"].values[None, :]
    with netCDF4.Dataset(tmp_path / "out.nc") as file:
        assert file.dimensions["time"].isunlimited()
        assert not {"init_time", "lead_time", "valid_time"} & set(file.dimensions)
        times = netCDF4.num2date(file["time"][...], file["time"].units)
        np.testing.assert_array_equal([np.datetime64(str(t), "ns") for t in times], valid.ravel())
        assert (file["time"].standard_name, file["time"].axis) == ("time", "T")
        assert file["init_time"].standard_name == "forecast_reference_time"
        for name in given.data_vars:
            variable = file[str(name)]
            assert variable.dimensions[0] == "time"
            assert variable.dimensions[-2:] == ("latitude", "longitude")
            assert variable.ndim <= 4
            beside = getattr(variable, "coordinates", "").split()
            vertical = [n for n in beside if n.startswith(("height_", "level_"))]
            assert len(vertical) + (variable.ndim - 3) <= 1
        assert file["z500"].scalar_coordinates == "level_500"


def test_blocks_of_members_go_where_they_belong(tmp_path: Path) -> None:
    given = forecast("t2m", members=4)
    for index in range(3):
        one = given.isel(init_time=[index])
        path = tmp_path / f"{index}.nc"
        empty = one.map(lambda array: array.copy(data=blank(array.shape)))
        with netcdf_writer(empty, path, layout="cdo") as append:
            for number in (2, 0, 3, 1):
                append(one.isel(number=[number]))
        np.testing.assert_array_equal(open_netcdf(path)["t2m"].values, one["t2m"].values)


def test_blocks_of_starts_go_where_they_belong(tmp_path: Path) -> None:
    given = forecast("t2m").isel(lead_time=[1])
    empty = given.map(lambda array: array.copy(data=blank(array.shape)))
    with netcdf_writer(empty, tmp_path / "out.nc", layout="cdo") as append:
        for index in (1, 2, 0):
            append(given.isel(init_time=[index]))
    found = open_netcdf(tmp_path / "out.nc")
    np.testing.assert_array_equal(found["t2m"].values, given["t2m"].values)
    np.testing.assert_array_equal(found["init_time"].values, given["init_time"].values)


def test_a_missing_member_stays_missing(tmp_path: Path) -> None:
    given = forecast("t2m", members=4).isel(init_time=[0])
    values = given["t2m"].values.copy()
    values[0, 1, 2] = np.nan
    given = given.assign(t2m=given["t2m"].copy(data=values))
    write_netcdf(given, tmp_path / "out.nc", gaps=True, layout="cdo")
    np.testing.assert_array_equal(open_netcdf(tmp_path / "out.nc")["t2m"].values, values)


def test_winds_at_100_hpa_are_told_from_winds_at_100_m(tmp_path: Path) -> None:
    given = forecast("u100", members=2, stack=False).isel(init_time=[0])
    write_netcdf(given, tmp_path / "out.nc", layout="cdo")
    found = open_netcdf(tmp_path / "out.nc")
    np.testing.assert_array_equal(found["u100"].values, given["u100"].values)


def test_several_starts_of_several_lead_times_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not 3 starts of 2 lead times: name a file a start"):
        write_netcdf(forecast("t2m"), tmp_path / "out.nc", layout="cdo")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layout", ["default", "cdo"])
def test_a_cf_checker_has_nothing_to_say(tmp_path: Path, layout: str) -> None:
    checker = Path(sys.executable).with_name("compliance-checker")
    if not checker.exists():
        pytest.skip("compliance-checker is not installed beside this Python")
    write_netcdf(calibrated(*ONE_START), tmp_path / "out.nc", layout=layout)
    words = [checker, "--test=cf:1.11", tmp_path / "out.nc"]
    found = subprocess.run(words, capture_output=True, text=True, check=False)
    assert "All tests passed!" in found.stdout, found.stdout


@pytest.mark.skipif(shutil.which("cdo") is None, reason="cdo is not installed")
def test_cdo_shows_every_field(tmp_path: Path) -> None:
    given = calibrated(*ONE_START)
    write_netcdf(given, tmp_path / "out.nc", layout="cdo")
    done = subprocess.run(
        ["cdo", "infon", tmp_path / "out.nc"], capture_output=True, text=True, check=True
    )
    assert "skipped" not in done.stderr
    for name in given.data_vars:
        assert str(name) in done.stdout
    first = (given["init_time"].values[0] + given["lead_time"].values[0]).astype("datetime64[s]")
    assert str(first).replace("T", " ") in done.stdout
