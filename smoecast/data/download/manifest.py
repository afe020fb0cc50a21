"""`manifest.json` beside raw files: what was fetched, from where, with which sha256.

A second run asks the manifest and the disk, not the network.
"""

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from smoecast.disk.atomic import write_atomic
from smoecast.disk.digests import sha256_of
from smoecast.disk.small_files import read_json
from smoecast.errors import InputError, OutputError

NAME = "manifest.json"
MOST_BYTES = 2**26
"""Of a manifest; a file takes 500."""
_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """One file that was fetched and verified.

    Attributes
    ----------
    bytes : int
        Its size.
    sha256 : str
        Of its content.
    mtime_ns : int
        When the disk says it was last written; while it and the size stay, so does the content.
    url : str
        Where it came from, without user, password and tokens.
    fetched : str
        When, ISO, UTC.
    etag : str
        By which the server knows this version; empty where it has no such mark.
    modified : str
        The server's Last-Modified; empty where it says none.
    notes : dict
        What else the source knows of it.
    """

    bytes: int
    sha256: str
    mtime_ns: int
    url: str
    fetched: str
    etag: str = ""
    modified: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def day(self) -> date:
        """The day on which it was fetched."""
        return datetime.fromisoformat(self.fetched).date()


def entry_of(path: Path, url: str, **more: Any) -> Entry:
    """Describe a file on disk; `url` must be fit to be shown."""
    status = path.stat()
    return Entry(
        bytes=status.st_size,
        sha256=sha256_of(path),
        mtime_ns=status.st_mtime_ns,
        url=url,
        fetched=datetime.now(UTC).isoformat(timespec="seconds"),
        **more,
    )


def _line(name: str, entry: Entry) -> str:
    return f"{json.dumps(name)}: {json.dumps(asdict(entry))}"


def _entry_from(facts: dict[str, Any]) -> Entry:
    """Return the entry of a line; TypeError or ValueError where it is none."""
    entry = Entry(**facts)
    numbers, texts = (entry.bytes, entry.mtime_ns), (entry.sha256, entry.url, entry.fetched)
    marks = (entry.etag, entry.modified)
    if not all(type(number) is int for number in numbers):
        raise TypeError("bytes and mtime_ns are whole numbers")
    if not all(isinstance(text, str) for text in (*texts, *marks)):
        raise TypeError("what is no number is text")
    if not isinstance(entry.notes, dict):
        raise TypeError("notes have names")
    datetime.fromisoformat(entry.fetched)
    return entry


class Manifest:
    """The manifest of one folder; every change is on disk, whole, before the call returns.

    Parameters
    ----------
    folder : Path
        Of the raw files; it must exist.

    Raises
    ------
    InputError
        There is a manifest that cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._folder = folder
        self._lock = threading.Lock()
        self._entries = self._read()
        self._lines = {name: _line(name, entry) for name, entry in self._entries.items()}

    def _read(self) -> dict[str, Entry]:
        if not self._path.is_file():
            return {}
        try:
            stored = read_json(self._path, MOST_BYTES)
            return {name: _entry_from(facts) for name, facts in stored["files"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise InputError(
                f"{self._path}: this is no manifest of smoecast ({problem}): move it away, "
                "and the raw files are fetched again"
            ) from None

    def get(self, name: str) -> Entry | None:
        """Return what is known of a file, whether or not it is still on disk."""
        return self._entries.get(name)

    def add(self, name: str, entry: Entry) -> None:
        """Keep what is known of a file. Safe to call from several threads.

        Raises
        ------
        OutputError
            The disk is full or refuses the manifest.
        """
        with self._lock:
            self._entries[name] = entry
            self._lines[name] = _line(name, entry)
            self._write()

    def _write(self) -> None:
        # one line a file, kept: with thousands of files their text costs more than the disk
        lines = ",\n".join(self._lines[key] for key in sorted(self._lines))
        text = f'{{"version": {_VERSION}, "files": {{\n{lines}\n}}}}\n'
        try:
            write_atomic(self._path, text.encode())
        except OSError as problem:
            raise OutputError(
                f"{self._path}: the disk does not take the manifest ({problem.strerror}): "
                "make room and run again"
            ) from None

    def forget(self, names: Sequence[str]) -> None:
        """Know nothing more of files that were removed.

        Raises
        ------
        OutputError
            The disk is full or refuses the manifest.
        """
        with self._lock:
            for name in names:
                self._entries.pop(name, None)
                self._lines.pop(name, None)
            if names:
                self._write()

    def holds(self, name: str) -> bool:
        """Whether a file is on disk and is what was fetched: by size and time, or by sha256."""
        entry, path = self.get(name), self._folder / name
        if entry is None or not path.is_file():
            return False
        status = path.stat()
        if status.st_size != entry.bytes:
            return False
        if status.st_mtime_ns == entry.mtime_ns:
            return True
        if sha256_of(path) != entry.sha256:
            return False
        self.add(name, replace(entry, mtime_ns=status.st_mtime_ns))
        return True
