"""Folders that are read: while somebody reads one, nobody puts another in its place.

A store is a folder of many files, which a run opens as it comes to need them. A shared lock on the
folder itself says that somebody reads it; it needs no permission to write and ends with the
process. Where a file system has no locks, all goes on without.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoecast.errors import LockedError


@contextmanager
def hold_for_reading(folder: Path) -> Iterator[None]:
    """Have nobody replace a folder until the block ends; a folder that is not there is well too."""
    descriptor = _lock_shared(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _lock_shared(folder: Path) -> int | None:
    """Lock what is there now: while the lock was waited for, another may have taken its place."""
    while True:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return None  # opening its files will say what is wrong
        with suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), folder.stat()):
                return descriptor
        os.close(descriptor)


@contextmanager
def unread(folder: Path) -> Iterator[None]:
    """Have nobody begin to read a folder until the block ends, in which another takes its place.

    Raises
    ------
    LockedError
        Another run is reading it.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"{folder}: another run is reading it, so it is not replaced: wait for that run, "
                "then run the same command again"
            ) from None
        except OSError:
            pass  # a file system without locks
        yield
    finally:
        os.close(descriptor)
