"""Stopping a piece of work at each of its file operations, one after the other.

Python tells an audit hook of every operation before it is done. The work runs in a forked process,
which ends at the chosen one without a word, or in which the disk is full from there on.
"""

import errno
import os
import sys
from collections.abc import Callable

from smoecast.errors import SmoecastError

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.truncate"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
KILLED, REFUSED, DONE = 9, 5, 0


def _changes(event: str, arguments: tuple) -> bool:
    if event == "open":
        return isinstance(arguments[2], int) and bool(arguments[2] & _WRITES)
    return event in _CHANGES or (event == "ctypes.dlsym" and arguments[1] == "renameat2")


def run(work: Callable[[], object], stop: int, how: str) -> int:
    """Do the work in another process until its operation `stop`; return how it ended.

    Parameters
    ----------
    work : callable
        What is stopped.
    stop : int
        The first operation that is not done, from 0.
    how : str
        ``kill``, or ``full``: this operation and all later ones that take room fail.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    count = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal count
        if not _changes(event, arguments):
            return
        count += 1
        if count <= stop:
            return
        if how == "kill":
            os._exit(KILLED)
        if event in {"open", "os.mkdir", "os.link"}:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sys.addaudithook(hook)
    code = 1
    try:
        work()
        code = DONE
    except SmoecastError as problem:
        code = problem.exit_code
    finally:
        os._exit(code)


def every_stop(work: Callable[[int], int], step: int = 1, most: int = 1000) -> int:
    """Stop at operation 0, 1, 2 ... (or each `step`) until the work ends; return how many are."""
    for stop in range(0, most, step):
        if work(stop) == DONE:
            return stop
    raise AssertionError(f"the work has more than {most} operations")
