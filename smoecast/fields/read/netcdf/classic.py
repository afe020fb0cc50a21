"""Whether a classic NetCDF file is whole.

netCDF-C reads a classic file that was cut as if nothing were missing and gives zeros for what is
not there, so the length that the header promises is compared with the length of the file.
Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

import math
import struct
from pathlib import Path
from typing import BinaryIO

from smoecast.errors import InputError

MAGIC = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
_STREAMING = (2**32 - 1, 2**64 - 1)
MOST_NUMBERS = 2**22
"""In a header; the largest ones in use have a tenth of it."""
_LARGEST = 2**63


def check_whole(path: Path) -> None:
    """Refuse a classic NetCDF file that is shorter than its header says.

    Raises
    ------
    InputError
        If the file is cut, in its header or in its data.
    """
    found = path.stat().st_size
    try:
        with path.open("rb") as file:
            needed = _Header(file, found).last_byte()
    except (struct.error, KeyError, IndexError, EOFError) as problem:
        raise InputError(f"{path}: its NetCDF header is damaged: fetch the file again") from problem
    if found < needed:
        raise InputError(
            f"{path}: the file is cut, {found} of {needed} bytes are there: fetch it again"
        )


class _Header:
    """Reads the header of a classic file from its start, field by field."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size
        self._numbers = 0
        version = file.read(4)[3]
        self._count = ">Q" if version == 5 else ">I"
        self._offset = ">I" if version == 1 else ">Q"

    def _number(self, kind: str) -> int:
        self._numbers += 1
        if self._numbers > MOST_NUMBERS:
            raise EOFError("the header has no end")
        (number,) = struct.unpack(kind, self._file.read(struct.calcsize(kind)))
        return int(number)

    def _skip(self, size: int) -> None:
        if size > self._size:
            raise EOFError("the header promises more than the file has")
        self._file.seek(size + -size % 4, 1)

    def _list_length(self) -> int:
        self._number(">I")  # the tag, zero for an empty list
        return self._number(self._count)

    def _skip_attributes(self) -> None:
        for _ in range(self._list_length()):
            self._skip(self._number(self._count))  # its name
            width = _TYPE_BYTES[self._number(">I")]
            self._skip(width * self._number(self._count))

    def _dimensions(self) -> list[int]:
        """Return the sizes of all dimensions; the record dimension has size zero."""
        sizes = []
        for _ in range(self._list_length()):
            self._skip(self._number(self._count))
            sizes.append(self._number(self._count))
        return sizes

    def _variable(self, sizes: list[int]) -> tuple[bool, int, int]:
        """Return whether a variable has records, its bytes (in one record), and its offset."""
        self._skip(self._number(self._count))
        shape = [sizes[self._number(self._count)] for _ in range(self._number(self._count))]
        self._skip_attributes()
        width = _TYPE_BYTES[self._number(">I")]
        self._number(self._count)  # its size, not to be trusted for large variables
        begin = self._number(self._offset)
        records = bool(shape) and shape[0] == 0
        size = width * math.prod(shape[1:] if records else shape)
        if size > _LARGEST:
            raise EOFError("no file is that large")
        return records, size, begin

    def last_byte(self) -> int:
        """Return the offset after the last byte of data."""
        records = self._number(self._count)
        sizes = self._dimensions()
        self._skip_attributes()
        variables = [self._variable(sizes) for _ in range(self._list_length())]
        each = [size for recorded, size, _ in variables if recorded]
        stride = each[0] if len(each) == 1 else sum(size + -size % 4 for size in each)
        ends = [self._file.tell()]
        for recorded, size, begin in variables:
            if not recorded:
                ends.append(begin + size)
            elif records and records not in _STREAMING:
                ends.append(begin + (records - 1) * stride + size)
        return max(ends)
