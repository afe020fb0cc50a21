"""One fetcher under all sources: a file is fetched once, whole and right, or the reason is told.

Bytes go to ``{name}.part``; beside it ``{name}.part.json`` holds by which marks the server knows
this version (ETag, Last-Modified), so that another run, days later, goes on where this one was
killed and starts over if the file has changed since (RFC 9110, sections 13.1.5 and 14). The part
becomes the file only when its size and checksum are right. Addresses are shown without user,
password and tokens.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import requests

from smoecast.data.download.http import ask, content_range, tells_its_end, total_of
from smoecast.data.download.manifest import Entry
from smoecast.data.download.partial_file import Marks, PartialFile, Progress, if_range
from smoecast.data.download.remote_file import shown
from smoecast.data.download.retry import Limits, RetryBudget, TransientError
from smoecast.disk.atomic import sync
from smoecast.errors import InputError, NotPublishedError, SmoecastError


@dataclass(frozen=True)
class _Target:
    """What is fetched, from where, and what is known of it beforehand."""

    url: str
    part: PartialFile
    size: int | None
    checksum: str | None
    missing: type[SmoecastError]
    progress: Progress


def fetch(
    url: str,
    path: Path,
    *,
    mirrors: Sequence[str] = (),
    part: PartialFile | None = None,
    size: int | None = None,
    checksum: str | None = None,
    known: Entry | None = None,
    missing: type[SmoecastError] = InputError,
    patience: RetryBudget | None = None,
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
    mirrors : sequence of str
        Other addresses of the same bytes, asked while `url` is busy and nothing has come.
    part : PartialFile, optional
        What takes the bytes beside it meanwhile; none given: the file ``{name}.part``.
    size : int, optional
        Bytes it must have.
    checksum : str, optional
        ``algorithm:hexadecimal`` it must have.
    known : Entry, optional
        What is at `path` already: fetched again only if the server has another version.
    missing : type of SmoecastError
        What a 404 means: `InputError`, or `NotPublishedError` where the file may still come.
    patience : RetryBudget, optional
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
    part = part or PartialFile(path.with_name(path.name + ".part"))
    patience = patience or RetryBudget(Limits())

    def attempt(session: requests.Session, address: str) -> Marks | None:
        wanted = _Target(address, part, size, checksum, missing, progress)
        return _attempt(session, wanted, known if address == url else None, patience)

    may_lack = missing is NotPublishedError
    marks, served = part.attempt(attempt, (url, *mirrors), patience, may_lack=may_lack)
    if marks is None and known is not None:
        return known
    return part.finish(path, served, marks or {}, record)


def _attempt(
    session: requests.Session, wanted: _Target, known: Entry | None, patience: RetryBudget
) -> Marks | None:
    """Ask once for what is missing and verify the whole."""
    part = wanted.part
    marks = part.read_marks(trusted=wanted.checksum is not None)
    there = part.there
    if there and marks.get("size") == str(there):
        _verify(wanted, there, doubtful=True)
        return marks
    headers = _condition_of(known) if known is not None else {}
    if there:
        headers = {"Range": f"bytes={there}-", **if_range(marks)}
    seconds = patience.limits.timeout_seconds
    with ask(session, wanted.url, headers, seconds, wanted.missing) as response:
        if response.status_code == 304:
            return None
        if response.status_code == 416:
            _past_the_end(response, wanted, there)
            return marks
        if response.status_code == 206 and content_range(response)[0] != there:
            wanted.part.forget()
            raise TransientError("the server sent another part of the file than was asked for")
        resumed = there > 0 and response.status_code == 206
        if not resumed:
            there = 0
            marks = part.start(response, wanted.url)
        total = _total(response, wanted, there)
        come = there
        for new in part.receive(response, patience):
            come = there + new
            wanted.progress(come, total)
        if total is not None and come < total and not tells_its_end(response):
            raise TransientError(f"the connection ended after {come} of {total} bytes")
    _verify(wanted, total, doubtful=resumed or (total is None and not tells_its_end(response)))
    return marks


def _condition_of(known: Entry) -> dict[str, str]:
    if known.etag:
        return {"If-None-Match": known.etag}
    return {"If-Modified-Since": known.modified} if known.modified else {}


def _past_the_end(response: requests.Response, wanted: _Target, there: int) -> None:
    """Deal with the answer that nothing is left to send: the part may be whole."""
    if content_range(response)[1] != there:
        wanted.part.forget()
        raise TransientError("the file on the server is another than the one begun")
    _verify(wanted, there, doubtful=True)


def _total(response: requests.Response, wanted: _Target, there: int) -> int | None:
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
    if known is None and not tells_its_end(response) and wanted.checksum is None:
        raise InputError(
            f"{where}: the server does not say how long the file is, so a cut would go unseen: "
            "use another mirror (download.url)"
        )
    return known


def _verify(wanted: _Target, total: int | None, *, doubtful: bool) -> None:
    """Have the disk hold the part and compare size and checksum; a wrong part does not stay.

    A wrong part of several answers, or of unknown length, is fetched once more from the start.
    """
    part = wanted.part
    sync(part.path)
    expected = wanted.size if wanted.size is not None else total
    algorithm, _, digest = (wanted.checksum or "").partition(":")
    right = expected is None or part.there == expected
    what = f"{part.there} bytes came, {expected} were promised"
    if right and (unfinished := part.explain_cut()):
        right, what = False, unfinished
    if right and algorithm:
        with part.path.open("rb") as stream:
            right = hashlib.file_digest(stream, algorithm).hexdigest() == digest.lower()
        what = f"the {algorithm} of what came is not the one promised"
    if right:
        return
    wanted.part.forget()
    if doubtful:
        raise TransientError(what)
    raise InputError(f"{shown(wanted.url)}: {what}: run again, or use another mirror")
