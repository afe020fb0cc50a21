"""Dimensions and coordinates of foreign files: named, turned, or refused."""

import re

import numpy as np
import pytest
import xarray as xr
from made_fields import LATITUDE, LONGITUDE, TIMES, field, refused, surface, upper

from smoecast.data.readings import reading_of
from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.grid import grid_of
from smoecast.fields.read.open import open_file

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


def test_a_variable_named_like_a_coordinate_gives_way():
    given = surface().rename(latitude="lat")
    given["latitude"] = field({"lat": 3, "longitude": 4}, "degrees")
    xr.testing.assert_identical(canonical(given, "a.nc"), canonical(surface(), "a.nc"))


def test_a_track_is_no_grid():
    given = xr.Dataset({"t2m": field({"time": 4})}, {"time": TIMES})
    given = given.assign_coords(lat=("time", np.arange(4.0)), lon=("time", np.arange(4.0)))
    refused(given, "no regular latitude-longitude grid, but the dimensions time")


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
        ({"longitude": [0.0, 120.0, 360.0, 240.0]}, "longitude 0 is there twice"),
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
        ((137, 136, 135), None, "level counts model levels"),
    ],
)
def test_levels_refused(levels, units, words):
    refused(upper(levels, units), words)


@pytest.mark.parametrize(
    ("units", "attributes"),
    [
        ("hPa", {"standard_name": "atmosphere_hybrid_sigma_pressure_coordinate"}),  # CAM
        ("hPa", {"long_name": "hybrid level at midpoints (1000*(A+B))"}),
        (None, {"long_name": "model_level_number"}),  # ERA5 of MARS
        (None, {"long_name": "height above ground"}),
    ],
)
def test_levels_whose_name_says_that_they_are_no_pressures(units, attributes):
    given = upper(units=units)
    given["level"].attrs.update(attributes)
    (name,) = attributes.values()
    refused(given, re.escape(f"level is called '{name}', which is no pressure"))


def test_millibars_that_are_called_altitudes():
    """As GrADS writes them."""
    given = upper(units="millibar")
    given["level"].attrs["long_name"] = "altitude"
    assert canonical(given, "a.nc")["level"].values.tolist() == [500, 850]


def test_the_first_three_levels_of_era5():
    assert canonical(upper((1, 2, 3), None), "a.nc")["level"].values.tolist() == [1, 2, 3]


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
        (["a", "b"], r"members have no numbers.* data\.select: {number: a}, or number them$"),
        (["r1i1p1f1", "r1i1p2f1"], r"members have no numbers.* {number: r1i1p1f1}, or"),
        (["r1i1p1f1", "r1i1p1f1"], "member is there twice"),
        ([0.5, 1.0], r"members have no whole numbers.* data\.select: {number: 0\.5}, or number"),
        ([1, 1], "member is there twice"),
    ],
)
def test_members_refused(numbers, words):
    refused(surface().expand_dims(number=numbers), words)


@pytest.mark.parametrize("labels", [["r12i1p1f2", "r2i1p1f2"], ["r12i1p1", "r2i1p1"]])
def test_labels_of_cmip_are_numbers(labels):
    both = surface().expand_dims(member=labels)
    given = both * xr.DataArray([12.0, 2.0], dims="member")
    given["t2m"].attrs["units"] = "K"
    for members in (labels, [label.encode() for label in labels]):
        found = canonical(given.assign_coords(member=members), "a.nc")
        assert found["number"].values.tolist() == [2, 12]
        np.testing.assert_allclose(found["t2m"].sel(number=12), 6 * found["t2m"].sel(number=2))


@pytest.mark.parametrize("label", ["r1i1p1f1", "r1i1p2f1"])
def test_the_mend_of_labels_is_one(tmp_path, label):
    both = surface().expand_dims(member=["r1i1p1f1", "r1i1p2f1"], axis=1)
    both.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(InputError, match="number them"):
        open_file(tmp_path / "a.nc")
    found = open_file(tmp_path / "a.nc", reading=reading_of({"number": label}, {}, "data"))
    assert found["t2m"].dims == ("time", "latitude", "longitude")


# ---- a meridian that is there twice


def cyclic(last: float = 360.0) -> xr.Dataset:
    """A first meridian that is repeated a turn later, as plotting programs want it."""
    given = surface()
    again = given.isel(longitude=[0]).assign_coords(longitude=[last])
    return xr.concat([given, again], dim="longitude")


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("shift", [0.0, -180.0])
def test_a_meridian_that_is_repeated_is_read_once(lazy, shift):
    plain, given = surface(), cyclic()
    for one in (plain, given):
        one.coords["longitude"] = one["longitude"] + shift
    given["t2m"][1, 2, [0, 4]] = plain["t2m"][1, 2, 0] = np.nan
    found = canonical(given.chunk(time=1, longitude=2) if lazy else given, "a.nc")
    assert grid_of(found).shape == (3, 4)
    xr.testing.assert_identical(found.compute(), canonical(plain, "a.nc").compute())


def test_a_field_without_longitude_stays_beside_it():
    mean = surface("msl", "Pa")["msl"].isel(longitude=0, drop=True)
    found = canonical(cyclic().assign(msl=mean), "a.nc")
    assert found["msl"].dims == ("time", "latitude")
    assert found["t2m"].sizes["longitude"] == 4


def test_a_meridian_with_other_values_the_second_time(tmp_path):
    given = cyclic()
    given["t2m"][0, 0, -1] += 1
    words = r"t2m has other values at the longitude 360 than at 0, which is the same meridian"
    refused(given, words)
    given.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(InputError, match=words):
        open_file(tmp_path / "a.nc").load()
    leaving = reading_of({"not": {"longitude": 360}}, {}, "data")
    assert open_file(tmp_path / "a.nc", reading=leaving).sizes["longitude"] == 4


def test_another_meridian_that_is_there_twice():
    given = surface().assign_coords(longitude=[0.0, 90.0, 450.0, 270.0])
    words = r"the longitude 90 is there twice.*leave one with data\.select: {not: {longitude: 90}}"
    refused(given, words)


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


# ---- coordinates that no grid has


def test_levels_that_are_text_or_none():
    given = upper((500, 850))
    refused(given.assign_coords(level=["a", "b"]), "level has no pressures but 2 of <U1")
    refused(given.isel(level=slice(0)), "level has no pressures but 0 of int64")


def test_levels_beyond_32_bits():
    refused(upper((500, 10**12)), "the level 1e\\+12 hPa is no whole number of hPa")


@pytest.mark.parametrize("numbers", [[0.0, np.nan], [0.0, np.inf], [0, 2**31], [None, 1]])
def test_members_without_whole_numbers(numbers):
    given = xr.Dataset(
        {"t2m": field({"number": 2, "time": 4, "latitude": 3, "longitude": 4})},
        {"number": numbers, "time": TIMES, "latitude": LATITUDE, "longitude": LONGITUDE},
    )
    refused(given, "the ensemble members have no")


def test_longitudes_past_all_turns():
    far = [0.0, 90.0, 180.0, 1e300]
    refused(surface().assign_coords(longitude=far), "longitude reaches 1e\\+300, past three turns")


def test_coordinates_that_are_spans_of_time():
    spans = np.arange(3).astype("timedelta64[ns]")
    refused(surface().assign_coords(latitude=spans), "latitude has missing values")


@pytest.mark.parametrize("key", ["grid_mapping", "bounds"])
def test_names_that_are_numbers(key):
    given = surface(**{key: np.array([1.0, 2.0])})
    assert list(canonical(given, "a.nc").data_vars) == ["t2m"]


def test_labels_along_another_dimension():
    given = surface().expand_dims(number=3).assign_coords(realization=("time", [0, 1, 2, 3]))
    given = given.assign_coords(number=("time", [0, 1, 2, 3])).drop_vars("realization")
    refused(given, "the labels of the dimension number lie along time")
