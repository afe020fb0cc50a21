"""What a GRIB result says of itself: its attributes and checksums, in its first message.

GRIB has no attributes. But section 2 of a message, for local use, is read by nobody who does not
know what stands there, and here the first message of a result has one: a mark, the sha256 of what
follows, and JSON, filled up with blanks to a length that is known before the fields are. The
checksums are of each MiB after it; what comes before it, the beginning of the message, has one too.
Without ecCodes: a section is found by its length.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from smoecast.errors import OutputError

GRIB = b"GRIB"
MARK = b"smoecast-grib-1\n"
_INDICATOR, _DIGEST = 16, 64  # bytes of section 0; of a sha256 in hexadecimal digits
_NUMBER = 2
_PIECE = 80  # characters that one checksum takes in JSON, at most
_LONGEST = 1 << 28
_HEAD = 128  # bytes among which the mark stands


@dataclass(frozen=True)
class Record:
    """What stands in the section.

    Attributes
    ----------
    attributes : dict
        As a NetCDF result has them globally.
    head : str
        Sha256 of all bytes before the mark.
    pieces : list of str
        Sha256 of each piece of the file after the section.
    """

    attributes: dict[str, Any]
    head: str
    pieces: list[str]

    def to_bytes(self, length: int | None = None) -> bytes:
        """Return it as the section holds it, filled up to `length`."""
        said = {"attributes": self.attributes, "head": self.head, "pieces": self.pieces}
        body = json.dumps(said, default=str).encode()
        if length is not None:
            body = body.ljust(length - len(MARK) - _DIGEST)
        return MARK + _sha256(body).encode() + body


def length_for(attributes: dict[str, Any], pieces: int) -> int:
    """Return the bytes of a record with so many checksums."""
    return len(Record(attributes, "", []).to_bytes()) + _DIGEST + _PIECE * pieces


def with_section(message: bytes, length: int) -> bytes:
    """Return a GRIB 2 message with a section for local use, zeros as yet.

    Parameters
    ----------
    message : bytes
        Without such a section.
    length : int
        Of its content.
    """
    at = _INDICATOR + int.from_bytes(message[_INDICATOR : _INDICATOR + 4], "big")
    section = (5 + length).to_bytes(4, "big") + bytes([_NUMBER]) + bytes(length)
    total = (len(message) + len(section)).to_bytes(8, "big")
    return message[:8] + total + message[_INDICATOR:at] + section + message[at:]


def fill(path: Path, attributes: dict[str, Any], piece_bytes: int) -> None:
    """Put the record of a file into the section of its first message.

    Parameters
    ----------
    path : pathlib.Path
        A GRIB file that has been written; its section is as long as `length_for` said.
    attributes : dict
        JSON values.
    piece_bytes : int
        For each piece of so many after the section there is a checksum.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    with path.open("r+b") as file:
        content, begin = _content(file)
        pieces = [_sha256(piece) for piece in iter(lambda: file.read(piece_bytes), b"")]
        file.seek(0)
        record = Record(attributes, _sha256(file.read(begin)), pieces)
        file.write(record.to_bytes(len(content)))


def is_grib(path: Path) -> bool:
    """Whether a file is GRIB, or was once our GRIB: damage to its first bytes does not hide that.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    return head.startswith(GRIB) or MARK in head


def read(path: Path) -> tuple[Record, int, int] | None:
    """Return the record of a result, where its mark stands and where what follows it begins.

    Parameters
    ----------
    path : pathlib.Path
        A GRIB file, of anybody: what stands there is not believed.

    Returns
    -------
    tuple or None
        None: another program wrote it.

    Raises
    ------
    OutputError
        It is ours, and the record is damaged.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        marked = MARK in file.read(_HEAD)
        content, begin = _content(file)
    body = content[len(MARK) + _DIGEST :]
    whole = _sha256(body).encode() == content[len(MARK) :][:_DIGEST]
    if not (marked or whole):
        return None
    try:
        said = json.loads(body) if marked and whole else {}
        record = Record(dict(said["attributes"]), str(said["head"]), list(said["pieces"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        raise OutputError(f"{path}: its checksums are damaged: make it again") from None
    return record, begin, begin + len(content)


def _content(file: IO[bytes]) -> tuple[bytes, int]:
    """Return the content of the section, empty where there is none, and where it begins."""
    file.seek(0)
    head = file.read(_INDICATOR + 4)
    at = _INDICATOR + int.from_bytes(head[_INDICATOR:], "big")
    if len(head) < _INDICATOR + 4 or at > _LONGEST:
        return b"", 0
    file.seek(at)
    head = file.read(5)
    length = int.from_bytes(head[:4], "big") - 5
    if len(head) < 5 or head[4] != _NUMBER or not 0 < length <= _LONGEST:
        return b"", 0
    return file.read(length), at + 5


def attributes_of(path: Path) -> dict[str, Any]:
    """Return the attributes of a GRIB result; empty where it has none, or they are damaged.

    Raises
    ------
    OSError
        It cannot be read.
    """
    try:
        found = read(path)
    except OutputError:
        return {}
    return {} if found is None else found[0].attributes


def of_head(path: Path, begin: int) -> str:
    """Return the sha256 of the bytes before the mark."""
    with path.open("rb") as file:
        return _sha256(file.read(begin))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
