"""What is in GRIB files and messages: the questions that go to `fields.read.grib.worker`."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from smoecast.errors import InputError
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib import server, worker
from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.message import Message, from_plain
from smoecast.fields.read.grib.repeats import Repeats
from smoecast.fields.read.selection import Leaving, NotSelectedError, Selection


def index(path: Path) -> tuple[list[Message], list[LeftOut]]:
    """Walk a GRIB file from its first byte to its last.

    Parameters
    ----------
    path : pathlib.Path
        GRIB file, edition 1 or 2.

    Returns
    -------
    tuple
        The messages to use, and each kind of message that is left out.

    Raises
    ------
    InputError
        If a message is broken or cut, if there are bytes that belong to none, or if a quantity
        that smoecast knows stands in a message that cannot be read right.
    """
    messages, left_out, _ = index_selected(path, Selection())
    return messages, left_out


def index_selected(
    path: Path, selection: Selection
) -> tuple[list[Message], list[LeftOut], tuple[Leaving, ...]]:
    """Walk a GRIB file of which some messages are to be used; the others are not understood.

    Parameters
    ----------
    path : pathlib.Path
        GRIB file, edition 1 or 2.
    selection : Selection
        Which messages.

    Returns
    -------
    tuple
        The messages to use, each kind of message that is left out, and what came of what the
        selection leaves.

    Raises
    ------
    InputError
        See `index`.
    NotSelectedError
        If no message is selected.
    """
    with path.open("rb") as file:
        found = worker.ask("walk", str(path), file=file.fileno(), selection=asdict(selection))
    came = zip(selection.conditions, found["leaving"], strict=True)
    leaving = tuple(
        Leaving(asked, selection.key, tuple(there)) for asked, there in came if not asked.is_wanted
    )
    if found["unselected"]:
        problem = NotSelectedError(f"{path}: {found['unselected']}")
        problem.leaving = leaving
        raise problem
    return from_plain(found), [LeftOut(**left) for left in found["left_out"]], leaving


def list_kinds(path: Path) -> dict[str, Any]:
    """Return what the headers of a GRIB file say, whether it can be read or not.

    Returns
    -------
    dict
        See `fields.read.grib.keys.list_kinds`.

    Raises
    ------
    InputError
        A header ends the process that reads it.
    """
    with path.open("rb") as file:
        return worker.ask("headers", str(path), file=file.fileno())


def describe(message: bytes, number: int, what: str) -> Message | LeftOut:
    """Understand one message in memory.

    Parameters
    ----------
    message : bytes
        The whole of it.
    number : int
        Its place in its file, from 1.
    what : str
        Names it in messages.

    Returns
    -------
    Message or LeftOut
        At offset 0; or what it is, where smoecast has no use for it.

    Raises
    ------
    InputError
        If it is broken, or a quantity that smoecast knows stands in it and cannot be read right.
    """
    found = worker.ask("describe", what, sent=message, number=number)
    return LeftOut(**found["left_out"]) if "left_out" in found else from_plain(found)[0]


class Describer:
    """Understands the messages of one stream, and asks ecCodes only of headers that are new."""

    def __init__(self) -> None:
        self._found: dict[bytes, Message | LeftOut] = {}

    def describe(self, message: bytes, number: int, what: str) -> Message | LeftOut:
        """Understand one message in memory; see the function `describe`."""
        repeats = Repeats(
            lambda size, at: message[at : at + size], len(message), Selection(), self._found
        )
        header = repeats.look(0)
        if header and header.length != len(message):
            header = None
        if header and (again := repeats.find(header, number, 0)):
            return again
        found = describe(message, number, what)
        if header:
            repeats.keep(header, found)
        return found


def texts(path: Path, messages: Sequence[Message], keys: Sequence[str]) -> list[list[str]]:
    """Return keys of messages of a file, each as text, empty where a message does not have it.

    Parameters
    ----------
    path : pathlib.Path
        GRIB file.
    messages : sequence of Message
        Some of it.
    keys : sequence of str
        As ecCodes calls them.

    Raises
    ------
    InputError
        A message is not there any more.
    """
    where = np.array([m.where for m in messages], dtype=np.int64)
    with path.open("rb") as file:
        answer = worker.ask(
            "texts", str(path), file=file.fileno(), sent=where.tobytes(), keys=list(keys)
        )
    found: list[list[str]] = answer["texts"]
    return found


def decode(path: Path, where: np.ndarray, place: GribGrid) -> np.ndarray:
    """Decode messages of a file.

    Parameters
    ----------
    path : pathlib.Path
        GRIB file.
    where : numpy.ndarray
        Number, offset, length and field of each message, (N, 4) int64.
    place : GribGrid
        The grid of them all.

    Returns
    -------
    numpy.ndarray
        (N, rows, columns) float32, missing values as NaN.

    Raises
    ------
    InputError
        A message cannot be decoded, or all of them do not fit into memory.
    """
    shape = (len(where), *place.shape)
    try:
        values = np.empty(shape, dtype=np.float32)
    except MemoryError:
        raise InputError(
            f"{path}: {shape[0]} fields of {place.describe()} do not fit into memory at once: "
            "split the file"
        ) from None
    some = max(1, server.DESK // (4 * math.prod(place.shape) + 64))
    with path.open("rb") as file:
        for begin in range(0, len(where), some):
            part = np.s_[begin : begin + some]
            worker.ask(
                "decode",
                str(path),
                file=file.fileno(),
                sent=where[part].tobytes(),
                into=values[part],
                place=asdict(place),
            )
    return values
