"""The metadata of a Zarr group: read once, checked whole, before any of it is believed.

A store may come from anywhere. What is read of it is one file (`group_file`): the consolidated
metadata, or, where these are not consolidated, that of the group and those of its arrays. Nothing
else decides how chunks are decoded: where metadata are consolidated, other files beside the arrays,
of this or another version of Zarr, are never looked at, so they cannot say something else. Sizes
are bounded here, so that nothing that follows has to count before it begins.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from smoecast.disk.confine import is_plain
from smoecast.errors import InputError
from smoecast.fields.read.zarr import metadata_v3 as v3
from smoecast.fields.read.zarr.array import METADATA, ZarrArray
from smoecast.fields.read.zarr.codecs import codecs_of
from smoecast.fields.read.zarr.group_file import GROUP, METADATA_V3
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

CHUNKS = 2_000_000
"""Of an array, at most: hourly ones of two centuries."""

ARRAYS = 10_000
"""Of a group whose metadata are not consolidated, at most."""

_NUMBERS = ("scale_factor", "add_offset", "_FillValue", "missing_value")
_WORDS = ("units", "calendar", "dtype", "coordinates", "grid_mapping", "bounds", "_Unsigned")
_WRONG = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def arrays_of(path: Path) -> dict[str, ZarrArray]:
    """Return every array that the metadata of a group describe, by name.

    Arrays of groups within the group are left out, and in Zarr v3 texts of any length.

    Parameters
    ----------
    path : Path
        The file that stands for the group (`group_file`).

    Raises
    ------
    InputError
        It is no metadata of a Zarr group, or describes an array that is not read: of objects,
        with other codecs than ours, larger than anything real.
    """
    arrays = {}
    for name, described in _entries(path).items():
        try:
            entry, attributes = described
            if path.name == METADATA_V3:
                found = _array_v3(name, entry)
            else:
                found = _array(name, entry, attributes)
        except _WRONG as problem:
            reason = problem if type(problem) is ValueError else f"is not described ({problem!r})"
            raise InputError(
                f"{path}: the array {name[:80]!r} {' '.join(str(reason).split())}: take it out of "
                "the store, or write the store anew"
            ) from problem
        if found is not None:
            arrays[name] = found
    return arrays


def _entries(path: Path) -> dict[str, tuple[Any, Any]]:
    """Return what is said of each array of a group: its metadata and its attributes."""
    described = _read(path)
    if path.name == METADATA_V3:
        return {name: (entry, None) for name, entry in described.items() if name}
    keys = {key.rpartition("/")[0]: key for key in described if key.endswith(".zarray")}
    return {
        name: (described[key], described.get(f"{name}/.zattrs", {}))
        for name, key in keys.items()
        if key.rpartition("/")[2] == ".zarray" and not _is_nested(name)
    }


def group_attributes(path: Path) -> dict[str, Any]:
    """Return the attributes of the group. Raises as `arrays_of` does."""
    described = _read(path)
    attributes = described.get(".zattrs", {})
    if path.name == METADATA_V3:
        attributes = described[""].get("attributes") or {}
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
    """Return the metadata files of a group by name; of Zarr v3 by array, "" the group."""
    try:
        if path.name == METADATA_V3:
            return _read_v3(path)
        described: dict[str, Any] = _gather(path) if path.name == GROUP else _load(path)["metadata"]
        if described.get(".zgroup", {"zarr_format": 2})["zarr_format"] != 2:
            raise ValueError("another version of Zarr")
    except (*_WRONG, OSError, RecursionError) as problem:
        raise InputError(_no_group(path, " ".join(str(problem).split())[:200])) from problem
    return described


def _gather(path: Path) -> dict[str, Any]:
    """Return the metadata files of a Zarr v2 group that are not consolidated."""
    names = (GROUP, ".zattrs", *(f"{name}/.zarray" for name in _below(path, ".zarray")))
    beside = [f"{name.removesuffix('.zarray')}.zattrs" for name in names[2:]]
    there = [name for name in (*names, *beside) if (path.parent / name).is_file()]
    return {name: _load(path.parent / name) for name in there}


def _read_v3(path: Path) -> dict[str, Any]:
    """Return what is said of a Zarr v3 group (by "") and of its arrays."""
    root = _load(path)
    if root["zarr_format"] != 3 or root["node_type"] != "group":
        raise ValueError("no group of version 3")
    inline = root.get("consolidated_metadata")
    if inline is not None:
        entries = {n: e for n, e in inline["metadata"].items() if not _is_nested(n)}
    else:
        entries = {n: _load(path.parent / n / path.name) for n in _below(path, path.name)}
    return {"": root} | {n: e for n, e in entries.items() if e["node_type"] != "group"}


def _below(path: Path, kind: str) -> list[str]:
    """Return the names of the folders of a group that have metadata."""
    names = sorted(found.parent.name for found in path.parent.glob(f"*/{kind}"))
    if len(names) > ARRAYS:
        raise ValueError(f"more than {ARRAYS} arrays")
    return [name for name in names if is_plain(name)]


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
    what = {GROUP: "metadata of a Zarr v2 group", METADATA_V3: "metadata of a Zarr v3 group"}
    return (
        f"{path}: this is no {what.get(path.name, 'consolidated metadata of a Zarr v2 group')} "
        f"({reason}): fetch it again, or write the store anew with xarray's to_zarr"
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
    shape, chunks = _sizes(entry["shape"], entry["chunks"], dtype)
    order, separator = entry.get("order", "C"), entry.get("dimension_separator", ".")
    if order not in ("C", "F") or separator not in (".", "/"):
        raise ValueError("is laid out in another way than Zarr v2 knows")
    _check_attributes(attributes)
    dimensions = _dimensions(attributes.get("_ARRAY_DIMENSIONS", ()), shape)
    fill = fill_of(entry.get("fill_value"), dtype)
    return ZarrArray(
        name, dimensions, shape, chunks, dtype, codecs, fill, order, separator, entry, attributes
    )


def _array_v3(name: str, entry: dict[str, Any]) -> ZarrArray | None:
    """Return an array of Zarr v3 as `_array` does; None for texts that nothing is laid along."""
    if not is_plain(name):
        raise ValueError("has a name that leads out of the store")
    if entry["zarr_format"] != 3 or entry["node_type"] != "array":
        raise ValueError("is of another version of Zarr")
    attributes = {**(entry.get("attributes") or {})}
    mask = v3.mask_of(attributes)
    attributes.pop("_FillValue", None)
    dimensions = v3.dimensions_of(entry, attributes)
    if entry["data_type"] in v3.TEXTS and dimensions != (name,):
        return None
    dtype = v3.type_of(entry)
    layout = v3.layout_of(entry, dtype)
    shape, chunks = _sizes(entry["shape"], layout.chunks, dtype)
    _check_attributes(attributes)
    prefix, separator = v3.key_of(entry)
    return ZarrArray(
        name,
        _dimensions(dimensions, shape),
        shape,
        chunks,
        dtype,
        layout.codecs,
        v3.fill_in_v3(entry, dtype),
        layout.order,
        separator,
        entry,
        attributes | mask,
        prefix=prefix,
        shards=layout.shards,
        hides_fill=False,
    )


def _sizes(
    shape: Any, chunks: Any, dtype: np.dtype[Any]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the sizes of an array and of its chunks; refuse those that nothing real has."""
    shape = tuple(size_of(size, 0, DIMENSION) for size in shape)
    chunks = tuple(size_of(size, 1, DIMENSION) for size in chunks)
    if len(shape) != len(chunks):
        raise ValueError(f"has {len(shape)} dimensions, but chunks of {len(chunks)}")
    size_of(math.prod(-(-n // m) for n, m in zip(shape, chunks, strict=True)), 0, CHUNKS)
    size_of(math.prod(shape), 0, POINTS)
    if dtype.kind in "SU":  # coordinates, read on opening
        size_of(math.prod(shape) * dtype.itemsize, 0, TEXT_BYTES)
    return shape, chunks


def _dimensions(given: Any, shape: tuple[int, ...]) -> tuple[str, ...]:
    dimensions = tuple(given)
    apart = len(set(dimensions)) == len(dimensions) == len(shape)
    if not apart or not all(isinstance(d, str) for d in dimensions):
        raise ValueError(f"does not name its {len(shape)} dimensions (_ARRAY_DIMENSIONS)")
    return dimensions


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
