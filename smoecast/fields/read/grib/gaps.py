"""What may stand before, between and after the messages of a GRIB file.

Meteorological centres send GRIB as bulletins: with an abbreviated heading of the WMO before each
message (``HTXX50 KWBC 010000``) and marks of its beginning and its end around both; MARS fills its
blocks up with zeros. Anything else may be what is left of a message, so it is refused.
"""

import re

from smoecast.errors import InputError
from smoecast.fields.read.grib.sections import Read

MAGIC = b"GRIB"
HEAD = 1024 + 16
"""Bytes from the beginning of a file that `begins_grib` wants to see."""
_PIECE = 1 << 20
_MOST = 1 << 12  # bytes of headings in one gap
_BLANKS = b"\0 \r\n"
_HEADINGS = re.compile(
    rb"""(?: [\0 \r\n\x03\x04]                # padding, the end of a bulletin or of everything
    | (?: \d{8}0[01]                          # its length and kind, in files of bulletins
      | \*{4}\d{10}\*{4}                      # its length, as NOAA's gateway writes it
      | \x01\r\r\n\d{3}(?:\d\d)?             # its beginning, and its number of the day
      | [A-Z]{4}\d{2}[ ][A-Z]{4}[ ]\d{6}(?:[ ][A-Z]{3})?
      )(?=[\0 \r\n\x01\x03]|$)
    )*""",
    re.VERBOSE,
)


def check_gap(read: Read, begin: int, end: int, where: str, what: str) -> None:
    """Refuse bytes outside messages that are neither padding nor headings of bulletins.

    Parameters
    ----------
    read : callable
        Reads from the file.
    begin, end : int
        The first of the bytes, and the first after them.
    where : str
        In words, for messages.
    what : str
        Names the file in messages.

    Raises
    ------
    InputError
        The bytes are of another kind, or more than headings are.
    """
    for at in range(begin, end, _PIECE):
        piece = read(min(_PIECE, end - at), at).strip(_BLANKS)
        if len(piece) > _MOST or not _HEADINGS.fullmatch(piece):
            raise InputError(
                f"{what}: {end - begin} bytes {where} belong to no GRIB message and are no heading "
                f"of a bulletin (byte {begin + 1} of the file on): fetch the file again"
            )


def begins_grib(head: bytes) -> bool:
    """Whether a GRIB message begins among the first bytes of a file.

    Parameters
    ----------
    head : bytes
        As many as `HEAD`, fewer of a shorter file.
    """
    at = head.find(MAGIC)
    while at >= 0:
        edition = head[at + 7 : at + 8]
        size = head[at + 4 : at + 7] if edition == b"\1" else head[at + 8 : at + 16]
        if edition in (b"\1", b"\2") and int.from_bytes(size, "big") >= 8:
            return True
        at = head.find(MAGIC, at + 1)
    return False
