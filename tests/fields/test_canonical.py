"""Canonical form: every way in which files say the same thing, and what is refused."""

import dask
import numpy as np
import pytest
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical import LEFT_OUT, canonical, check_values, read_checked
from smoecast.fields.grid import grid_of

LATITUDE = np.array([-30.0, 0.0, 30.0])
LONGITUDE = np.array([0.0, 90.0, 180.0, 270.0])
TIMES = np.datetime64("2020-01-01", "ns") + np.arange(4) * np.timedelta64(6, "h")
HOUR = np.timedelta64(3600, "s")


def field(sizes: dict[str, int], units: str | None = "K", **attributes: object) -> xr.DataArray:
    """Values that tell their own place, 200 and more."""
    count = int(np.prod(list(sizes.values())))
    values = 200.0 + np.arange(count, dtype="f4").reshape(tuple(sizes.values()))
    attrs = attributes if units is None else {"units": units, **attributes}
    return xr.DataArray(values, dims=tuple(sizes), attrs=attrs)


def surface(name: str = "t2m", units: str | None = "K", **attributes: object) -> xr.Dataset:
    """One analysis variable, south to north."""
    array = field({"time": 4, "latitude": 3, "longitude": 4}, units, **attributes)
    return xr.Dataset({name: array}, {"time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE})


def upper(levels: object = (500, 850), units: str | None = "hPa", name: str = "t") -> xr.Dataset:
    """One variable on levels."""
    array = field({"time": 4, "level": len(levels), "latitude": 3, "longitude": 4})
    dataset = xr.Dataset(
        {name: array},
        {"time": TIMES, "level": np.asarray(levels), "latitude": LATITUDE, "longitude": LONGITUDE},
    )
    if units is not None:
        dataset["level"].attrs["units"] = units
    return dataset


def refused(dataset: xr.Dataset, words: str, **options: bool) -> None:
    with pytest.raises(InputError, match=words) as caught:
        canonical(dataset, "a.nc", **options)
    assert str(caught.value).startswith("a.nc: ")


# ---- names, order, place


def test_latitude_runs_north_to_south_and_values_go_along():
    given = surface()
    found = canonical(given, "a.nc")
    assert found["t2m"].dims == ("time", "latitude", "longitude")
    assert found["t2m"].dtype == np.float32
    assert found["latitude"].values.tolist() == [30.0, 0.0, -30.0]
    xr.testing.assert_equal(
        found["t2m"].drop_attrs(), given["t2m"].sel(latitude=found["latitude"]).drop_attrs()
    )


def test_longitude_first_is_turned():
    given = surface()
    found = canonical(given.transpose("longitude", "latitude", "time"), "a.nc")
    xr.testing.assert_identical(found, canonical(given, "a.nc"))


@pytest.mark.parametrize(
    "names",
    [
        {"latitude": "lat", "longitude": "lon"},
        {"latitude": "nav_lat", "longitude": "nav_lon", "time": "valid_time"},
        {"latitude": "LAT", "longitude": "LON"},
    ],
)
def test_dimension_aliases(names):
    xr.testing.assert_identical(
        canonical(surface().rename(names), "a.nc"), canonical(surface(), "a.nc")
    )


def test_dimensions_by_standard_name_units_and_axis():
    given = surface().rename(latitude="a", longitude="b", time="c")
    given["a"].attrs["standard_name"] = "latitude"
    given["b"].attrs["units"] = "degrees_east"
    given["c"].attrs["axis"] = "T"
    xr.testing.assert_identical(canonical(given, "x.nc"), canonical(surface(), "x.nc"))


def test_coordinates_of_nameless_dimensions():
    given = surface().rename_dims(latitude="y", longitude="x")
    given = given.drop_indexes(["latitude", "longitude"])
    xr.testing.assert_identical(canonical(given, "a.nc"), canonical(surface(), "a.nc"))


def test_a_dimension_coordinate_of_the_nameless_dimension_goes():
    given = surface().rename_dims(latitude="y", longitude="x")
    given = given.drop_indexes(["latitude", "longitude"]).assign_coords(y=[0, 1, 2])
    xr.testing.assert_identical(canonical(given, "a.nc"), canonical(surface(), "a.nc"))


def test_two_latitudes():
    other = field({"time": 4, "lat": 3, "longitude": 4})
    given = surface().assign(d2m=other).assign_coords(lat=LATITUDE)
    refused(given, "dimensions latitude and lat are both latitude")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([-180, -90, 0, 90], [0, 90, 180, 270]),
        ([0.0, 90, 180, 270], [0, 90, 180, 270]),
        ([-10, -5, 0, 5], [-10, -5, 0, 5]),
        ([350, 355, 0, 5], [-10, -5, 0, 5]),
        ([350, 355, 360, 365], [-10, -5, 0, 5]),
        ([0, 5, 350, 355], [-10, -5, 0, 5]),
        ([-160, -155, -150, -145], [200, 205, 210, 215]),
        ([170, 175, -180, -175], [170, 175, 180, 185]),
        ([215, 210, 205, 200], [200, 205, 210, 215]),
    ],
)
def test_longitude_in_one_convention(given, wanted):
    dataset = surface().assign_coords(longitude=np.asarray(given, dtype="f4"))
    found = canonical(dataset, "a.nc")
    assert found["longitude"].values.tolist() == wanted
    by_place = dataset.assign_coords(longitude=np.asarray(given) % 360).sel(
        longitude=np.asarray(wanted) % 360
    )
    np.testing.assert_array_equal(
        found["t2m"].sel(latitude=LATITUDE).values, by_place["t2m"].values
    )


def test_float32_coordinates_lose_their_noise():
    given = surface().assign_coords(latitude=np.array([50.1, 50.2, 50.3], "f4"))
    assert canonical(given, "a.nc")["latitude"].values.tolist() == [50.3, 50.2, 50.1]


@pytest.mark.parametrize(
    ("coordinates", "words"),
    [
        ({"latitude": [0.0, np.nan, 10.0]}, "latitude has missing values"),
        ({"longitude": [0.0, np.inf, 10.0, 20.0]}, "longitude has missing values"),
        ({"latitude": ["a", "b", "c"]}, "latitude has missing values"),
        ({"latitude": [0.0, 20.0, 10.0]}, "latitude neither falls nor rises"),
        ({"latitude": [0.0, 50.0, 100.0]}, "latitude reaches 100, past the pole"),
        ({"longitude": [0.0, 120.0, 240.0, 360.0]}, "longitude 0 is there twice"),
    ],
)
def test_damaged_coordinates(coordinates, words):
    refused(surface().assign_coords(coordinates), words)


def test_no_grid():
    given = xr.Dataset({"t2m": field({"time": 4, "cell": 9})}, {"time": TIMES})
    refused(given, "no regular latitude-longitude grid, but the dimensions time cell")


def test_two_dimensional_coordinates():
    given = (
        surface()
        .rename_dims(latitude="rlat", longitude="rlon")
        .drop_vars(["latitude", "longitude"])
    )
    two = np.zeros((3, 4))
    given = given.assign_coords(lat=(("rlat", "rlon"), two), lon=(("rlat", "rlon"), two))
    refused(given, "no regular latitude-longitude grid, but the dimensions .*rlat")


def projection() -> xr.Dataset:
    array = field({"projection_y_coordinate": 3, "projection_x_coordinate": 4})
    array.attrs["grid_mapping"] = "lambert"
    axes = {"projection_y_coordinate": LATITUDE, "projection_x_coordinate": LONGITUDE}
    return xr.Dataset({"t2m": array, "lambert": 0}, axes).assign_coords(time=TIMES[0])


def test_projection_only_when_asked_for():
    refused(projection(), "no regular latitude-longitude grid, but the dimensions .*projection_y")
    found = canonical(projection(), "a.nc", any_grid=True)
    assert found["t2m"].dims == ("time", "projection_y_coordinate", "projection_x_coordinate")
    assert found["t2m"].attrs["grid_mapping"] == "lambert"
    assert "lambert" in found.coords
    with pytest.raises(InputError, match="no dimension latitude"):
        grid_of(found)


# ---- levels


@pytest.mark.parametrize(
    ("levels", "units"),
    [
        ((500, 850), "hPa"),
        ((850.0, 500.0), "millibars"),
        ((85000.0, 50000.0), "Pa"),
        ((500, 850), None),
        ((50000.0, 85000.0), None),
    ],
)
def test_levels_in_hpa_ascending(levels, units):
    given = upper(levels, units)
    found = canonical(given, "a.nc")
    assert found["level"].values.tolist() == [500, 850]
    assert found["level"].dtype == np.int32
    lowest = given["t"].isel(level=int(np.argmax(levels))).sel(latitude=LATITUDE[::-1])
    np.testing.assert_array_equal(found["t"].sel(level=850).values, lowest.values)


@pytest.mark.parametrize("name", ["plev", "pressure_level", "isobaricInhPa", "lev"])
def test_level_aliases(name):
    xr.testing.assert_identical(
        canonical(upper().rename(level=name), "a.nc"), canonical(upper(), "a.nc")
    )


@pytest.mark.parametrize(
    ("levels", "units", "words"),
    [
        ((0.5, 1.0), "hPa", "level 0.5 hPa is no whole number"),
        ((10, 100), "Pa", "level 0.1 hPa is no whole number"),
        ((500, 500), "hPa", r"a level is there twice among \[500, 500\]"),
        ((1, 2), "~", "level has the unit '~', which is no pressure"),
        ((1, 2, 3, 4), None, "level counts model levels"),
    ],
)
def test_levels_refused(levels, units, words):
    refused(upper(levels, units), words)


def test_level_without_values():
    refused(upper().drop_vars("level"), "the dimension level has no values")


def test_scalar_level_becomes_a_dimension():
    given = upper().sel(level=500).rename(t="temperature")
    found = canonical(given, "a.nc")
    assert found["t"].dims == ("time", "level", "latitude", "longitude")
    assert found["level"].values.tolist() == [500]


def test_a_height_of_one_point_is_no_level():
    given = surface("air", standard_name="air_temperature").expand_dims(height=[2.0])
    given["height"].attrs.update(units="m", standard_name="height")
    assert list(canonical(given, "a.nc").data_vars) == ["t2m"]


# ---- members


def test_members_in_order_under_one_name():
    given = surface().expand_dims(realization=[2, 0, 1]).assign_coords(realization=[2, 0, 1])
    given = given * xr.DataArray([2.0, 0.0, 1.0], dims="realization")
    given["t2m"].attrs["units"] = "K"
    found = canonical(given, "a.nc")
    assert found["t2m"].dims[:3] == ("init_time", "lead_time", "number")
    assert found["number"].values.tolist() == [0, 1, 2]
    assert found["number"].dtype == np.int32
    assert found["t2m"].sel(number=0).max() == 0


def test_nameless_members_are_counted():
    given = xr.Dataset(
        {"t2m": field({"member": 2, "time": 4, "latitude": 3, "longitude": 4})}, surface().coords
    )
    assert canonical(given, "a.nc")["number"].values.tolist() == [0, 1]


def test_scalar_member_of_an_analysis_goes():
    assert "number" not in canonical(surface().assign_coords(number=0), "a.nc").coords


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (["a", "b"], "members have no numbers"),
        ([0.5, 1.0], "members have no whole numbers"),
        ([1, 1], "member is there twice"),
    ],
)
def test_members_refused(numbers, words):
    refused(surface().expand_dims(number=numbers), words)


# ---- experiments


def expver(overlap: bool) -> xr.Dataset:
    given = surface()
    first = given.where(given["time"] <= TIMES[1 + overlap])
    second = given.where(given["time"] > TIMES[1])
    both = xr.concat([first, second], dim=xr.DataArray([1, 5], dims="expver", name="expver"))
    both["t2m"].attrs["units"] = "K"
    return both


@pytest.mark.parametrize("lazy", [False, True])
def test_exclusive_experiments_are_laid_over_each_other(lazy):
    given = expver(overlap=False)
    found = canonical(given.chunk() if lazy else given, "a.nc")
    xr.testing.assert_equal(found.compute(), canonical(surface(), "a.nc"))


def test_experiments_that_both_have_a_value():
    with pytest.raises(InputError, match=r"a\.nc: t2m has 12 values in two experiments"):
        canonical(expver(overlap=True).chunk(), "a.nc").compute()


def test_experiment_beside_time_goes():
    given = surface().assign_coords(expver=("time", ["0001"] * 4)).assign(lsm=field({"expver": 2}))
    assert "expver" not in canonical(given.drop_vars("lsm"), "a.nc").coords


def test_constants_have_no_experiment():
    given = expver(overlap=False)
    given["lsm"] = field({"latitude": 3, "longitude": 4}, "1")
    assert "lsm" in canonical(given, "a.nc")


# ---- quantities


def test_left_out_variables_are_named():
    given = surface().assign(zust=field({"time": 4}), swvl1=field({"soil": 2, "latitude": 3}))
    found = canonical(given, "a.nc")
    assert list(found.data_vars) == ["t2m"]
    assert found.attrs[LEFT_OUT] == "zust, swvl1"


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
        ("air", {"long_name": "mean Daily Air temperature at 2 m"}, "t2m"),
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
    assert found.attrs[LEFT_OUT] == name


def test_two_heights_tell_nothing():
    given = surface("x", standard_name="air_temperature").assign(msl=surface("m", "Pa")["m"])
    for height in (2.0, 10.0):
        given = given.assign_coords({f"height{height:g}": ((), height, {"units": "m"})})
    assert canonical(given, "a.nc").attrs[LEFT_OUT] == "x"


def test_the_file_says_whose_height_it_is():
    given = surface().assign(u10=surface("u", "m s-1")["u"])
    for name, height in (("t2m", 2.0), ("u10", 10.0)):
        given = given.assign_coords({f"height_{name}": ((), height, {"units": "m"})})
        given[name].encoding["coordinates"] = f"height_{name}"
    assert sorted(canonical(given, "a.nc").data_vars) == ["t2m", "u10"]


def test_wind_at_100_metres_is_not_wind_at_100_hpa():
    given = surface().assign(u100=surface("u", "m s-1")["u"])
    assert canonical(given, "a.nc").attrs[LEFT_OUT] == "u100"


def test_surface_quantity_on_levels_is_left_out():
    given = upper().assign(wind_speed=upper()["t"].assign_attrs(units="m s-1"))
    assert canonical(given, "a.nc").attrs[LEFT_OUT] == "wind_speed"


def test_temperature_without_any_level():
    refused(surface("t"), "t is temperature without a level")


def test_the_same_quantity_twice():
    given = surface().assign({"2t": surface()["t2m"]})
    refused(given, "t2m and 2t are both 2 metre temperature")


def test_foreign_dimension_of_a_known_variable():
    given = xr.Dataset({"t2m": field({"time": 4, "quantile": 2, "latitude": 3, "longitude": 4})})
    refused(given.assign_coords(surface().coords), "t2m has the dimension quantile")


def test_wrong_and_missing_units():
    refused(surface(units="degF"), "t2m .*the unit 'degF', 'K' or a spelling of it is expected")
    refused(surface(units=None), "t2m .*no unit")


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


# ---- constants


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


# ---- values


@pytest.mark.parametrize("fill", [9.96921e36, -9999.0, -32767.0, 1e20, np.inf, np.nan])
def test_undeclared_fills_are_missing_values(fill):
    given = surface()
    given["t2m"][2, 0, 0] = fill
    found = canonical(given, "a.nc")
    with pytest.raises(
        InputError, match=r"a\.nc: 1 of 48 values of t2m are missing, first at 2020-01-01T12:00"
    ):
        check_values(found["t2m"], "a.nc", "t2m")


def test_fills_do_not_hide_in_conversions():
    given = surface(units="C")
    given["t2m"][0, 0, 0] = -9999.0
    with pytest.raises(InputError, match="1 of 48"):
        check_values(canonical(given, "a.nc")["t2m"], "a.nc", "t2m")


def test_check_values_passes_and_takes_plain_arrays():
    check_values(canonical(surface(), "a.nc")["t2m"], "a.nc", "t2m")
    check_values(np.zeros(3), "a.nc", "t2m")
    with pytest.raises(InputError, match=r"1 of 3 values of t2m are missing: use"):
        check_values(np.array([0.0, np.nan, 0.0]), "a.nc", "t2m")


def test_check_values_finds_the_time_of_a_single_field_and_of_constants():
    found = canonical(surface(), "a.nc")["t2m"].copy()
    found[3] = np.nan
    with pytest.raises(InputError, match="first at 2020-01-01T18:00"):
        check_values(found.isel(time=3), "a.nc", "t2m")
    with pytest.raises(InputError, match="12 of 12 values of t2m are missing: use"):
        check_values(found.isel(time=3, drop=True), "a.nc", "t2m")


def test_nothing_is_read_on_opening_but_coordinates():
    def never(block: np.ndarray) -> np.ndarray:
        raise AssertionError("a field was read")

    given = upper().chunk(time=1)
    given["t"] = given["t"].copy(
        data=given["t"].data.map_blocks(never, dtype="f4", meta=np.empty((0,) * 4, "f4"))
    )
    found = canonical(given.isel(level=[1, 0]), "a.nc")
    with pytest.raises(AssertionError, match="a field was read"):
        found["t"].compute()


def test_read_checked_reads_in_this_thread():
    seen = []

    def block(values: np.ndarray) -> np.ndarray:
        seen.append(dask.config.get("scheduler"))
        return values

    given = canonical(surface().chunk(time=1), "a.nc")["t2m"]
    lazy = given.copy(data=given.data.map_blocks(block, dtype="f4", meta=np.empty((0, 0, 0), "f4")))
    loaded = read_checked(lazy, "a.nc", "t2m")
    assert set(seen) == {"synchronous"}
    np.testing.assert_array_equal(loaded.values, given.values)


def test_read_checked_names_the_damaged_file():
    def damaged(values: np.ndarray) -> np.ndarray:
        raise RuntimeError("NetCDF: HDF error")

    given = canonical(surface().chunk(), "a.nc")["t2m"]
    lazy = given.copy(
        data=given.data.map_blocks(damaged, dtype="f4", meta=np.empty((0, 0, 0), "f4"))
    )
    with pytest.raises(InputError, match=r"a\.nc: t2m cannot be read \(NetCDF: HDF error\)"):
        read_checked(lazy, "a.nc", "t2m")


def test_a_moment_over_members_is_no_second_field() -> None:
    coordinates = {"time": TIMES, "latitude": [10.0, 0.0], "longitude": [0.0, 10.0]}
    field = (("time", "latitude", "longitude"), np.zeros((len(TIMES), 2, 2), np.float32))
    mean = (*field, {"units": "K", "cell_methods": "realization: mean"})
    raw = xr.Dataset({"t2m": (*field, {"units": "K"}), "t2m_mean": mean}, coordinates)
    assert list(canonical(raw, "f.nc").data_vars) == ["t2m"]


@pytest.mark.parametrize(("name", "kept"), [("z500", True), ("u500", True), ("u100", False)])
def test_a_channel_without_a_stated_level(name: str, kept: bool) -> None:
    coordinates = {"time": TIMES, "latitude": [10.0, 0.0], "longitude": [0.0, 10.0]}
    units = "m2 s-2" if name == "z500" else "m s-1"
    field = (("time", "latitude", "longitude"), np.zeros((len(TIMES), 2, 2)), {"units": units})
    temperature = (*field[:2], {"units": "K"})
    read = canonical(xr.Dataset({name: field, "t2m": temperature}, coordinates), "f.nc")
    assert (name in read) == kept
