"""GRIB sifted as it comes: of a file far larger than the disk only the wanted messages stay.

Memory holds the message that is under way, the disk the wanted ones, and a journal beside them
says how far the remote file has been read: a run that was killed goes on at the message, or, with
its process alive, at the very byte.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from io import FileIO
from pathlib import Path

from smoecast.data.download.partial_file import PartialFile, no_link
from smoecast.disk.small_files import read_json
from smoecast.errors import InputError

HEAD = 16
"""Bytes from which the length of nearly every message is known."""
LONGEST = 1 << 28
"""A message that claims to be longer is damaged; nothing longer is ever held in memory."""
_LARGE, _UNIT = 0x800000, 120
_MOST_BYTES = 2**16


def message_length(head: bytes | bytearray) -> int | None:
    """Return the length of the GRIB message that begins with these bytes.

    Edition 1 has 3 bytes for it. ECMWF writes longer messages with the highest bit set: the rest
    counts 120 bytes each, and the length of section 4 then says by how many that is too much.

    Parameters
    ----------
    head : bytes or bytearray
        The beginning of a message; may be too short to tell.

    Returns
    -------
    int or None
        Bytes of the message; None where more of it must be seen.

    Raises
    ------
    InputError
        It is no GRIB message of edition 1 or 2.
    """
    begin = bytes(head[:4])
    if not b"GRIB".startswith(begin):
        raise InputError(f"no GRIB message begins with {begin!r}")
    if len(head) < HEAD:
        return None
    if head[7] == 2:
        return int.from_bytes(head[8:16], "big")
    if head[7] != 1:
        raise InputError(f"a GRIB message is of edition {head[7]}; 1 and 2 are known")
    length = int.from_bytes(head[4:7], "big")
    return _large(head, length) if length & _LARGE else length


def _large(head: bytes | bytearray, length: int) -> int | None:
    """Return the length of a message of edition 1 with the highest bit of its length set."""
    flags, place = head[15], 8
    for there in (0x100, 0x80, 0x40):  # section 1 always, 2 and 3 as octet 8 of section 1 says
        if (flags | 0x100) & there:
            if len(head) < place + 3:
                return None
            place += int.from_bytes(head[place : place + 3], "big")
    if len(head) < place + 3:
        return None
    last = int.from_bytes(head[place : place + 3], "big")
    if last >= _UNIT:
        return length
    return (length & ~_LARGE) * _UNIT - last + 4


class GribSieve(PartialFile):
    """A part that keeps some of the messages of a GRIB file.

    Parameters
    ----------
    path : Path
        Where the wanted messages go; ``{name}.journal`` beside it tells how far they reach.
    is_wanted : callable
        Given a whole message and its number in the remote file, from 1.
    what : str
        The remote file in messages.
    """

    def __init__(self, path: Path, is_wanted: Callable[[bytes, int], bool], what: str) -> None:
        super().__init__(path)
        self._is_wanted, self._what = is_wanted, what
        self._begun = bytearray()
        self._read = self._kept = self._count = 0
        self._resume()

    @property
    def journal(self) -> Path:
        """Where it stands how far the remote file has been read."""
        return self.path.with_name(f"{self.path.name}.journal")

    @property
    def there(self) -> int:
        """Bytes of the remote file that have been looked at, or wait for the rest of a message."""
        return self._read + len(self._begun)

    def _resume(self) -> None:
        """Go back to the last message of which the journal knows."""
        size = self.path.stat().st_size if self.path.is_file() else 0
        with suppress(OSError, ValueError, KeyError, TypeError):
            told = read_json(self.journal, _MOST_BYTES)
            read, kept, count = int(told["read"]), int(told["kept"]), int(told["messages"])
            if kept <= size:
                self._read, self._kept, self._count = read, kept, count
        if size > self._kept:
            with open(self.path, "r+b", opener=no_link) as file:
                file.truncate(self._kept)

    def append(self, chunk: bytes) -> None:
        """Take what has come and keep the wanted messages that are whole by now.

        Raises
        ------
        OSError
            The disk does not take a message; another run goes on at the last one noted.
        InputError
            What comes is no GRIB; nothing of it is kept.
        """
        self._begun += chunk
        before = self._read
        with open(self.path, "ab", buffering=0, opener=no_link) as file:
            try:
                while (message := self._next()) is not None:
                    if self._is_wanted(message, self._count):
                        _write(file, message)
                        self._kept += len(message)
            except InputError:
                self.forget()
                raise
        if self._read > before:
            self._note()

    def _next(self) -> bytes | None:
        """Return the next whole message, None where more has to come first."""
        self._skip_padding()
        what = f"{self._what}: message {self._count + 1}"
        try:
            # the whole of what is there: a long message tells its length in its last section
            length = message_length(self._begun)
        except InputError as problem:
            raise InputError(f"{what}: {problem}: use another mirror (download.url)") from None
        if length is not None and not HEAD <= length <= LONGEST:
            raise InputError(f"{what} claims to have {length} bytes: it is damaged, run again")
        if length is None or len(self._begun) < length:
            return None
        message = bytes(self._begun[:length])
        if not message.endswith(b"7777"):
            raise InputError(f"{what} does not end as GRIB does: it is damaged, run again")
        del self._begun[:length]
        self._read += length
        self._count += 1
        return message

    def _skip_padding(self) -> None:
        """Pass over the zeros with which MARS fills up its blocks."""
        if self._begun[:1] == b"\0":
            rest = self._begun.lstrip(b"\0")
            self._read += len(self._begun) - len(rest)
            self._begun = rest

    def _note(self) -> None:
        """Put the journal in its place in one step.

        It is not synced, which for each chunk would take longer than the chunk: after a crash of
        the machine it may speak of messages that are not on disk, and then all begins anew.
        """
        told = {"read": self._read, "kept": self._kept, "messages": self._count}
        temporary = self.journal.with_name(f"{self.journal.name}.new")
        with open(temporary, "w", opener=no_link) as file:
            file.write(json.dumps(told))
        temporary.replace(self.journal)

    def explain_cut(self) -> str:
        """Return in words why the file cannot end here; empty if it can."""
        if self._begun:
            return f"the file ends within message {self._count + 1}"
        return "" if self._count else "the file holds no message"

    def forget(self) -> None:
        """Throw away what has come, and what is known of it."""
        super().forget()
        self.journal.unlink(missing_ok=True)
        self._begun = bytearray()
        self._read = self._kept = self._count = 0


def _write(file: FileIO, message: bytes) -> None:
    written = 0
    while written < len(message):
        written += file.write(message[written:])
