"""Folders that one process holds, and who holds them."""

import fcntl
import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from smoecast.disk.leftovers import sweep
from smoecast.errors import LockedError, OutputError

_LOCK = ".lock"


@contextmanager
def lock(folder: Path) -> Iterator[None]:
    """Hold a folder for this process alone, until the block ends or the process dies.

    What killed runs left in the folder is removed (`sweep`).

    Parameters
    ----------
    folder : Path
        Made when missing; ``.lock`` stays in it and names the holder.

    Raises
    ------
    LockedError
        Another process holds it; the message names it.
    OutputError
        The folder cannot be made or written to.
    """
    path = folder / _LOCK
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, flags, 0o666)
    except OSError as problem:
        raise OutputError(
            f"{path}: the folder cannot be held for this run ({problem.strerror}): "
            "allow writing to it, or choose another one"
        ) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockedError(
                f"{path} is held by another run{_holder(descriptor)}: wait for it, or choose "
                "another name"
            ) from None
        with suppress(OSError):  # a full disk: the lock holds without the name
            _sign(descriptor)
        sweep(folder)
        yield
    finally:
        os.close(descriptor)


def _sign(descriptor: int) -> None:
    """Write into a lock who holds it."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join(sys.argv)[:1000],
        "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> str:
    """Return in words who holds a lock; nothing where it does not say."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
        return " (pid {pid} on {host} since {since}: {command})".format_map(holder)
    except (OSError, ValueError, TypeError, KeyError):
        return ""
