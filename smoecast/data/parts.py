"""Where the bytes of a file go while it is fetched, and what is left of it."""

import os
import re
import time
from collections.abc import Iterable
from pathlib import Path

from smoecast.data.remote import ENSEMBLES
from smoecast.leftovers import remove, sweep

KEPT_DAYS = 7
"""So long the begun part of a file waits that the config does not name any more."""
_PART = re.compile(r"(.+)\.part(\.json|\.journal(\.new)?)?")
_OF_VERSION_1 = re.compile(r"\.planet_.+\.part|\.ens10_.+\.(new|grib)")


def sweep_fetched(folder: Path, names: Iterable[str] = ()) -> None:
    """Remove what killed downloads left in a folder; call it while holding its lock.

    A part from which a run can go on stays: those of the files of this run, and for `KEPT_DAYS`
    those of others, since several configs may fetch to one folder.

    Parameters
    ----------
    folder : Path
        Of the raw files; the folders in it are swept too.
    names : iterable of str
        The files of this run.
    """
    wanted, eldest = set(names), time.time() - 86_400 * KEPT_DAYS
    for here, folders, found in os.walk(folder):
        place = Path(here)
        folders[:] = [name for name in folders if name != ENSEMBLES]  # has a lock of its own
        sweep(place)
        for name in found:
            path, part = place / name, _PART.fullmatch(name)
            foreign = part and (place / part[1]).relative_to(folder).as_posix() not in wanted
            if _OF_VERSION_1.fullmatch(name) or (foreign and path.lstat().st_mtime < eldest):
                remove(path)


def no_link(path: str, flags: int) -> int:
    """Open a file whose name anybody can guess, unless it is a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


class Part:
    """A file on disk to which every byte is appended as it comes.

    Another class may keep less of what comes: `data.fetch` only asks how much of the remote file
    is done with, not how much of it is on disk.

    Parameters
    ----------
    path : Path
        The file; ``{name}.json`` beside it is for the marks by which the server knows the version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def marks(self) -> Path:
        """Where the marks of the version that is fetched are kept."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def there(self) -> int:
        """Bytes of the remote file, from its first on, that need not be fetched again."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def append(self, chunk: bytes) -> None:
        """Take what has come; the file is there afterwards, be the chunk ever so empty.

        Raises
        ------
        OSError
            The disk does not take it; what it took is counted in `there`.
        InputError
            It is not what such a file holds.
        """
        with open(self.path, "ab", buffering=0, opener=no_link) as file:
            written = 0
            while written < len(chunk):
                written += file.write(chunk[written:])

    def unfinished(self) -> str:
        """Return in words why the file cannot end here; empty if it can."""
        return ""

    def forget(self) -> None:
        """Throw away what has come."""
        self.marks.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)
