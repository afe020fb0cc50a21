"""The fields of a store, row by row straight from its files.

A row is everything at one step of the first dimension (a time, or a start). Chunks of a store are
plain bytes, so their files are mapped into memory and a row is a stretch of one: no chunk is
decoded, and nothing is held but what the system's page cache keeps.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
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

MAPS = 256
"""Files of one store that are mapped at the same time; each takes a file descriptor."""


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
    _maps: OrderedDict[int, NDArray[Any]] = field(default_factory=OrderedDict, repr=False)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values when indexed: float32."""
        return np.dtype(np.float32)

    def chunk_file(self, chunk: int) -> Path:
        """Return the file of a chunk."""
        return self.folder / f"{chunk}{'.0' * (len(self.shape) - 1)}"

    def row(self, index: int) -> NDArray[Any]:
        """Return one row (..., C, H, W) as it is stored, without reading it yet.

        Raises
        ------
        InputError
            A file of the store is gone or cut.
        """
        chunk, inside = divmod(index, self.chunk_rows)
        if chunk in self._maps:
            self._maps.move_to_end(chunk)
        else:
            self._maps[chunk] = self._map(chunk)
            if len(self._maps) > MAPS:
                self._maps.popitem(last=False)
        values: NDArray[Any] = self._maps[chunk][inside]
        return values

    def _map(self, chunk: int) -> NDArray[Any]:
        """Map a file: (chunk_rows, ..., C, H, W)."""
        path = self.chunk_file(chunk)
        problem = "cannot be read"
        try:
            # copy on write: an array that may be written to, and never reaches the file
            return np.memmap(path, self.stored, "c", shape=(self.chunk_rows, *self.shape[1:]))
        except ValueError:
            problem = "is cut"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        raise InputError(
            f"{path}: a part of the store {problem}; delete the store and run "
            "`smoecast preprocess` again"
        )

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

    def _select(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        """Take the rows of an outer index, and from each what the rest of it says."""
        first, rest = key[0], key[1:]
        wanted = np.arange(self.shape[0])[first]
        parts = [self._values(index, rest) for index in np.atleast_1d(wanted).tolist()]
        if np.ndim(wanted) == 0:
            return parts[0]
        shape = np.broadcast_to(np.float32(0), self.shape[1:])[rest].shape
        return np.stack(parts) if parts else np.empty((0, *shape), np.float32)

    def _values(self, index: int, rest: tuple[Any, ...]) -> NDArray[np.float32]:
        row = self.row(index)
        if self.packing is None:
            return np.array(row[rest])
        offset, scale = (np.broadcast_to(part, row.shape)[rest] for part in self.packing)
        values: NDArray[np.float32] = row[rest] * scale + offset
        return values


def variable(rows: Rows, dims: tuple[str, ...]) -> xr.Variable:
    """Return fields on disk as a lazy variable of a dataset."""
    return xr.Variable(dims, indexing.LazilyIndexedArray(rows))
