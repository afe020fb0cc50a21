"""The sections of a GRIB 2 message, which may hold several fields.

Sections 2 to 7 may be repeated, from 2, 3 or 4 on: what is not given anew is that of the field
before (WMO Manual on Codes, FM 92 GRIB). NCEP writes u and v so. ecCodes shows the first field of a
message that it is given by its place, so each field becomes a message of its own here.

Without ecCodes: a section is found by its length.
"""

from collections.abc import Callable

from smoecast.errors import InputError

Read = Callable[[int, int], bytes]
"""Of so many bytes from a place on."""
Sections = tuple[tuple[int, int], ...]
"""Place and size of each section of one field, from section 1 on."""

_INDICATOR = 16  # bytes of section 0
_END = b"7777"
_BITMAP, _DATA = 6, 7
_SAME_BITMAP, _NO_BITMAP = 254, 255
_REPEATED_FROM = (2, 3, 4)


def fields_of(read: Read, offset: int, length: int, what: str) -> list[Sections]:
    """Find the fields of a message.

    Parameters
    ----------
    read : callable
        Reads from its file.
    offset, length : int
        Where it is.
    what : str
        Names it in messages.

    Returns
    -------
    list of tuple
        The sections of each field; none of an edition other than 2, whose messages have one.

    Raises
    ------
    InputError
        If its sections do not follow each other to its end.
    """
    if read(8, offset)[7:] != b"\2":
        return []
    fields: list[Sections] = []
    place, end, before = offset + _INDICATOR, offset + length - len(_END), 0
    there: dict[int, tuple[int, int]] = {}
    bitmap: tuple[int, int] | None = None
    while place < end:
        head = read(6, place)
        size, number = int.from_bytes(head[:4], "big"), head[4] if len(head) == 6 else 0
        follows = number > before or (before == _DATA and number in _REPEATED_FROM)
        if not (follows and number <= _DATA and 5 <= size <= end - place):
            break
        there = {n: section for n, section in there.items() if n < number}
        there[number] = place, size
        if number == _BITMAP and head[5] == _SAME_BITMAP:
            if bitmap is None:
                raise InputError(
                    f"{what} refers to the bitmap of a field before it, but there is none: take it "
                    "out"
                )
            there[number] = bitmap
        elif number == _BITMAP and head[5] != _NO_BITMAP:
            bitmap = place, size
        elif number == _DATA:
            fields.append(tuple(there[n] for n in sorted(there)))
        place, before = place + size, number
    if place != end or before != _DATA:
        raise InputError(f"{what} is broken: its sections do not lead to its end: fetch it again")
    return fields


def message_of(read: Read, offset: int, sections: Sections) -> bytes:
    """Return one field of a message as a message of its own.

    Parameters
    ----------
    read : callable
        Reads from its file.
    offset : int
        Where the message begins.
    sections : tuple
        What `fields_of` found of the field.
    """
    body = b"".join(read(size, place) for place, size in sections)
    total = _INDICATOR + len(body) + len(_END)
    return read(8, offset) + total.to_bytes(8, "big") + body + _END


def content_of(read: Read, offset: int, length: int, field: int, what: str) -> bytes:
    """Return a message, or one field of it as a message of its own.

    Parameters
    ----------
    read : callable
        Reads from its file.
    offset, length : int
        Where it is.
    field : int
        Which field, from 1; 0 where it holds one only.
    what : str
        Names it in messages.

    Raises
    ------
    InputError
        The message has changed since its fields were found.
    """
    if not field:
        return read(length, offset)
    fields = fields_of(read, offset, length, what)
    if len(fields) < field:
        raise InputError(f"{what} is not there any more: fetch the file again")
    return message_of(read, offset, fields[field - 1])


def number_of(message: int, field: int) -> str:
    """Return the number of a field in words, as wgrib2 writes it.

    Parameters
    ----------
    message : int
        Its message, from 1.
    field : int
        Its place in that message, from 1; 0 where it is the only one.

    Returns
    -------
    str
        ``3``, or ``3.2``.
    """
    return f"{message}.{field}" if field else f"{message}"
