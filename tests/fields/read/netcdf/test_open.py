"""NetCDF files read: real ones against plain netCDF4, broken ones refused."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from read_checked import read_checked

from smoecast.errors import InputError
from smoecast.fields.left_out import describe, left_out_of
from smoecast.fields.read.netcdf import classic, stored
from smoecast.fields.read.netcdf.open import CACHE_BYTES, open_netcdf
from smoecast.fields.times import check_step

DATA = Path(__file__).parents[4] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)


def plain(path: Path, name: str) -> np.ndarray:
    """Values as netCDF4 alone decodes them."""
    with netCDF4.Dataset(path) as file:
        return np.asarray(file[name][...].astype("f8").filled(np.nan))


# ---- real files


@needs_data
def test_ncep_air():
    path = DATA / "ncep-air/air_temperature_2013_2014.nc"
    dataset = open_netcdf(path)
    assert list(dataset.data_vars) == ["tsig995"]
    found = read_checked(dataset["tsig995"], path, "tsig995")
    np.testing.assert_allclose(found.values, plain(path, "air"), rtol=1e-6)
    assert found["longitude"].values[[0, -1]].tolist() == [200.0, 330.0]
    check_step(found["time"].values, 6, str(path))
    assert found["time"].values[0] == np.datetime64("2013-01-01", "ns")


@needs_data
def test_era5_finse_is_unpacked_right():
    path = DATA / "era5-finse/SURF_201810.nc"
    dataset = open_netcdf(path)
    assert describe(left_out_of(dataset)) == "zust, ie, ishf"
    for name in ("t2m", "d2m", "sp", "tp", "ssrd", "strd", "tisr"):
        found = read_checked(dataset[name], path, name)
        np.testing.assert_allclose(found.values, plain(path, name), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(dataset["orography"].values, plain(path, "z")[0], rtol=1e-6)


@needs_data
def test_era5_tl31_longitude_first_on_a_gaussian_grid():
    path = DATA / "era5-tl31/era5_tl31_19590102T00.nc"
    dataset = open_netcdf(path)
    assert dataset["time"].values.tolist() == [np.datetime64("1959-01-02", "ns").astype(int)]
    assert dataset["z"].dims == ("time", "level", "latitude", "longitude")
    assert dataset["z"].shape == (1, 37, 32, 64)
    assert (np.diff(dataset["latitude"].values) < 0).all()
    wanted = plain(path, "geopotential").transpose(0, 2, 1)[:, ::-1]  # (level, latitude, longitude)
    np.testing.assert_array_equal(read_checked(dataset["z"], path, "z").values[0], wanted)
    wanted = plain(path, "sea_ice_cover").T[::-1]
    np.testing.assert_array_equal(dataset["siconc"].values[0], wanted)


@needs_data
def test_mogreps_uk_forecast_and_truth():
    path = DATA / "mogreps-uk/forecast/20170605T0300Z-PT0012H-temperature_at_screen_level.nc"
    with pytest.raises(InputError, match="no regular latitude-longitude grid"):
        open_netcdf(path)
    dataset = open_netcdf(path, any_grid=True)
    assert dataset["t2m"].shape == (1, 1, 12, 200, 200)
    assert dataset["init_time"].values[0] == np.datetime64("2017-06-05T03", "ns")
    assert dataset["lead_time"].values[0] == np.timedelta64(12, "h")
    np.testing.assert_array_equal(dataset["t2m"].values[0, 0], plain(path, "air_temperature"))
    path = DATA / "mogreps-uk/truth/20170604T1500Z-PT0000H-horizontal_wind_speed_at_10m.nc"
    dataset = open_netcdf(path, any_grid=True)
    assert dataset["time"].values[0] == np.datetime64("2017-06-04T15", "ns")
    np.testing.assert_array_equal(dataset["ws10"].values[0], plain(path, "wind_speed"))


# ---- made files


def make(path: Path, **changes: object) -> Path:
    """Write packed temperatures, 6-hourly, at a 2 x 3 grid; `changes` go wrong on purpose."""
    options = {"hours": [0, 6, 12, 18], "units": "K", "name": "t2m", "format": "NETCDF4"} | changes
    with netCDF4.Dataset(path, "w", format=str(options["format"])) as file:
        file.createDimension("time", None)
        file.createDimension("latitude", 2)
        file.createDimension("longitude", 3)
        hours = options["hours"]
        time = file.createVariable("time", "f8", ("time",))
        time.units = str(options.get("since", "hours since 2020-01-01"))
        time.calendar = str(options.get("calendar", "standard"))
        time[:] = hours
        file.createVariable("latitude", "f4", ("latitude",))[:] = [0.0, 10.0]
        file["latitude"].units = "degrees_north"
        file.createVariable("longitude", "f4", ("longitude",))[:] = [0.0, 10.0, 20.0]
        file["longitude"].units = "degrees_east"
        array = file.createVariable(
            str(options["name"]), "i2", ("time", "latitude", "longitude"), fill_value=-32767
        )
        if options["units"] is not None:
            array.units = str(options["units"])
        array.scale_factor, array.add_offset = 0.01, 280.0
        array.set_auto_maskandscale(False)
        array[:] = np.arange(len(hours) * 6).reshape(len(hours), 2, 3)
        if options.get("hole"):
            array[2, 1, 1] = -32767
    return path


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF4_CLASSIC", "NETCDF3_CLASSIC"])
@pytest.mark.parametrize("wide", [False, True])
def test_packed_integers_of_every_format(tmp_path, kind, wide):
    kind = "NETCDF3_64BIT_DATA" if wide and kind == "NETCDF3_CLASSIC" else kind
    dataset = open_netcdf(make(tmp_path / "a.nc", format=kind))
    wanted = 280.0 + 0.01 * np.arange(24).reshape(4, 2, 3)[:, ::-1]
    np.testing.assert_allclose(dataset["t2m"].values, wanted, rtol=1e-7)
    assert dataset["t2m"].dtype == np.float32


def test_stays_on_disk_in_blocks_along_time(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "BLOCK_BYTES", 1)
    dataset = open_netcdf(make(tmp_path / "a.nc", format="NETCDF3_CLASSIC"))
    assert dataset["t2m"].chunks == ((1, 1, 1, 1), (2,), (3,))


def test_netcdf_keeps_few_chunks_in_memory(tmp_path):
    open_netcdf(make(tmp_path / "a.nc"))
    assert netCDF4.get_chunk_cache()[0] == CACHE_BYTES


def test_a_block_holds_whole_stored_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "BLOCK_BYTES", 5 * 4 * 6)
    path = tmp_path / "a.nc"
    coords = {"time": np.arange(12) * np.timedelta64(6, "h") + np.datetime64("2020-01-01", "ns")}
    coords |= {"latitude": [10.0, 0.0], "longitude": [0.0, 10.0, 20.0]}
    values = np.zeros((12, 2, 3), "f4")
    given = xr.Dataset({"t2m": (tuple(coords), values, {"units": "K"})}, coords)
    given.to_netcdf(path, encoding={"t2m": {"chunksizes": (2, 2, 3)}})
    assert open_netcdf(path)["t2m"].chunks[0] == (4, 4, 4)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "soil"}, "no variable that smoecast knows among soil"),
        ({"units": "furlong"}, "t2m .*'furlong'.*'K'"),
        ({"units": None}, "t2m .* has no unit"),
        ({"hours": [0, 6, 6, 12]}, "the time 2020-01-01T06:00 is there twice"),
        ({"hours": [18, 12, 6, 0]}, "the time 2020-01-01T12:00 stands after a later one"),
        ({"calendar": "noleap"}, "calendar noleap"),
        ({"since": "hours since yesterday"}, "its times, in hours since yesterday with calendar"),
    ],
)
def test_refused_on_opening(tmp_path, changes, words):
    path = make(tmp_path / "a.nc", **changes)
    with pytest.raises(InputError, match=rf"a\.nc: .*{words}") as caught:
        open_netcdf(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_missing_values_are_refused_on_reading(tmp_path):
    path = make(tmp_path / "a.nc", hole=True)
    with pytest.raises(InputError, match=r"a\.nc: 1 of 24 values of t2m are missing"):
        read_checked(open_netcdf(path)["t2m"], path, "t2m")


def test_a_gap_in_time(tmp_path):
    dataset = open_netcdf(make(tmp_path / "a.nc", hours=[0, 6, 18, 24]))
    with pytest.raises(InputError, match=r"a\.nc: the time 2020-01-01T12:00 is missing"):
        check_step(dataset["time"].values, 6, "a.nc")


@pytest.mark.parametrize(
    ("units", "calendar", "words"),
    [
        ("days since 0000-01-01", "standard", "its times, in days since 0000-01-01 with calendar"),
        ("hours since 1-1-1 00:00:0.0", None, "time is in the year 1, outside the years 1678 to"),
        ("days since 0001-01-01", "360_day", "time is in the calendar 360_day"),
        ("days since 0000-01-01", "noleap", "time is in the calendar noleap"),
        ("months since 2020-01-01", "standard", "its times, in months since 2020-01-01 with"),
        ("day as %Y%m%d.%f", "standard", "time is no dates but int64: say from when on they count"),
        ("days since 2020-01-01", "none", "with calendar 'none', are no dates in the years 1678"),
    ],
)
def test_times_of_a_climatology(tmp_path, units, calendar, words):
    path = tmp_path / "ltm.nc"
    time = ("time", [15, 45], {"units": units} | ({"calendar": calendar} if calendar else {}))
    axes = {"time": time, "latitude": [10.0, 0.0], "longitude": [0.0, 10.0, 20.0]}
    values = np.zeros((2, 2, 3), "f4")
    field = (("time", "latitude", "longitude"), values, {"units": "K"})
    xr.Dataset({"t2m": field}, axes).to_netcdf(path)
    with pytest.raises(InputError, match=words) as caught:
        open_netcdf(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_no_such_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.nc: there is no such file"):
        open_netcdf(tmp_path / "a.nc")


def test_empty_file(tmp_path):
    (tmp_path / "a.nc").touch()
    with pytest.raises(InputError, match=r"a\.nc: the file is empty"):
        open_netcdf(tmp_path / "a.nc")


def test_no_netcdf(tmp_path):
    (tmp_path / "a.nc").write_text("time,t2m\n")
    with pytest.raises(InputError, match=r"a\.nc: it cannot be read as NetCDF"):
        open_netcdf(tmp_path / "a.nc")


@pytest.mark.parametrize(
    "kind", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
)
@pytest.mark.parametrize("kept", [0.05, 0.3, 0.8, -1])
def test_cut_file(tmp_path, kind, kept):
    path = make(tmp_path / "a.nc", format=kind, hours=list(range(0, 600, 6)))
    whole = path.read_bytes()
    open_netcdf(path)["t2m"].load().close()
    short = tmp_path / "cut.nc"
    short.write_bytes(whole[: int(len(whole) * kept) if kept > 0 else kept])
    with pytest.raises(InputError, match=r"cut\.nc: .*fetch"):
        open_netcdf(short)


def test_classic_file_of_fixed_and_of_several_record_variables(tmp_path):
    path = make(tmp_path / "a.nc", format="NETCDF3_CLASSIC")
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("fixed", "f8", ("latitude",))[:] = 1.0
        file.createVariable("odd", "i1", ("time", "longitude"))[:] = 1
    open_netcdf(path)
    path.write_bytes(path.read_bytes()[:-2])  # the last byte only fills up
    with pytest.raises(InputError, match="the file is cut"):
        open_netcdf(path)


def test_classic_file_still_being_written_counts_no_records(tmp_path):
    path = make(tmp_path / "a.nc", format="NETCDF3_CLASSIC")
    content = bytearray(path.read_bytes())
    records = content[4:8]
    content[4:8] = b"\xff" * 4  # the record count of a stream
    path.write_bytes(content)
    classic.check_whole(path)
    content[4:8] = (int.from_bytes(records) + 1).to_bytes(4)
    path.write_bytes(content)
    with pytest.raises(InputError, match="the file is cut"):
        classic.check_whole(path)


def test_damaged_classic_header(tmp_path):
    path = make(tmp_path / "a.nc", format="NETCDF3_CLASSIC")
    content = bytearray(path.read_bytes())
    content[12:20] = b"\xff" * 8
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nc: its NetCDF header is damaged"):
        open_netcdf(path)


def classic_header(*numbers: tuple[int, int]) -> bytes:
    """Begin a CDF-5 header: so many numbers of so many bytes each."""
    return b"CDF\x05" + b"".join(value.to_bytes(size, "big") for value, size in numbers)


@pytest.mark.parametrize(
    "numbers",
    [
        [(0, 8), (10, 4), (1, 8), (2**64 - 1, 8)],  # a name of 2**64 - 1 bytes: no such seek
        [(0, 8), (10, 4), (1, 8), (2**63, 8)],
        [(0, 8), (0, 4), (0, 8), (12, 4), (1, 8), (0, 8), (6, 4), (2**62, 8)],  # an attribute
    ],
)
def test_classic_sizes_beyond_the_file(tmp_path, numbers):
    (tmp_path / "a.nc").write_bytes(classic_header(*numbers) + bytes(64))
    with pytest.raises(InputError, match=r"a\.nc: its NetCDF header is damaged"):
        open_netcdf(tmp_path / "a.nc")


def test_classic_variable_beyond_all_numbers(tmp_path):
    """Of 400 dimensions of 2**63 points: Python would not even write the number down."""
    dimensions = [(10, 4), (1, 8), (0, 8), (2**63, 8), (0, 4), (0, 8)]
    variable = [(11, 4), (1, 8), (0, 8), (400, 8), *[(0, 8)] * 400]
    end = [(0, 4), (0, 8), (5, 4), (0, 8), (0, 8)]
    header = classic_header((0, 8), *dimensions, *variable, *end)
    (tmp_path / "a.nc").write_bytes(header)
    with pytest.raises(InputError, match=r"a\.nc: its NetCDF header is damaged"):
        open_netcdf(tmp_path / "a.nc")


def test_classic_header_without_end(tmp_path, monkeypatch):
    monkeypatch.setattr(classic, "MOST_NUMBERS", 10)
    with pytest.raises(InputError, match=r"a\.nc: its NetCDF header is damaged"):
        open_netcdf(make(tmp_path / "a.nc", format="NETCDF3_CLASSIC"))


# ---- bounds of values


@pytest.mark.parametrize(
    ("kind", "bounds"),
    [
        ("i2", {"valid_range": np.array([-2000, 500], "i2")}),
        ("i2", {"valid_min": np.int16(-2000), "valid_max": np.int16(500)}),
        ("i2", {"valid_range": np.array([260.0, 285.0], "f4")}),
        ("f4", {"valid_range": np.array([260.0, 285.0], "f4")}),
        ("f4", {"valid_max": np.float32(285.0)}),
        ("f4", {"valid_min": np.float32(260.0)}),
        ("i4", {"valid_range": np.array([260, 285], "i4")}),
    ],
)
def test_what_is_out_of_range_is_missing(tmp_path, kind, bounds):
    """As netCDF4 reads it, packed or not; bounds of the packed type bound what is packed."""
    path = tmp_path / "a.nc"
    values = np.array([[250.0, 261.0, 270.0], [284.9, 285.0, 1000.0 if kind != "i2" else 290.0]])
    with netCDF4.Dataset(path, "w") as file:
        for name, axis in {"time": [0], "lat": [10, 0], "lon": [0, 10, 20]}.items():
            file.createDimension(name, len(axis))
            file.createVariable(name, "f8", (name,))[:] = axis
        file["time"].units, file["lat"].units = "hours since 2000-01-01", "degrees_north"
        file["lon"].units = "degrees_east"
        made = file.createVariable("t2m", kind, ("time", "lat", "lon"))
        made.units = "K"
        if kind == "i2":
            made.scale_factor, made.add_offset = 0.01, 280.0
        made[:] = values[None]
        made.setncatts(bounds)
    found = open_netcdf(path)["t2m"].values
    wanted = plain(path, "t2m")
    if kind == "i2" and next(iter(bounds.values())).dtype == "f4":
        wanted = np.where((values < 260) | (values > 285), np.nan, values)[None]  # CF, 2.5.1
    assert 0 < np.isnan(wanted).sum() < wanted.size
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("strange", ["low", np.array([1, 2, 3], "i2")])
def test_bounds_that_are_none(tmp_path, strange):
    given = xr.Dataset(
        {"t2m": (("time", "lat", "lon"), np.full((1, 2, 2), 280.0, "f4"), {"units": "K"})},
        {"time": np.array(["2000-01-01"], "datetime64[ns]"), "lat": [10.0, 0.0], "lon": [0.0, 9.0]},
    )
    given["t2m"].attrs["valid_range"] = strange
    given.to_netcdf(tmp_path / "a.nc")
    with pytest.raises(InputError, match="t2m has bounds of its values that are no two numbers"):
        open_netcdf(tmp_path / "a.nc")
