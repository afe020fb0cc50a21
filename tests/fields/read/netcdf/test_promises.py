"""NetCDF files that promise more than any file has, and attributes that are no numbers."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
from made_hdf5 import whole
from read_checked import read_checked

from smoecast.errors import InputError
from smoecast.fields.read.netcdf import promises, stored
from smoecast.fields.read.open import open_file


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def vast(path: Path, times: int, latitudes: int, longitudes: int) -> Path:
    """Write a file of these dimensions whose values were never written."""
    sizes = {"time": times, "latitude": latitudes, "longitude": longitudes}
    with netCDF4.Dataset(path, "w") as file:
        for name, size in sizes.items():
            file.createDimension(name, size)
            chunk = (min(size, 10_000),)
            axis = file.createVariable(name, "f4", (name,), chunksizes=chunk, zlib=True)
            if size <= 10_000:
                axis[:] = np.linspace(0, 90, size)
        file["time"].units = "hours since 2020-01-01"
        chunks = (1, min(latitudes, 1000), min(longitudes, 1000))
        file.createVariable("t2m", "f4", tuple(sizes), chunksizes=chunks, zlib=True).units = "K"
    return path


def test_a_file_that_promises_160_terabytes(tmp_path):
    path = vast(tmp_path / "a.nc", 40_000_000, 1000, 1000)
    refused(path, "the coordinate time has 40000000 points, more than 8388608: split the file")
    path = vast(tmp_path / "b.nc", 400, 320_000, 320_000)
    refused(path, "t2m has 1.6e\\+14 bytes by its dimensions, of which a file of")


def test_a_latitude_of_two_thousand_million_points(tmp_path):
    refused(vast(tmp_path / "a.nc", 1, 2 * 10**9, 6), "the coordinate latitude has 2000000000")


def test_a_latitude_in_two_dimensions(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("y", 3000)
        file.createDimension("x", 3000)
        file.createVariable("lat", "f4", ("y", "x"), zlib=True).units = "degrees_north"
    refused(path, "the coordinate lat has 9000000 points")


def test_more_blocks_than_can_be_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "MOST_BLOCKS", 2)
    monkeypatch.setattr(stored, "BLOCK_BYTES", 1)
    refused(whole(tmp_path / "a.nc"), "t2m has 2.9e\\+02 bytes: split the file by time")


@pytest.mark.parametrize("key", ["scale_factor", "add_offset", "missing_value"])
@pytest.mark.parametrize("name", ["t2m", "time"])
def test_packing_that_is_no_number(tmp_path, key, name):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file[name].setncattr(key, "0.01 K")
    refused(path, f"{name} has the {key} '0.01 K', which is no number: correct the attribute")


def test_packing_of_several_numbers(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["t2m"].scale_factor = np.array([1.0, 2.0])
    refused(path, r"t2m has the scale_factor '\[1. 2.\]', which is no number")


def test_lists_of_different_lengths_are_not_read(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        lists = file.createVLType(np.float32, "lists")
        file.createVariable("msl", lists, ("time", "latitude", "longitude"))
        file.createVariable("sp", "f4", ("latitude", "latitude"))
    assert list(open_file(path).data_vars) == ["t2m"]


@pytest.mark.parametrize(
    ("since", "hours"),
    [
        ("hours since 2020-01-01", [1e300, 2e300, 3e300]),
        ("hours since 2020-01-01", [0.0, 1.6e304, 12.0]),
        ("hours since 2020-01-01", [-1e10, 0.0, 1e10]),
        ("days since 0000-01-01", [0.0, 1.0, 2.0]),
        ("days since 1-1-1", [0.0, 1.0, 2.0]),
        ("hours since 99999-01-01", [0.0, 6.0, 12.0]),
        ("days since 2020-13-45", [0.0, 1.0, 2.0]),
    ],
)
def test_absurd_times(tmp_path, since, hours):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["time"].units = since
        file["time"][:] = hours
    refused(path, "a.nc: (it cannot be read as NetCDF|time |its times, in )")


def test_names_of_coordinates_that_are_numbers(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["t2m"].coordinates = 5.0
    refused(path, "it cannot be read as NetCDF")


def test_damage_where_the_values_are_stored(tmp_path):
    path = whole(tmp_path / "a.nc", zlib=True, fletcher32=True, chunksizes=(3, 4, 6))
    content = bytearray(path.read_bytes())
    at = content.find(b"\x78\x5e")  # where zlib begins
    at = at if at >= 0 else content.find(b"\x78\x9c")
    content[at + 20] ^= 255
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.nc: t2m cannot be read \(NetCDF: .*fetch the file"):
        read_checked(open_file(path)["t2m"], path, "t2m")


def test_values_beyond_the_memory(tmp_path, monkeypatch):
    dataset = open_file(whole(tmp_path / "a.nc"))

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("xarray.Variable.__getitem__", full)
    with pytest.raises(InputError, match="t2m cannot be read: it does not fit into the memory"):
        dataset["t2m"].load()


def test_coordinates_that_cannot_be_decoded(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.createVariable("step", "f8", ())[:] = 1e13
        file["step"].units = "hours"
        file["t2m"].coordinates = "step"
    refused(path, "it cannot be read as NetCDF .*overflow")


def test_more_variables_than_any_file(tmp_path, monkeypatch):
    monkeypatch.setattr(promises, "MOST_VARIABLES", 3)
    refused(whole(tmp_path / "a.nc"), "it has 4 variables, more than 3: split it")
