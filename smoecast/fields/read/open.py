"""Opening any file of fields, and several files as one dataset."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.left_out import LeftOut, name_file, note_more
from smoecast.fields.read.grib.gaps import HEAD, MAGIC, begins_grib
from smoecast.fields.read.grib.open import open_grib
from smoecast.fields.read.join import join
from smoecast.fields.read.netcdf import classic, hdf5
from smoecast.fields.read.netcdf.open import open_netcdf
from smoecast.fields.read.reading import AS_IT_IS, Reading, take_leaving
from smoecast.fields.read.selection import Leaving, NotSelectedError, tell_idle
from smoecast.fields.read.zarr.group_file import is_group_file
from smoecast.fields.read.zarr.open import open_group


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file, by which `format_of` tells it.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        return file.read(HEAD)


def format_of(path: Path, head: bytes) -> str:
    """Return ``GRIB``, ``NetCDF 3``, ``NetCDF 4`` or ``Zarr``; empty where a file is none of them.

    Parameters
    ----------
    path : pathlib.Path
        Its name tells only the metadata of a Zarr group, which are JSON.
    head : bytes
        From `read_head`.
    """
    magic = head[:4]
    if magic == hdf5.MAGIC:
        return "NetCDF 4"
    if magic in classic.MAGIC:
        return "NetCDF 3"
    if magic[:1] == b"{" and is_group_file(path):
        return "Zarr"
    # behind the heading of a bulletin too, or what its reader names
    return "GRIB" if magic == MAGIC or begins_grib(head) else ""


def open_file(path: Path, any_grid: bool = False, reading: Reading = AS_IT_IS) -> xr.Dataset:
    """Open a file of fields, told by its first bytes and not by its name.

    Parameters
    ----------
    path : pathlib.Path
        GRIB or NetCDF, or the file that stands for a Zarr group
        (`fields.read.zarr.group_file`): ``.zmetadata``, ``zarr.json``, ``.zgroup``.
    any_grid : bool
        Whether a map projection may pass, see `fields.canonical.canonical.canonical`.
    reading : Reading
        What of it is selected, and what is assumed.

    Raises
    ------
    InputError
        If the file is missing, empty, neither GRIB nor NetCDF, or refused by its reader; a
        `NotSelectedError` if nothing in it is selected.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        head = read_head(path)
    except OSError as problem:
        raise InputError(f"{path}: the file cannot be read ({problem.strerror})") from problem
    kind, magic = format_of(path, head), head[:4]
    if kind == "GRIB":
        return name_file(open_grib(path, reading), path)
    if kind == "Zarr":
        return name_file(open_group(path, any_grid, reading), path.parent)
    if kind:
        return name_file(open_netcdf(path, any_grid, reading), path)
    what = "is empty" if not magic else f"is neither GRIB nor NetCDF, for it begins with {magic!r}"
    raise InputError(f"{path}: the file {what}: fetch it again")


def open_files(
    paths: Sequence[Path],
    any_grid: bool = False,
    trim_start: bool = False,
    reading: Reading = AS_IT_IS,
) -> xr.Dataset:
    """Open several files as one dataset, lazily.

    Files continue each other in time (or in starts, lead times or members), or have different
    variables or levels of the same times, or both: the order of `paths` does not matter.

    Parameters
    ----------
    paths : sequence of pathlib.Path
        GRIB and NetCDF files, on one grid.
    any_grid : bool
        Whether a map projection may pass.
    trim_start : bool
        Whether a variable may begin up to a day after the others: all then begin with it. In
        WeatherBench precipitation begins seven hours late.
    reading : Reading
        What of them is selected, and what is assumed. A file of which nothing is selected is left
        out, as long as there is another.

    Returns
    -------
    xarray.Dataset
        Canonical, ascending in time. Where files have different levels, each channel is a
        variable of its own (`fields.channels`).

    Raises
    ------
    InputError
        If there is no file, one is refused, or two do not fit together: other grid, times that
        both have, times that one variable has and another lacks; both files are named.
    """
    open_one = partial(open_file, any_grid=any_grid, reading=reading)
    return join(open_each(paths, open_one), trim_start)


def open_each(
    paths: Sequence[Path], open_one: Callable[[Path], xr.Dataset]
) -> list[tuple[Path, xr.Dataset]]:
    """Open several files, but those of which nothing is selected.

    What is to be left of them, but none of them has, is noted in the first.

    Parameters
    ----------
    paths : sequence of Path
    open_one : callable
        Opens one of them as `open_file` does.

    Returns
    -------
    list of tuple
        File, and what was opened of it.

    Raises
    ------
    InputError
        One is refused, or nothing is selected of any.
    """
    opened: list[tuple[Path, xr.Dataset]] = []
    passed: dict[Path, NotSelectedError] = {}
    leaving: list[Sequence[Leaving]] = []
    for path in paths:
        try:
            dataset, came = take_leaving(open_one(path))
        except NotSelectedError as problem:
            passed[path] = problem
            leaving.append(problem.leaving)
        else:
            opened.append((path, dataset))
            leaving.append(came)
    if passed and not opened:
        raise next(iter(passed.values()))
    left = [LeftOut(path.name, "nothing in it is selected") for path in passed]
    left += tell_idle(leaving)
    if left:
        first, dataset = opened[0]
        opened[0] = first, note_more(dataset, left)
    return opened
