"""HDF5 files that netCDF-C itself never writes, made through the C interface of HDF5."""

import ctypes
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import netCDF4
import numpy as np

_ID = ctypes.c_int64
_DEFAULT = _ID(0)
_READ_WRITE = 1
_SIZES = ctypes.c_uint64 * 3
H5 = ctypes.CDLL(netCDF4._netCDF4.__file__)
H5.H5Fopen.restype = H5.H5Dopen2.restype = H5.H5Screate_simple.restype = _ID
H5.H5Pcreate.restype = H5.H5Dcreate2.restype = _ID


def whole(path: Path, name: str | None = "t2m", **options: object) -> Path:
    """Write a small good file, with a variable of some `name` or without."""
    with netCDF4.Dataset(path, "w") as file:
        for dimension, size in {"time": 3, "latitude": 4, "longitude": 6}.items():
            file.createDimension(dimension, size)
            file.createVariable(dimension, "f8", (dimension,))[:] = np.arange(size) * 6.0
        file["time"].units = "hours since 2020-01-01"
        if name is not None:
            array = file.createVariable(name, "f4", ("time", "latitude", "longitude"), **options)
            array.units = "K"
            array[:] = 280.0 + np.arange(72).reshape(3, 4, 6)
    return path


@contextmanager
def opened(path: Path) -> Iterator[_ID]:
    """Open a file for writing behind the back of netCDF-C."""
    file = _ID(H5.H5Fopen(bytes(path), _READ_WRITE, _DEFAULT))
    assert file.value > 0
    yield file
    assert H5.H5Fclose(file) >= 0


def external_link(path: Path, other: Path, name: str = "t2m") -> Path:
    """Write a file of which one variable is a link to that of another file."""
    with opened(whole(path, None)) as file:
        made = H5.H5Lcreate_external(
            bytes(other), f"/{name}".encode(), file, name.encode(), _DEFAULT, _DEFAULT
        )
        assert made >= 0
    return path


def soft_link(path: Path) -> Path:
    """Write a file that calls its temperature by a second name."""
    with opened(whole(path)) as file:
        assert H5.H5Lcreate_soft(b"/t2m", file, b"again", _DEFAULT, _DEFAULT) >= 0
    return path


def _made(file: _ID, properties: _ID, space: _ID) -> None:
    kind = _ID.in_dll(H5, "H5T_NATIVE_FLOAT_g")
    array = _ID(H5.H5Dcreate2(file, b"t2m", kind, space, _DEFAULT, properties, _DEFAULT))
    assert array.value > 0
    assert H5.H5Dclose(array) >= 0


def external_storage(path: Path, other: Path) -> Path:
    """Write a file whose temperatures are the bytes of any other file."""
    with opened(whole(path, None)) as file:
        properties = _ID(H5.H5Pcreate(_ID.in_dll(H5, "H5P_CLS_DATASET_CREATE_ID_g")))
        space = _ID(H5.H5Screate_simple(3, _SIZES(3, 4, 6), None))
        size = ctypes.c_uint64(72 * 4)
        assert H5.H5Pset_external(properties, bytes(other), ctypes.c_int64(0), size) >= 0
        _made(file, properties, space)
    return path


def virtual(path: Path, other: Path) -> Path:
    """Write a file whose temperatures are put together from another file."""
    with opened(whole(path, None)) as file:
        properties = _ID(H5.H5Pcreate(_ID.in_dll(H5, "H5P_CLS_DATASET_CREATE_ID_g")))
        space = _ID(H5.H5Screate_simple(3, _SIZES(3, 4, 6), None))
        assert H5.H5Pset_virtual(properties, space, bytes(other), b"/t2m", space) >= 0
        _made(file, properties, space)
    return path


def bomb(path: Path, size: int) -> Path:
    """Write a file whose one chunk unpacks to `size` bytes in place of 288."""
    whole(path, zlib=True, shuffle=False, chunksizes=(3, 4, 6))
    packed = zlib.compress(bytes(size), 9)
    with opened(path) as file:
        array = _ID(H5.H5Dopen2(file, b"t2m", _DEFAULT))
        length = ctypes.c_size_t(len(packed))
        assert H5.H5Dwrite_chunk(array, _DEFAULT, 0, _SIZES(0, 0, 0), length, packed) >= 0
        assert H5.H5Dclose(array) >= 0
    return path
