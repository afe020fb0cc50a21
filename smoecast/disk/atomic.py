"""Files and folders that a reader sees whole or not at all.

Whatever is written grows under a temporary name of its own beside its place: a file ``.{name}.{8
hex digits}.tmp`` or a folder ``.{name}.{8 hex digits}.part``, made so that a name that is there
already, a planted symbolic link above all, is never followed. Its maker holds a lock on it that
ends with the process, so that `disk.leftovers.sweep` can tell what a killed run left behind from
what another run is writing just now. Then it takes its place by one rename.
"""

import ctypes
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from smoecast.disk.leftovers import remove
from smoecast.disk.read_locks import unread
from smoecast.errors import OutputError

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


def resolve(text: str) -> Path:
    """Return the path that a user named, ``~`` expanded; that of a user unknown here is kept."""
    return Path(os.path.expanduser(text))  # noqa: PTH111  # that of pathlib raises RuntimeError


def sync(path: Path) -> None:
    """Have the disk hold `path`, a file or a folder's entries, before going on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, whole, even after a crash.

    Raises
    ------
    OutputError
        Something that is no regular file has the name.
    OSError
        The disk is full or refuses.
    """
    refuse_special(path)
    while True:
        temporary = _beside(path, "tmp")
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = -1
        try:
            descriptor = os.open(temporary, flags, 0o666)
            if not _hold(descriptor, temporary):
                continue  # swept before it was held
            with _name_in_errors(temporary, path), open(descriptor, "wb", closefd=False) as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
            break
        finally:
            _clear(temporary, descriptor)
    sync(path.parent)


@contextmanager
def stage(path: Path) -> Iterator[Path]:
    """Give a file or a folder a place to grow in, beside where it will stand.

    Yields
    ------
    Path
        Of the same name, in a new folder that nobody else may enter; nothing is there yet. What
        `put` has not taken is gone afterwards.

    Raises
    ------
    OSError
        The folder of `path` takes no new files.
    """
    while True:
        folder = _beside(path, "part")
        descriptor = -1
        try:
            folder.mkdir(mode=0o700)
            with suppress(FileNotFoundError):  # it is not there: swept before it was opened
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            if descriptor < 0 or not _hold(descriptor, folder):
                continue  # swept before it was held
            yield folder / path.name
            return
        finally:
            _clear(folder, descriptor)


def put(part: Path, path: Path) -> None:
    """Have the disk hold what has grown under `stage`, then put it in its place by one rename.

    A folder changes places with an older one, where the file system can (Linux does); elsewhere
    the older one is moved away first.

    Raises
    ------
    OutputError
        Something that is neither a regular file nor, for a folder, a folder has the name.
    LockedError
        Another run is reading the older folder (`disk.read_locks.hold_for_reading`).
    OSError
        The disk is full or refuses.
    """
    refuse_special(path, folder=part.is_dir())
    with _name_in_errors(part, path):
        for file in sorted(part.rglob("*")) if part.is_dir() else []:
            sync(file)
        sync(part)
    if part.is_dir() and path.exists():
        with unread(path):
            _exchange(part, path)
    else:
        part.replace(path)
    sync(path.parent)


def refuse_special(path: Path, *, folder: bool = False) -> None:
    """Refuse to replace what is no regular file: a device, a pipe, a symbolic link, a folder.

    Parameters
    ----------
    path : Path
        Where a result will stand.
    folder : bool
        Whether the result is a folder, which may replace a folder and no file.

    Raises
    ------
    OutputError
        Something else is there.
    """
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # nothing is there, or writing will say what is in the way
    if stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode):
        return
    kinds = {
        stat.S_ISREG: "a file",
        stat.S_ISDIR: "a folder",
        stat.S_ISLNK: "a symbolic link",
        stat.S_ISFIFO: "a pipe",
        stat.S_ISSOCK: "a socket",
    }
    what = next((word for test, word in kinds.items() if test(mode)), "a device")
    raise OutputError(f"{path}: is {what}, which is not replaced: choose another name")


@contextmanager
def _name_in_errors(part: Path, path: Path) -> Iterator[None]:
    """Say in an OSError which file was on its way where; those of write and fsync do not."""
    try:
        yield
    except OSError as problem:
        if problem.filename is not None:
            raise
        raise OSError(problem.errno, problem.strerror, str(part), None, str(path)) from None


def _clear(temporary: Path, descriptor: int) -> None:
    """Remove a temporary name, also where a signal that ends the run comes just then."""
    try:
        remove(temporary)
    except KeyboardInterrupt:  # there is no second one: it would have ended the process
        remove(temporary)
        raise
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{ending}")


def _hold(descriptor: int, path: Path) -> bool:
    """Lock what was just made; whether it is still there, for a sweep may have come first."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _exchange(part: Path, path: Path) -> None:
    """Have two folders change places, in one step where the file system can."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is not None:
        ours, theirs = os.fsencode(part), os.fsencode(path)
        if rename(_AT_FDCWD, ours, _AT_FDCWD, theirs, _RENAME_EXCHANGE) == 0:
            return
        code = ctypes.get_errno()
        if code not in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
            raise OSError(code, os.strerror(code), str(path))
    old = part.with_name(f"{part.name}.old")
    path.rename(old)
    part.rename(path)
