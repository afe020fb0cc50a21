"""Headers that netCDF-C would believe: looked at before it is given a file."""

from pathlib import Path

from smoecast.errors import InputError
from smoecast.fields.read.netcdf import classic, hdf5


def check_file(path: Path) -> None:
    """Refuse a file that netCDF-C must not be given: it trusts every header.

    Parameters
    ----------
    path : pathlib.Path
        Any file; of one that is no NetCDF netCDF-C itself says so.

    Raises
    ------
    InputError
        If the file is missing, empty, cut, damaged, or leads to other files.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty: fetch it again")
    with path.open("rb") as file:
        magic = file.read(4)
    if magic in classic.MAGIC:
        classic.check_whole(path)
    elif magic == hdf5.MAGIC:
        hdf5.refuse_other_files(path)
