"""Small files that others wrote, read whole: bounded, and never from what is no file."""

import errno
import json
import os
import select
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

PATIENCE = 10.0
"""Seconds that a pipe may say nothing."""
_PIECE = 65536


def read_small(path: Path, most: int, *, pipe: bool = False) -> bytes:
    """Read a whole file, without waiting for anyone and without filling the memory.

    Parameters
    ----------
    path : Path
        Links are followed.
    most : int
        Bytes; a larger file is refused unread.
    pipe : bool
        Whether it may be a pipe, as ``/dev/stdin`` or ``<(command)`` are. It has `PATIENCE`.

    Raises
    ------
    OSError
        It is missing or cannot be read, is a folder, device or socket, is too large, or is a pipe
        that brings nothing; ``strerror`` says which.
    """
    # to open a pipe to which nobody writes would take for ever
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if pipe and stat.S_ISFIFO(status.st_mode):
            content = _from_pipe(descriptor, most)
        elif not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, f"it is {_kind(status.st_mode)}, no file")
        else:
            content = b"" if status.st_size > most else file.read()
        if max(status.st_size, len(content)) > most:
            raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
    return content


def read_json(path: Path, most: int) -> Any:
    """Read a JSON file as `read_small` reads any.

    Parameters
    ----------
    path : Path
        Links are followed.
    most : int
        Bytes; a larger file is refused unread.

    Raises
    ------
    OSError
        As `read_small`.
    ValueError
        It is no JSON, or nested deeper than Python reads.
    """
    content = read_small(path, most)
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _kind(mode: int) -> str:
    return "a pipe" if stat.S_ISFIFO(mode) else "a device"


def _from_pipe(descriptor: int, most: int) -> bytes:
    """Read until the writer closes, or one piece more than `most`."""
    parts: list[bytes] = []
    begun = False
    while sum(map(len, parts)) <= most:
        part: bytes | None = None
        with suppress(BlockingIOError):  # the writer is there, and silent
            part = os.read(descriptor, _PIECE)
        if part:
            parts.append(part)
        elif part is not None and (parts or begun):
            break
        elif select.select([descriptor], [], [], PATIENCE)[0]:
            begun = True
        else:
            raise OSError(errno.ETIMEDOUT, f"it is a pipe that was silent for {PATIENCE:g} s")
    if not parts:
        raise OSError(errno.ENODATA, "it is a pipe that brought nothing")
    return b"".join(parts)
