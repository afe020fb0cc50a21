"""One fetcher under all sources: a file is fetched once, whole and right, or the reason is told.

Bytes go to ``{name}.part``; beside it ``{name}.part.json`` holds by which marks the server knows
this version (ETag, Last-Modified), so that another run, days later, goes on where this one was
killed and starts over if the file has changed since (RFC 9110, sections 13.1.5 and 14). The part
becomes the file only when its size and checksum are right. Addresses are shown without user,
password and tokens.
"""

import hashlib
import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import requests

from smoecast import console
from smoecast.data.answers import TroubleError, ask, chunked, content_range, next_chunk, total_of
from smoecast.data.manifest import Entry, entry_of
from smoecast.data.parts import Part
from smoecast.data.patience import Limits, Patience
from smoecast.data.remote import shown
from smoecast.disk import sync, write_atomic
from smoecast.errors import InputError, OutputError, SmoecastError

Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many (None: nobody knows)."""
Marks = dict[str, str]
"""``etag``, ``modified`` and ``size``, as the server said them; empty where it did not."""


@dataclass(frozen=True)
class _Wanted:
    """What is fetched and what is known of it beforehand."""

    url: str
    part: Part
    size: int | None
    checksum: str | None
    missing: type[SmoecastError]
    progress: Progress


def fetch(
    url: str,
    path: Path,
    *,
    part: Part | None = None,
    size: int | None = None,
    checksum: str | None = None,
    known: Entry | None = None,
    missing: type[SmoecastError] = InputError,
    patience: Patience | None = None,
    progress: Progress = lambda done, total: None,
    record: Callable[[Entry], None] = lambda entry: None,
) -> Entry:
    """Fetch one file.

    Parameters
    ----------
    url : str
        Where it is (http or https); ``~/.netrc`` and the proxy variables are honoured.
    path : Path
        Where it goes, in a folder that is there.
    part : Part, optional
        What takes the bytes beside it meanwhile; none given: the file ``{name}.part``.
    size : int, optional
        Bytes it must have.
    checksum : str, optional
        ``algorithm:hexadecimal`` it must have.
    known : Entry, optional
        What is at `path` already: fetched again only if the server has another version.
    missing : type of SmoecastError
        What a 404 means: `InputError`, or `NotPublishedError` where the file may still come.
    patience : Patience, optional
        Shared by the files of a download.
    progress : callable
        Told the bytes that are there and all that there will be, or None.
    record : callable
        Given the entry just before the file comes into place, for a manifest: a run killed
        between the two finds the whole part and fetches nothing twice. An InputError of it says
        that the content is wrong, and throws it away.

    Returns
    -------
    Entry
        `known` itself where the server says that nothing has changed.

    Raises
    ------
    InputError
        The server does not have the file, refuses it, does not answer for too long, or sends
        another size or content than promised.
    NotPublishedError
        The server does not have the file yet, if `missing` says so.
    OutputError
        The disk is full or refuses the file; the part is kept.
    """
    part = part or Part(path.with_name(path.name + ".part"))
    wanted = _Wanted(url, part, size, checksum, missing, progress)
    marks = _persist(wanted, known, patience or Patience(Limits()))
    if marks is None and known is not None:
        return known
    server = {key: value for key, value in (marks or {}).items() if key != "size"}
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


def _persist(wanted: _Wanted, known: Entry | None, patience: Patience) -> Marks | None:
    """Attempt until the part is whole and right; return its marks, None when nothing changed."""
    failures, most, since = 0, wanted.part.there, time.monotonic()
    while True:
        try:
            with requests.Session() as session:
                return _attempt(session, wanted, known, patience)
        except TroubleError as trouble:
            if wanted.part.there > most:
                failures, most, since = 0, wanted.part.there, time.monotonic()
            failures += 1
            why = f"{shown(wanted.url)}: {trouble}"
            waited = patience.wait(failures, why, since, trouble.wait)
            console.say(f"{why}; waited {waited:.1f} s, trying again")
            since = time.monotonic()


def _attempt(
    session: requests.Session, wanted: _Wanted, known: Entry | None, patience: Patience
) -> Marks | None:
    """Ask once for what is missing and verify the whole."""
    marks, there = _kept(wanted), wanted.part.there
    if there and marks.get("size") == str(there):
        _verify(wanted, there, doubtful=True)
        return marks
    headers = _if_changed(known) if known is not None else {}
    if there:
        headers = {"Range": f"bytes={there}-", **_if_range(marks)}
    seconds = patience.limits.timeout_seconds
    with ask(session, wanted.url, headers, seconds, wanted.missing) as response:
        if response.status_code == 304:
            return None
        if response.status_code == 416:
            _past_the_end(response, wanted, there)
            return marks
        if response.status_code == 206 and content_range(response)[0] != there:
            wanted.part.forget()
            raise TroubleError("the server sent another part of the file than was asked for")
        resumed = there > 0 and response.status_code == 206
        if not resumed:
            there = 0
            marks = _begin(response, wanted)
        total = _total(response, wanted, there)
        _receive(response, wanted, there, total, patience)
    _verify(wanted, total, doubtful=resumed or (total is None and not chunked(response)))
    return marks


def _kept(wanted: _Wanted) -> Marks:
    """Return the marks of the part; a part that nothing can be compared with is thrown away."""
    with suppress(OSError, ValueError):
        marks: Marks = json.loads(wanted.part.marks.read_bytes())
        if _if_range(marks):
            return marks
    if wanted.checksum is None:
        wanted.part.forget()
    return {}


def _if_range(marks: Marks) -> dict[str, str]:
    """Return the header under which a changed file comes whole; weak ETags do not qualify."""
    etag = marks.get("etag", "")
    strong = etag if etag and not etag.startswith("W/") else marks.get("modified", "")
    return {"If-Range": strong} if strong else {}


def _if_changed(known: Entry) -> dict[str, str]:
    if known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if known.modified else {}


def _past_the_end(response: requests.Response, wanted: _Wanted, there: int) -> None:
    """Deal with the answer that nothing is left to send: the part may be whole."""
    if content_range(response)[1] != there:
        wanted.part.forget()
        raise TroubleError("the file on the server is another than the one begun")
    _verify(wanted, there, doubtful=True)


def _begin(response: requests.Response, wanted: _Wanted) -> Marks:
    """Start the part from nothing and note which version it will be."""
    headers = response.headers
    marks = {
        "etag": headers.get("ETag", ""),
        "modified": headers.get("Last-Modified", ""),
        "size": headers.get("Content-Length", ""),
    }
    wanted.part.forget()
    try:
        write_atomic(wanted.part.marks, json.dumps(marks).encode())
    except OSError as problem:
        raise _disk(wanted, problem) from None
    return marks


def _total(response: requests.Response, wanted: _Wanted, there: int) -> int | None:
    """Return the size of the whole file; None where only its end will tell (chunked).

    Raises
    ------
    InputError
        It is not the size that was promised, or the end could not be told from a cut.
    """
    total = total_of(response, there)
    where = shown(wanted.url)
    if wanted.size is not None and total is not None and total != wanted.size:
        raise InputError(
            f"{where}: the server has {total} bytes, {wanted.size} were promised: "
            "use another mirror (download.url)"
        )
    known = total if total is not None else wanted.size
    if known is None and not chunked(response) and wanted.checksum is None:
        raise InputError(
            f"{where}: the server does not say how long the file is, so a cut would go unseen: "
            "use another mirror (download.url)"
        )
    return known


def _receive(
    response: requests.Response, wanted: _Wanted, there: int, total: int | None, patience: Patience
) -> None:
    """Append what comes to the part, each chunk as it comes."""
    _take(wanted, b"")  # the part of an empty file is there too
    while chunk := next_chunk(response):
        _take(wanted, chunk)
        there += len(chunk)
        wanted.progress(there, total)
        patience.check()
    if total is not None and there < total and not chunked(response):
        raise TroubleError(f"the connection ended after {there} of {total} bytes")


def _take(wanted: _Wanted, chunk: bytes) -> None:
    try:
        wanted.part.append(chunk)
    except OSError as problem:
        raise _disk(wanted, problem) from None


def _disk(wanted: _Wanted, problem: OSError) -> OutputError:
    return OutputError(
        f"{wanted.part.path}: the disk does not take the file ({problem.strerror}): make room "
        "and run again, what has come is kept"
    )


def _verify(wanted: _Wanted, total: int | None, *, doubtful: bool) -> None:
    """Have the disk hold the part and compare size and checksum; a wrong part does not stay.

    A wrong part of several answers, or of unknown length, is fetched once more from the start.
    """
    part = wanted.part
    sync(part.path)
    expected = wanted.size if wanted.size is not None else total
    algorithm, _, digest = (wanted.checksum or "").partition(":")
    right = expected is None or part.there == expected
    what = f"{part.there} bytes came, {expected} were promised"
    if right and (unfinished := part.unfinished()):
        right, what = False, unfinished
    if right and algorithm:
        with part.path.open("rb") as stream:
            right = hashlib.file_digest(stream, algorithm).hexdigest() == digest.lower()
        what = f"the {algorithm} of what came is not the one promised"
    if right:
        return
    wanted.part.forget()
    if doubtful:
        raise TroubleError(what)
    raise InputError(f"{shown(wanted.url)}: {what}: run again, or use another mirror")
