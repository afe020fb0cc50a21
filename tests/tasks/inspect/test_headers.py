"""Headers of GRIB and NetCDF in the words of the file, and which of them are not read."""

import numpy as np
import pytest
import xarray as xr
from made_fields import surface, upper

from smoecast.fields.left_out import LeftOut
from smoecast.tasks.inspect.headers import Header, headers_of_dataset, headers_of_grib

KIND = {
    **{"shortName": "pres", "name": "Pressure", "units": "Pa", "paramId": 54},
    **{"typeOfLevel": "surface", "stepType": "instant", "dataType": "fc"},
    **{"fields": 3, "levels": {"0": 3}},
}


def test_heights_are_apart_and_levels_together():
    wind = {**KIND, "shortName": "u", "paramId": 131}
    heights = {**wind, "typeOfLevel": "heightAboveGround", "levels": {"80": 2, "100": 1}}
    levels = {**wind, "typeOfLevel": "isobaricInhPa", "levels": {"1000": 1, "500": 1, "850": 1}}
    found = headers_of_grib([heights, levels, KIND])
    assert [(one.level, one.fields) for one in found] == [
        ("heightAboveGround 80", 2),
        ("heightAboveGround 100", 1),
        ("isobaricInhPa 500, 850, 1000", 3),
        ("surface", 3),
    ]
    assert [one.ours for one in found[:3]] == ["", "", "u"]
    many = headers_of_grib([{**levels, "levels": dict.fromkeys(map(str, range(1, 38)), 1)}])
    assert many[0].level == "isobaricInhPa 1 to 37 (37)"


def test_the_control_is_a_member():
    members = {**KIND, "dataType": "pf", "fields": 50}
    (found,) = headers_of_grib([members, {**KIND, "dataType": "cf", "fields": 1}])
    assert found.fields == 51


@pytest.mark.parametrize(
    ("name", "is_left_out"),
    [
        ("pres on maxWind", True),
        ("pres on tropopause", False),
        ("pres of step type avg", True),
        ("pres of type em", False),
        ("pres of type fc", True),
        ("pres as percentile (percentileValue 10)", True),
        ("pres at 0 m", True),
        ("pres at 10 m", False),
        ("pres at no pressure", True),
        ("sp on maxWind", False),
        ("pres", True),
    ],
)
def test_a_kind_of_message_is_found_among_what_is_left_out(name: str, is_left_out: bool):
    header = Header("pres", "Pressure", "Pa", "maxWind 0", "avg", 3, "sp", kind="fc")
    assert (header.find_left_out([LeftOut(name)]) is not None) == is_left_out


def test_a_unit_that_is_brought_to_another_is_told():
    told = {
        unit: Header("t", "", unit, "", "", 1, "t").find_si_unit() for unit in ("degC", "K", "m")
    }
    assert told == {"degC": "K", "K": "", "m": ""}
    assert Header("x", "", "m", "", "", 1, "").find_si_unit() == ""


def test_arrays_are_told_by_dimension_and_scalar():
    dataset = upper(levels=(500,)).squeeze("level")
    dataset["level"].attrs["units"] = "hPa"
    dataset["t"].attrs["cell_methods"] = "time:  mean"
    beside = surface().assign_coords(height=xr.DataArray(2.0, attrs={"units": "m"}))
    beside["t2m"].encoding["coordinates"] = "height"
    dataset = dataset.assign(t2m=beside["t2m"], crs=np.int32(1))
    one, other = headers_of_dataset(dataset, "a.nc")
    assert (one.level, one.step, one.ours) == ("level 500 hPa, height 2 m", "time: mean", "t")
    assert (other.level, other.fields) == ("height 2 m", 4)


def test_headers_are_told_where_dimensions_are_not_understood():
    twice = surface().expand_dims(realization=2, member=2).rename(t2m="2t")
    (found,) = headers_of_dataset(twice, "a.nc")
    assert (found.ours, found.fields) == ("t2m", 16)


def test_a_pressure_in_pascals_is_no_level_in_hectopascals():
    left = [LeftOut("t at 1 Pa"), LeftOut("t at 10 Pa")]
    found = {
        level: Header("t", "", "K", level, "instant", 1, "t").find_left_out(left)
        for level in ("isobaricInhPa 1", "isobaricInPa 1", "isobaricInPa 50")
    }
    assert [bool(one) for one in found.values()] == [False, True, False]
