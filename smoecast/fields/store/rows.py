"""The fields of a store, row by row straight from its files.

A row is everything at one step of the first dimension (a time, or a start). Chunks of a store are
plain bytes, so a field is a stretch of a file, read into the array that wants it: no chunk is
decoded, and nothing is held but what the system's page cache keeps. Files are read, not mapped
into memory: one that is cut while it is read is told in a sentence and does not end the process.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from smoecast.errors import InputError

Packing = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Offset and scale, (C, 1, 1) each: a value is stored as (value - offset) / scale."""
Index = int | slice | NDArray[np.integer[Any]]

FILES = 256
"""Files of one store that are open at the same time; each takes a file descriptor."""


class _Chunk:
    """A file of a store, open until nobody wants it any more."""

    def __init__(self, path: str) -> None:
        self._descriptor = -1
        self._path = path
        try:
            # no link leads to other files of the machine, and no pipe is waited for
            flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            self._descriptor = os.open(path, flags)
        except OSError as problem:
            raise _damage(path, f"cannot be read ({problem.strerror})") from None

    def read(self, into: memoryview, begin: int) -> None:
        """Fill bytes in memory with what the file has from a byte on."""
        while into:
            try:
                come = os.preadv(self._descriptor, [into], begin)
            except OSError as problem:
                raise _damage(self._path, f"cannot be read ({problem.strerror})") from None
            if not come:
                raise _damage(self._path, "is cut")
            into, begin = into[come:], begin + come

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def _damage(path: str, problem: str) -> InputError:
    return InputError(
        f"{path}: a part of the store {problem}; delete the store and run "
        "`smoecast preprocess` again"
    )


@dataclass(frozen=True, eq=False)
class Rows(BackendArray):
    """Fields on disk: (row, ..., channel, latitude, longitude), float32 in SI units when indexed.

    Attributes
    ----------
    folder : Path
        Of the chunk files ``0.0.0.0``, ``1.0.0.0`` ... of a Zarr v2 array, uncompressed.
    shape : tuple of int
        Of all fields.
    chunk_rows : int
        Rows in one file.
    stored : numpy.dtype
        On disk: float32, or float16 with a `packing`.
    packing : Packing or None
        Offset and scale of what is stored.
    """

    folder: Path
    shape: tuple[int, ...]
    chunk_rows: int
    stored: np.dtype[Any]
    packing: Packing | None = None
    _chunk: Callable[[int], _Chunk] = field(init=False, repr=False)
    _row_bytes: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Keep the files that were read last open."""
        name = partial(_name, str(self.folder), len(self.shape) - 1)
        opened = lru_cache(FILES)(lambda chunk: _Chunk(name(chunk)))
        object.__setattr__(self, "_chunk", opened)
        object.__setattr__(self, "_row_bytes", math.prod(self.shape[1:]) * self.stored.itemsize)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process without open files."""
        facts = (self.folder, self.shape, self.chunk_rows, self.stored, self.packing)
        return Rows, facts

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values when indexed: float32."""
        return np.dtype(np.float32)

    @property
    def chunk_bytes(self) -> int:
        """Size of every chunk file; the last one is filled up to it."""
        return self.chunk_rows * self._row_bytes

    def chunk_file(self, chunk: int) -> Path:
        """Return the file of a chunk."""
        return Path(_name(str(self.folder), len(self.shape) - 1, chunk))

    def read(self, index: int, channels: slice | NDArray[np.intp], out: NDArray[Any]) -> None:
        """Read channels of one row of (row, channel, latitude, longitude).

        Parameters
        ----------
        index : int
            The row.
        channels : slice or ndarray of int
            D of them.
        out : (D, H, W)
            Contiguous, of the type `stored`, which is filled with them as they are stored.

        Raises
        ------
        InputError
            A file of the store is gone or cut.
        """
        count, height, width = self.shape[1:]
        field = height * width * self.stored.itemsize
        chosen = range(count)[channels] if isinstance(channels, slice) else channels.tolist()
        self._fill(index, _stretches(tuple(chosen), field, 0, field), out)

    def pack(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return values (..., C, H, W) as they stand on disk."""
        if self.packing is None:
            return values
        offset, scale = self.packing
        return ((values - offset) / scale).astype(self.stored)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return what an xarray index asks for."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._select
        )

    def _select(self, key: tuple[Index, ...]) -> NDArray[np.float32]:
        """Take the rows of an outer index, and from each what the rest of it says."""
        wanted, rest = np.arange(self.shape[0])[key[0]], key[1:]
        shape = _outer(np.broadcast_to(np.float32(0), self.shape[1:]), rest).shape
        values = np.empty((wanted.size, *shape), np.float32)
        if values.size:
            take = self._taker(rest)
            for place, index in enumerate(wanted.ravel().tolist()):
                take(index, values[place, ...])
        return values.reshape((*wanted.shape, *shape))

    def _taker(self, rest: tuple[Index, ...]) -> Callable[[int, NDArray[np.float32]], None]:
        """Return what puts that part of a row, in SI units, into an array.

        Of each wanted field is read what lies between the first and the last wanted value.
        """
        *leading, height, width = self.shape[1:]
        numbers = _outer(np.arange(math.prod(leading)).reshape(leading), rest[:-2])
        begin, end, places = 0, height * width, None
        if not all(map(_is_whole, rest[-2:], (height, width))):
            points = _outer(np.arange(end).reshape(height, width), rest[-2:])
            begin, end = int(points.min()), int(points.max()) + 1
            places = points - begin
        size = self.stored.itemsize
        stretches = _stretches(
            tuple(numbers.ravel().tolist()), height * width * size, begin * size, end * size
        )
        packing = [_outer(np.broadcast_to(p, self.shape[1:]), rest) for p in self.packing or ()]

        def take(index: int, out: NDArray[np.float32]) -> None:
            if places is None and not packing:
                self._fill(index, stretches, out)
                return
            read = np.empty((*numbers.shape, end - begin), self.stored)
            self._fill(index, stretches, read)
            raw = read.reshape(out.shape) if places is None else read[..., places]
            out[...] = raw * packing[1] + packing[0] if packing else raw

        return take

    def _fill(self, index: int, stretches: Sequence[tuple[int, int]], out: NDArray[Any]) -> None:
        """Read stretches of a row, first byte and length, one after the other into `out`."""
        if not out.flags.c_contiguous:  # a copy would be filled in its place
            raise ValueError("fields are read into memory that is contiguous")
        chunk, inside = divmod(index, self.chunk_rows)
        file, begin, place = self._chunk(chunk), inside * self._row_bytes, 0
        view = out.reshape(-1).view(np.uint8).data
        for first, length in stretches:
            file.read(view[place : place + length], begin + first)
            place += length


@lru_cache
def _stretches(
    numbers: tuple[int, ...], field: int, begin: int, end: int
) -> Sequence[tuple[int, int]]:
    """Return first byte and length of what is read of fields, whole ones side by side at once.

    Parameters
    ----------
    numbers : tuple of int
        The fields.
    field : int
        Bytes of one.
    begin, end : int
        The bytes that are wanted of each.
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        first, length = number * field + begin, end - begin
        if found and length == field and sum(found[-1]) == first:
            first, before = found.pop()
            length += before
        found.append((first, length))
    return found


def _name(folder: str, others: int, chunk: int) -> str:
    return f"{folder}/{chunk}{'.0' * others}"


def _outer(values: NDArray[Any], key: tuple[Index, ...]) -> NDArray[Any]:
    """Index every axis by itself, whatever the others are indexed with."""
    for axis in reversed(range(len(key))):
        values = values[(slice(None),) * axis + (key[axis],)]
    return values


def _is_whole(index: Index, size: int) -> bool:
    return isinstance(index, slice) and index.indices(size) == (0, size, 1)


def variable(rows: Rows, dims: tuple[str, ...]) -> xr.Variable:
    """Return fields on disk as a lazy variable of a dataset."""
    return xr.Variable(dims, indexing.LazilyIndexedArray(rows))
