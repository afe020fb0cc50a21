"""What a result says of itself, if it can be read at all."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from made_hdf5 import external_link, whole
from made_strange import good

from smoecast.errors import InputError
from smoecast.fields.read.results import open_result, read_attributes


@pytest.mark.parametrize("kind", ["NETCDF3_CLASSIC", "NETCDF4"])
def test_global_attributes(tmp_path, kind):
    assert read_attributes(good(tmp_path / "a.nc", kind))["title"] == "a good file"


def test_nothing_of_a_file_that_netcdf_must_not_be_given(tmp_path, monkeypatch):
    """From this header netCDF-C would take memory for 2**32 dimensions."""
    header = b"CDF\x01" + bytes(4) + (10).to_bytes(4, "big") + b"\xff" * 4
    (tmp_path / "a.nc").write_bytes(header + bytes(64))
    link = external_link(tmp_path / "b.nc", whole(tmp_path / "other.nc"))
    given = []
    monkeypatch.setattr(netCDF4, "Dataset", given.append)
    for path in (tmp_path / "a.nc", link, tmp_path / "missing.nc"):
        assert read_attributes(path) == {}
    assert given == []


def test_nothing_of_what_is_no_netcdf(tmp_path):
    (tmp_path / "a.nc").write_text("time,t2m\n")
    assert read_attributes(tmp_path / "a.nc") == {}


def test_a_strangers_moment_along_time_is_refused(tmp_path: Path) -> None:
    """It has a scalar start, as our layout for CDO has, but no lead time."""
    mean = xr.DataArray(np.zeros((2, 2, 4), "f4"), dims=("time", "latitude", "longitude"))
    times = np.datetime64("2020-01-01", "ns") + np.arange(2) * np.timedelta64(6, "h")
    coordinates = {"time": times, "init_time": times[0], "latitude": [10.0, -10.0]}
    dataset = xr.Dataset({"t2m_mean": mean}, coordinates)
    dataset.to_netcdf(tmp_path / "mean.nc")
    with pytest.raises(InputError, match="t2m_mean has the dimensions time, latitude, longitude"):
        open_result(tmp_path / "mean.nc")
