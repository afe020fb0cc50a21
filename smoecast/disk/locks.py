"""Folders and files that one process holds, and who holds them.

A lock is an advisory lock of the kernel (flock) on a hidden file, which ends with its process
however that ends. The file says who holds it, and its time is renewed while it is held: on a
folder that hosts share, where the file system does not carry locks from host to host, a holder
elsewhere is respected as long as it gives signs of life.
"""

import fcntl
import json
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from smoecast.disk.leftovers import sweep
from smoecast.errors import LockedError, OutputError

BEAT, LEASE = 60.0, 300.0
"""Seconds between two signs of life, and after which a silent holder on another host is dead."""

_PAUSES = (0.02, 0.1, 0.0)
"""Seconds after each time that a lock was asked for which somebody holds."""
_LOCK = ".lock"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


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
    with _hold(folder / _LOCK, remains=True):
        sweep(folder, whole=True)
        yield


@contextmanager
def lock_output(path: Path) -> Iterator[None]:
    """Hold one result for this process alone; other results in its folder are nobody's.

    What killed runs left of any result in the folder is removed (`sweep`).

    Parameters
    ----------
    path : Path
        Of the result, there or not; its folder is made when missing. ``.{name}.lock`` beside it
        names the holder, and goes with it.

    Raises
    ------
    LockedError
        Another process holds it; the message names it.
    OutputError
        Its folder cannot be made or written to.
    """
    ours = path.with_name(f".{path.name}.lock")
    with _hold(ours, remains=False):
        hidden = sweep(path.parent)
        _remove_dead_locks(hidden, but=ours)
        yield


@contextmanager
def _hold(path: Path, *, remains: bool) -> Iterator[None]:
    descriptor = _take(path)
    held = threading.Event()
    beat = threading.Thread(target=_give_signs_of_life, args=(descriptor, held), daemon=True)
    beat.start()
    try:
        yield
    finally:
        held.set()
        beat.join()
        with suppress(OSError):
            if remains:
                os.ftruncate(descriptor, 0)
            else:
                path.unlink()  # before it is free: who waits for it looks again
        os.close(descriptor)


def _take(path: Path) -> int:
    """Return the descriptor of a lock that is ours from now on."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(
                path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666
            )
        except OSError as problem:
            raise OutputError(
                f"{path}: the folder cannot be held for this run ({problem.strerror}): "
                "allow writing to it, or choose another one"
            ) from None
        try:
            free = _is_free(descriptor, path.parent)
            if not free:
                raise LockedError(
                    f"{path} is held by another run{_name(_holder(descriptor))}: wait for it, or "
                    "choose another name"
                )
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                with suppress(OSError):  # a full disk: the lock holds without the name
                    _sign(descriptor)
                return descriptor
        except FileNotFoundError:
            pass  # its holder has just removed it
        except LockedError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_free(descriptor: int, folder: Path, pauses: tuple[float, ...] = _PAUSES) -> bool:
    """Lock what is free; a holder of whom the kernel knows nothing holds it while it lives."""
    carries = _flock(descriptor, pauses)
    if carries is False:
        return False
    holder = _holder(descriptor)
    if not holder or (carries and _is_of_this_host(holder)):
        return True
    # of another host, or on a file system without locks
    return _now(folder) - os.fstat(descriptor).st_mtime > LEASE


def _flock(descriptor: int, pauses: tuple[float, ...]) -> bool | None:
    """Return whether the kernel gives the lock; None where the file system has none.

    It is asked a few times: who sweeps a folder holds the locks of the dead for a moment.
    """
    for pause in pauses:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(pause)
        except OSError:
            return None
        else:
            return True
    return False


def _is_of_this_host(holder: dict[str, Any]) -> bool:
    """Whether the kernel that grants the lock is the holder's, or this host has booted since.

    Containers of one machine have names of their own and one kernel.
    """
    same_kernel = bool(_boot()) and holder.get("boot") == _boot()
    return same_kernel or holder.get("host") == socket.gethostname()


def _now(folder: Path) -> float:
    """Return the time by the clock of whoever keeps the folder, in seconds."""
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            return os.fstat(probe.fileno()).st_mtime
    except OSError:  # a full disk, or no leave: nobody is taken for dead
        return 0.0


def _give_signs_of_life(descriptor: int, done: threading.Event) -> None:
    while not done.wait(BEAT):
        with suppress(OSError):
            os.utime(descriptor)


@cache
def _boot() -> str:
    """Return what tells this start of this kernel from any other; nothing where none says it."""
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _sign(descriptor: int) -> None:
    """Write into a lock who holds it."""
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "boot": _boot(),
        "command": " ".join(sys.argv)[:1000],
        "since": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(holder).encode(), 0)


def _holder(descriptor: int) -> dict[str, Any]:
    """Return what a lock says of its holder; nothing where it does not say."""
    try:
        holder = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return holder if isinstance(holder, dict) and "pid" in holder else {}


def _name(holder: dict[str, Any]) -> str:
    """Return the holder in words."""
    try:
        return " (pid {pid} on {host} since {since}: {command})".format_map(holder)
    except KeyError:
        return ""


def _remove_dead_locks(hidden: Iterable[Path], but: Path) -> None:
    """Remove the locks of results whose holders were killed; ours would be waited for."""
    for path in hidden:
        if path.suffix != ".lock" or path == but:
            continue
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            continue  # gone, or somebody else's
        try:
            # asked once: what is held is alive, and there may be one of each worker beside us
            if _holder(descriptor) and _is_free(descriptor, path.parent, pauses=(0.0,)):
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
