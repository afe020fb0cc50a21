"""Pieces of a remote file, one after the other, as one file: by range requests, each byte once.

A run that was killed goes on in the middle of the piece where it ended, by the same marks as
`data.download.fetch`; if the file on the server has changed in between, all pieces are fetched
anew.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import requests

from smoecast.data.download.http import ask, content_range
from smoecast.data.download.manifest import Entry
from smoecast.data.download.partial_file import Marks, PartialFile, Progress, if_range
from smoecast.data.download.remote_file import shown
from smoecast.data.download.retry import RetryBudget, TransientError
from smoecast.disk.atomic import sync
from smoecast.errors import InputError, SmoecastError

Range = tuple[int, int]
"""First byte and length."""


def fetch_pieces(
    url: str,
    path: Path,
    pieces: Sequence[Range],
    *,
    mirrors: Sequence[str] = (),
    missing: type[SmoecastError],
    patience: RetryBudget,
    progress: Progress,
    record: Callable[[Entry], None],
) -> Entry:
    """Fetch pieces of one file; the other parameters are those of `data.download.fetch.fetch`.

    Parameters
    ----------
    pieces : sequence of (int, int)
        First byte and length of each, in the order in which they will stand. Those that touch are
        asked for together.
    mirrors : sequence of str
        Other addresses of the same bytes, asked while `url` is busy. They begin anew: pieces are
        small, and bytes of two versions must not mix. One without the file is passed over.

    Raises
    ------
    InputError
        The server does not have the file, sends no pieces, or the file is shorter than it should
        be.
    NotPublishedError, OutputError
        As `data.download.fetch.fetch`.
    """
    part = PartialFile(path.with_name(f"{path.name}.part"))
    whole = join_ranges(pieces)

    def attempt(session: requests.Session, address: str) -> Marks:
        if mirrors and part.there and part.origin != shown(address):
            part.forget()
        marks = part.read_marks()
        while (ahead := _rest(whole, part.there)) is not None:
            headers = {"Range": f"bytes={ahead[0]}-{ahead[0] + ahead[1] - 1}", **if_range(marks)}
            seconds = patience.limits.timeout_seconds
            with ask(session, address, headers, seconds, missing) as response:
                _check(response, ahead[0], part, address)
                if not part.there:
                    marks = part.start(response, address)
                come = max(part.receive(response, patience, most=ahead[1]), default=0)
                if come < ahead[1]:
                    raise TransientError(f"the connection ended after {come} of {ahead[1]} bytes")
            progress(part.there, sum(length for _, length in whole))
        sync(part.path)
        return marks

    marks, served = part.attempt(attempt, (url, *mirrors), patience, stay=False)
    return part.finish(path, served, marks, record)


def join_ranges(pieces: Sequence[Range]) -> list[Range]:
    """Return the same bytes in the same order, with pieces that touch made one."""
    whole: list[Range] = []
    for first, length in pieces:
        if whole and sum(whole[-1]) == first:
            whole[-1] = (whole[-1][0], whole[-1][1] + length)
        else:
            whole.append((first, length))
    return whole


def _rest(pieces: Sequence[Range], there: int) -> Range | None:
    """Return what is missing of the piece in which a part of so many bytes ends."""
    for first, length in pieces:
        if there < length:
            return first + there, length - there
        there -= length
    return None


def _check(response: requests.Response, first: int, part: PartialFile, url: str) -> None:
    """Refuse an answer that is not the piece that was asked for."""
    begun = part.there > 0
    if response.status_code == 206 and content_range(response)[0] == first:
        return
    part.forget()
    if begun:
        raise TransientError("the file on the server is another than the one begun")
    if response.status_code == 206:
        raise TransientError("the server sent another part of the file than was asked for")
    if response.status_code == 416:
        raise InputError(f"{shown(url)}: the file is shorter than its index says: run again")
    raise InputError(
        f"{shown(url)}: the server sends no parts of files: use another mirror (download.url)"
    )
