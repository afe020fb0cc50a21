"""HDF5 files that would bring in other files of the machine, or have no end."""

import ctypes
from pathlib import Path

import netCDF4
import numpy as np
import pytest
from made_hdf5 import bomb, external_link, external_storage, opened, soft_link, virtual, whole

from smoecast.errors import InputError
from smoecast.fields.read.netcdf import hdf5
from smoecast.fields.read.open import open_file
from smoecast.fields.read.results import open_result


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_file(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def values(path: Path) -> np.ndarray:
    """Values as netCDF4 alone reads them."""
    with netCDF4.Dataset(path) as file:
        return np.asarray(file["t2m"][...])


def test_a_link_to_another_file(tmp_path):
    path = external_link(tmp_path / "a.nc", whole(tmp_path / "other.nc"))
    assert values(path)[0, 0, 0] == 280.0  # netCDF-C follows it
    refused(path, "t2m is a link to another file, which is not followed")


def test_a_product_that_is_a_link_to_another_file(tmp_path):
    other = whole(tmp_path / "other.nc", "t2m_mean")
    path = external_link(tmp_path / "a.nc", other, "t2m_mean")
    with pytest.raises(InputError, match=r"a\.nc: t2m_mean is a link to another file"):
        open_result(path)


def test_a_link_to_another_file_in_a_group(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.createGroup("deep")
    with opened(path) as file:
        made = hdf5_call("H5Lcreate_external", b"/nowhere", b"/t2m", file, b"/deep/x", 0, 0)
        assert made >= 0
    refused(path, "deep/x is a link to another file")


def hdf5_call(name: str, *arguments: object) -> int:
    given = [ctypes.c_int64(a) if isinstance(a, int) else a for a in arguments]
    return int(getattr(ctypes.CDLL(netCDF4._netCDF4.__file__), name)(*given))


def test_values_that_lie_in_another_file(tmp_path):
    other = tmp_path / "passwords"
    other.write_bytes(np.full(72, 1234.5, "f4").tobytes())
    path = external_storage(tmp_path / "a.nc", other)
    assert values(path)[2, 3, 5] == 1234.5  # netCDF-C reads them, whatever file it is
    refused(path, "the values of t2m lie in another file, which is not read")


def test_values_put_together_from_another_file(tmp_path):
    path = virtual(tmp_path / "a.nc", whole(tmp_path / "other.nc"))
    assert values(path)[0, 0, 0] == 280.0
    refused(path, "the values of t2m lie in another file")


def test_a_second_name_within_the_file(tmp_path):
    path = soft_link(tmp_path / "a.nc")
    found = open_file(path)
    assert found["t2m"].values[0, 0, 0] == 280.0 + 18.0  # north first


def test_a_chunk_that_unpacks_to_more_than_it_has(tmp_path):
    path = bomb(tmp_path / "a.nc", 2**27)
    refused(path, "a chunk of t2m is stored in 130.* bytes but has 288, so it is damaged")


def test_chunks_that_are_too_large_to_unpack(tmp_path):
    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createVariable("t2m", "f4", ("time",), zlib=True, chunksizes=(2**28 + 1,))
    refused(path, "t2m is stored in chunks of 1073741828 bytes, too many to unpack")


def test_groups_in_groups(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        group = file
        for _ in range(hdf5.DEEPEST + 2):
            group = group.createGroup("g")
    refused(path, "its groups lie more than 32 deep")


def test_more_objects_than_any_file(tmp_path, monkeypatch):
    monkeypatch.setattr(hdf5, "MOST_OBJECTS", 3)
    refused(whole(tmp_path / "a.nc"), "it has more than 3 variables and groups")


def test_the_same_file_while_it_is_open(tmp_path):
    path = whole(tmp_path / "a.nc")
    with netCDF4.Dataset(path):
        first, second = open_file(path), open_file(path)
        assert first["t2m"].values.sum() == second["t2m"].values.sum()


def test_a_file_without_its_structure(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(1000))
    refused(tmp_path / "a.nc", r"it cannot be read as NetCDF \(its HDF5 structure is damaged\)")


@pytest.mark.parametrize(
    "call", ["H5Lvisit", "H5Oopen", "H5Dget_create_plist", "H5Pget_layout", "H5Dchunk_iter"]
)
def test_what_hdf5_cannot_tell_is_damaged(tmp_path, monkeypatch, call):
    path = whole(tmp_path / "a.nc", zlib=True)
    monkeypatch.setitem(hdf5._library(), call, lambda *_: -1)
    refused(path, "its HDF5 structure is damaged")


def test_an_hdf5_that_lists_no_chunks(tmp_path, monkeypatch):
    path = whole(tmp_path / "a.nc", zlib=True)
    monkeypatch.delitem(hdf5._library(), "H5Dchunk_iter")
    assert list(open_file(path).data_vars) == ["t2m"]
