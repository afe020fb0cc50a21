"""One sha256 over all that a reader sees of a NetCDF result but its larger fields."""

import hashlib
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from smoecast.errors import InputError, OutputError
from smoecast.fields.read.netcdf.headers import check_file
from smoecast.fields.read.netcdf.promises import check_promises
from smoecast.fields.read.netcdf.watchdog import watch


def digest_checked(path: Path) -> str:
    """Return `digest` of a file that may be another's: anybody can make its checksums.

    Raises
    ------
    OutputError
        It is damaged, leads to other files, or promises more than it can hold.
    """
    try:
        check_file(path)
        with watch(path), _opened(path) as file:
            check_promises(file, path)
            return digest_opened(file, path)
    except InputError as problem:
        raise OutputError(str(problem)) from None


def digest(path: Path) -> str:
    """Return the sha256 of a file of our own making.

    Raises
    ------
    OutputError
        It cannot be read.
    """
    with _opened(path) as file:
        return digest_opened(file, path)


def _opened(path: Path) -> netCDF4.Dataset:
    try:
        return netCDF4.Dataset(path)
    except (OSError, RuntimeError) as problem:
        raise _unreadable(path, problem) from None


def _unreadable(path: Path, problem: Exception) -> OutputError:
    return OutputError(f"{path}: it cannot be opened ({problem}): make it again")


def digest_opened(file: netCDF4.Dataset, path: Path) -> str:
    """Return the sha256 of a file of our own making that is open.

    Raises
    ------
    OutputError
        It cannot be read.
    """
    total = hashlib.sha256()

    def add(*said: Any) -> None:
        for array in map(np.asarray, said):
            text = array.dtype.kind in "OSU"
            total.update(repr(array.tolist()).encode() if text else array.tobytes())

    try:
        file.set_auto_maskandscale(False)
        add([(name, len(size)) for name, size in file.dimensions.items()])
        described: list[Any] = [file, *file.variables.values()]
        for place in described:
            for name in place.ncattrs():
                add(name, place.getncattr(name))
        for name, variable in file.variables.items():
            add(name, str(variable.dtype), variable.dimensions, variable.shape)
            if variable.ndim < 3:
                add(variable[...])
    except (OSError, RuntimeError, AttributeError, ValueError) as problem:
        raise _unreadable(path, problem) from None
    return total.hexdigest()
