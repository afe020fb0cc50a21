"""One array of a Zarr v2 group, from its metadata: where its chunks are and what they hold.

Zarr version 2 specification, https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
"""

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields.read.zarr.codecs import PROBLEMS, Codecs

METADATA = ".zmetadata"
"""File with the metadata of all arrays of a group."""

CHUNK_BYTES = 2**30
"""Of a chunk in memory, at most; one time of ERA5 on all levels has 154 MB."""

Places = NDArray[np.intp]
"""Indices along one dimension."""

_LAST_LETTER = 0x10FFFF


@dataclass(frozen=True)
class ZarrArray:
    """What the metadata of a group say of one array, as `fields.read.zarr.metadata` has checked it.

    Attributes
    ----------
    name : str
        In the group; its chunks are in a folder of this name.
    dimensions : tuple of str
        Their names, as xarray writes them.
    shape : tuple of int
        Size along each dimension.
    chunks : tuple of int
        Size of a chunk along each dimension; those at the end are filled up to it.
    dtype : numpy.dtype
        Type of its values as stored.
    codecs : Codecs
        How a chunk is stored.
    fill : numpy scalar or None
        Value where a chunk is not there; none named: zero.
    order, separator : str
        Of the values in a chunk, ``C`` or ``F``, and between the numbers in a chunk's name.
    described : dict
        Its ``.zarray``.
    attributes : dict
        Its ``.zattrs``.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    codecs: Codecs
    fill: Any
    order: str
    separator: str
    described: dict[str, Any]
    attributes: dict[str, Any]

    def chunk_indices(self, wanted: Mapping[str, Places]) -> Iterator[tuple[int, ...]]:
        """Walk the chunks that hold certain places.

        Parameters
        ----------
        wanted : mapping
            Dimension to indices along it; a dimension that is not named is wanted whole.
        """
        sides = []
        for name, size, chunk in zip(self.dimensions, self.shape, self.chunks, strict=True):
            places = wanted.get(name, np.arange(size))
            sides.append(np.unique(places // chunk).tolist())
        return itertools.product(*sides)

    def key(self, index: tuple[int, ...]) -> str:
        """Return the name of a chunk in the group."""
        return f"{self.name}/{self.separator.join(map(str, index or (0,)))}"

    def decode(self, path: Path, what: str) -> NDArray[Any]:
        """Return the values of the chunk in a file, of the shape `chunks`.

        Raises
        ------
        InputError
            It cannot be decompressed, or has another size than the metadata say, or they say more
            than `CHUNK_BYTES`; `what` names it.
        """
        count = self._count(what)
        try:
            if not path.is_file():
                raise ValueError("no file")
            with path.open("rb") as file:  # no more than can be right, however much there is
                stored = file.read(2 * count * self.codecs.stored.itemsize + 4097)
            values = self.codecs.decode(stored, count, self.dtype)
            _check_values(values)
        except PROBLEMS as problem:
            reason = " ".join(str(problem).split())
            raise InputError(
                f"{what}: this is no chunk of {self.name} ({reason}): fetch it again"
            ) from problem
        order: Any = self.order
        return values.reshape(self.chunks, order=order)  # (N,) to (*chunks)

    def read(
        self, group: Path, places: tuple[Places, ...] | None = None, *, complete: bool = False
    ) -> NDArray[Any]:
        """Return values from the chunks under a folder.

        A chunk that is not there holds the fill value, or zeros where none is named: zarr does not
        store such chunks.

        Parameters
        ----------
        group : Path
            Where the folder of the array is.
        places : tuple of (N,) int, optional
            Indices along each dimension, not negative; all of them where none are given.
        complete : bool
            Whether every chunk must be there all the same, as in a part that was fetched.

        Raises
        ------
        InputError
            A chunk is damaged, a link out of the group, or missing where it must be there.
        """
        self._count(str(group))
        places = tuple(map(np.arange, self.shape)) if places is None else places
        values = np.empty([len(one) for one in places], self.dtype)
        sides = (_by_chunk(one, size) for one, size in zip(places, self.chunks, strict=True))
        for parts in itertools.product(*sides):
            block = self._block(group, self.key(tuple(n for n, _, _ in parts)), complete)
            inside = _selection([part for _, _, part in parts])
            values[_selection([part for _, part, _ in parts])] = block[inside]
        return values

    def _count(self, what: str) -> int:
        """Return how many values a chunk has; refuse one that would fill the memory."""
        count = math.prod(self.chunks)
        size = count * max(self.dtype.itemsize, self.codecs.stored.itemsize)
        if size > CHUNK_BYTES:
            raise InputError(
                f"{what}: a chunk of {self.name} has {size / 2**30:.3g} GiB, and no more than "
                f"{CHUNK_BYTES >> 30} is read at once: write the store in smaller chunks"
            )
        return count

    def _block(self, group: Path, key: str, complete: bool) -> NDArray[Any]:
        """Return a chunk, or what stands for it where it is not there."""
        path = group / key
        if path.exists() or path.is_symlink():
            if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(group)):
                raise InputError(
                    f"{path}: a symbolic link leads out of the store, which is not followed: copy "
                    "what it leads to into the store"
                )
            return self.decode(path, str(path))
        if complete:
            raise InputError(f"{path}: the chunk is missing: run `smoecast download`")
        fill = np.zeros((), self.dtype) if self.fill is None else self.fill
        return np.broadcast_to(fill, self.chunks)


def _check_values(values: NDArray[Any]) -> None:
    """Refuse bytes that are no booleans or no text: numpy would take them for such."""
    if values.dtype.kind == "b" and values.view(np.uint8).max(initial=0) > 1:
        raise ValueError("values that are neither true nor false")
    if values.dtype.kind == "U":
        letters = values.view(values.dtype.str[0] + "u4").astype(np.uint32)
        surrogates = (letters >= 0xD800) & (letters <= 0xDFFF)
        if letters.max(initial=0) > _LAST_LETTER or surrogates.any():
            raise ValueError("signs that are no text")


def _by_chunk(places: Places, size: int) -> list[tuple[int, Places, Places]]:
    """Return for each chunk along a dimension its number, which places it has, and where in it."""
    numbers = places // size
    order = np.argsort(numbers, kind="stable")
    found, begins = np.unique(numbers[order], return_index=True)
    groups = np.split(order, begins[1:]) if len(found) else []
    return [
        (number, group, places[group] - number * size)
        for number, group in zip(found.tolist(), groups, strict=True)
    ]


def _selection(places: list[Places]) -> tuple[Any, ...]:
    """Return an index of the places along each dimension: slices, which copy faster, if it can."""
    if all((np.diff(one) == 1).all() for one in places):
        return tuple(slice(one[0], one[-1] + 1) for one in places)
    return np.ix_(*places)
