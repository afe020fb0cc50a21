"""Channels and variables: there and back."""

import numpy as np
import pytest
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.channels import attributes_of, channels_of, field_of, layout, pack
from smoecast.fields.left_out import LeftOut, note_left_out


def fields(*names: str) -> dict[str, xr.DataArray]:
    rng = np.random.default_rng(0)
    coords = {"time": np.array(["2020-01-01"], "datetime64[ns]"), "latitude": [10.0, 0.0]}
    return {
        name: xr.DataArray(
            rng.normal(size=(1, 2, 3)).astype("f4"),
            dims=("time", "latitude", "longitude"),
            coords=coords | {"longitude": [0.0, 10.0, 20.0]},
        )
        for name in names
    }


def test_same_levels_are_stacked_in_the_place_of_level():
    given = fields("z850", "z500", "t500", "t850", "t2m")
    dataset = layout(given)
    assert dataset["z"].dims == ("time", "level", "latitude", "longitude")
    assert dataset["level"].values.tolist() == [500, 850]
    assert dataset["t2m"].attrs["units"] == "K"
    assert dataset["level"].attrs["units"] == "hPa"
    for name, field in given.items():
        np.testing.assert_array_equal(field_of(dataset, name).values, field.values)


def test_other_levels_stay_channels_with_their_pressure_beside_them():
    given = fields("z500", "t850", "t2m")
    dataset = layout(given)
    assert sorted(dataset.data_vars) == ["t2m", "t850", "z500"]
    assert dataset["z500"].coords["level_500"].attrs["standard_name"] == "air_pressure"
    assert "level_850" in dataset["t850"].coords
    assert dataset["z500"].attrs["standard_name"] == "geopotential"
    for name, field in given.items():
        np.testing.assert_array_equal(field_of(dataset, name).values, field.values)
        assert not [c for c in field_of(dataset, name).coords if str(c).startswith("level")]


def test_stacking_can_be_left_off_for_cdo():
    assert sorted(layout(fields("z500", "z850"), stack=False).data_vars) == ["z500", "z850"]


def test_winds_at_10_hpa_beside_those_at_10_metres():
    given = fields("u10", "u_10hPa", "u500")
    stacked = layout(given)
    assert channels_of(stacked) == ["u10", "u500", "u_10hPa"]
    assert stacked["u"].dims == ("time", "level", "latitude", "longitude")
    assert stacked["u10"].attrs["long_name"] == "10 metre eastward wind"
    alone = layout(given | fields("z500"))
    assert alone["u_10hPa"].attrs["long_name"] == "eastward wind"
    assert alone["u_10hPa"].coords["level_10"] == 10
    for dataset in (stacked, alone):
        for name, field in given.items():
            np.testing.assert_array_equal(field_of(dataset, name).values, field.values)


@pytest.mark.parametrize("stack", [True, False])
def test_a_missing_wind_at_10_metres_is_not_the_one_at_10_hpa(stack):
    dataset = layout(fields("z500", "z10", "u500", "u_10hPa"), stack)
    words = "u10 is not in the data, which has .*; the eastward wind on 10 hPa is called u_10hPa"
    with pytest.raises(InputError, match=words):
        field_of(dataset, "u10")


def test_no_levels_at_all():
    assert list(layout(fields("t2m", "msl")).data_vars) == ["t2m", "msl"]


def test_channels_of_both_layouts():
    assert channels_of(layout(fields("z850", "z500", "t2m"))) == ["t2m", "z500", "z850"]
    assert channels_of(layout(fields("z500", "t850"))) == ["t850", "z500"]


def test_stays_lazy():
    lazy = {name: field.chunk() for name, field in fields("z500", "z850").items()}
    assert field_of(layout(lazy), "z850").chunks is not None


@pytest.mark.parametrize("name", ["z700", "msl", "t500"])
def test_field_of_says_what_is_there(name):
    dataset = layout(fields("z500", "t2m"))
    with pytest.raises(InputError, match=rf"{name} is not in the data, which has t2m z500"):
        field_of(dataset, name)
    with pytest.raises(InputError, match=r"^a\.nc: .* t2m z500; correct data\.channels$"):
        pack(dataset, ["t2m", name], "a.nc", "data.channels")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nonsense", "'nonsense' is no channel"),
        ("t2m500", "'t2m500' is no channel"),
        ("z", "'z' needs its level in hPa: z500"),
        ("hgt", "'hgt' is called z here"),
    ],
)
def test_no_channel(name, words):
    with pytest.raises(InputError, match=words):
        field_of(layout(fields("z500")), name)


def test_attributes_of_a_variable_without_a_standard_name():
    assert attributes_of("tcw") == {"long_name": "total column water", "units": "kg m-2"}


def test_what_was_left_out_explains_a_missing_channel():
    left = LeftOut("pres on maxWind", "sp is read from the ground", "sp")
    dataset = note_left_out(layout(fields("t2m")), [LeftOut("zust"), left])
    with pytest.raises(InputError, match=r"has t2m \(left out: pres on maxWind \(sp is read from"):
        field_of(dataset, "sp")
    with pytest.raises(InputError, match=r"has t2m$"):
        field_of(dataset, "z500")


def test_many_channels_are_said_by_their_levels():
    names = [f"{name}{level}" for name in "tz" for level in range(100, 1000, 25)]
    dataset = layout(fields(*names, "t2m"))
    with pytest.raises(InputError, match=r"has t2m, t on 36 levels of 100 to 975 hPa, z on 36 "):
        field_of(dataset, "sp")
