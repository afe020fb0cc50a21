"""Channels computed from others, or from time and place."""

from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from made_fields import forecast

from smoecast.errors import InputError
from smoecast.fields.channels import attributes_of, channels_of
from smoecast.fields.derived import derive, sources_of, top_radiation
from smoecast.fields.missing import trim_leading
from smoecast.fields.read.open import open_files

DATA = Path(__file__).parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)
START = np.datetime64("1979-01-01", "ns")
LATITUDE, LONGITUDE = np.array([60.0, 0.0]), np.array([0.0, 120.0, 240.0])


def series(count: int = 30, name: str = "tp", step: int = 1) -> xr.Dataset:
    """Hourly fields 1, 2, 4, 8 ... mm at first, whose sums tell which hours are in them."""
    values = np.random.default_rng(1).uniform(0.0, 0.004, size=(count, 2, 3))
    values[:8] = 0.001 * 2.0 ** np.arange(min(count, 8))[:, np.newaxis, np.newaxis]
    return xr.Dataset(
        {name: (("time", "latitude", "longitude"), values.astype("f4"))},
        {
            "time": START + np.arange(count) * np.timedelta64(step, "h"),
            "latitude": LATITUDE,
            "longitude": LONGITUDE,
        },
    )


# ---- what a source must give


def test_needed():
    assert sources_of(["z500", "tp6h", "lntp6h", "tisr"], {"z500", "tp"}.__contains__) == [
        "z500",
        "tp",
    ]
    assert sources_of(["lntp6h", "tisr"], {"tp6h", "tisr"}.__contains__) == ["tp6h", "tisr"]
    assert sources_of(["orography", "lat2d"], set().__contains__) == ["orography"]


# ---- precipitation


def test_six_hours_worked_by_hand():
    given = series()
    found = derive(given, ["tp6h", "lntp6h"])
    assert found["time"].values[0] == START + np.timedelta64(5, "h")
    assert found.sizes["time"] == 25
    millimetres = found["tp6h"].values[:3, 0, 0] * 1000
    np.testing.assert_allclose(millimetres, [63.0, 126.0, 252.0], rtol=1e-6)  # 1+2+4+8+16+32
    np.testing.assert_allclose(
        found["lntp6h"].values[:3, 0, 0], np.log([64.0, 127.0, 253.0]), rtol=1e-6
    )
    assert found["tp"].sizes["time"] == 25
    assert found["tp6h"].attrs == attributes_of("tp6h")
    assert found["lntp6h"].attrs["units"] == "1"
    assert found["lntp6h"].dtype == np.float32


@pytest.mark.parametrize("size", [1, 3, 5, 7, 30])
def test_lazy_equals_eager(size):
    given = series().assign(t2m=series(name="t2m")["t2m"])
    wanted = ["tp6h", "lntp6h", "tisr"]
    lazy = derive(given.chunk(time=size), wanted, ["lat2d"])
    assert all(isinstance(lazy[name].data, da.Array) for name in wanted)
    # the height of a field is never cut: a file would be read once for each piece
    assert lazy["tp6h"].chunks[1:] == ((2,), (3,))
    xr.testing.assert_identical(lazy.compute(), derive(given, wanted, ["lat2d"]).compute())


def test_only_the_logarithm():
    found = derive(series(), ["lntp6h"])
    assert "lntp6h" in found
    assert found.sizes["time"] == 25


def test_sums_that_a_file_has_already():
    given = series(name="tp6h", step=6)
    found = derive(given, ["lntp6h", "tp6h"])
    xr.testing.assert_identical(found["tp6h"], given["tp6h"])
    np.testing.assert_allclose(found["lntp6h"], np.log1p(given["tp6h"] / 0.001), rtol=1e-6)


def test_noise_below_zero_is_no_rain():
    given = series(name="tp6h") * 0 - 1e-6
    np.testing.assert_array_equal(derive(given, ["lntp6h"])["lntp6h"], 0.0)


def test_a_missing_hour_is_in_six_sums():
    given = series()
    given["tp"][10] = np.nan
    for chunked in (given, given.chunk(time=4)):
        found = derive(chunked, ["lntp6h"])
        missing = np.isnan(found["lntp6h"].values).all(axis=(1, 2))
        assert np.flatnonzero(missing).tolist() == [5, 6, 7, 8, 9, 10]  # from 10 h on


def test_sums_need_hours():
    words = "after 1979-01-01T00:00 comes 1979-01-01T06:00: give hourly data without gaps"
    with pytest.raises(InputError, match=words) as caught:
        derive(series(step=6), ["tp6h"], source="a.nc")
    assert str(caught.value).startswith("a.nc: tp6h is the sum of six hourly values of tp")
    with pytest.raises(InputError, match="after 1979-01-01T03:00 comes 1979-01-01T05:00"):
        derive(series().drop_isel(time=4), ["lntp6h"])
    with pytest.raises(InputError, match="but there are 5 times: give a longer series"):
        derive(series(5), ["tp6h"])


@needs_data
def test_era5_at_finse():
    given = open_files(sorted(DATA.glob("era5-finse/*.nc")))
    found = derive(given, ["tp6h"])
    assert found.sizes["time"] == 2208 - 5
    wanted = given["tp"].isel(time=slice(1000, 1006)).astype("f8").sum("time")
    np.testing.assert_allclose(found["tp6h"].sel(time=given["time"][1005]), wanted, rtol=1e-5)


# ---- radiation and latitude


def test_radiation_where_it_is_absent():
    given = series(name="t2m")
    found = derive(given, ["t2m", "tisr"])
    np.testing.assert_array_equal(
        found["tisr"], top_radiation(given["time"].values, LATITUDE, LONGITUDE)
    )
    assert found["tisr"].dims == ("time", "latitude", "longitude")
    assert found["tisr"].attrs["units"] == "J m-2"
    assert found.sizes["time"] == 30


def test_radiation_of_a_file_is_kept():
    given = series(name="tisr")
    xr.testing.assert_identical(derive(given, ["tisr"]), given)


def test_latitude_as_a_field():
    found = derive(series(name="t2m"), [], ["lat2d"])["lat2d"]
    assert found.dims == ("latitude", "longitude")
    np.testing.assert_array_equal(found, [[60.0] * 3, [0.0] * 3])
    assert found.attrs["standard_name"] == "latitude"


# ---- left alone


def test_what_is_not_wanted_or_cannot_be_had():
    given = series(name="t2m")
    xr.testing.assert_identical(derive(given, ["t2m", "z500", "tp6h", "lntp6h"]), given)
    xr.testing.assert_identical(derive(series(), ["tp"]), series())
    ahead = forecast("t2m")
    xr.testing.assert_identical(derive(ahead, ["tisr"]), ahead)


# ---- series that begin late


def late(hours: int) -> xr.Dataset:
    given = series().assign(t2m=series(name="t2m")["t2m"])
    given["tp"][:hours] = np.nan
    return given


@pytest.mark.parametrize("chunked", [False, True])
def test_the_first_seven_hours_of_weatherbench(chunked):
    given = late(7).chunk(time=10) if chunked else late(7)
    found = trim_leading(given, ["t2m", "tp"])
    assert found["time"].values[0] == START + np.timedelta64(7, "h")
    assert not np.isnan(found["tp"].values).any()
    # before or after the sums it is the same
    one = trim_leading(derive(given, ["tp6h"]), ["tp6h"])
    xr.testing.assert_identical(one.compute(), derive(found, ["tp6h"]).compute())
    assert one["time"].values[0] == START + np.timedelta64(12, "h")


def test_what_is_not_asked_for_trims_nothing():
    given = late(7).assign(lsm=series()["tp"][0, :, :].drop_vars("time") * np.nan)
    xr.testing.assert_identical(trim_leading(given, ["t2m", "lsm", "z500"]), given)


def test_holes_stay():
    given = late(0)
    given["tp"][0, 0, 0] = np.nan
    given["tp"][5] = np.nan
    xr.testing.assert_identical(trim_leading(given, ["tp"]), given)


def test_a_channel_on_a_level():
    given = series(name="z").expand_dims(level=[500, 850], axis=1).copy(deep=True)
    given["z"][:3, 1] = np.nan
    assert channels_of(given) == ["z500", "z850"]
    assert trim_leading(given, ["z500"]).sizes["time"] == 30
    assert trim_leading(given, ["z850"]).sizes["time"] == 27


def test_missing_all_along():
    with pytest.raises(InputError, match=r"a\.nc: tp is missing at all of the first 24 times"):
        trim_leading(late(24), ["tp"], "a.nc")
    with pytest.raises(InputError, match="all of the first 7 times"):
        trim_leading(late(7).isel(time=slice(7)), ["tp"])
