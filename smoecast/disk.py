"""Files that a reader sees whole or not at all, and folders that one process holds alone."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smoecast.errors import LockedError


def sync(path: Path) -> None:
    """Have the disk hold `path`, a file or a folder's entries, before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, even after a crash."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync(path.parent)


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, until the block ends or the process dies.

    Parameters
    ----------
    folder : Path
        Made when missing; ``.lock`` stays in it.

    Raises
    ------
    LockedError
        Another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".lock"
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"{path} is held by another run: wait for it, or choose another name"
            ) from None
        yield
