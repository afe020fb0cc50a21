"""One array of a Zarr group, from its metadata: where its chunks are and what they hold.

Zarr specifications, https://zarr-specs.readthedocs.io/en/latest/specs.html, versions 2 and 3.
"""

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields.read.zarr.codecs import PROBLEMS, Chain, Codecs
from smoecast.fields.read.zarr.sharding import Shards

METADATA = ".zmetadata"
"""File with the metadata of all arrays of a Zarr v2 group."""

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
        Size of what is decoded at once along each dimension; at the end it is filled up.
    dtype : numpy.dtype
        Type of its values as stored.
    codecs : Codecs or Chain
        How a chunk is stored.
    fill : numpy scalar or None
        Value where a chunk is not there; none named: zero.
    order : str or tuple of int
        Of the values in a chunk, ``C`` or ``F``, or of its dimensions.
    separator : str
        Between the numbers in a chunk's name.
    described : dict
        Its ``.zarray`` or ``zarr.json``.
    attributes : dict
        Its ``.zattrs``, or what ``zarr.json`` has of them.
    prefix : tuple of str
        What stands before the numbers in a chunk's name.
    shards : Shards or None
        How a file holds several chunks; None where each chunk is a file.
    hides_fill : bool
        Whether the fill value means a missing value also where it is stored, as in Zarr v2.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    codecs: Codecs | Chain
    fill: Any
    order: str | tuple[int, ...]
    separator: str
    described: dict[str, Any]
    attributes: dict[str, Any]
    prefix: tuple[str, ...] = ()
    shards: Shards | None = None
    hides_fill: bool = True

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
        """Return the name of a chunk's file in the group."""
        if self.shards is not None:
            index = tuple(n // m for n, m in zip(index, self.shards.counts, strict=True))
        parts = [*self.prefix, *map(str, index)] or ["0"]
        return f"{self.name}/{self.separator.join(parts)}"

    def decode(self, path: Path, what: str) -> NDArray[Any]:
        """Return the values of the chunk in a file, of the shape `chunks`.

        Raises
        ------
        InputError
            It cannot be decompressed, or has another size than the metadata say, or they say more
            than `CHUNK_BYTES`; `what` names it.
        """
        most = self._most(what)
        with self._name_damage(what):
            if not path.is_file():
                raise ValueError("no file")
            with path.open("rb") as file:  # no more than can be right, however much there is
                return self._decode(file.read(most + 1))

    def read(
        self, group: Path, places: tuple[Places, ...] | None = None, *, needed: str = ""
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
        needed : str
            Why every chunk must be there all the same, and the mend; none given: it need not.

        Raises
        ------
        InputError
            A chunk is damaged, a link out of the group, or missing where it must be there.
        """
        self._most(str(group))
        places = tuple(map(np.arange, self.shape)) if places is None else places
        values = np.empty([len(one) for one in places], self.dtype)
        sides = (_by_chunk(one, size) for one, size in zip(places, self.chunks, strict=True))
        for parts in itertools.product(*sides):
            block = self._block(group, tuple(n for n, _, _ in parts), needed)
            inside = _selection([part for _, _, part in parts])
            values[_selection([part for _, part, _ in parts])] = block[inside]
        return values

    def _most(self, what: str) -> int:
        """Return how many bytes a chunk may have; refuse one that would fill the memory."""
        count = math.prod(self.chunks)
        size = count * max(self.dtype.itemsize, self.codecs.stored.itemsize)
        if size > CHUNK_BYTES:
            raise InputError(
                f"{what}: a chunk of {self.name} has {size / 2**30:.3g} GiB, and no more than "
                f"{CHUNK_BYTES >> 30} is read at once: write the store in smaller chunks"
            )
        return 2 * count * self.codecs.stored.itemsize + 4096

    @contextmanager
    def _name_damage(self, what: str) -> Iterator[None]:
        """Say of what is no chunk that it is none."""
        try:
            yield
        except PROBLEMS as problem:
            reason = " ".join(str(problem).split())
            raise InputError(
                f"{what}: this is no chunk of {self.name} ({reason}): fetch it again"
            ) from problem

    def _decode(self, stored: bytes) -> NDArray[Any]:
        """Return the values of a chunk, of the shape `chunks`."""
        values = self.codecs.decode(stored, math.prod(self.chunks), self.dtype)
        _check_values(values)
        if not isinstance(self.order, tuple):
            order: Any = self.order
            return values.reshape(self.chunks, order=order)  # (N,) to (*chunks)
        turned = values.reshape([self.chunks[axis] for axis in self.order])
        return turned.transpose(np.argsort(self.order))

    def _block(self, group: Path, index: tuple[int, ...], needed: str) -> NDArray[Any]:
        """Return a chunk, or what stands for it where it is not there."""
        path = group / self.key(index)
        if path.exists() or path.is_symlink():
            if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(group)):
                raise InputError(
                    f"{path}: a symbolic link leads out of the store, which is not followed: copy "
                    "what it leads to into the store"
                )
            if self.shards is None:
                return self.decode(path, str(path))
            stored = self._of_shard(path, index, self.shards)
            if stored is not None:
                return stored
        if needed:
            raise InputError(f"{path}: the chunk is missing{needed}")
        fill = np.zeros((), self.dtype) if self.fill is None else self.fill
        return np.broadcast_to(fill, self.chunks)

    def _of_shard(self, path: Path, index: tuple[int, ...], shards: Shards) -> NDArray[Any] | None:
        place = tuple(n % m for n, m in zip(index, shards.counts, strict=True))
        with self._name_damage(str(path)):
            if not path.is_file():
                raise ValueError("no file")
            stored = shards.read(path, place, self._most(str(path)))
            return None if stored is None else self._decode(stored)


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
