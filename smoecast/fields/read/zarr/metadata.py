"""The metadata of a Zarr v2 group: read once, checked whole, before any of it is believed.

A store may come from anywhere. What is read of it is the consolidated metadata alone, and nothing
else decides how its chunks are decoded: other metadata files beside the arrays, of this or another
version of Zarr, are never looked at, so they cannot say something else. Sizes are bounded here, so
that nothing that follows has to count before it begins.
"""

import json
import math
from pathlib import Path
from typing import Any

from smoecast.disk.confine import is_plain
from smoecast.errors import InputError
from smoecast.fields.read.zarr.array import METADATA, ZarrArray
from smoecast.fields.read.zarr.codecs import codecs_of
from smoecast.fields.read.zarr.types import dtype_of, fill_of, number_of, size_of

METADATA_BYTES = 64 * 2**20
"""Of a metadata file, at most: ours name every raw file, 130 bytes each."""

METADATA_VALUES = 4_000_000
"""In a metadata file, at most."""

DIMENSION = 20_000_000
"""Points along a dimension, at most: hourly values of 2,000 years."""

POINTS = 2**50
"""Of an array, at most: all of ERA5 has a thousandth of it."""

TEXT_BYTES = 2**26
"""Of all texts of an array, at most."""

CHUNKS = 1_000_000
"""Of an array, at most: hourly ones of a century."""

_NUMBERS = ("scale_factor", "add_offset", "_FillValue", "missing_value")
_WORDS = ("units", "calendar", "dtype", "coordinates", "grid_mapping", "bounds", "_Unsigned")
_WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def arrays_of(path: Path) -> dict[str, ZarrArray]:
    """Return every array that a consolidated metadata file describes, by name.

    Arrays of groups within the group are left out.

    Raises
    ------
    InputError
        It is no metadata of a Zarr v2 group, or describes an array that is not read: of objects,
        with other codecs than ours, larger than anything real.
    """
    described = _read(path)
    arrays = {}
    for key in described:
        name, _, kind = key.rpartition("/")
        if kind != ".zarray" or _is_nested(name):
            continue
        try:
            arrays[name] = _array(name, described[key], described.get(f"{name}/.zattrs", {}))
        except _WRONG as problem:
            reason = problem if type(problem) is ValueError else f"is not described ({problem!r})"
            raise InputError(
                f"{path}: the array {name[:80]!r} {' '.join(str(reason).split())}: take it out of "
                "the store, or write the store anew"
            ) from problem
    return arrays


def group_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the group. Raises as `arrays_of` does."""
    attributes = _read(path).get(".zattrs", {})
    if not isinstance(attributes, dict):
        raise InputError(_no_group(path, "its attributes are none"))
    return attributes


def check_files(folder: Path) -> None:
    """Refuse a group that zarr itself is about to open and that would have it run other codecs.

    Zarr also looks at the files of each array, which may say something else than the consolidated
    metadata. A file that is no JSON names no codec.

    Parameters
    ----------
    folder : Path
        Of the group.

    Raises
    ------
    InputError
        It names a codec that is not on our list, or has metadata of Zarr v3 beside those of v2.
    """
    arrays_of(folder / METADATA)
    for path in (*folder.glob("zarr.json"), *folder.glob("*/zarr.json"), *folder.glob("*/.zarray")):
        try:
            if path.name == "zarr.json":
                raise ValueError("is of another version of Zarr than the store")
            entry = _load(path)
            codecs_of(entry, dtype_of(entry["dtype"]))
        except json.JSONDecodeError:
            continue
        except (*_WRONG, OSError, RecursionError) as problem:
            reason = " ".join(str(problem).split())
            raise InputError(f"{path}: the array {reason}: remove the store {folder}") from problem


def _read(path: Path) -> dict[str, Any]:
    """Return the metadata files of a group by name."""
    try:
        described: dict[str, Any] = _load(path)["metadata"]
        if described.get(".zgroup", {"zarr_format": 2})["zarr_format"] != 2:
            raise ValueError("another version of Zarr")
    except (*_WRONG, OSError, RecursionError) as problem:
        raise InputError(_no_group(path, " ".join(str(problem).split())[:200])) from problem
    return described


def _load(path: Path) -> Any:
    """Return the JSON of a file that is no larger than metadata can be."""
    if not path.is_file():
        raise ValueError("there is no such file")
    if path.stat().st_size > METADATA_BYTES:
        raise ValueError(f"more than {METADATA_BYTES >> 20} MiB")
    content = path.read_bytes()
    if sum(map(content.count, (b"{", b"[", b","))) > METADATA_VALUES:
        raise ValueError(f"more than {METADATA_VALUES} values")
    return json.loads(content)


def _no_group(path: Path, reason: str) -> str:
    return (
        f"{path}: this is no consolidated metadata of a Zarr v2 group ({reason}): fetch it again, "
        "or write the store with xarray's zarr_format=2 and consolidated=True"
    )


def _is_nested(name: str) -> bool:
    return "/" in name and all(map(is_plain, name.split("/")))


def _array(name: str, entry: dict[str, Any], attributes: dict[str, Any]) -> ZarrArray:
    """Return an array whose metadata hang together; ValueError says what is wrong of it."""
    if not is_plain(name):
        raise ValueError("has a name that leads out of the store")
    if entry["zarr_format"] != 2:
        raise ValueError("is of another version of Zarr")
    dtype = dtype_of(entry["dtype"])
    codecs = codecs_of(entry, dtype)
    shape = tuple(size_of(size, 0, DIMENSION) for size in entry["shape"])
    chunks = tuple(size_of(size, 1, DIMENSION) for size in entry["chunks"])
    if len(shape) != len(chunks):
        raise ValueError(f"has {len(shape)} dimensions, but chunks of {len(chunks)}")
    size_of(math.prod(-(-n // m) for n, m in zip(shape, chunks, strict=True)), 0, CHUNKS)
    size_of(math.prod(shape), 0, POINTS)
    if dtype.kind in "SU":  # coordinates, read on opening
        size_of(math.prod(shape) * dtype.itemsize, 0, TEXT_BYTES)
    order, separator = entry.get("order", "C"), entry.get("dimension_separator", ".")
    if order not in ("C", "F") or separator not in (".", "/"):
        raise ValueError("is laid out in another way than Zarr v2 knows")
    _check_attributes(attributes)
    dimensions = tuple(attributes.get("_ARRAY_DIMENSIONS", ()))
    apart = len(set(dimensions)) == len(dimensions) == len(shape)
    if not apart or not all(isinstance(d, str) for d in dimensions):
        raise ValueError(f"does not name its {len(shape)} dimensions (_ARRAY_DIMENSIONS)")
    fill = fill_of(entry.get("fill_value"), dtype)
    return ZarrArray(
        name, dimensions, shape, chunks, dtype, codecs, fill, order, separator, entry, attributes
    )


def _check_attributes(attributes: dict[str, Any]) -> None:
    """Refuse what xarray would trip over when values are read, long after the store is opened."""
    for key in _NUMBERS:
        value = attributes.get(key)
        for one in value if isinstance(value, list) else [value]:
            if one is not None and not (key in _NUMBERS[2:] and isinstance(one, str)):
                number_of(one)
    for key in _WORDS:
        if not isinstance(attributes.get(key, ""), str | int | float):
            raise ValueError(f"has an attribute {key} that is no word")
