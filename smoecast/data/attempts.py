"""What fetching a file and fetching pieces of one have in common: trying again, marks, the end."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import requests

from smoecast import console
from smoecast.data.answers import TroubleError
from smoecast.data.manifest import Entry, entry_of
from smoecast.data.parts import Part
from smoecast.data.patience import Patience
from smoecast.data.remote import shown
from smoecast.disk import sync, write_atomic
from smoecast.errors import InputError, OutputError

T = TypeVar("T")
Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many (None: nobody knows)."""
Marks = dict[str, str]
"""``etag``, ``modified`` and ``size``, as the server said them; empty where it did not."""


def persist(
    attempt: Callable[[requests.Session], T], part: Part, url: str, patience: Patience
) -> T:
    """Attempt until nothing is in the way any more; bytes that came in between count as success.

    Raises
    ------
    SpentError
        Too much time was lost.
    """
    failures, most, since = 0, part.there, time.monotonic()
    while True:
        try:
            with requests.Session() as session:
                return attempt(session)
        except TroubleError as trouble:
            if part.there > most:
                failures, most, since = 0, part.there, time.monotonic()
            failures += 1
            why = f"{shown(url)}: {trouble}"
            waited = patience.wait(failures, why, since, trouble.wait)
            console.say(f"{why}; waited {waited:.1f} s, trying again")
            since = time.monotonic()


def kept_marks(part: Part, *, trusted: bool = False) -> Marks:
    """Return the marks of the part; one that nothing can be compared with is thrown away.

    A part that a checksum will judge is trusted, and stays.
    """
    with suppress(OSError, ValueError):
        marks: Marks = json.loads(part.marks.read_bytes())
        if if_range(marks):
            return marks
    if not trusted:
        part.forget()
    return {}


def if_range(marks: Marks) -> dict[str, str]:
    """Return the header under which a changed file comes whole; weak ETags do not qualify."""
    etag = marks.get("etag", "")
    strong = etag if etag and not etag.startswith("W/") else marks.get("modified", "")
    return {"If-Range": strong} if strong else {}


def begin(response: requests.Response, part: Part) -> Marks:
    """Start the part from nothing and note which version it will be.

    Raises
    ------
    OutputError
        The disk does not take the note.
    """
    headers = response.headers
    marks = {
        "etag": headers.get("ETag", ""),
        "modified": headers.get("Last-Modified", ""),
        "size": headers.get("Content-Length", ""),
    }
    part.forget()
    try:
        write_atomic(part.marks, json.dumps(marks).encode())
    except OSError as problem:
        raise _disk(part, problem) from None
    return marks


def take(part: Part, chunk: bytes) -> None:
    """Append to a part what has come.

    Raises
    ------
    OutputError
        The disk is full or refuses it; the part is kept.
    """
    try:
        part.append(chunk)
    except OSError as problem:
        raise _disk(part, problem) from None


def _disk(part: Part, problem: OSError) -> OutputError:
    return OutputError(
        f"{part.path}: the disk does not take the file ({problem.strerror}): make room "
        "and run again, what has come is kept"
    )


def settle(
    part: Part, path: Path, url: str, marks: Marks, record: Callable[[Entry], None]
) -> Entry:
    """Record a whole part and put it in its place.

    Raises
    ------
    InputError
        `record` says that the content is wrong; the part does not stay.
    """
    server = {key: value for key, value in marks.items() if key != "size"}
    entry = entry_of(part.path, shown(url), **server)
    try:
        record(entry)
    except InputError:
        part.forget()
        raise
    part.path.replace(path)
    part.forget()  # what stood beside it
    sync(path.parent)
    return entry
