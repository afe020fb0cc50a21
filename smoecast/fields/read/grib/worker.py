"""Asking ecCodes, which works in a process of its own (`fields.read.grib.server`).

One byte changed in a GRIB message makes ecCodes run into memory that is not its own, and the
process with it. Here that ends a worker, becomes one sentence, and the next file is read by
another worker. The worker starts with the first request, answers one at a time, whichever thread
asks, and ends with this process, however that ends: it reads from a socket that then is closed.
"""

import atexit
import json
import mmap
import os
import signal
import socket
import subprocess  # nosec B404
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smoecast import freed_memory, signals
from smoecast.errors import InputError, SmoecastError
from smoecast.fields.read.grib.server import AT, DESK, OUT_OF_MEMORY

_BEGIN = """
import sys
sys.path[:] = sys.argv[2:]
from smoecast.fields.read.grib import server
server.serve(int(sys.argv[1]))
"""
_SETTINGS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # keep the memory of one message for the next: half of the time went into getting it anew
    **{name: str(size) for name, size in freed_memory.VARIABLES.items()},
}


class _DeadError(Exception):
    """A worker is gone; the number of the message that was under way, and what that did to it."""


@dataclass(frozen=True)
class _Request:
    """What a worker is asked; see `ask`."""

    about: dict[str, Any]
    file: int | None
    sent: bytes
    into: np.ndarray | None

    def line(self, desk: int) -> bytes:
        """Return what goes through the socket."""
        about = {**self.about, "sent": len(self.sent), "desk": desk}
        return json.dumps(about).encode() + b"\n"


class _Worker:
    """A running worker.

    Raises
    ------
    SmoecastError
        It has no ecCodes.
    """

    def __init__(self) -> None:
        self._memory = _memory()
        self._desk = mmap.mmap(self._memory, DESK)
        self._line, theirs = socket.socketpair()
        with theirs, signals.leave_to_parent():  # signals that go to a group are for us alone
            self._process = subprocess.Popen(  # nosec B603
                [sys.executable, "-c", _BEGIN, str(self._memory), *sys.path],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # where ecCodes says at length what is no news to us
                pass_fds=[self._memory],
                process_group=0,
                env=os.environ | _SETTINGS,
            )
        self._answers = self._line.makefile("rb")
        reason: str | None = "it did not begin"
        try:
            reason = self._answer().get("broke")
        except _DeadError:
            reason = "its worker ends as it begins"
        finally:
            if reason is not None:
                self.end()
        if reason is not None:
            raise SmoecastError(f"ecCodes cannot be used ({reason}): install eccodeslib again")

    def ask(self, request: _Request) -> dict[str, Any]:
        """Return the answer; raise _DeadError where none comes."""
        begin = AT + len(request.sent)
        size = begin + (0 if request.into is None else request.into.nbytes)
        if size > len(self._desk):
            os.ftruncate(self._memory, size)
            self._desk = mmap.mmap(self._memory, size)
        self._desk[:begin] = bytes(AT) + request.sent
        files = [] if request.file is None else [request.file]
        with suppress(ConnectionError):  # that no answer comes will tell
            socket.send_fds(self._line, [request.line(len(self._desk))], files)
        answer = self._answer()
        if request.into is not None:
            values = np.frombuffer(self._desk, request.into.dtype, request.into.size, begin)
            request.into[...] = values.reshape(request.into.shape)
        return answer

    def _answer(self) -> dict[str, Any]:
        answer = b""
        with suppress(ConnectionError):
            answer = self._answers.readline()
        if answer.endswith(b"\n"):
            return dict(json.loads(answer))
        number = int.from_bytes(self._desk[:AT], sys.byteorder)
        raise _DeadError(number, _end_in_words(self._process.wait()))

    def end(self) -> None:
        """End the worker, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._close()

    def forget(self) -> None:
        """Let go of a worker that is another process's, the one of which this is a fork."""
        self._process.returncode = 0  # not ours to wait for
        self._close()

    def _close(self) -> None:
        self._answers.close()
        self._line.close()
        os.close(self._memory)


def _end_in_words(code: int) -> str:
    if code == -signal.SIGKILL:
        return "had its decoding killed, most likely for want of memory: make room and run again"
    if code == -signal.SIGXCPU:
        did = "keeps ecCodes busy without end"
    elif code == OUT_OF_MEMORY:
        did = "wants more memory than a field can need"
    else:
        did = f"makes ecCodes crash ({signal.Signals(-code).name if code < 0 else f'exit {code}'})"
    return f"{did}: it is damaged, fetch the file again"


@dataclass
class _Keeper:
    """The worker of this process, if it has one, and the right to talk to it."""

    worker: _Worker | None = None
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, request: _Request) -> dict[str, Any]:
        """Return the answer of a worker; InputError where it dies of the request."""
        with self.one_at_a_time:
            if self.worker is not None:
                # what one message did to the memory of a worker can end it at another's
                with suppress(_DeadError):
                    return self._ask(request)
            try:
                return self._ask(request)
            except _DeadError as problem:
                number, words = problem.args
        what = request.about["what"]
        where = f"{what}: message {number}" if number else what
        raise InputError(f"{where} {words}")

    def _ask(self, request: _Request) -> dict[str, Any]:
        if self.worker is None:
            self.worker = _Worker()
        try:
            return self.worker.ask(request)
        except BaseException:  # the answer to a request that was given up would pass for the next
            self.end()
            raise

    def end(self) -> None:
        """End the worker."""
        if self.worker is not None:
            self.worker.end()
            self.worker = None

    def forget(self) -> None:
        """In a fork: have no worker, and wait for nobody."""
        if self.worker is not None:
            self.worker.forget()
            self.worker = None
        self.one_at_a_time = threading.Lock()


_KEEPER = _Keeper()
atexit.register(_KEEPER.end)
os.register_at_fork(after_in_child=_KEEPER.forget)


def ask(
    do: str,
    what: str,
    *,
    file: int | None = None,
    sent: bytes = b"",
    into: np.ndarray | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Have a worker do something, and start one if there is none.

    Parameters
    ----------
    do : str
        ``walk``, ``headers``, ``describe``, ``texts`` or ``decode``.
    what : str
        Names the file in messages.
    file : int, optional
        Its descriptor.
    sent : bytes
        What goes along, as it is.
    into : numpy.ndarray, optional
        For values that come back.
    **more : Any
        What else `fields.read.grib.server` has to know, as JSON carries it.

    Returns
    -------
    dict
        As JSON carries it.

    Raises
    ------
    InputError
        The file is refused, or ends the worker.
    OSError
        The file cannot be read.
    SmoecastError
        A worker cannot start, for it has no ecCodes.
    RuntimeError
        The worker is wrong; a note has its traceback.
    """
    answer = _KEEPER.ask(_Request({"do": do, "what": what, **more}, file, sent, into))
    if "broke" in answer:
        problem = RuntimeError(answer["broke"].rstrip().rpartition("\n")[2])
        problem.add_note(answer["broke"])
        raise problem
    if "refused" in answer:
        raise InputError(answer["refused"])
    if "errno" in answer:
        raise OSError(answer["errno"], answer["words"], what)
    return answer


def _memory() -> int:
    """Return the descriptor of memory that only those see who are given it."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("smoecast")
    else:  # no Linux
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, DESK)
    return descriptor
