"""Values of canonical data: in SI units, lazy, and never missing in silence."""

import numpy as np
import pytest
import xarray as xr
from made_fields import TIMES, refused, surface, upper

from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.left_out import left_out_of
from smoecast.names import parse_channel

# ---- values


@pytest.mark.parametrize("fill", [9.96921e36, -9999.0, -32767.0, 1e20, np.inf, np.nan])
def test_undeclared_fills_are_missing_values(fill):
    given = surface()
    given["t2m"][2, 0, 0] = fill
    found = canonical(given, "a.nc")
    missing = np.argwhere(np.isnan(found["t2m"].values))
    assert missing.tolist() == [[2, 2, 0]]  # the file begins in the south


def test_fills_do_not_hide_in_conversions():
    given = surface(units="C")
    given["t2m"][0, 0, 0] = -9999.0
    assert np.isnan(canonical(given, "a.nc")["t2m"].values).sum() == 1


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


def test_a_moment_over_members_is_no_second_field() -> None:
    coordinates = {"time": TIMES, "latitude": [10.0, 0.0], "longitude": [0.0, 10.0]}
    field = (("time", "latitude", "longitude"), np.zeros((len(TIMES), 2, 2), np.float32))
    mean = (*field, {"units": "K", "cell_methods": "realization: mean"})
    raw = xr.Dataset({"t2m": (*field, {"units": "K"}), "t2m_mean": mean}, coordinates)
    assert list(canonical(raw, "f.nc").data_vars) == ["t2m"]


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        *(("z500", True), ("u500", True), ("u250", True), ("z50", True), ("t850", True)),
        *(("u100", False), ("u200", False), ("v80", False), ("t2", False), ("r2", False)),
        *(("q2", False), ("t10", False), ("z20", False), ("w10", False)),
    ],
)
def test_a_channel_without_a_stated_level(name: str, kept: bool) -> None:
    coordinates = {"time": TIMES, "latitude": [10.0, 0.0], "longitude": [0.0, 10.0]}
    units = parse_channel(name).variable.units
    field = (("time", "latitude", "longitude"), np.zeros((len(TIMES), 2, 2)), {"units": units})
    temperature = (*field[:2], {"units": "K"})
    read = canonical(xr.Dataset({name: field, "t2m": temperature}, coordinates), "f.nc")
    assert (name in read) == kept
    assert [left.channel for left in left_out_of(read)] == ([] if kept else [name])


def test_values_that_are_no_numbers():
    given = surface()
    text = given["t2m"].astype(str)
    refused(given.assign(t2m=text), "the values of t2m are <U[0-9]+, no numbers")
    pairs = np.zeros((4, 3, 4), [("a", "f4"), ("b", "i4")])
    refused(given.assign(t2m=(given["t2m"].dims, pairs)), "the values of t2m are .*, no numbers")


def test_no_values_at_all():
    refused(surface().isel(time=slice(0)), "t2m has no values at all")
    refused(surface().isel(latitude=slice(0)), "t2m has no values at all")


@pytest.mark.filterwarnings("ignore:Duplicate dimension")
def test_a_dimension_twice():
    given = surface()
    array = xr.Variable(("time", "latitude", "latitude"), np.zeros((4, 3, 3), "f4"), {"units": "K"})
    refused(given.assign(t2m=array), "t2m has a dimension twice: time latitude latitude")


def test_attributes_that_are_no_text():
    given = surface(grid_mapping=np.array([1.0, 2.0]))
    given.attrs = {"title": np.array([1, 2]), "history": "made"}
    found = canonical(given, "a.nc")
    assert "title" not in found.attrs
    assert found.attrs["history"] == "made"
