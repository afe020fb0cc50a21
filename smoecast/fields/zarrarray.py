"""One array of a Zarr v2 group, from its metadata: where its chunks are and what they hold.

Zarr version 2 specification, https://zarr-specs.readthedocs.io/en/latest/v2/v2.0.html
"""

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs.registry import get_codec
from numpy.typing import NDArray

from smoecast.errors import InputError

METADATA = ".zmetadata"
"""File with the metadata of all arrays of a group."""


@dataclass(frozen=True)
class ZarrArray:
    """What the metadata of a group say of one array.

    Attributes
    ----------
    name : str
        In the group; its chunks are in a folder of this name.
    described : dict
        Its ``.zarray``.
    attributes : dict
        Its ``.zattrs``.
    """

    name: str
    described: dict[str, Any]
    attributes: dict[str, Any]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of its dimensions, as xarray writes them."""
        return tuple(self.attributes.get("_ARRAY_DIMENSIONS", ()))

    @property
    def shape(self) -> tuple[int, ...]:
        """Size along each dimension."""
        return tuple(self.described["shape"])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Size of a chunk along each dimension; those at the end are filled up to it."""
        return tuple(self.described["chunks"])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its values as stored."""
        stored: np.dtype[Any] = np.dtype(self.described["dtype"])
        return stored

    def chunk_indices(self, wanted: Mapping[str, NDArray[np.intp]]) -> Iterator[tuple[int, ...]]:
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
        parts = map(str, index or (0,))
        return f"{self.name}/{self.described.get('dimension_separator', '.').join(parts)}"

    def decode(self, stored: bytes, what: str) -> NDArray[Any]:
        """Return the values of one chunk, of the shape `chunks`.

        Raises
        ------
        InputError
            It cannot be decompressed, or has another size than the metadata say; `what` names it.
        """
        steps = [self.described.get("compressor"), *reversed(self.described.get("filters") or [])]
        content: Any = stored
        try:
            for step in filter(None, steps):
                content = get_codec(step).decode(content)
            flat = np.frombuffer(content, self.dtype)
            order = self.described.get("order", "C")
            return flat.reshape(self.chunks, order=order)  # (N,) to (*chunks)
        except (ValueError, RuntimeError, TypeError) as problem:
            reason = " ".join(str(problem).split())
            raise InputError(
                f"{what}: this is no chunk of {self.name} ({reason}): fetch it again"
            ) from problem

    def read(self, group: Path) -> NDArray[Any]:
        """Return all values, from the chunks under a folder.

        Raises
        ------
        InputError
            A chunk is missing or damaged.
        """
        values = np.empty(self.shape, self.dtype)
        for index in self.chunk_indices({}):
            path = group / self.key(index)
            if not path.is_file():
                raise InputError(f"{path}: the chunk is missing: run `smoecast download`")
            block = self.decode(path.read_bytes(), str(path))
            place = tuple(
                slice(i * n, (i + 1) * n) for i, n in zip(index, self.chunks, strict=True)
            )
            values[place] = block[tuple(slice(0, n) for n in values[place].shape)]
        return values


def arrays_of(path: Path) -> dict[str, ZarrArray]:
    """Return every array that a consolidated metadata file describes, by name.

    Raises
    ------
    InputError
        It is no metadata of a Zarr v2 group.
    """
    try:
        described = json.loads(path.read_bytes())["metadata"]
        return {
            name: ZarrArray(name, entry, described.get(f"{name}/.zattrs", {}))
            for key, entry in described.items()
            if key.endswith("/.zarray") and (name := key.removesuffix("/.zarray"))
            if entry["zarr_format"] == 2 and len(entry["shape"]) == len(entry["chunks"])
        }
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise InputError(
            f"{path}: this is no consolidated metadata of a Zarr v2 group: fetch it again"
        ) from problem


def group_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the group, from metadata that `arrays_of` has accepted."""
    attributes: dict[str, Any] = json.loads(path.read_bytes())["metadata"].get(".zattrs", {})
    return attributes
