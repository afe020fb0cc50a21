"""Members and the moments that stand for them."""

import numpy as np
import xarray as xr

from smoecast.data.members import (
    is_moments,
    members_of,
    moment_names,
    moments,
    over_land,
    with_members,
)

DIMS = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")
NAMES = ("z500", "t2m")


def ensemble():
    values = np.random.default_rng(0).normal(size=(3, 2, 5, 2, 4, 6)).astype("f4")
    values[:, :, :, 0] = 54_000 + 100 * values[:, :, :, 0]
    return xr.DataArray(values, dims=DIMS, coords={"channel": list(NAMES)}, name="fields")


def reduced(fields):
    """Return the same ensemble as a store of mean and spread holds it."""
    dims = tuple(d for d in DIMS if d != "number")
    return xr.DataArray(
        moments(fields.values), dims=dims, coords={"channel": list(moment_names(NAMES))}
    )


def test_worked_numbers():
    two = np.array([1.0, 3.0], "f4").reshape(1, 1, 2, 1, 1, 1)  # (B, L, M, C, H, W)
    np.testing.assert_allclose(moments(two).ravel(), [2.0, np.sqrt(2.0)], rtol=1e-6)
    assert moment_names(NAMES) == ("z500_mean", "t2m_mean", "z500_std", "t2m_std")


def test_two_members_stand_for_a_mean_and_a_spread():
    fields = ensemble()
    small = reduced(fields)
    assert (is_moments(fields), is_moments(small)) == (False, True)
    members = members_of(fields, 1, "z500")
    np.testing.assert_array_equal(members, fields.values[:, 1, :, 0])
    pair = members_of(small, 1, "z500")
    assert pair.shape == (3, 2, 4, 6)
    np.testing.assert_allclose(pair.mean(axis=1), small.values[:, 1, 0], rtol=1e-12)
    np.testing.assert_allclose(pair.std(axis=1, ddof=1), small.values[:, 1, 2], rtol=1e-6)


def test_quantiles_have_the_mean_and_the_spread():
    fields = ensemble()
    assert with_members(fields) is fields
    small = reduced(fields).assign_coords(init_time=[0, 1, 2])
    made = with_members(small, 7)
    assert made.dims == DIMS
    assert made.chunks is not None
    assert made["channel"].values.tolist() == list(NAMES)
    assert (np.diff(made.values, axis=2) > 0).all()
    again = moments(made.values)
    np.testing.assert_allclose(again[:, :, :2], small.values[:, :, :2], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(again[:, :, 2:], small.values[:, :, 2:], rtol=1e-3)


def test_what_only_the_sea_has():
    values = np.full((1, 1, 2, 1, 3), np.nan)
    values[0, 0, :, 0, 1:] = [[280.0, 290.0], [284.0, 294.0]]
    dims = ("init_time", "lead_time", "number", "latitude", "longitude")
    dataset = xr.Dataset({"sst": (dims, values), "t2m": (dims, values)})
    filled = over_land(dataset)
    np.testing.assert_array_equal(filled["sst"].values[0, 0, :, 0, 0], [287.0, 287.0])
    np.testing.assert_array_equal(filled["sst"].values[..., 1:], values[..., 1:])
    xr.testing.assert_identical(filled["t2m"], dataset["t2m"])
    nothing = over_land(dataset.where(False))
    assert bool(nothing["sst"].isnull().all())  # a field that is missing stays missing
