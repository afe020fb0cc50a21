"""What is said where the disk does not take what is written."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoecast.errors import OutputError


@contextmanager
def explain_errors(path: Path, then: str = "run again") -> Iterator[None]:
    """Turn what the file system and netCDF-C complain of into an OutputError for `path`.

    Parameters
    ----------
    path : Path
        What is written.
    then : str
        What to do when there is room.

    Raises
    ------
    OutputError
        The disk is full or refuses.
    """
    try:
        yield
    except (OSError, RuntimeError) as problem:
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        free = shutil.disk_usage(there).free / 2**20
        raise OutputError(
            f"{path}: it cannot be written ({problem}; {free:.0f} MiB are free there): "
            f"make room or choose another folder, then {then}"
        ) from problem
