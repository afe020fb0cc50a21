"""Fields on other grids: laws, scipy, dask, real data."""

import os
import subprocess
import sys
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from cell_areas import cell_areas
from made_fields import forecast
from scipy.interpolate import RegularGridInterpolator

from smoecast.errors import ConfigError, InputError
from smoecast.fields import regrid as regridding
from smoecast.fields.grid import Grid, grid_of
from smoecast.fields.read.open import open_file
from smoecast.fields.regrid import grid_by_name, regrid

DATA = Path(__file__).parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)
METHODS = ("bilinear", "conservative")
WB = grid_by_name("5.625")
POLES = grid_by_name("2.5")


def on(grid: Grid, values: np.ndarray) -> xr.DataArray:
    """Lay (..., H, W) values on a grid."""
    dims = ("time", "level", "latitude", "longitude")[-values.ndim :]
    return xr.DataArray(
        values,
        dims=dims,
        coords={"latitude": grid.latitude, "longitude": grid.longitude},
        name="t",
        attrs={"units": "K"},
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("source", "target"), [(POLES, WB), (WB, POLES)])
def test_fields_weighed_together_are_those_one_by_one_to_the_bit(
    method: str, source: Grid, target: Grid, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(regridding, "_AT_ONCE", 3 * 4 * int(np.prod(source.shape)))
    fields = on(source, np.random.default_rng(0).random((7, *source.shape), np.float32))
    fields[1, 3:9, 4:9] = np.nan
    moved = regrid(fields, target, method)
    np.testing.assert_array_equal(moved, [regrid(field, target, method) for field in fields])
    assert np.isnan(moved.values).any(axis=(1, 2)).tolist() == [False, True, *[False] * 5]


def noise(grid: Grid, *before: int, dtype: str = "f8") -> xr.DataArray:
    values = np.random.default_rng(3).normal(250.0, 20.0, size=(*before, *grid.shape))
    return on(grid, values.astype(dtype))


def mean(array: xr.DataArray) -> float:
    return float((array.values * cell_areas(grid_of(array))).sum())


# ---- grids


@pytest.mark.parametrize(
    ("name", "shape", "north"),
    [
        ("5.625", (32, 64), 87.1875),
        ("2.8125", (64, 128), 88.59375),
        ("1.40625", (128, 256), 89.296875),
        ("1.5", (121, 240), 90.0),
        ("1", (181, 360), 90.0),
        ("1.0", (181, 360), 90.0),
        ("0.25", (721, 1440), 90.0),
        ("f32", (64, 128), 87.8638),
    ],
)
def test_named_grids(name, shape, north):
    grid = grid_by_name(name)
    assert grid.shape == shape
    assert grid.periodic
    assert grid.latitude[0] == pytest.approx(north, abs=1e-4)
    np.testing.assert_allclose(grid.latitude, -grid.latitude[::-1], atol=1e-9)
    assert grid.longitude[0] == 0.0


def test_unknown_grid():
    with pytest.raises(ConfigError, match=r"no grid '5\.6': use 5\.625 2\.8125 .* or f32"):
        grid_by_name("5.6")


# ---- laws


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", ["5.625", "1.5", "f16"])
def test_a_constant_stays_so(method, target):
    field = on(POLES, np.full((2, *POLES.shape), 54321.0, "f4"))
    np.testing.assert_allclose(regrid(field, grid_by_name(target), method), 54321.0, rtol=3e-7)


@pytest.mark.parametrize("source", ["5.625", "2.5", "f16"])
@pytest.mark.parametrize("target", ["5.625", "2.5", "1.5", "f16"])
def test_conservative_keeps_the_mean(source, target):
    field = noise(grid_by_name(source))
    assert mean(regrid(field, grid_by_name(target), "conservative")) == pytest.approx(
        mean(field), rel=1e-12
    )


def test_conservative_keeps_the_mean_in_float32_to_1e_6():
    field = noise(POLES, dtype="f4")
    moved = regrid(field, WB, "conservative")
    assert moved.dtype == np.float32
    assert mean(moved) == pytest.approx(mean(field), rel=1e-6)


def test_conservative_worked_by_hand():
    """Halving both spacings of a grid without poles: areas of the four cells weigh their values."""
    fine, coarse = grid_by_name("2.8125"), WB
    field = noise(fine)
    moved = regrid(field, coarse, "conservative").values[5, 7]
    # the cell of column 7 ends at 36.5625 and 42.1875: columns 13 (half), 14 and 15 (half)
    shares = np.array([0.25, 0.5, 0.25])
    sines = np.sin(np.deg2rad([90 - 10 * 2.8125, 90 - 11 * 2.8125, 90 - 12 * 2.8125]))
    heights = -np.diff(sines) / (sines[0] - sines[2])
    assert moved == pytest.approx(heights @ field.values[10:12, 13:16] @ shares, rel=1e-12)


def test_bilinear_is_exact_where_fields_are_linear():
    # linear in latitude everywhere between the rows, in longitude away from the jump at 360
    lat, lon = POLES.latitude[:, np.newaxis], POLES.longitude
    moved = regrid(on(POLES, 2.0 * lat + 0.5 * lon + 0.01 * lat * lon), WB)
    lat, lon = WB.latitude[:, np.newaxis], WB.longitude
    inner = lon < 357.5
    expected = 2.0 * lat + 0.5 * lon + 0.01 * lat * lon
    np.testing.assert_allclose(moved.values[:, inner], expected[:, inner], atol=1e-10)


def test_bilinear_is_linear_across_greenwich():
    centred = (WB.longitude + 180.0) % 360.0 - 180.0  # jumps at 180 degrees, not at Greenwich
    moved = regrid(on(WB, np.broadcast_to(centred, WB.shape)), grid_by_name("0.5"))
    near = np.r_[-11:12]
    np.testing.assert_allclose(moved.values[100, near], near * 0.5, atol=1e-12)


def test_the_pole_is_the_mean_of_the_row_beside_it():
    field = noise(WB)
    moved = regrid(field, POLES).values
    np.testing.assert_allclose(moved[0], field.values[0].mean(), rtol=1e-12)
    np.testing.assert_allclose(moved[-1], field.values[-1].mean(), rtol=1e-12)
    # at 87.5 N, 0 E: between that mean at 90 and the row at 87.1875
    share = (87.5 - 87.1875) / (90.0 - 87.1875)
    expected = share * field.values[0].mean() + (1 - share) * field.values[0, 0]
    assert moved[1, 0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("target", ["5.625", "1.5", "f16"])
def test_bilinear_equals_scipy(target):
    grid = grid_by_name(target)
    field = noise(POLES)
    wrapped = np.concatenate([field.values, field.values[:, :1]], axis=1)
    reference = RegularGridInterpolator(
        (POLES.latitude[::-1], np.append(POLES.longitude, 360.0)), wrapped[::-1]
    )
    points = np.stack(np.meshgrid(grid.latitude, grid.longitude, indexing="ij"), axis=-1)
    np.testing.assert_allclose(regrid(field, grid), reference(points), rtol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_the_origin_of_longitude_does_not_matter(method):
    field = noise(POLES)
    turned = field.roll(longitude=60).assign_coords(longitude=POLES.longitude - 150.0)
    np.testing.assert_allclose(regrid(turned, WB, method), regrid(field, WB, method), rtol=1e-12)
    target = Grid(WB.latitude, WB.longitude - 180.0)
    np.testing.assert_allclose(
        regrid(field, target, method).values,
        regrid(field, WB, method).roll(longitude=32).values,
        rtol=1e-12,
    )


@pytest.mark.parametrize("method", METHODS)
def test_a_region_gives_what_the_globe_gives(method):
    field = noise(POLES)
    east, west = field.sel(longitude=slice(0, 50)), field.sel(longitude=slice(340, 360))
    west = west.assign_coords(longitude=west["longitude"] - 360.0)
    region = xr.concat([west, east], dim="longitude").sel(latitude=slice(75, 20))
    target = Grid(np.arange(70.0, 25.0, -3.0), np.arange(-15.0, 41.0, 3.5))
    np.testing.assert_allclose(
        regrid(region, target, method), regrid(field, target, method), rtol=1e-12
    )


# ---- missing values


def test_bilinear_is_missing_where_a_value_with_a_weight_is():
    field = noise(POLES, 2)
    field[1, 20, 10] = np.nan  # 40 N, 25 E
    target = Grid(np.array([41.0, 40.0, 37.0]), np.array([22.0, 22.5, 24.0, 25.0]))
    missing = np.isnan(regrid(field, target).values)
    assert not missing[0].any()
    assert missing[1].tolist() == [[False, False, True, True]] * 2 + [[False] * 4]


def test_conservative_is_missing_where_a_value_with_a_weight_is():
    field = noise(grid_by_name("2.8125"))
    field[10, 14] = np.nan
    missing = np.isnan(regrid(field, WB, "conservative").values)
    assert np.argwhere(missing).tolist() == [[5, 7]]
    field[10, 15] = np.nan  # lies in two cells
    missing = np.isnan(regrid(field, WB, "conservative").values)
    assert np.argwhere(missing).tolist() == [[5, 7], [5, 8]]


def test_a_missing_value_beside_the_pole_reaches_it_all():
    field = noise(WB)
    field[0, 3] = np.nan
    missing = np.isnan(regrid(field, POLES).values)
    assert missing[0].all()
    assert missing[1].all()
    assert not missing[2:].all(axis=1).any()


# ---- lazy, and what goes along


@pytest.mark.parametrize("method", METHODS)
def test_lazy_equals_eager(method):
    field = noise(POLES, 7, 2, dtype="f4")
    field[3, 1, 40, 20] = np.nan
    lazy = regrid(field.chunk(time=3, latitude=30), WB, method)
    assert isinstance(lazy.data, da.Array)
    assert lazy.chunks == ((3, 3, 1), (2,), (32,), (64,))
    xr.testing.assert_identical(lazy.compute(), regrid(field, WB, method))


BUSY = """
import time
import numpy as np
import xarray as xr
from smoecast.fields.regrid import grid_by_name, regrid

fine, coarse = grid_by_name("1"), grid_by_name("5.625")
places = {"latitude": fine.latitude, "longitude": fine.longitude}
fields = xr.DataArray(np.ones((100, *fine.shape), "f4"), places, ("time", *places))
own, all_threads = time.thread_time(), time.process_time()
while time.thread_time() - own < 0.5:
    regrid(fields, coarse)
own, all_threads = time.thread_time() - own, time.process_time() - all_threads
print((all_threads - own) / own)
"""


@pytest.mark.skipif(os.cpu_count() == 1, reason="one processor: BLAS has one thread")
def test_many_fields_keep_no_other_thread_waiting():
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = {name: value for name, value in os.environ.items() if name not in limits}
    done = subprocess.run(
        [sys.executable, "-c", BUSY], env=environment, capture_output=True, text=True, check=True
    )
    assert float(done.stdout) < 0.2  # with dense products: about 1 for each thread more


def test_a_dataset_keeps_all_else():
    given = forecast("z500", "z850", "t2m", members=2, stack=True).assign(age=3.0)
    given = given.assign(
        slt=given["t2m"][0, 0, 0, :, :].drop_vars(["init_time", "lead_time", "number"])
    )
    target = Grid(np.array([70.0, 5.0]), np.array([0.0, 10.0, 350.0]))
    moved = regrid(given, target)
    assert list(moved.data_vars) == list(given.data_vars)
    assert moved["z"].dims == given["z"].dims
    assert moved["z"].shape == (3, 2, 2, 2, 2, 3)
    assert moved["z"].attrs == given["z"].attrs
    assert moved["z"].dtype == np.float32
    assert moved.attrs == given.attrs
    assert moved["age"] == 3.0
    assert moved["latitude"].attrs["units"] == "degrees_north"
    xr.testing.assert_identical(moved["init_time"], given["init_time"])
    assert grid_of(moved).matches(target)


@pytest.mark.parametrize("method", METHODS)
def test_codes_are_not_averaged(method):
    codes = on(POLES, np.random.default_rng(0).integers(0, 7, POLES.shape).astype("f4"))
    moved = regrid(codes.rename("slt"), WB, method)
    assert set(np.unique(moved)) <= set(range(7))
    assert moved.values[16, 8] == codes.sel(latitude=-2.5, longitude=45.0)  # its nearest


def test_whole_numbers_become_float32():
    assert regrid(on(POLES, np.ones(POLES.shape, "i2")), WB).dtype == np.float32


def test_the_same_grid_is_left_alone():
    field = noise(WB)
    assert regrid(field, Grid(WB.latitude + 1e-4, WB.longitude), "conservative") is field


# ---- refused


def test_refused():
    field = noise(POLES)
    with pytest.raises(ConfigError, match="bilinear or conservative, not 'cubic'"):
        regrid(field, WB, "cubic")
    with pytest.raises(InputError, match="no dimension latitude"):
        regrid(field.rename(latitude="y"), WB)
    with pytest.raises(InputError, match=r"does not reach latitude 87\.1875"):
        regrid(field.sel(latitude=slice(60, 30)), WB)


# ---- real data


@needs_data
def test_era5_from_a_gaussian_grid():
    field = open_file(DATA / "era5-tl31/era5_tl31_19590102T00.nc")["t"].astype("f8")
    assert grid_of(field).matches(grid_by_name("f16"))
    for target in (WB, grid_by_name("2.8125")):
        moved = regrid(field, target, "conservative")
        for level in (0, 20, 36):
            assert mean(moved[0, level]) == pytest.approx(mean(field[0, level]), rel=1e-9)
    near = regrid(field, WB)
    assert float(abs(near - regrid(field, WB, "conservative")).max()) < 15.0
    assert near.shape == (1, 37, 32, 64)


@needs_data
def test_ncep_region_to_a_coarser_region():
    field = open_file(DATA / "ncep-air/air_temperature_2013_2014.nc")["tsig995"][:40]
    target = Grid(WB.latitude[3:13], WB.longitude[37:57])
    lazy = regrid(field, target, "conservative")
    assert lazy.chunks is not None
    found = lazy.compute()
    assert found.shape == (40, 10, 20)
    assert float(abs(found - regrid(field, target)).max()) < 12.0
    with pytest.raises(InputError, match="does not reach latitude"):
        regrid(field, WB)


@needs_data
def test_ecmwf_one_degree_to_5_625():
    z = open_file(DATA / "ecmwf-zt/test4_zt_1deg_20070101.grib")["z"].astype("f8").load()
    found = regrid(z, WB, "conservative")
    assert mean(found[0, 0]) == pytest.approx(mean(z[0, 0]), rel=1e-12)
    assert float(np.sqrt(((found - regrid(z, WB)) ** 2).mean())) < 100.0
