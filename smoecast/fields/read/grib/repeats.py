"""Messages whose headers say what those of a message before them said, but for time and member.

A month of hourly fields says 744 times what its parameter, level and grid are, and each time
ecCodes needs milliseconds to find the names of that. Here a message is known again by the bytes of
its header, all of them but those of its date, step and member, which are read as they stand, and
of the numbers by which its values are scaled. No definition of ecCodes makes another key that is
asked for here depend on these, outside of statistics over time, which are therefore left to it; so
is everything unusual, and all that is wrong.

Without ecCodes: a section is found by its length.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from smoecast.errors import InputError
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.grib.sections import Read, fields_of
from smoecast.fields.read.selection import Selection
from smoecast.fields.times import YEARS

_TIMELESS = {
    *("variable", "shortName", "paramId", "typeOfLevel", "level"),
    *("stepType", "dataType", "stream", "class", "expver"),
}
"""Keys by which may be selected: the others may be different where headers are alike."""
_HEAD = 1 << 12  # bytes among which the header of a message stands
_LEAST = 64  # bytes of a message
_MOST = 1 << 16  # headers that are remembered
_MARGIN = 101  # years: a step is shorter
_END = b"7777"
_SECTIONS = ([1, 3, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7])
_ONE_MEMBER = 1  # template of products
_PACKINGS = (0, 40, 41, 42)  # templates that begin alike: simple, JPEG 2000, PNG, CCSDS
_BITMAPS = (0, 255)  # there is one, there is none
_LENGTHS = {0: 34, _ONE_MEMBER: 37}  # of section 4, at least: templates at a point in time
_UNIT_SECONDS = {0: 60, 1: 3600, 2: 86400, 10: 10800, 11: 21600, 12: 43200}
_LONGEST_STEP = 100 * 366 * 86400
_NO_MEMBER = 255
_HAS_GRID, _HAS_BITMAP = 0x80, 0x40  # flags of section 1 of GRIB 1
_LARGE = 0x800000  # bytes from which on GRIB 1 has another way to say its length


@dataclass(frozen=True)
class Header:
    """What stands in the header of one message.

    Attributes
    ----------
    alike : bytes
        All of it in which messages that say the same are alike.
    length : int
        Of the message.
    start : datetime.datetime
        Its date.
    step : datetime.timedelta or None
        Where `alike` leaves it open.
    member : int or None
        Where `alike` leaves it open.
    """

    alike: bytes
    length: int
    start: datetime
    step: timedelta | None = None
    member: int | None = None


@dataclass
class Repeats:
    """What came of each header of a file.

    Attributes
    ----------
    read : callable
        Reads from the file.
    size : int
        Of the file.
    selection : Selection
        Which messages are used.
    found : dict
        What came of them, by what is alike in them.
    """

    read: Read
    size: int
    selection: Selection
    found: dict[bytes, Message | LeftOut] = field(default_factory=dict)

    @property
    def _is_timeless(self) -> bool:
        """Whether what is selected does not depend on what may differ where headers are alike."""
        return all(asked.key in _TIMELESS for asked in self.selection.conditions)

    def look(self, at: int) -> Header | None:
        """Return the header of the message that begins here; None where ecCodes must see it."""
        head = self.read(_HEAD, at)
        edition = head[7] if len(head) >= _LEAST and head.startswith(b"GRIB") else 0
        if edition not in (1, 2) or not self._is_timeless:
            return None
        length = int.from_bytes(head[4:7] if edition == 1 else head[8:16], "big")

        def read(size: int, place: int) -> bytes:
            begin = place - at
            is_near = begin + size <= len(head)
            return head[begin : begin + size] if is_near else self.read(size, place)

        if not _LEAST <= length <= self.size - at or read(4, at + length - 4) != _END:
            return None
        understand = _first_edition if edition == 1 else _second_edition
        try:
            return understand(head, read, at, length)
        except (InputError, ValueError):  # sections that do not follow each other; no such date
            return None

    def find(self, header: Header, number: int, at: int) -> Message | LeftOut | None:
        """Return what a message is, if one of such a header was seen before.

        Parameters
        ----------
        header : Header
            Its own.
        number, at : int
            Its number in the file, and where it begins.
        """
        found = self.found.get(header.alike)
        if not isinstance(found, Message):
            return found
        step = found.lead_time if header.step is None else np.timedelta64(header.step, "ns")
        return replace(
            found,
            number=number,
            offset=at,
            length=header.length,
            init_time=np.datetime64(header.start, "ns"),
            lead_time=step,
            member=found.member if None in (header.member, found.member) else header.member,
        )

    def keep(self, header: Header, found: Message | LeftOut) -> None:
        """Remember what a message is; not where ecCodes says other than what is read here."""
        if len(self.found) >= _MOST:
            return
        self.found[header.alike] = found
        if isinstance(found, Message) and self.find(header, found.number, found.offset) != found:
            del self.found[header.alike]


def _first_edition(head: bytes, read: Read, at: int, length: int) -> Header | None:
    flags = head[8 + 7]
    begins = [8]
    for is_there in (True, flags & _HAS_GRID, flags & _HAS_BITMAP, True):
        size = int.from_bytes(read(3, at + begins[-1]), "big") if is_there else 0
        begins.append(begins[-1] + size)
    _, grid, bitmap, data, end = begins
    one, two = head[8:grid], head[grid:bitmap]
    if length >= _LARGE or end != length - len(_END) or bitmap > len(head):
        return None
    if len(one) < 28 or len(two) < 32 or 0 < data - bitmap < 6 or end - data < 11:
        return None
    mask, packing = read(min(6, data - bitmap), at + bitmap), read(11, at + data)
    year, century = one[12], one[24]
    if packing[3] & 0xF0 or not 1 <= year <= 100:  # not simple packing; another kind of date
        return None
    start = datetime((century - 1) * 100 + year, *one[13:17])
    # without the date, and the decimal scale factor
    alike = (b"\1", one[:12], one[17:24], one[25:26], one[28:], two, mask, packing[10:])
    return _header(b"".join(alike), length, start)


def _second_edition(head: bytes, read: Read, at: int, length: int) -> Header | None:
    fields = fields_of(read, at, length, "")
    there = {read(5, place)[4]: (place - at, size) for place, size in fields[0]}
    if len(fields) > 1 or list(there) not in _SECTIONS or there[6][0] + 6 > len(head):
        return None
    one, four, five = (head[begin : begin + size] for begin, size in (there[n] for n in (1, 4, 5)))
    between, bitmap = head[there[1][0] + there[1][1] : there[4][0]], head[there[6][0] :][:6]
    template, packing = int.from_bytes(four[7:9], "big"), int.from_bytes(five[9:11], "big")
    if packing not in _PACKINGS or bitmap[5] not in _BITMAPS or len(one) < 21 or len(five) < 20:
        return None
    if template not in _LENGTHS or len(four) < _LENGTHS[template]:
        return None
    seconds = int.from_bytes(four[18:22], "big") * _UNIT_SECONDS.get(four[17], 0)
    step = timedelta(seconds=seconds) if 0 < seconds <= _LONGEST_STEP else None
    number = four[35] if template == _ONE_MEMBER else 0
    member = number if 0 < number < _NO_MEMBER else None
    product = bytearray(four)
    if step is not None:
        product[18:22] = bytes(4)
    if member is not None:
        product[35] = 0
    start = datetime(int.from_bytes(one[12:14], "big"), *one[14:19])
    # without the date, and the scale of the values
    alike = (head[:8], one[:12], one[19:], between, product, five[:11], five[19:], bitmap)
    opened = bytes([step is not None, member is not None])
    return _header(b"".join((*alike, opened)), length, start, step, member)


def _header(
    alike: bytes,
    length: int,
    start: datetime,
    step: timedelta | None = None,
    member: int | None = None,
) -> Header | None:
    """Return a header; None where its times may reach beyond those that can be told."""
    if not YEARS[0] + _MARGIN <= start.year <= YEARS[1] - _MARGIN:
        return None
    return Header(alike, length, start, step, member)
