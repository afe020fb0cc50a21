"""What a config says of files that do not say it, and never against what they say."""

from pathlib import Path

import made_grib
import numpy as np
import pytest
import xarray as xr
from made_fields import TIMES, surface, upper

from smoecast.config.reading import Assumption
from smoecast.data.readings import reading_of
from smoecast.errors import InputError
from smoecast.fields.read.open import open_file
from smoecast.fields.read.reading import Reading


def of(**said: object) -> Reading:
    return reading_of({}, {"*": Assumption(**said)}, "data")


def write(path: Path, dataset: xr.Dataset) -> Path:
    dataset.to_netcdf(path)
    return path


def test_a_file_without_level_units_and_name(tmp_path: Path) -> None:
    path = write(tmp_path / "z500_ei.nc", surface("field", None))
    with pytest.raises(InputError):
        open_file(path)
    found = open_file(path, reading=of(level=500, variable="z", units="m2 s-2"))
    assert list(found.data_vars) == ["z"]
    assert found["level"].values.tolist() == [500]
    assert found["z"].values.min() == 200
    height = open_file(path, reading=of(level=500, variable="z", units="m"))
    assert height["z"].values.min() == pytest.approx(200 * 9.80665)


def test_a_name_of_ours_without_its_level(tmp_path: Path) -> None:
    path = write(tmp_path / "t850.nc", surface("t"))
    assert open_file(path, reading=of(level=850))["level"].values.tolist() == [850]
    assert list(open_file(path, reading=of(variable="t2m")).data_vars) == ["t2m"]


def test_a_level_that_only_the_name_tells(tmp_path: Path) -> None:
    """As u100, which ERA5 has at 100 metres."""
    path = write(tmp_path / "u100.nc", surface("u100", "m s-1"))
    with pytest.raises(InputError, match="100 may be hPa or metres"):
        open_file(path)
    assert list(open_file(path, reading=of(level=100)).data_vars) == ["u100"]


def test_a_mean_over_a_day_is_taken_where_that_is_said(tmp_path: Path) -> None:
    daily = surface("t2m")
    daily["t2m"].attrs["cell_methods"] = "time: mean"
    path = write(tmp_path / "f.nc", daily)
    with pytest.raises(InputError, match=r"write data\.assume with step: instant"):
        open_file(path)
    found = open_file(path, reading=of(step="instant"))
    np.testing.assert_array_equal(found["t2m"].values, daily["t2m"].values[:, ::-1])


def test_several_variables_are_named_one_by_one(tmp_path: Path) -> None:
    both = surface("a", None).assign(b=surface("b", None)["b"])
    path = write(tmp_path / "f.nc", both)
    names = {"a": "t2m", "b": "msl"}
    found = open_file(path, reading=of(variable=names, units={"a": "K", "b": "hPa"}))
    assert set(found.data_vars) == {"t2m", "msl"}
    assert float(found["msl"].values.min()) == 20_000
    with pytest.raises(InputError, match=r"gives one units, but there are a, b: write units: {a:"):
        open_file(path, reading=of(units="K"))
    with pytest.raises(InputError, match=r"it has no c, but a, b; correct data\.assume"):
        open_file(path, reading=of(variable={"c": "t2m"}))


def test_times_that_mean_a_later_hour(tmp_path: Path) -> None:
    path = write(tmp_path / "f.nc", surface())
    moved = open_file(path, reading=of(time_offset_hours=12))["time"].values
    np.testing.assert_array_equal(moved, TIMES + np.timedelta64(12, "h"))
    grib = made_grib.write(tmp_path / "f.grib", made_grib.temperature())
    late = open_file(grib, reading=of(time_offset_hours=-6))["time"].values
    assert late.tolist() == [np.datetime64("2019-12-31T18", "ns").astype(int)]
    with pytest.raises(InputError, match=r"has no times that data\.assume could shift"):
        still = write(tmp_path / "s.nc", surface("lsm", "1").isel(time=0, drop=True))
        open_file(still, reading=of(time_offset_hours=12))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"level": 500}, "it is of 500, 850 hPa, not of 500 hPa as data.assume says"),
        ({"units": "degC"}, "t has the unit 'K', not 'degC' as data.assume says: leave units out"),
        ({"variable": "q"}, "t is t, not q as data.assume says: leave variable out"),
        ({"variable": "t2m"}, "t stands on a pressure level, where t2m cannot be"),
    ],
)
def test_what_the_file_says_may_not_be_assumed_otherwise(tmp_path, said, words) -> None:
    path = write(tmp_path / "f.nc", upper())
    with pytest.raises(InputError, match=words) as caught:
        open_file(path, reading=of(**said))
    assert str(caught.value).startswith(str(path))
    open_file(path, reading=of(units="k"))


def test_names_and_standard_names_are_said_too(tmp_path: Path) -> None:
    winds = surface("x", "m s-1", standard_name="eastward_wind")
    path = write(tmp_path / "f.nc", winds)
    with pytest.raises(InputError, match=r"x is eastward_wind, not v10 as data\.assume"):
        open_file(path, reading=of(variable="v10"))
    z500 = write(tmp_path / "g.nc", surface("z500", "m2 s-2"))
    with pytest.raises(InputError, match="it is of 500 hPa, not of 850 hPa"):
        open_file(z500, reading=of(level=850))
    assert list(open_file(z500, reading=of(level=500)).data_vars) == ["z500"]
    two = surface().assign(x=surface()["t2m"])
    with pytest.raises(InputError, match=r"it has t2m beside x; correct data\.assume"):
        open_file(write(tmp_path / "h.nc", two), reading=of(variable={"x": "t2m"}))


def test_grib_says_all_but_what_its_times_mean(tmp_path: Path) -> None:
    path = made_grib.write(tmp_path / "f.grib", made_grib.temperature())
    with pytest.raises(InputError, match="GRIB says level, variable, units and step itself"):
        open_file(path, reading=of(level=500))
    with pytest.raises(InputError, match="GRIB says level"):
        open_file(path, reading=of(step="instant"))
