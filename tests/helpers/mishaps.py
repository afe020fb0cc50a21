"""Commands that meet with a mishap at a chosen file operation, each in a child of one warm process.

`Runner` starts this file as a program. It imports what the commands import, once, and then forks a
child for each command: a child counts its file operations in the folder of the run, and dies by
SIGKILL at one of them, or finds the disk full from there on.
"""

import atexit
import contextlib
import ctypes
import errno
import gc
import importlib
import itertools
import json
import os
import re
import resource
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from types import FrameType

from log_lines import without_times

SECONDS = 600
"""A child that lives longer, on a machine however busy, is ended by SIGALRM: nothing hangs."""

Trace = Callable[..., None]

WARM = (
    "smoecast.cli.main",
    "smoecast.tasks.cycle",
    "smoecast.tasks.preprocess.preprocess",
    "smoecast.tasks.train",
    "dask.array",
    "dask.distributed",
    "multiprocessing.synchronize",
    "pint",
    "requests",
    "smoecast.tasks.plot.routing",
    "sympy",
    "torch._dynamo",
    "zarr",
)
"""What commands import and takes longest: imported before the first child, not by each anew."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Outcome:
    """What became of a command: exit code (-n: by signal n), its words, its file operations."""

    code: int
    out: str
    err: str
    operations: list[str]

    def one_sentence(self) -> str:
        """Return the only line on stderr, which is an error of ours, without its time."""
        lines = without_times(self.err).splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("smoecast: "), self.err
        return lines[0]


class Runner:
    """The warm process.

    Parameters
    ----------
    place : Path
        Where commands are called; operations below it count.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.process = _start()

    def run(self, *arguments: str, mishap: str = "", at: float | str = 0) -> Outcome:
        """Call a command.

        Parameters
        ----------
        arguments : str
            Of ``smoecast``.
        mishap : str
            ``before`` or ``after``: SIGKILL right before or after file operation `at`, counted
            from 1. ``full``: from operation `at` on, no file grows. ``no room``: no file may have
            a single byte. ``no leave``: not even root may do what permissions forbid.
            ``stop before`` or ``stop after``: SIGTERM there. ``hold``: it waits there until
            `release` is called. ``clock back``: from the second look at it, the clock is a day
            behind.
            ``kill in`` and ``end in``: SIGKILL or SIGTERM after `at` seconds.
        at : int, float or str
            Number of the operation, or an expression: the first whose line has it.
        """
        asked = {"place": str(self.place), "arguments": arguments, "mishap": mishap, "at": at}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        return Outcome(**json.loads(self.process.stdout.readline()))

    @contextmanager
    def hold(self, *arguments: str, at: float | str) -> Iterator[list[Outcome]]:
        """Have a command wait at an operation while the block does something.

        Yields
        ------
        list of Outcome
            Empty; what became of the command once the block has ended.
        """
        reached, go = _signs(str(self.place))
        found: list[Outcome] = []
        work = threading.Thread(
            target=lambda: found.append(self.run(*arguments, mishap="hold", at=at))
        )
        work.start()
        try:
            while not reached.exists():
                assert work.is_alive(), f"it ended before operation {at}: {found}"
                time.sleep(0.01)
            yield found
        finally:
            go.touch()
            work.join()
            for sign in (reached, go):
                sign.unlink(missing_ok=True)


@cache
def _start() -> subprocess.Popen[str]:
    """Start the warm process, which serves all places in turn until the tests are over."""
    path = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **ONE_THREAD, "PYTHONPATH": path},
    )
    atexit.register(process.communicate, "")
    return process


def _signs(place: str) -> tuple[Path, Path]:
    """Return the files that say that a command has come to where it waits, and that it may go."""
    return Path(f"{place}.reached"), Path(f"{place}.go")


def serve() -> None:
    """Answer requests, a JSON value a line, until there are no more."""
    for name in WARM:
        importlib.import_module(name)
    planet = importlib.import_module("smoecast.data.sources.planet.nature")
    planet.SPIN_UP //= 60  # weather that has hardly settled is as good to be disturbed
    gc.freeze()  # or each child copies what its first collection looks at
    for line in sys.stdin:
        print(json.dumps(_answer(**json.loads(line))), flush=True)


def _answer(place: str, arguments: list[str], mishap: str, at: float | str) -> dict[str, object]:
    pipes = [os.pipe() for _ in range(3)]
    child = os.fork()
    if child == 0:
        for number, (_, writer) in zip((1, 2), pipes[:2], strict=True):
            os.dup2(writer, number)
        _call(place, arguments, mishap, at, pipes[2][1])
    signum = {"kill in": signal.SIGKILL, "end in": signal.SIGTERM}.get(mishap)
    strike = threading.Timer(float(at) if signum else 0.0, os.kill, (child, signum))
    if signum:
        strike.start()
    for _, writer in pipes:
        os.close(writer)
    out, err, log = _drain([reader for reader, _ in pipes])
    if signum:
        strike.cancel()
        strike.join()  # before the number of the process may be another's
    _, status = os.waitpid(child, 0)
    lines = log.splitlines()
    modules = lines.pop().split() if lines and not lines[-1].startswith("at ") else []
    for name in modules:  # the next child finds them loaded
        if name not in sys.modules:
            with contextlib.suppress(ImportError, AttributeError):
                importlib.import_module(name)
    code = os.waitstatus_to_exitcode(status)
    return {"code": code, "out": out, "err": err, "operations": lines}


def _drain(readers: list[int]) -> list[str]:
    found = dict.fromkeys(readers, b"")
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                part = os.read(key.fd, 65536)
                found[key.fd] += part
                if not part:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return [text.decode(errors="replace") for text in found.values()]


def _call(place: str, arguments: list[str], mishap: str, at: float | str, log: int) -> None:
    """Be the child: run the command and end."""
    signal.alarm(SECONDS)
    os.chdir(place)
    sys.argv = ["smoecast", *arguments]
    sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115
    sys.stdout, sys.stderr = (os.fdopen(n, "w", closefd=False) for n in (1, 2))
    if mishap == "no leave" and os.geteuid() == 0:
        _drop_leave()
    if mishap == "clock back":
        _set_clock_back()
    if mishap == "no room":
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    code = 0
    _watch(os.path.realpath(place), mishap, at, log)
    from smoecast.cli.entry import main

    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    sys.audit("mishaps.end", place)  # so that a kill after the last operation is one, too
    os.write(log, (" ".join(sys.modules) + "\n").encode())
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _drop_leave() -> None:
    """Take from root the leave to pass by permissions (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    data = (ctypes.c_uint32 * 6)()
    if libc.capget(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capget")
    for index in range(3):  # effective, permitted, inheritable
        data[index] &= ~0b110
    if libc.capset(header, data) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _watch(place: str, mishap: str, at: float | str, log: int) -> None:
    """Count the file operations below `place` and bring about what shall happen at one."""
    numbers, fsync = itertools.count(1), os.fsync
    struck: list[str] = []

    def stop(frame: FrameType | None = None, *_: object) -> None:
        if frame is None or frame.f_code not in (hook.__code__, _bring_about.__code__):
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGTERM)

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def audited(descriptor: int) -> None:
        sys.audit("mishaps.fsync", _of(descriptor))
        fsync(descriptor)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        path = _operation(event, arguments)
        if path is None or not os.path.realpath(path).startswith(place):
            return
        count = next(numbers)  # also of several threads each has its own
        line = f"at {count} {event} {os.path.relpath(path, place)}"
        os.write(log, f"{line}\n".encode())
        if isinstance(at, (int, float)):
            strikes = count == at
        else:
            strikes = not struck and re.search(at, line) is not None
        if (
            mishap == "full"
            and isinstance(at, (int, float))
            and count >= at
            and _needs_room(event, path)
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        if strikes:
            struck.append(line)
            _bring_about(mishap, place, stop, die)

    os.fsync = audited
    sys.addaudithook(hook)


def _bring_about(mishap: str, place: str, stop: Trace, die: Trace) -> None:
    """Do what shall happen at an operation."""
    if mishap == "before":
        die()
    elif mishap == "after":
        sys.setprofile(die)  # called first when the operation is done
    elif mishap == "stop before":
        stop()
    elif mishap == "stop after":
        sys.setprofile(stop)
    elif mishap == "hold":
        _wait(place)


def _wait(place: str) -> None:
    reached, go = _signs(place)
    reached.touch()
    while not go.exists():
        time.sleep(0.01)


def _set_clock_back() -> None:
    """Have the modules of smoecast that are loaded see a clock that goes back a day."""
    looks = itertools.count()

    class Clock(datetime):
        @classmethod
        def now(cls, zone: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(zone) - timedelta(days=min(next(looks), 1))

    for name, module in [*sys.modules.items()]:
        if name.startswith("smoecast") and getattr(module, "datetime", None) is datetime:
            module.datetime = Clock  # type: ignore[attr-defined]
    real = time.time
    time.time = lambda: real() - 86400.0 * min(next(looks), 1)


def _needs_room(event: str, path: str) -> bool:
    """Whether a full disk refuses an operation."""
    return event in ("os.mkdir", "mishaps.fsync") or (event == "open" and not os.path.lexists(path))


def _operation(event: str, arguments: tuple[object, ...]) -> str | None:
    """Return the path that an operation changes; None of all else."""
    found = None
    if event == "open":
        path, _, flags = arguments
        if int(flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            found = None if isinstance(path, int) else os.fsdecode(path)
    elif event in ("os.rename", "os.symlink"):
        found = _at(arguments[1], arguments[-1])
    elif event in ("os.remove", "os.rmdir", "os.mkdir"):
        found = _at(arguments[0], arguments[-1])
    elif event in ("os.link", "os.truncate"):
        path = arguments[event == "os.link"]
        found = _of(path) if isinstance(path, int) else os.fsdecode(path)
    elif event == "ctypes.dlsym" and arguments[1] == "renameat2":
        found = str(Path.cwd())
    elif event.startswith("mishaps."):
        found = str(arguments[0])
    return found


def _at(path: object, folder: object) -> str:
    """Return a path that is named in an open folder (-1: none)."""
    name = os.fsdecode(path)
    return name if folder in (-1, None) else str(Path(_of(folder)) / name)


def _of(descriptor: object) -> str:
    """Return the path of an open file, as Linux tells it."""
    try:
        return str(Path(f"/proc/self/fd/{descriptor}").readlink())
    except OSError:
        return str(Path.cwd())


if __name__ == "__main__":
    serve()
