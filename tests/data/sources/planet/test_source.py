"""Files of analyses: layout, seeds, resumption, refusals."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from smoecast.config import data as config_data
from smoecast.data.sources.planet import nature, source
from smoecast.errors import ConfigError, OutputError

SHORT = config_data.Planet(years=0.05, start=date(2003, 12, 20), seed=4)


@pytest.fixture(scope="module", autouse=True)
def short_spin_up():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nature, "SPIN_UP", np.timedelta64(3, "D"))
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planet")
    shares: list[float] = []
    return source.write_analyses(folder, SHORT, 12, shares.append), shares


def test_files_by_year_with_canonical_layout(made):
    paths, shares = made
    assert [p.name for p in paths] == ["planet_2003.nc", "planet_2004.nc"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with xr.open_dataset(paths[0]) as data:
        assert data.time.values[0] == np.datetime64("2003-12-20T00")
        assert data.time.values[-1] == np.datetime64("2003-12-31T12")
        assert data.z500.dims == ("time", "latitude", "longitude")
        assert data.latitude.values[[0, -1]].tolist() == [87.1875, -87.1875]
        assert data.longitude.values[-1] == 354.375
        assert data.level_500 == 500
        assert data.orography.dims == data.lsm.dims == ("latitude", "longitude")
        assert "NOT real weather" in data.attrs["title"]
        for name in (*source.CHANNELS, "orography", "lsm"):
            assert data[name].dtype == np.float32
            assert {"units", "long_name", "standard_name"} <= set(data[name].attrs)
            assert np.isfinite(data[name]).all()
    assert not list(paths[0].parent.glob(".*.part"))


def test_values_are_those_of_a_plausible_atmosphere(made):
    with xr.open_dataset(made[0][0]) as data:
        for name, low, high in (
            ("z500", 30e3, 65e3),
            ("t850", 210, 310),
            ("t2m", 190, 325),
            ("u250", -150, 150),
            ("lsm", 0, 1),
            ("orography", -1000, 32e3),
        ):
            assert low <= float(data[name].min())
            assert float(data[name].max()) <= high
        zonal = data.t850.mean(("time", "longitude")).values
        assert zonal[16] > zonal[0] + 20  # the tropics are warmer than both poles
        assert zonal[16] > zonal[-1] + 20


def test_same_seed_same_values_and_a_longer_series_goes_on(made, tmp_path):
    longer = SHORT.model_copy(update={"years": 0.06})
    at_once = source.write_analyses(tmp_path / "once", longer, 12)
    source.write_analyses(tmp_path / "parts", SHORT, 12)
    first = (tmp_path / "parts" / "planet_2003.nc").stat().st_mtime_ns
    in_parts = source.write_analyses(tmp_path / "parts", longer, 12)
    assert (tmp_path / "parts" / "planet_2003.nc").stat().st_mtime_ns == first
    for a, b in zip(at_once, in_parts, strict=True):
        with xr.open_dataset(a) as one, xr.open_dataset(b) as two:
            xr.testing.assert_identical(one, two)
    with xr.open_dataset(at_once[1]) as one, xr.open_dataset(made[0][1]) as two:
        xr.testing.assert_identical(one.isel(time=slice(two.time.size)), two)


def test_nothing_is_made_twice(made):
    before = [p.stat().st_mtime_ns for p in made[0]]
    again = source.write_analyses(made[0][0].parent, SHORT, 12)
    assert [p.stat().st_mtime_ns for p in again] == before


@pytest.mark.parametrize("harm", ["state", "file"])
def test_damage_is_mended(made, tmp_path, harm):
    folder = tmp_path / "planet"
    folder.mkdir()
    for path in made[0][0].parent.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "planet_2004.nc").write_bytes(b"cut off")
    if harm == "state":
        (folder / "planet_2003.state.npz").write_bytes(b"PK torn")
    paths = source.write_analyses(folder, SHORT, 12)
    with xr.open_dataset(paths[1]) as one, xr.open_dataset(made[0][1]) as two:
        xr.testing.assert_identical(one, two)


def test_other_seed_or_spacing_is_other_data(made, tmp_path):
    other = SHORT.model_copy(update={"seed": 5, "years": 0.02})
    paths = source.write_analyses(tmp_path, other, 4)
    with xr.open_dataset(paths[0]) as one, xr.open_dataset(made[0][0]) as two:
        assert float(abs(one.z500[0] - two.z500[0]).max()) > 100.0
        assert np.diff(one.time.values)[0] == np.timedelta64(4, "h")
    source.write_analyses(tmp_path, other, 6)  # replaced, not kept
    with xr.open_dataset(paths[0]) as one:
        assert np.diff(one.time.values)[0] == np.timedelta64(6, "h")


def test_odd_spacing_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="step_hours = 3 is no multiple"):
        source.write_analyses(tmp_path, SHORT, 3)


def test_a_series_of_less_than_a_day_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="less than a day"):
        source.write_analyses(tmp_path, SHORT.model_copy(update={"years": 0.001}), 12)


def test_a_failed_write_leaves_nothing_and_says_so(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", full)
    tiny = SHORT.model_copy(update={"years": 0.01})
    with pytest.raises(OutputError, match=r"planet_2003\.nc could not be written"):
        source.write_analyses(tmp_path, tiny, 12)
    assert not list(Path(tmp_path).glob("*.nc")) + list(Path(tmp_path).glob(".*"))


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        source.write_analyses(tmp_path / "taken", SHORT.model_copy(update={"years": 0.01}), 12)
