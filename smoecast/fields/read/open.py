"""Opening any file of fields, and several files as one dataset."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.left_out import name_file
from smoecast.fields.read.grib.gaps import HEAD, begins_grib
from smoecast.fields.read.grib.open import MAGIC, open_grib
from smoecast.fields.read.join import join
from smoecast.fields.read.netcdf import classic, hdf5
from smoecast.fields.read.netcdf.open import open_netcdf
from smoecast.fields.read.zarr.group_file import is_group_file
from smoecast.fields.read.zarr.open import open_group


def open_file(path: Path, any_grid: bool = False) -> xr.Dataset:
    """Open a file of fields, told by its first bytes and not by its name.

    Parameters
    ----------
    path : pathlib.Path
        GRIB or NetCDF, or the file that stands for a Zarr group
        (`fields.read.zarr.group_file`): ``.zmetadata``, ``zarr.json``, ``.zgroup``.
    any_grid : bool
        Whether a map projection may pass, see `fields.canonical.canonical.canonical`.

    Raises
    ------
    InputError
        If the file is missing, empty, neither GRIB nor NetCDF, or refused by its reader.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as problem:
        raise InputError(f"{path}: the file cannot be read ({problem.strerror})") from problem
    magic = head[:4]
    if magic == MAGIC:
        return name_file(open_grib(path), path)
    if magic == hdf5.MAGIC or magic in classic.MAGIC:
        return name_file(open_netcdf(path, any_grid), path)
    if magic[:1] == b"{" and is_group_file(path):
        return name_file(open_group(path, any_grid), path.parent)
    if begins_grib(head):  # behind the heading of a bulletin, or what its reader names
        return name_file(open_grib(path), path)
    what = "is empty" if not magic else f"is neither GRIB nor NetCDF, for it begins with {magic!r}"
    raise InputError(f"{path}: the file {what}: fetch it again")


def open_files(
    paths: Sequence[Path], any_grid: bool = False, trim_start: bool = False
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
    return join([(path, open_file(path, any_grid)) for path in paths], trim_start)
