"""What killed runs leave behind: temporary names, for what each stands, and how they go.

`smoecast.disk.atomic` makes them and holds a lock on each that ends with its process.
"""

import fcntl
import glob
import os
import re
import shutil
from pathlib import Path

_OURS = re.compile(r"\..+\.[0-9a-f]{8}\.(tmp|part)")
_OF_VERSION_1 = re.compile(r"\..+\.\d{1,7}\.(tmp|part)|\..+\.zarr\.part")
"""What versions before 0.2 left behind; they wrote nothing without the folder's lock."""
_SWAPPED_OF_VERSION_1 = re.compile(r"\.(.+\.zarr)\.old")


def place_of(path: Path) -> Path:
    """Return the place for which a temporary name stands; any other path as it is.

    What lies in a folder that grows is where it will be.
    """
    parts: list[str] = []
    for name in path.parts:
        staged = bool(parts) and parts[-1].endswith(".part") and _OURS.fullmatch(parts[-1])
        if staged:
            parts.pop()  # the folder of `stage`, beside the place
        parts.append(name)
    if parts and _OURS.fullmatch(parts[-1]):
        parts[-1] = parts[-1][1:].rsplit(".", 2)[0]
    return Path(*parts)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it; nothing there is well too."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def sweep(folder: Path, *, whole: bool = False) -> list[Path]:
    """Remove what killed runs left in a folder; return all that was hidden there, by name.

    What another process is writing just now stays, as does everything that smoecast did not make.

    Parameters
    ----------
    folder : Path
    whole : bool
        Whether the caller holds the lock of the whole folder: only then what versions before 0.2
        left can be told from what they are writing.
    """
    hidden = _list_hidden(folder)
    for path in hidden:
        if _OURS.fullmatch(path.name):
            _remove_left(path)
        elif not whole:
            continue
        elif _OF_VERSION_1.fullmatch(path.name):
            remove(path)
        elif match := _SWAPPED_OF_VERSION_1.fullmatch(path.name):
            place = path.with_name(match[1])
            if place.exists():
                remove(path)
            else:
                path.rename(place)  # killed between two renames: the only copy
    return hidden


def _list_hidden(folder: Path) -> list[Path]:
    """Return what is hidden in a folder; of thousands of results no path is made."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if entry.name.startswith(".")]
    except OSError:
        return []  # it is not there, or not for us
    return [folder / name for name in sorted(names)]


def sweep_beside(path: Path) -> None:
    """Remove what killed runs left of one file or folder, where nobody locks the whole folder."""
    for left in sorted(path.parent.glob(f".{glob.escape(path.name)}.*")):
        if _OURS.fullmatch(left.name) and place_of(left) == path:
            _remove_left(left)


def _remove_left(path: Path) -> None:
    """Remove what `_hold` locked, if nobody holds it any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove(path)
    except OSError:
        return  # held, or on a file system without locks
    finally:
        os.close(descriptor)
