"""The fields of a store, row by row straight from its files.

A row is everything at one step of the first dimension (a time, or a start). Chunks of a store are
plain bytes, so a row is one stretch of a file: it is read into the place where it is wanted, with
no chunk decoded and nothing held in memory but what the system's page cache keeps.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from smoecast.errors import InputError


@dataclass(frozen=True, eq=False)
class Rows(BackendArray):
    """Fields on disk: (row, ..., channel, latitude, longitude), float32 in SI units when read.

    Attributes
    ----------
    folder : Path
        Of the chunk files ``0.0.0.0``, ``1.0.0.0`` ... of a Zarr v2 array, uncompressed.
    shape : tuple of int
        Of all fields.
    chunk_rows : int
        Rows in one file.
    stored : numpy.dtype
        On disk: float32, or float16 of (value - offset) / scale.
    packing : tuple of (C, 1, 1) float32, or None
        offset and scale, where the disk holds float16.
    """

    folder: Path
    shape: tuple[int, ...]
    chunk_rows: int
    stored: np.dtype[Any]
    packing: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the values as read: float32."""
        return np.dtype(np.float32)

    def chunk_file(self, chunk: int) -> Path:
        """Return the file of a chunk."""
        return self.folder / ".".join([str(chunk), *["0"] * (len(self.shape) - 1)])

    def read(self, row: int, out: NDArray[np.float32]) -> None:
        """Read one row into `out` (..., C, H, W), which is contiguous.

        Raises
        ------
        InputError
            A file of the store is gone or cut.
        """
        if self.packing is None:
            self._fill(row, out, 0)
            return
        raw = np.empty(out.shape, self.stored)
        self._fill(row, raw, 0)
        out[...] = self.unpack(raw)

    def read_channels(self, row: int, channels: NDArray[np.intp], out: NDArray[np.float32]) -> None:
        """Read some channels of one row of analyses into `out` (D, H, W)."""
        plane = int(np.prod(self.shape[-2:])) * self.stored.itemsize
        raw = np.empty(out.shape, self.stored) if self.packing else out
        for place, channel in enumerate(channels.tolist()):
            self._fill(row, raw[place], channel * plane)
        if self.packing:
            out[...] = self.unpack(raw, channels)

    def pack(self, values: NDArray[np.float32]) -> NDArray[Any]:
        """Return values (..., C, H, W) as they stand on disk."""
        if self.packing is None:
            return values
        offset, scale = self.packing
        return ((values - offset) / scale).astype(self.stored)

    def unpack(
        self, raw: NDArray[Any], channels: slice | NDArray[np.intp] = slice(None)
    ) -> NDArray[np.float32]:
        """Return what stands on disk, (..., D, H, W) of these channels, in SI units."""
        if self.packing is None:
            return raw
        offset, scale = self.packing
        values: NDArray[np.float32] = raw * scale[channels] + offset[channels]
        return values

    def _fill(self, row: int, raw: NDArray[Any], skip: int) -> None:
        """Fill `raw` from the file of a row, `skip` bytes after the row's first."""
        row_bytes = int(np.prod(self.shape[1:])) * self.stored.itemsize
        chunk, inside = divmod(row, self.chunk_rows)
        path = self.chunk_file(chunk)
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError as problem:
            raise InputError(
                f"{path}: a part of the store cannot be read ({problem.strerror}); delete the "
                "store and run `smoecast preprocess` again"
            ) from problem
        try:
            count = os.preadv(file, [raw.data], inside * row_bytes + skip)
        finally:
            os.close(file)
        if count != raw.nbytes:
            raise InputError(
                f"{path}: a part of the store is cut; delete the store and run "
                "`smoecast preprocess` again"
            )

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return what an xarray index asks for."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER_1VECTOR, self._select
        )

    def _select(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        """Read the rows of an outer index, then take from each what the rest of it says."""
        first, rest = key[0], key[1:]
        wanted = np.arange(self.shape[0])[first]
        row = np.empty(self.shape[1:], np.float32)
        values = np.empty((np.size(wanted), *row[rest].shape), np.float32)
        for place, index in enumerate(np.atleast_1d(wanted).tolist()):
            self.read(index, row)
            values[place] = row[rest]
        return values if np.ndim(wanted) else values[0]


def variable(rows: Rows, dims: tuple[str, ...]) -> xr.Variable:
    """Return fields on disk as a lazy variable of a dataset."""
    return xr.Variable(dims, indexing.LazilyIndexedArray(rows))
