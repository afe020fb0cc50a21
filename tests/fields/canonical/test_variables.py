"""Which quantity a foreign variable is, and what is constant."""

import numpy as np
import pytest
import xarray as xr
from made_fields import LATITUDE, LONGITUDE, TIMES, field, refused, surface, upper

from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.channels import channels_of
from smoecast.fields.left_out import LeftOut, describe, left_out_of
from smoecast.variables import VARIABLES

# ---- quantities


def test_left_out_variables_are_named():
    given = surface().assign(zust=field({"time": 4}), swvl1=field({"soil": 2, "latitude": 3}))
    found = canonical(given, "a.nc")
    assert list(found.data_vars) == ["t2m"]
    assert describe(left_out_of(found)) == "zust, swvl1"


def test_nothing_known():
    refused(surface("zust"), "no variable that smoecast knows among zust")
    refused(xr.Dataset(coords=surface().coords), "no variable that smoecast knows among none")


@pytest.mark.parametrize(
    ("name", "attributes", "wanted"),
    [
        ("2t", {}, "t2m"),
        ("2m_temperature", {}, "t2m"),
        ("tas", {}, "t2m"),
        ("var167", {"GRIB_paramId": 167}, "t2m"),
        ("x", {"short_name": "t2m"}, "t2m"),
        ("x", {"GRIB_shortName": "2t"}, "t2m"),
        ("air", {"long_name": "4xDaily Air temperature at sigma level 995"}, "tsig995"),
        ("air", {"long_name": "4xDaily Air temperature at 2 m"}, "t2m"),
        ("x", {"standard_name": "surface_temperature"}, "skt"),
    ],
)
def test_ways_to_name_a_variable(name, attributes, wanted):
    assert list(canonical(surface(name, **attributes), "a.nc").data_vars) == [wanted]


def test_sigma_level_in_the_description_of_the_file():
    given = surface("air").assign_attrs(description="These are the 0.9950 sigma level values.")
    assert list(canonical(given, "a.nc").data_vars) == ["tsig995"]


@pytest.mark.parametrize(
    ("standard_name", "height", "units", "wanted"),
    [
        ("air_temperature", 1.5, "K", "t2m"),
        ("eastward_wind", 10.0, "m s-1", "u10"),
        ("wind_speed", 10.0, "m s-1", "ws10"),
        ("surface_geopotential", None, "m2 s-2", "orography"),
    ],
)
def test_standard_names_at_a_height(standard_name, height, units, wanted):
    given = surface("x", units, standard_name=standard_name).isel(time=slice(1))
    if height is not None:
        attributes = {"units": "m", "standard_name": "height"}
        given = given.assign_coords(height=((), height, attributes))
    assert list(canonical(given, "a.nc").data_vars) == [wanted]


@pytest.mark.parametrize("standard_name", ["eastward_wind", "wind_speed"])
def test_standard_names_of_a_height_that_is_not_stated(standard_name):
    refused(surface("ua850", "m s-1", standard_name=standard_name), "smoecast knows among ua850")


@pytest.mark.parametrize(
    "attributes",
    [
        {"standard_name": "air_temperature_anomaly"},
        {"standard_name": "air_temperature standard_error"},
        {"long_name": "2 metre temperature climatology"},
    ],
)
def test_anomalies_and_climatologies_are_no_values(attributes):
    refused(surface(**attributes), "it is an anomaly, an error or a climatology")


def test_times_of_a_climatology():
    given = surface()
    given["time"].attrs["climatology"] = "climatology_bounds"
    refused(given, "it is an anomaly, an error or a climatology")


def test_standard_name_on_levels():
    given = upper(name="x")
    given["x"].attrs["standard_name"] = "air_temperature"
    assert list(canonical(given, "a.nc").data_vars) == ["t"]


@pytest.mark.parametrize(
    ("name", "height", "units"), [("t", 100.0, "K"), ("ws10", 100.0, "m s-1"), ("q", 2.0, "1")]
)
def test_other_heights_are_left_out(name, height, units):
    given = surface().assign({name: field({"time": 4, "latitude": 3, "longitude": 4}, units)})
    given = given.assign_coords(height=((), height, {"units": "m"}))
    given["t2m"].encoding["coordinates"] = ""
    found = canonical(given.drop_vars("t2m").assign(msl=given["t2m"].assign_attrs(units="Pa")), "a")
    (left,) = left_out_of(found)
    assert left.name == name
    assert left.reason == f"{name} is read {VARIABLES[name].place} alone"


def test_two_heights_tell_nothing():
    given = surface("x", standard_name="air_temperature").assign(msl=surface("m", "Pa")["m"])
    for height in (2.0, 10.0):
        given = given.assign_coords({f"height{height:g}": ((), height, {"units": "m"})})
    assert describe(left_out_of(canonical(given, "a.nc"))) == "x"


def test_the_file_says_whose_height_it_is():
    given = surface().assign(u10=surface("u", "m s-1")["u"])
    for name, height in (("t2m", 2.0), ("u10", 10.0)):
        given = given.assign_coords({f"height_{name}": ((), height, {"units": "m"})})
        given[name].encoding["coordinates"] = f"height_{name}"
    assert sorted(canonical(given, "a.nc").data_vars) == ["t2m", "u10"]


def test_wind_at_100_metres_is_not_wind_at_100_hpa():
    given = surface().assign(u100=surface("u", "m s-1")["u"])
    (left,) = left_out_of(canonical(given, "a.nc"))
    assert left == LeftOut(
        "u100",
        "100 may be hPa or metres: state its pressure in a coordinate named level",
        "u100",
    )


def test_surface_quantity_on_levels_is_left_out():
    given = upper().assign(wind_speed=upper()["t"].assign_attrs(units="m s-1"))
    (left,) = left_out_of(canonical(given, "a.nc"))
    assert str(left) == "wind_speed (ws10 is read at 10 m above ground alone)"


def test_one_variable_of_an_unknown_name_may_be_named():
    words = r"knows among tg; say what it is with data\.assume \({'\*\.nc': {variable: t2m}}\)"
    refused(surface("tg", "Celsius"), words)  # E-OBS


def test_temperature_without_any_level():
    refused(surface("t"), "t is temperature without a level")


def test_geopotential_whose_pressure_only_words_tell():
    words = "Geopotential height at 500 hPa"
    given = surface("hgt", "m", long_name=words).isel(time=[0])
    refused(given, "hgt is geopotential without a level: say its pressure with data.assume")


def test_levels_of_the_model_and_of_the_sea():
    array = field({"time": 4, "model_level": 2, "latitude": 3, "longitude": 4})
    given = surface().assign(t=array).assign_coords(model_level=[136, 137])
    (left,) = left_out_of(canonical(given, "a.nc"))
    assert str(left) == "t (t is read on pressure levels alone)"


def test_the_same_quantity_twice():
    given = surface().assign({"2t": surface()["t2m"]})
    refused(given, "t2m and 2t are both 2 metre temperature")


def test_foreign_dimension_of_a_known_variable():
    given = xr.Dataset({"t2m": field({"time": 4, "quantile": 2, "latitude": 3, "longitude": 4})})
    refused(given.assign_coords(surface().coords), "t2m has the dimension quantile")


def test_whole_numbers_become_float32():
    given = xr.Dataset(
        {"lsm": field({"lat": 3, "lon": 4}).astype("i1")}, {"lat": LATITUDE, "lon": LONGITUDE}
    )
    given["lsm"].attrs["units"] = "1"
    assert canonical(given, "a.nc")["lsm"].dtype == np.float32


def test_wrong_and_missing_units():
    refused(surface(units="degF"), "t2m .*the unit 'degF', 'K' or a spelling of it is expected")
    refused(surface(units=None), "t2m .*no unit")


def test_a_wrong_unit_leaves_the_rest_of_the_file():
    given = surface(units="degF").assign(msl=surface("msl", "hPa")["msl"])
    found = canonical(given, "a.nc")
    assert list(found.data_vars) == ["msl"]
    (left,) = left_out_of(found)
    assert left.channel == "t2m"
    assert "has the unit 'degF', 'K' or a spelling of it is expected" in left.reason


def test_units_become_si():
    given = surface(units="C")
    np.testing.assert_allclose(
        canonical(given, "a.nc")["t2m"].sel(latitude=LATITUDE).values,
        given["t2m"].values.astype("f8") + 273.15,
        rtol=1e-7,
    )
    assert canonical(given, "a.nc")["t2m"].attrs["units"] == "K"


def test_geopotential_height_becomes_geopotential():
    given = upper(name="hgt")
    given["hgt"].attrs["units"] = "m"
    found = canonical(given, "a.nc")
    assert found["z"].max() == pytest.approx(9.80665 * float(given["hgt"].max()), rel=1e-6)


def test_precipitation_of_an_hour_and_of_six():
    given = surface("total_precipitation_6hr", "m")
    given = given.assign(x=given["total_precipitation_6hr"].copy())
    given["x"].attrs["standard_name"] = "lwe_thickness_of_precipitation_amount"
    assert list(canonical(given, "a.nc").data_vars) == ["tp6h", "tp"]


# ---- what a name alone does not say


def winds(**attributes: object) -> xr.Dataset:
    return surface("u10", "m s-1", **attributes)


def test_u10_is_the_wind_at_10_metres():
    assert list(canonical(winds(), "a.nc").data_vars) == ["u10"]
    upstairs = upper((10, 500), name="u")
    upstairs["u"].attrs["units"] = "m s-1"
    both = canonical(upstairs.assign(u10=winds()["u10"]), "a.nc")
    assert channels_of(both) == ["u10", "u500", "u_10hPa"]
    assert both["u10"].dims == ("time", "latitude", "longitude")


def test_u10_with_its_pressure_beside_it_is_the_wind_at_10_hpa():
    given = winds().assign_coords(level_10=10)
    given["u10"].encoding["coordinates"] = "level_10"
    assert channels_of(canonical(given, "old.nc")) == ["u_10hPa"]


def test_u10_beside_10_hpa_may_be_both():
    given = winds().assign_coords(level=((), 10, {"units": "hPa"})).assign(msl=field_of_pressure())
    (left,) = left_out_of(canonical(given, "a.nc"))
    reason = "it may be at 10 hPa or at 10 m: call it u_10hPa, or state its height"
    assert left == LeftOut("u10", reason, "u10")
    stated = given.assign_coords(height=((), 10.0, {"units": "m", "standard_name": "height"}))
    assert channels_of(canonical(stated, "a.nc")) == ["msl", "u10"]
    elsewhere = given.assign_coords(level=((), 500, {"units": "hPa"}))
    assert channels_of(canonical(elsewhere, "a.nc")) == ["msl", "u10"]


def field_of_pressure() -> xr.DataArray:
    return surface("msl", "Pa")["msl"]


def test_a_pressure_beside_a_name_that_has_one():
    given = surface("u100", "m s-1").assign_coords(level=((), 100, {"units": "hPa"}))
    assert channels_of(canonical(given, "a.nc")) == ["u100"]
    other = given.assign(msl=field_of_pressure()).assign_coords(level=((), 850, {"units": "hPa"}))
    (left,) = left_out_of(canonical(other, "a.nc"))
    assert left == LeftOut("u100", "its level is not the one in its name", "u100")


def test_other_spellings_are_not_read():
    refused(surface("u_850hPa", "m s-1"), "no variable that smoecast knows among u_850hPa")


def test_the_name_of_a_wind_whose_words_are_of_a_speed():
    refused(
        surface("U10", "m s-1", long_name="10m wind speed"),
        r"among U10 \(it is a wind speed by its long_name\)",
    )


@pytest.mark.parametrize(
    ("name", "units", "attributes", "reason"),
    [
        ("t2m", "K", {"GRIB_stepType": "avg"}, "t2m is read at a moment alone"),
        ("tas", "K", {"cell_methods": "area: time: mean"}, "t2m is read at a moment alone"),
        ("tas", "K", {"cell_methods": "time: mean (interval: 1 hour)"}, "t2m is read at a moment"),
        ("t2m", "K", {"cell_methods": "valid_time: maximum"}, "t2m is read at a moment alone"),
        ("air", "K", {"statistic": "Mean", "long_name": "air at 2 m"}, "t2m is read at a moment"),
        ("air", "K", {"statistic": "Long Term Mean", "long_name": "at 2 m"}, "t2m is read at a m"),
        ("air", "K", {"long_name": "mean Daily Air temperature at 2 m"}, "t2m is read at a moment"),
        ("slp", "Pa", {"long_name": "Monthly Mean Sea Level Pressure"}, ""),
        ("slp", "Pa", {"long_name": "Monthly Mean of Sea Level Pressure"}, "msl is read at a mom"),
        ("tas", "K", {"cell_methods": "area: mean time: point"}, ""),
        ("air", "K", {"statistic": "Individual Obs", "long_name": "air at 2 m"}, ""),
        ("tp", "m", {"cell_methods": "time: sum"}, ""),
        ("tp", "m", {"cell_methods": "time: mean"}, "tp is read as a sum over time alone"),
        ("tp", "m", {"GRIB_stepType": "accum"}, ""),
        ("fg10", "m s-1", {"cell_methods": "time: maximum"}, ""),
        ("i10fg", "m s-1", {"cell_methods": "time: maximum"}, "i10fg is read at a moment alone"),
        ("sp", "Pa", {"GRIB_typeOfLevel": "surface"}, ""),
        ("pres", "Pa", {"GRIB_typeOfLevel": "tropopause"}, "sp is read on the ground alone"),
        ("pres", "Pa", {"level_desc": "Tropopause"}, "sp is read on the ground alone"),
        ("pres", "Pa", {"level_desc": "Surface"}, ""),
        ("tcc", "1", {"long_name": "Low cloud cover"}, "tcc is read of the whole atmosphere alone"),
        ("tcc", "%", {"GRIB_typeOfLevel": "lowCloudLayer"}, "tcc is read of the whole atmosphere"),
        ("tcc", "%", {"long_name": "Total cloud cover"}, ""),
        ("t", "K", {"GRIB_typeOfLevel": "surface"}, "t is read on pressure levels alone"),
    ],
)
def test_levels_and_steps_that_a_file_states(name, units, attributes, reason):
    given = surface(name, units, **attributes).assign(d2m=surface()["t2m"])
    left = left_out_of(canonical(given, "a.nc"))
    assert [one.reason[: len(reason)] for one in left] == ([reason] if reason else [])


def test_a_mean_can_be_taken_all_the_same():
    given = surface("tas", cell_methods="time: mean")
    refused(given, "t2m is read at a moment alone; .* data.assume with step: instant")
    given["tas"].attrs["GRIB_stepType"] = "instant"
    assert list(canonical(given, "a.nc").data_vars) == ["t2m"]


@pytest.mark.parametrize(
    ("methods", "wanted"),
    [("time: point", "i10fg"), ("time: maximum", "fg10"), ("", "fg10")],
)
def test_gusts_by_their_standard_name(methods, wanted):
    given = surface("gust", "m s-1", standard_name="wind_speed_of_gust", cell_methods=methods)
    assert list(canonical(given, "a.nc").data_vars) == [wanted]


@pytest.mark.parametrize(
    ("name", "wanted"), [("10fg3", "fg10_3h"), ("p10fg6", "fg10_6h"), ("fg310", "fg10_3h")]
)
def test_gusts_of_hours_are_rows_of_their_own(name, wanted):
    assert list(canonical(surface(name, "m s-1"), "a.nc").data_vars) == [wanted]


# ---- constants


def test_the_geopotential_of_the_ground_by_name():
    given = xr.Dataset(
        {"geopotential_at_surface": field({"lat": 3, "lon": 4}, "m**2 s**-2")},
        {"lat": LATITUDE, "lon": LONGITUDE},
    )
    assert list(canonical(given, "a.nc").data_vars) == ["orography"]


def test_latitude_as_a_field_is_not_read():
    given = surface().assign(lat2d=field({"latitude": 3, "longitude": 4}, units=None))
    assert describe(left_out_of(canonical(given, "a.nc"))) == "lat2d"


def test_geopotential_without_a_level_is_the_ground():
    given = surface("z", "m**2 s**-2")
    given["z"] = given["z"].isel(time=[0, 0, 0, 0]).assign_coords(time=TIMES)
    found = canonical(given.assign(t2m=surface()["t2m"]), "a.nc")
    assert found["orography"].dims == ("latitude", "longitude")
    assert found["t2m"].dims == ("time", "latitude", "longitude")


def test_a_constant_that_changes():
    refused(surface("z", "m**2 s**-2"), "orography is constant by nature, but changes")


def test_a_file_of_constants_has_no_time():
    given = xr.Dataset(
        {"lsm": field({"lat": 3, "lon": 4}, "(0 - 1)")}, {"lat": LATITUDE, "lon": LONGITUDE}
    )
    assert dict(canonical(given, "a.nc").sizes) == {"latitude": 3, "longitude": 4}
    timed = given.expand_dims(time=TIMES[:1])
    assert dict(canonical(timed, "a.nc").sizes) == {"latitude": 3, "longitude": 4}


def test_constants_of_an_ensemble():
    given = surface().expand_dims(number=2).assign(lsm=field({"latitude": 3, "longitude": 4}, "1"))
    assert canonical(given, "a.nc")["lsm"].dims == ("latitude", "longitude")


@pytest.mark.parametrize(
    "attributes",
    [
        {"GRIB_paramId": "many"},
        {"GRIB_paramId": np.array([1, 2])},
        {"GRIB_paramId": np.nan},
        {"short_name": np.array([1.0, 2.0])},
        {"GRIB_shortName": 7},
    ],
)
def test_names_that_are_none(attributes):
    refused(surface("x", **attributes), "no variable that smoecast knows among x")


def test_a_height_whose_names_are_numbers():
    height = ((), 2.0, {"standard_name": np.array([1.0, 2.0]), "units": np.array([1.0, 2.0])})
    assert list(canonical(surface().assign_coords(height=height), "a.nc").data_vars) == ["t2m"]


def test_a_height_that_is_text():
    given = surface().assign_coords(height=((), "low", {"standard_name": "height"}))
    assert list(canonical(given, "a.nc").data_vars) == ["t2m"]
