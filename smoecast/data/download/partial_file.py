"""What fetching a file and fetching pieces of one have in common: trying again, marks, the end."""

import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from smoecast.data.download.addresses import Addresses
from smoecast.data.download.http import next_chunk
from smoecast.data.download.manifest import Entry, entry_of
from smoecast.data.download.remote_file import ENSEMBLES, shown
from smoecast.data.download.retry import RetryBudget, T, retry
from smoecast.disk.atomic import sync, write_atomic
from smoecast.disk.leftovers import remove, sweep
from smoecast.disk.small_files import read_json
from smoecast.errors import InputError, OutputError

KEPT_DAYS = 7
"""So long the begun part of a file waits that the config does not name any more."""


_MOST_BYTES = 2**16
"""Of the marks of a part."""


_PART = re.compile(r"(.+)\.part(\.json|\.journal(\.new)?)?")


_OF_VERSION_1 = re.compile(r"\.planet_.+\.part|\.ens10_.+\.(new|grib)")


def sweep_downloads(folder: Path, names: Iterable[str] = ()) -> None:
    """Remove what killed downloads left in a folder; call it while holding its lock.

    A part from which a run can go on stays: those of the files of this run, and for `KEPT_DAYS`
    those of others, since several configs may fetch to one folder.

    Parameters
    ----------
    folder : Path
        Of the raw files; the folders in it are swept too.
    names : iterable of str
        The files of this run.
    """
    wanted, eldest = set(names), time.time() - 86_400 * KEPT_DAYS
    for here, folders, found in os.walk(folder):
        place = Path(here)
        folders[:] = [name for name in folders if name != ENSEMBLES]  # has a lock of its own
        sweep(place)
        for name in found:
            path, part = place / name, _PART.fullmatch(name)
            foreign = part and (place / part[1]).relative_to(folder).as_posix() not in wanted
            if _OF_VERSION_1.fullmatch(name) or (foreign and path.lstat().st_mtime < eldest):
                remove(path)


def no_link(path: str, flags: int) -> int:
    """Open a file whose name anybody can guess, unless it is a symbolic link."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


Progress = Callable[[int, int | None], None]
"""Told how many bytes are there, and of how many (None: nobody knows)."""


Marks = dict[str, str]
"""``etag``, ``modified`` and ``size``, as the server said them, and ``from``, its address.

Empty where it did not say one.
"""


def if_range(marks: Marks) -> dict[str, str]:
    """Return the header under which a changed file comes whole; weak ETags do not qualify."""
    etag = marks.get("etag", "")
    strong = etag if etag and not etag.startswith("W/") else marks.get("modified", "")
    return {"If-Range": strong} if strong else {}


class PartialFile:
    """A file on disk to which every byte is appended as it comes.

    Another class may keep less of what comes: `data.download.fetch` only asks how much of the
    remote file is done with, not how much of it is on disk.

    Parameters
    ----------
    path : Path
        The file; ``{name}.json`` beside it is for the marks by which the server knows the version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def marks(self) -> Path:
        """Where the marks of the version that is fetched are kept."""
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def there(self) -> int:
        """Bytes of the remote file, from its first on, that need not be fetched again."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def append(self, chunk: bytes) -> None:
        """Take what has come; the file is there afterwards, be the chunk ever so empty.

        Raises
        ------
        OSError
            The disk does not take it; what it took is counted in `there`.
        InputError
            It is not what such a file holds.
        """
        with open(self.path, "ab", buffering=0, opener=no_link) as file:
            written = 0
            while written < len(chunk):
                written += file.write(chunk[written:])

    def explain_cut(self) -> str:
        """Return in words why the file cannot end here; empty if it can."""
        return ""

    def forget(self) -> None:
        """Throw away what has come."""
        self.marks.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)

    def attempt(
        self,
        attempt: Callable[[requests.Session, str], T],
        urls: Sequence[str],
        patience: RetryBudget,
        *,
        may_lack: bool = False,
        stay: bool = True,
    ) -> tuple[T, str]:
        """Attempt in a session of its own until nothing is in the way any more, see `retry`.

        Parameters
        ----------
        attempt : callable
            Given a session and an address.
        urls : sequence of str
            Addresses of the file, the source's own first, see `addresses.Addresses`.
        patience : RetryBudget
            Of the download.
        may_lack : bool
            Whether a mirror is believed that the file does not exist yet.
        stay : bool
            Whether a part that is begun waits for the address that it is from.

        Returns
        -------
        tuple
            What the attempt gives, and the address that served it.

        Raises
        ------
        RetryBudgetError
            Too much time was lost.
        """
        addresses = Addresses(urls, may_lack=may_lack)

        def once(url: str) -> tuple[T, str]:
            with requests.Session() as session:
                return attempt(session, url), url

        def ask() -> tuple[T, str]:
            begun = self.origin if self.there else ""
            return addresses.ask(once, patience, begun, stay)

        return retry(ask, shown(urls[0]), patience, lambda: self.there)

    @property
    def origin(self) -> str:
        """Address, as it is shown, from which the part is; empty where nobody knows."""
        with suppress(OSError, ValueError, AttributeError):
            return str(read_json(self.marks, _MOST_BYTES).get("from", ""))
        return ""

    def read_marks(self, *, trusted: bool = False) -> Marks:
        """Return the marks of the part; one that nothing can be compared with is thrown away.

        A part that a checksum will judge is trusted, and stays.
        """
        with suppress(OSError, ValueError, AttributeError):
            found = read_json(self.marks, _MOST_BYTES)
            marks = {name: str(mark) for name, mark in found.items()}
            if if_range(marks):
                return marks
        if not trusted:
            self.forget()
        return {}

    def start(self, response: requests.Response, url: str) -> Marks:
        """Start from nothing and note which version of the remote file it will be.

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
            "from": shown(url),
        }
        self.forget()
        with self._on_disk():
            write_atomic(self.marks, json.dumps(marks).encode())
        return marks

    def receive(
        self, response: requests.Response, patience: RetryBudget, most: int | None = None
    ) -> Iterator[int]:
        """Append what comes, `most` bytes of it; yield after each chunk how much has come.

        Raises
        ------
        TransientError
            The connection was cut or fell silent.
        OutputError
            The disk is full or refuses it; the part is kept.
        """
        come = 0
        with self._on_disk():
            self.append(b"")  # the part of an empty file is there too
        while (most is None or come < most) and (chunk := next_chunk(response)):
            with self._on_disk():
                self.append(chunk if most is None else chunk[: most - come])
            come += len(chunk)
            yield come
            patience.check()

    @contextmanager
    def _on_disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as problem:
            raise OutputError(
                f"{self.path}: the disk does not take the file ({problem.strerror}): make room "
                "and run again, what has come is kept"
            ) from None

    def finish(self, path: Path, url: str, marks: Marks, record: Callable[[Entry], None]) -> Entry:
        """Record a whole part and put it in its place.

        Raises
        ------
        InputError
            `record` says that the content is wrong; the part does not stay.
        """
        server = {key: marks.get(key, "") for key in ("etag", "modified")}
        entry = entry_of(self.path, shown(url), **server)
        try:
            record(entry)
        except InputError:
            self.forget()
            raise
        self.path.replace(path)
        self.forget()  # what stood beside it
        sync(path.parent)
        return entry
