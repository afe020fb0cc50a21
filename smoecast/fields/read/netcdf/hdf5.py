"""What an HDF5 file may not have: parts that lie in other files, groups without end, bombs.

HDF5 follows links to other files of the machine, and takes the values of a variable from any file
that its header names, without a word: a file from a stranger would bring in what its reader alone
may see. So the links and the storage of a file are looked at before netCDF-C opens it, through the
C interface of the very library that netCDF-C uses; names are those of its reference manual,
https://support.hdfgroup.org/documentation/hdf5/latest/_r_m.html
"""

import ctypes
import functools
import importlib
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from xarray.backends.locks import HDF5_LOCK

from smoecast.errors import InputError

MAGIC = b"\x89HDF"
"""Of the eight bytes that a file begins with: as many as of any other format are looked at."""

MOST_OBJECTS = 100_000
DEEPEST = 32
LARGEST_CHUNK = 2**30
"""Bytes that are unpacked at once, at most."""
SLACK = 2**16
"""Bytes by which a compressed chunk may be larger than what is in it."""

_ID = ctypes.c_int64
_DEFAULT = 0  # H5P_DEFAULT, H5E_DEFAULT, H5F_ACC_RDONLY, H5_INDEX_NAME
_SOFT_OR_HARD = (0, 1)  # H5L_type_t
_DATASET = 5  # H5I_type_t
_CHUNKED, _VIRTUAL = 2, 3  # H5D_layout_t
_CLOSING = (0, 2, 3)  # H5F_close_degree_t: a file that is open already wants the same again
_MOST_DIMENSIONS = 32
_LINK = ctypes.CFUNCTYPE(
    ctypes.c_int, _ID, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_void_p
)
_CHUNK = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_uint,
    ctypes.c_uint64,
    ctypes.c_uint64,
    ctypes.c_void_p,
)
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "H5Eset_auto2": (_ID, ctypes.c_void_p, ctypes.c_void_p),
    "H5Fopen": (ctypes.c_char_p, ctypes.c_uint, _ID),
    "H5Fclose": (_ID,),
    "H5Pcreate": (_ID,),
    "H5Pclose": (_ID,),
    "H5Pset_fclose_degree": (_ID, ctypes.c_int),
    "H5Pget_layout": (_ID,),
    "H5Pget_external_count": (_ID,),
    "H5Pget_chunk": (_ID, ctypes.c_int, ctypes.POINTER(ctypes.c_uint64)),
    "H5Oopen": (_ID, ctypes.c_char_p, _ID),
    "H5Oclose": (_ID,),
    "H5Iget_type": (_ID,),
    "H5Dget_create_plist": (_ID,),
    "H5Dget_type": (_ID,),
    "H5Tget_size": (_ID,),
    "H5Tclose": (_ID,),
    "H5Lvisit": (_ID, ctypes.c_int, ctypes.c_int, _LINK, ctypes.c_void_p),
    "H5Dchunk_iter": (_ID, _ID, _CHUNK, ctypes.c_void_p),
}
_RETURNED = {
    **dict.fromkeys(("H5Fopen", "H5Pcreate", "H5Oopen", "H5Dget_create_plist", "H5Dget_type"), _ID),
    "H5Tget_size": ctypes.c_size_t,
}


@functools.cache
def _library() -> dict[str, Any]:
    """Return what is called of the HDF5 with which netCDF-C is linked."""
    loaded = ctypes.CDLL(importlib.import_module("netCDF4._netCDF4").__file__)
    found: dict[str, Any] = {}
    for name, arguments in _SIGNATURES.items():
        versioned = f"{name}2" if name == "H5Lvisit" and hasattr(loaded, f"{name}2") else name
        function = getattr(loaded, versioned, None)
        if function is not None:  # older versions do not list chunks
            function.argtypes, function.restype = arguments, _RETURNED.get(name, ctypes.c_int)
            found[name] = function
    found["H5Eset_auto2"](_DEFAULT, None, None)  # its errors are ours to tell
    found["access"] = _ID.in_dll(loaded, "H5P_CLS_FILE_ACCESS_ID_g").value
    return found


def refuse_other_files(path: Path) -> None:
    """Refuse an HDF5 file with parts in other files, or in which there is no end of something.

    Parameters
    ----------
    path : pathlib.Path
        NetCDF-4, or any other HDF5.

    Raises
    ------
    InputError
        If a link leads to another file, a variable has its values there, groups lie deeper than
        `DEEPEST`, there are more than `MOST_OBJECTS`, or a chunk is larger than `LARGEST_CHUNK` or
        stored in more bytes than it has; if HDF5 cannot read the file.
    """
    with HDF5_LOCK, _open_file(path) as file:  # xarray holds it when other threads read
        found = _Contents(path)
        done = _library()["H5Lvisit"](file, 0, 0, _LINK(found.visit), None)
    if found.wrong or done < 0:
        raise InputError(f"{path}: {found.wrong or _DAMAGED}")


_DAMAGED = "it cannot be read as NetCDF (its HDF5 structure is damaged): fetch the file again"


@contextmanager
def _open_file(path: Path) -> Iterator[int]:
    """Open a file of HDF5 for reading, with its identifier."""
    library = _library()
    access = library["H5Pcreate"](library["access"])
    for degree in _CLOSING:
        library["H5Pset_fclose_degree"](access, degree)
        file = library["H5Fopen"](os.fsencode(path), _DEFAULT, access)
        if file >= 0:
            break
    library["H5Pclose"](access)
    if file < 0:
        raise InputError(f"{path}: {_DAMAGED}")
    try:
        yield file
    finally:
        library["H5Fclose"](file)


class _Contents:
    """Looks at one link of a file after the other, until one is wrong.

    HDF5 calls it: an exception would be lost on the way, so what is wrong is kept.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self.wrong = ""

    def visit(self, group: int, name: bytes, info: Any, _: object) -> int:
        """Look at a link; 1 ends the visit."""
        self._count += 1
        shown = name.decode(errors="replace")
        if self._count > MOST_OBJECTS:
            self.wrong = f"it has more than {MOST_OBJECTS} variables and groups: split the file"
        elif name.count(b"/") > DEEPEST:
            self.wrong = f"its groups lie more than {DEEPEST} deep: take out the one with the data"
        elif info[0] not in _SOFT_OR_HARD:
            self.wrong = (
                f"{shown} is a link to another file, which is not followed: "
                "copy what it leads to into the file"
            )
        elif info[0] == 0:
            self.wrong = self._object(group, name, shown)
        return int(bool(self.wrong))

    def _object(self, group: int, name: bytes, shown: str) -> str:
        """Return what is wrong with a variable or group; empty where nothing is."""
        library = _library()
        opened = library["H5Oopen"](group, name, _DEFAULT)
        if opened < 0:
            return _DAMAGED
        try:
            return _storage(opened, shown) if library["H5Iget_type"](opened) == _DATASET else ""
        finally:
            library["H5Oclose"](opened)


def _storage(dataset: int, name: str) -> str:
    """Return what is wrong with how the values of a variable are stored."""
    library = _library()
    properties = library["H5Dget_create_plist"](dataset)
    layout = library["H5Pget_layout"](properties)
    outside = layout == _VIRTUAL or library["H5Pget_external_count"](properties) > 0
    sizes = (ctypes.c_uint64 * _MOST_DIMENSIONS)()
    rank = library["H5Pget_chunk"](properties, _MOST_DIMENSIONS, sizes) if layout == _CHUNKED else 0
    library["H5Pclose"](properties)
    if properties < 0 or layout < 0 or rank < 0:
        return _DAMAGED
    if outside:
        return (
            f"the values of {name} lie in another file, which is not read: "
            "copy them into the file (nccopy)"
        )
    return _chunks(dataset, name, math.prod(sizes[:rank])) if layout == _CHUNKED else ""


def _chunks(dataset: int, name: str, points: int) -> str:
    """Return what is wrong with the chunks of a variable, each of so many points."""
    library = _library()
    kind = library["H5Dget_type"](dataset)
    size = points * library["H5Tget_size"](kind)
    library["H5Tclose"](kind)
    if size > LARGEST_CHUNK:
        return f"{name} is stored in chunks of {size} bytes, too many to unpack: rewrite the file"
    largest = 0

    def look(_: object, __: int, ___: int, stored: int, ____: object) -> int:
        nonlocal largest
        largest = max(largest, stored)
        return int(largest > size + SLACK)

    listed = library.get("H5Dchunk_iter", lambda *_: 0)(dataset, _DEFAULT, _CHUNK(look), None)
    if listed < 0:
        return _DAMAGED
    if largest > size + SLACK:
        return (
            f"a chunk of {name} is stored in {largest} bytes but has {size}, so it is damaged: "
            "fetch the file again"
        )
    return ""
