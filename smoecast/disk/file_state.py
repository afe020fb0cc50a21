"""What tells one content of a file from the next without reading it."""

import os
from pathlib import Path

FileState = tuple[int, ...]
"""Size, times and inode of a file; empty where it is gone."""


def state_of(path: Path) -> FileState:
    """Return what changes when a file is written anew, touched or replaced; nothing if it is gone.

    Where it has changed, the content may still be the same.
    """
    try:
        return state_from(path.stat())
    except OSError:
        return ()


def state_from(status: os.stat_result) -> FileState:
    """Return the state that is in what the system says of a file."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
