"""The process in which ecCodes works: it answers `fields.read.grib.worker` until that one is gone.

A request is a line of JSON, with the descriptor of the file that it is about, an answer a line of
JSON. What is large lies on the desk, memory that both processes see: the number of the message that
is under way, then what came along, then the values that go back. No path is opened here.
"""

import json
import math
import mmap
import os
import resource
import signal
import socket
import sys
import time
import traceback
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from smoecast.errors import InputError
from smoecast.fields.read.grib.message import Message, place_from_plain, to_plain
from smoecast.fields.read.selection import Tally, selection_from_plain

DESK = 8 << 20
"""Bytes of the desk at first; it grows where a single message needs more."""
AT = 8
"""Where on the desk what came along begins."""
SECONDS = 2
"""Of the processor, which a message may take before it counts as damaged ..."""
PER_SECOND = 1 << 20
"""... and one second more for so many bytes and points of it."""
MEMORY = 4 << 30
"""Bytes of address space: twice of what the largest message takes that is let pass."""
OUT_OF_MEMORY = 3
"""Exit status."""
_LINE = 1 << 16


def serve(memory: int) -> None:
    """Answer requests on standard input, a socket, until the other end is closed.

    Parameters
    ----------
    memory : int
        Descriptor of the desk.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever asks decides when it is over
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_AS, MEMORY)
    line = socket.socket(fileno=0)
    try:
        import eccodes  # noqa: F401, PLC0415
    except (ImportError, OSError, RuntimeError) as problem:
        _send(line, {"broke": str(problem)})
        return
    _send(line, {})
    desk = mmap.mmap(memory, DESK)
    try:
        while (request := _receive(line)) is not None:
            if len(desk) != request["desk"]:
                desk = mmap.mmap(memory, request["desk"])
            _send(line, _answer(request, desk))
    except Exception:  # a fault of ours: told to the command, whose boundary reports it
        _send(line, {"broke": traceback.format_exc()})
        raise


def _limit(what: int, value: int) -> None:
    """Set a limit of this process, no higher than it may be."""
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _receive(line: socket.socket) -> dict[str, Any] | None:
    """Return the next request, None where none will come."""
    text, descriptors, _, _ = socket.recv_fds(line, _LINE, 1)
    more = text
    while more and not text.endswith(b"\n"):
        more = line.recv(_LINE)
        text += more
    return {**json.loads(text), "files": descriptors} if more else None


def _send(line: socket.socket, answer: dict[str, Any]) -> None:
    try:
        line.sendall(json.dumps(answer).encode() + b"\n")
    except BrokenPipeError:
        os._exit(0)  # nobody is there to hear it


def _answer(request: dict[str, Any], desk: mmap.mmap) -> dict[str, Any]:
    """Do what is asked for; a refusal is an answer."""
    try:
        return _work(request, desk)
    except InputError as problem:
        return {"refused": str(problem)}
    except OSError as problem:
        return {"errno": problem.errno, "words": problem.strerror}
    except MemoryError:
        os._exit(OUT_OF_MEMORY)  # and another worker begins with an empty one
    finally:
        for descriptor in request["files"]:
            os.close(descriptor)


def _work(request: dict[str, Any], desk: mmap.mmap) -> dict[str, Any]:
    # here, and not above: ecCodes may be missing
    from smoecast.fields.read.grib import keys as grib_keys  # noqa: PLC0415
    from smoecast.fields.read.grib import values as grib_values  # noqa: PLC0415
    from smoecast.fields.read.grib import walk  # noqa: PLC0415

    what, begin, rest = request["what"], partial(_begin, desk), AT + request["sent"]
    if request["do"] == "describe":
        found = walk.describe(desk[AT:rest], request["number"], what, begin)
        return to_plain([found]) if isinstance(found, Message) else {"left_out": asdict(found)}
    (file,) = request["files"]
    if request["do"] == "headers":
        return grib_keys.list_kinds(file, begin)
    if request["do"] == "walk":
        tally = Tally(selection_from_plain(request["selection"]))
        messages, left_out = walk.walk(file, what, begin, tally)
        left = [asdict(one) for one in left_out]
        of_selection = {"unselected": tally.refusal(), "leaving": tally.list_leaving()}
        return {**to_plain(messages), "left_out": left, **of_selection}
    where = np.frombuffer(desk[AT:rest], np.int64).reshape(-1, 4)
    if request["do"] == "texts":
        return {"texts": grib_keys.texts(file, where, request["keys"], what, begin)}
    place = place_from_plain(request["place"])
    values = np.frombuffer(desk, np.float32, len(where) * math.prod(place.shape), rest)
    grib_values.decode(file, where, values.reshape(-1, *place.shape), place, what, begin)
    return {}


def _begin(desk: mmap.mmap, number: int, size: int) -> None:
    """Note that a message begins, and grant it processor time; SIGXCPU ends what takes more."""
    desk[:AT] = number.to_bytes(AT, sys.byteorder)
    _limit(resource.RLIMIT_CPU, int(time.process_time()) + SECONDS + 1 + size // PER_SECOND)
