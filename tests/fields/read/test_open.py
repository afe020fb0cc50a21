"""One file told by its content, several files as one."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_grib import message, temperature

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import describe, left_out_of
from smoecast.fields.read.open import open_file, open_files
from smoecast.fields.times import as_hours, as_lead, check_step

DATA = Path(__file__).parents[3] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)
PLACE = {"latitude": [10.0, 0.0], "longitude": [0.0, 10.0, 20.0]}
START = np.datetime64("2020-01-01", "ns")
UNITS = {"u": "m s-1", "u10": "m s-1"} | {
    "t": "K",
    "z": "m2 s-2",
    "t2m": "K",
    "msl": "Pa",
    "lsm": "1",
}


def times(*hours: int) -> np.ndarray:
    return START + np.array(hours) * np.timedelta64(1, "h")


def write(path: Path, name: str, value: float = 1.0, **coordinates: object) -> Path:
    """Write one variable, whose value and first label make each field its own."""
    axes = {k: np.atleast_1d(v) for k, v in coordinates.items()} | {
        k: v for k, v in PLACE.items() if k not in coordinates
    }
    shape = tuple(len(v) for v in axes.values())
    values = np.full(shape, value, "f4")
    values += np.arange(shape[0], dtype="f4").reshape(-1, *[1] * (len(shape) - 1)) / 100
    dataset = xr.Dataset({name: (tuple(axes), values, {"units": UNITS.get(name, "?")})}, axes)
    if "level" in axes:
        dataset["level"].attrs["units"] = "hPa"
    dataset.to_netcdf(path)
    return path


def refused(paths: list[Path], words: str, *named: Path) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_files(paths)
    for path in named:
        assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


# ---- one file


def test_content_counts_and_not_the_name(tmp_path):
    (tmp_path / "a.nc").write_bytes(temperature())
    assert list(open_file(tmp_path / "a.nc").data_vars) == ["t"]
    write(tmp_path / "a.grib", "t2m", time=times(0))
    assert list(open_file(tmp_path / "a.grib").data_vars) == ["t2m"]
    for kind in ("NETCDF3_CLASSIC", "NETCDF3_64BIT"):
        given = xr.open_dataset(tmp_path / "a.grib", engine="netcdf4").load()
        given.to_netcdf(tmp_path / "classic", format=kind, engine="netcdf4")
        assert list(open_file(tmp_path / "classic").data_vars) == ["t2m"]


def test_one_of_many_is_that_one(tmp_path):
    path = write(tmp_path / "a.nc", "t2m", time=times(0))
    xr.testing.assert_identical(open_files([path]), open_file(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "is empty"), (b"PK\x03\x04", "is neither GRIB nor NetCDF")],
)
def test_other_content(tmp_path, content, words):
    (tmp_path / "a.nc").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.nc: the file {words}"):
        open_file(tmp_path / "a.nc")


def test_no_file(tmp_path):
    with pytest.raises(InputError, match=r"a\.nc: there is no such file"):
        open_file(tmp_path / "a.nc")
    with pytest.raises(InputError, match="no file to read was named"):
        open_files([])


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    def forbidden(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.nc").touch()
    monkeypatch.setattr(Path, "open", forbidden)
    with pytest.raises(InputError, match=r"a\.nc: the file cannot be read \(Permission denied\)"):
        open_file(tmp_path / "a.nc")


# ---- several files


def test_times_are_joined_in_order_whatever_the_order_of_files(tmp_path):
    paths = [
        write(tmp_path / "b.nc", "t2m", 2.0, time=times(12, 18)),
        write(tmp_path / "c.nc", "t2m", 3.0, time=times(24, 30)),
        write(tmp_path / "a.nc", "t2m", 1.0, time=times(0, 6)),
    ]
    found = open_files(paths)
    check_step(found["time"].values, 6, "all")
    assert found["t2m"].chunks is not None
    np.testing.assert_allclose(found["t2m"].values[:, 0, 0], [1, 1.01, 2, 2.01, 3, 3.01], rtol=1e-6)


def test_interleaved_times(tmp_path):
    paths = [
        write(tmp_path / "a.nc", "t2m", 1.0, time=times(0, 12)),
        write(tmp_path / "b.nc", "t2m", 2.0, time=times(6, 18)),
    ]
    found = open_files(paths)
    np.testing.assert_allclose(found["t2m"].values[:, 0, 0], [1, 2, 1.01, 2.01], rtol=1e-6)


def test_one_file_for_each_variable_and_year(tmp_path):
    paths = [
        write(tmp_path / f"{name}{hour}.nc", name, value, time=times(hour, hour + 6))
        for name, value in (("t2m", 1.0), ("msl", 2.0))
        for hour in (12, 0)
    ]
    found = open_files(paths)
    assert sorted(found.data_vars) == ["msl", "t2m"]
    assert found.sizes["time"] == 4
    assert found["msl"].values.min() == 2.0


def test_files_of_other_levels_become_channels(tmp_path):
    paths = [
        write(tmp_path / "z.nc", "z", 5.0, time=times(0, 6), level=[500]),
        write(tmp_path / "t.nc", "t", 2.0, time=times(0, 6), level=[850]),
    ]
    found = open_files(paths)
    assert channels_of(found) == ["t850", "z500"]
    assert field_of(found, "z500").values[0, 0, 0] == 5.0


def test_winds_at_10_hpa_in_one_of_two_files(tmp_path):
    aloft = write(tmp_path / "a.nc", "u", 1.0, time=times(0), level=[10, 500])
    ground = write(tmp_path / "b.nc", "u10", 2.0, time=times(0))
    other = write(tmp_path / "c.nc", "z", 3.0, time=times(0), level=[500, 850])
    dataset = open_files([aloft, ground, other])
    assert channels_of(dataset) == ["u10", "u500", "u_10hPa", "z500", "z850"]
    assert [float(field_of(dataset, n).min()) for n in ("u_10hPa", "u10", "z500")] == [1, 2, 3]
    assert channels_of(open_files([aloft, other])) == ["u500", "u_10hPa", "z500", "z850"]


def test_files_of_one_level_each_are_stacked(tmp_path):
    paths = [
        write(tmp_path / "a.nc", "z", 8.0, time=times(0, 6), level=[850]),
        write(tmp_path / "b.nc", "z", 5.0, time=times(0, 6), level=[500]),
    ]
    found = open_files(paths)
    assert found["z"].dims == ("time", "level", "latitude", "longitude")
    assert found["z"].values[0, :, 0, 0].tolist() == [5.0, 8.0]


def test_starts_lead_times_and_members(tmp_path):
    paths = [
        write(
            tmp_path / f"{day}{hours}{number}.nc",
            "t2m",
            day * 100 + hours + number / 10,
            init_time=times(24 * day),
            lead_time=as_lead([hours]),
            number=[number],
        )
        for day in (1, 0)
        for hours in (24, 12)
        for number in (1, 0)
    ]
    found = open_files(paths)
    assert found["t2m"].dims == ("init_time", "lead_time", "number", "latitude", "longitude")
    assert as_hours(found["lead_time"].values).tolist() == [12, 24]
    np.testing.assert_allclose(
        found["t2m"].values[..., 0, 0],
        [[[12, 12.1], [24, 24.1]], [[112, 112.1], [124, 124.1]]],
        rtol=1e-6,
    )


def test_constants_beside_times(tmp_path):
    paths = [
        write(tmp_path / "a.nc", "t2m", time=times(0)),
        write(tmp_path / "b.nc", "lsm", 0.5),
        write(tmp_path / "c.nc", "lsm", 0.5),
    ]
    found = open_files(paths)
    assert found["lsm"].dims == ("latitude", "longitude")
    assert dict(open_files(paths[1:]).sizes) == {"latitude": 2, "longitude": 3}


def test_nearly_the_same_grid_is_the_same_grid(tmp_path):
    close = [10.0004, 0.0]
    paths = [
        write(tmp_path / "a.nc", "t2m", time=times(0)),
        write(tmp_path / "b.nc", "t2m", time=times(6), latitude=close),
    ]
    assert open_files(paths)["latitude"].values.tolist() == [10.0, 0.0]


def test_left_out_variables_of_all_files(tmp_path):
    paths = []
    for hour, odd in ((0, "ie"), (6, "zust"), (12, "zust")):
        path = write(tmp_path / f"{hour}.nc", "t2m", time=times(hour))
        with xr.open_dataset(path) as given:
            given.load()
        given.assign({odd: 1.0}).to_netcdf(path)
        paths.append(path)
    assert describe(left_out_of(open_files(paths))) == "ie, zust"


# ---- refused


def test_other_grids(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", time=times(0))
    b = write(tmp_path / "b.nc", "t2m", time=times(6), latitude=[10.0, 5.0])
    c = write(tmp_path / "c.nc", "t2m", time=times(6), longitude=[0.0, 10.0])
    refused([a, b], "lie on different grids: they differ in latitude", a, b)
    refused([a, c], "lie on different grids: they differ in longitude", a, c)


def test_the_same_time_in_two_files(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", time=times(0, 6))
    b = write(tmp_path / "b.nc", "t2m", time=times(6, 12))
    refused([a, b], "both have t2m for 2020-01-01T06:00: name one of them only", a, b)
    refused([a, a], "both have t2m for 2020-01-01T00:00", a)


def test_the_same_member_or_lead_time_in_two_files(tmp_path):
    common = {"init_time": times(0)}
    a = write(tmp_path / "a.nc", "t2m", **common, lead_time=as_lead([6]), number=[0, 1])
    b = write(tmp_path / "b.nc", "t2m", **common, lead_time=as_lead([6]), number=[1, 2])
    c = write(tmp_path / "c.nc", "t2m", **common, lead_time=as_lead([6, 12]), number=[0, 1])
    refused([a, b], "both have t2m for member 1", a, b)
    refused([a, c], "both have t2m for 6 h ahead", a, c)


def test_pieces_that_make_no_block(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", init_time=times(0), lead_time=as_lead([6]))
    b = write(tmp_path / "b.nc", "t2m", init_time=times(24), lead_time=as_lead([12]))
    refused([a, b], "do not make one block of t2m", a, b)
    c = write(tmp_path / "c.nc", "t2m", init_time=times(0), lead_time=as_lead([0]), number=[0])
    d = write(tmp_path / "d.nc", "t2m", init_time=times(6), lead_time=as_lead([6]), number=[0])
    refused([c, d], r"or take their starts alone: data\.select: {step: 0}", c, d)


def test_analyses_with_forecasts(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", time=times(0))
    b = write(tmp_path / "b.nc", "t2m", init_time=times(0), lead_time=as_lead([6]))
    c = write(tmp_path / "c.nc", "msl", init_time=times(0), lead_time=as_lead([6]))
    refused([a, b], "do not make one block of t2m", a, b)
    refused([a, c], "only one of t2m and msl has the dimension time", a, c)


def test_analyses_with_starts_of_forecasts(tmp_path):
    """As `data.select: {step: 0}` leaves them; members are no analyses."""
    a = write(tmp_path / "a.nc", "t2m", time=times(0, 6))
    b = write(tmp_path / "b.nc", "msl", init_time=times(0, 6), lead_time=as_lead([0]))
    c = write(tmp_path / "c.nc", "msl", init_time=times(0), lead_time=as_lead([0]), number=[0])
    for dataset in (open_files([a, b]), open_files([b, a])):
        assert dataset["msl"].dims == dataset["t2m"].dims == ("time", "latitude", "longitude")
        assert dataset["time"].values.tolist() == times(0, 6).tolist()
    refused([a, c], "only one of t2m and msl has the dimension time", a, c)


def test_a_variable_that_lacks_a_time(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", time=times(0, 6))
    b = write(tmp_path / "b.nc", "msl", time=times(0))
    words = "have no msl for 2020-01-01T06:00, which .* have of t2m"
    refused([a, b], words, a, b)
    refused([b, a], words, a, b)


def test_a_sum_that_the_start_of_a_forecast_lacks(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", init_time=times(0), lead_time=as_lead([0, 6]))
    b = write(tmp_path / "b.nc", "msl", init_time=times(0), lead_time=as_lead([6]))
    refused([a, b], r"have no msl for 0 h ahead.*take their starts alone: .*{step: 0}", a, b)


def test_a_variable_that_begins_late(tmp_path):
    paths = [
        write(tmp_path / "a.nc", "t2m", 1.0, time=times(0, 1, 2, 3)),
        write(tmp_path / "b.nc", "t2m", 2.0, time=times(4, 5)),
        write(tmp_path / "c.nc", "msl", 3.0, time=times(2, 3)),
        write(tmp_path / "d.nc", "msl", 4.0, time=times(4, 5)),
        write(tmp_path / "e.nc", "lsm", 0.5),
    ]
    found = open_files(paths, trim_start=True)
    assert found["time"].values.tolist() == times(2, 3, 4, 5).tolist()
    np.testing.assert_allclose(found["t2m"].values[:, 0, 0], [1.02, 1.03, 2, 2.01], rtol=1e-6)
    np.testing.assert_allclose(found["msl"].values[:, 0, 0], [3, 3.01, 4, 4.01], rtol=1e-6)
    assert list(open_files(paths[4:] * 2, trim_start=True).data_vars) == ["lsm"]
    refused(paths, "have no msl for 2020-01-01T00:00", paths[0], paths[3])


def test_a_variable_that_lacks_more_than_a_day_or_later_times(tmp_path):
    a = write(tmp_path / "a.nc", "t2m", time=times(0, 12, 24, 36))
    b = write(tmp_path / "b.nc", "msl", time=times(36))
    c = write(tmp_path / "c.nc", "msl", time=times(12, 24))
    with pytest.raises(InputError, match="have no msl for 2020-01-01T00:00"):
        open_files([a, b], trim_start=True)
    with pytest.raises(InputError, match="have no msl for 2020-01-02T12:00"):
        open_files([a, c], trim_start=True)


def test_different_constants(tmp_path):
    a = write(tmp_path / "a.nc", "lsm", 0.0)
    b = write(tmp_path / "b.nc", "lsm", 1.0)
    refused([a, b], "have different fields of the constant lsm", a, b)


# ---- real files


@needs_data
def test_era5_finse_three_months():
    found = open_files(sorted(DATA.glob("era5-finse/*.nc"), reverse=True))
    assert dict(found.sizes) == {"time": 2208, "latitude": 7, "longitude": 10}
    check_step(found["time"].values, 1, "era5-finse")
    assert found["orography"].dims == ("latitude", "longitude")
    november = open_file(DATA / "era5-finse/SURF_201811.nc")
    np.testing.assert_array_equal(
        found["t2m"].sel(time=november["time"]).values, november["t2m"].values
    )


@needs_data
def test_mogreps_uk_history_and_truth():
    found = open_files(sorted(DATA.glob("mogreps-uk/history/*.nc")), any_grid=True)
    assert sorted(found.data_vars) == ["t2m", "ws10"]
    assert found["t2m"].shape == (3, 1, 12, 200, 200)
    truth = open_files(sorted(DATA.glob("mogreps-uk/truth/*.nc")), any_grid=True)
    assert truth["t2m"].shape == (3, 200, 200)
    valid = found["init_time"].values + found["lead_time"].values[0]
    np.testing.assert_array_equal(truth["time"].values, valid)


def test_variables_that_begin_centuries_apart(tmp_path):
    """The span between them wraps around, and is no day."""
    old = np.array(["1678-01-01", "2261-12-31"], "datetime64[ns]")
    paths = [
        write(tmp_path / "a.nc", "t2m", time=old[:1]),
        write(tmp_path / "b.nc", "t2m", time=old[1:]),
        write(tmp_path / "c.nc", "msl", time=old[1:]),
    ]
    with pytest.raises(InputError, match="have no msl for 1678-01-01T00:00"):
        open_files(paths, trim_start=True)


# ---- channels that one file leaves out


@pytest.mark.parametrize("level", [500, 850])
def test_a_channel_that_one_file_leaves_out(tmp_path, level):
    """It is told when somebody asks for it, and costs no other."""
    wind = {"shortName": "u", "dataDate": 20200101}
    both = [message(level=level, dataTime=time, **wind) for time in (0, 600)]
    paths = []
    for time, winds in ((0, [both[0]]), (600, [both[1], both[1]])):
        paths.append(tmp_path / f"{time}.grib")
        levels = [temperature(level=each, dataTime=time) for each in (500, 850)]
        paths[-1].write_bytes(b"".join(winds + levels))
    dataset = open_files(paths)
    assert channels_of(dataset) == ["t500", "t850"]
    assert dataset.sizes["time"] == 2
    with pytest.raises(InputError, match=rf"u{level} is not in .*messages 1 and 2 both hold"):
        field_of(dataset, f"u{level}")


def test_the_only_channel_left_out_is_missing(tmp_path):
    wind = message(shortName="u", level=500, dataDate=20200101, dataTime=0)
    for name, content in (("a", temperature()), ("b", temperature(dataTime=600) + wind + wind)):
        (tmp_path / f"{name}.grib").write_bytes(content)
    assert channels_of(open_files(sorted(tmp_path.glob("*.grib")))) == ["t500"]
