"""Headers of GRIB and NetCDF in the words of the file, and which of them are not read."""

import numpy as np
import pytest
import xarray as xr
from made_fields import surface, upper

from smoecast.fields.left_out import LeftOut
from smoecast.tasks.inspect.headers import Header, headers_of_dataset, headers_of_grib

KIND = {
    **{"shortName": "pres", "name": "Pressure", "units": "Pa", "paramId": 54},
    **{"typeOfLevel": "surface", "stepType": "instant", "dataType": "fc", "stream": "oper"},
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
    ("keys", "is_left_out"),
    [
        ({"typeOfLevel": "surface"}, True),
        ({"typeOfLevel": "tropopause"}, False),
        ({"stepType": "instant"}, True),
        ({"stepType": "avg"}, False),
        ({"dataType": "fc"}, True),
        ({"dataType": "em"}, False),
        ({"stream": "oper"}, True),
        ({"stream": "moda"}, False),
        ({"typeOfLevel": "surface", "level": "0"}, True),
        ({"typeOfLevel": "surface", "level": "10"}, False),
    ],
)
def test_a_kind_of_message_is_found_among_what_is_left_out(
    keys: dict[str, str], is_left_out: bool
) -> None:
    (header,) = headers_of_grib([KIND])
    left = LeftOut("whatever it is called", keys={"shortName": "pres", **keys})
    assert (header.find_left_out([left]) is left) == is_left_out
    other = LeftOut("pres on surface", keys={"shortName": "sp", **keys})
    assert header.find_left_out([other]) is None


def test_a_kind_is_left_out_where_all_of_its_levels_are() -> None:
    kind = {**KIND, "shortName": "t", "typeOfLevel": "isobaricInhPa"}
    (header,) = headers_of_grib([{**kind, "levels": {"500": 1, "850": 1}}])
    at = {"shortName": "t", "typeOfLevel": "isobaricInhPa"}
    low, high = (LeftOut("t", "twice", keys={**at, "level": level}) for level in ("850", "500"))
    assert header.find_left_out([low]) is None
    assert header.find_left_out([low, high]) is low
    elsewhere = LeftOut("t", "twice", keys={**at, "level": "1000"})
    assert header.find_left_out([low, elsewhere]) is None


def test_a_variable_is_found_by_its_name() -> None:
    (header,) = headers_of_dataset(surface().rename(t2m="2t"), "a.nc")
    assert header.find_left_out([LeftOut("2t")])
    assert header.find_left_out([LeftOut("2t on hybrid", keys={"variable": "2t"})])
    assert not header.find_left_out([LeftOut("2t on hybrid"), LeftOut("t2m")])


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
    pascals = {**KIND, "shortName": "t", "typeOfLevel": "isobaricInPa"}
    kinds = [{**pascals, "levels": {"1": 1, "50": 1}}]
    kinds.append({**pascals, "typeOfLevel": "isobaricInhPa", "levels": {"1": 1}})
    keys = {"shortName": "t", "typeOfLevel": "isobaricInPa"}
    left = [LeftOut(f"t at {n} Pa", keys={**keys, "level": n}) for n in ("1", "10")]
    found = {one.level: one.find_left_out(left) for one in headers_of_grib(kinds)}
    assert found == {"isobaricInPa 1": left[0], "isobaricInPa 50": None, "isobaricInhPa 1": None}
