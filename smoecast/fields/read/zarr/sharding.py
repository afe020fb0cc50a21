"""Shards of Zarr v3: one file with many chunks, and an index that says where each begins.

Zarr v3 codec `sharding_indexed`, https://zarr-specs.readthedocs.io/en/latest/v3/codecs/sharding-indexed
"""

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numpy.typing import NDArray

_NOT_STORED = 2**64 - 1
"""Offset and length of a chunk that is not there."""


@dataclass(frozen=True)
class Shards:
    """How the shards of an array hold its chunks.

    Attributes
    ----------
    counts : tuple of int
        Chunks of a shard along each dimension.
    number : numpy.dtype
        Of the index: whole numbers of eight bytes in one byte order.
    at_end, summed : bool
        Whether the index stands at the end of a shard, and whether it has a checksum.
    """

    counts: tuple[int, ...]
    number: np.dtype[Any]
    at_end: bool
    summed: bool

    def read(self, path: Path, place: tuple[int, ...], most: int) -> bytes | None:
        """Return a chunk as it is stored, None where the shard does not have it.

        Parameters
        ----------
        path : Path
            Of the shard.
        place : tuple of int
            Which of its chunks.
        most : int
            Bytes that a chunk may have.

        Raises
        ------
        ValueError
            The index is damaged, or leads out of the shard.
        OSError
            It cannot be read.
        """
        with path.open("rb") as file:
            state = os.fstat(file.fileno())
            begin, length = self._index(path, state.st_size, state.st_mtime_ns)[place].tolist()
            if (begin, length) == (_NOT_STORED, _NOT_STORED):
                return None
            if length > most or begin + length > state.st_size:
                raise ValueError(
                    f"{length} bytes from byte {begin} on, in a shard of {state.st_size}"
                )
            file.seek(begin)
            return file.read(length)

    @lru_cache(maxsize=4)  # noqa: B019  # few layouts, and each is small
    def _index(self, path: Path, whole: int, mtime_ns: int) -> NDArray[np.unsignedinteger]:
        """Return where the chunks of a shard begin and how long they are, (*counts, 2)."""
        size = 16 * math.prod(self.counts) + 4 * self.summed
        if whole < size:
            raise ValueError(f"{whole} bytes, but the index alone has {size}")
        with path.open("rb") as file:
            file.seek(whole - size if self.at_end else 0)
            index = file.read(size)
        if self.summed:
            index = unsum(index)
        return np.frombuffer(index, self.number).reshape(*self.counts, 2)


def unsum(content: bytes) -> bytes:
    """Return bytes without the CRC-32C that stands behind them.

    Raises
    ------
    ValueError
        It is another one.
    """
    content, told = content[:-4], content[-4:]
    if google_crc32c.value(content) != int.from_bytes(told, "little") or len(told) < 4:
        raise ValueError("its checksum is another one")
    return content
