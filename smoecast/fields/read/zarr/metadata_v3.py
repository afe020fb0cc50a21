"""What the metadata of Zarr v3 say of one array, checked whole before any of it is believed.

Zarr version 3 specification, https://zarr-specs.readthedocs.io/en/latest/v3/core/
"""

import base64
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from smoecast.fields.read.zarr.codecs import Chain, chain_of
from smoecast.fields.read.zarr.sharding import Shards
from smoecast.fields.read.zarr.types import dtype_of, fill_of

TEXTS = ("string", "variable_length_utf8", "bytes", "variable_length_bytes")
"""Types of texts and bytes of any length, which are not read."""

_ENDS: dict[str, Literal["<", ">"]] = {"little": "<", "big": ">"}
_SIZED = {"fixed_length_utf32": ("U", 4), "null_terminated_bytes": ("S", 1)}
_COUNTED = {"numpy.datetime64": "M8", "numpy.timedelta64": "m8"}


@dataclass(frozen=True)
class Layout:
    """How the values of an array are cut into files and stored.

    Attributes
    ----------
    chunks : tuple of int
        As the metadata name them: sizes of what is decoded at once.
    codecs : Chain
        Of one chunk.
    order : tuple of int
        Of the dimensions in a chunk.
    shards : Shards or None
        How files hold several chunks; None where each is a file.
    """

    chunks: tuple[Any, ...]
    codecs: Chain
    order: tuple[int, ...]
    shards: Shards | None


def type_of(entry: Mapping[str, Any]) -> np.dtype[Any]:
    """Return the type of an array's values.

    Raises
    ------
    ValueError
        It is another than of booleans, numbers, times or short texts of fixed length.
    """
    named = entry["data_type"]
    if isinstance(named, str):
        sized = _by_name(named)
        return dtype_of(sized or named)
    name, said = str(named["name"]), named.get("configuration", {})
    if name in _SIZED:
        kind, width = _SIZED[name]
        return dtype_of(f"{'<' if width > 1 else '|'}{kind}{int(said['length_bytes']) // width}")
    if name in _COUNTED and said.get("scale_factor", 1) == 1:
        return dtype_of(f"<{_COUNTED[name]}[{said['unit']}]")
    return dtype_of(name)


def _by_name(name: str) -> str:
    """Return how numpy writes a number of Zarr v3."""
    if name == "bool":
        return "|b1"
    for kind in ("int", "uint", "float"):
        bits = name.removeprefix(kind)
        if bits in ("8", "16", "32", "64") and bits != name:
            return f"{'<' if bits != '8' else '|'}{kind[0]}{int(bits) // 8}"
    return ""


def layout_of(entry: Mapping[str, Any], dtype: np.dtype[Any]) -> Layout:
    """Return how an array is stored.

    Raises
    ------
    ValueError
        In a way that is not read: with codecs that are not on our list, shards within shards.
    """
    grid = entry["chunk_grid"]
    if grid["name"] != "regular" or entry.get("storage_transformers"):
        raise ValueError("is laid out in another way than in regular chunks")
    chunks = tuple(grid["configuration"]["chunk_shape"])
    codecs = list(entry["codecs"])
    if len(codecs) == 1 and _name(codecs[0]) == "sharding_indexed":
        return _in_shards(codecs[0]["configuration"], chunks, dtype)
    chain, order = _chain(codecs, dtype, len(chunks))
    return Layout(chunks, chain, order, None)


def _in_shards(said: Mapping[str, Any], shard: tuple[Any, ...], dtype: np.dtype[Any]) -> Layout:
    chunks = tuple(said["chunk_shape"])
    sizes = [*shard, *chunks]
    if len(chunks) != len(shard) or not all(type(n) is int and n > 0 for n in sizes):
        raise ValueError(f"has shards of {list(shard)} with chunks of {list(chunks)}")
    if any(n % m for n, m in zip(shard, chunks, strict=True)):
        raise ValueError(f"has shards of {list(shard)}, no multiple of chunks of {list(chunks)}")
    counts = tuple(n // m for n, m in zip(shard, chunks, strict=True))
    if math.prod(counts) > 2**20:
        raise ValueError(f"has {math.prod(counts)} chunks in a shard")
    index = list(said.get("index_codecs") or ())
    names = [_name(codec) for codec in index]
    where = said.get("index_location", "end")
    if names not in (["bytes"], ["bytes", "crc32c"]) or where not in ("start", "end"):
        raise ValueError(
            f"has an index of shards that is stored as {', '.join(names) or 'nothing'}"
        )
    number = np.dtype("<u8").newbyteorder(_end(index[0]))
    chain, order = _chain(list(said["codecs"]), dtype, len(chunks))
    return Layout(chunks, chain, order, Shards(counts, number, where == "end", len(names) > 1))


def _chain(
    codecs: Sequence[Any], dtype: np.dtype[Any], dimensions: int
) -> tuple[Chain, tuple[int, ...]]:
    """Return what undoes the codecs of a chunk, and the order of the dimensions in it."""
    order = tuple(range(dimensions))
    codecs = list(codecs)
    while codecs and _name(codecs[0]) == "transpose":
        turned = codecs.pop(0)["configuration"]["order"]
        if sorted(turned) != list(range(dimensions)):
            raise ValueError(f"has the dimensions in the order {str(turned)[:40]}")
        order = tuple(order[axis] for axis in turned)
    if not codecs or _name(codecs[0]) != "bytes":
        given = _name(codecs[0]) if codecs else ""
        raise ValueError(
            f"names the codec {given[:40]!r} where values become bytes: 'bytes' is run"
        )
    stored = dtype.newbyteorder(_end(codecs[0]))
    return chain_of([_name(codec) for codec in codecs[1:]], stored), order


def _name(codec: Any) -> str:
    return str(codec["name"] if isinstance(codec, dict) else codec)


def _end(codec: Any) -> Literal["<", ">"]:
    said = codec.get("configuration", {}) if isinstance(codec, dict) else {}
    return _ENDS[said.get("endian", "little")]


def key_of(entry: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Return what stands before the numbers in a chunk's name, and between them.

    Raises
    ------
    ValueError
        Its chunks have other names than Zarr v3 knows.
    """
    encoding = entry["chunk_key_encoding"]
    name = _name(encoding)
    said = encoding.get("configuration", {}) if isinstance(encoding, dict) else {}
    separator = said.get("separator", "/" if name == "default" else ".")
    if name not in ("default", "v2") or separator not in (".", "/"):
        raise ValueError("has chunks under other names than Zarr v3 knows")
    return (("c",) if name == "default" else ()), separator


def dimensions_of(entry: Mapping[str, Any], attributes: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the names of an array's dimensions, those of xarray's older form where none are."""
    named = entry.get("dimension_names")
    return tuple(attributes.get("_ARRAY_DIMENSIONS", ()) if named is None else named)


def fill_in_v3(entry: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
    """Return the value of what is not stored.

    Raises
    ------
    ValueError
        The array cannot hold it.
    """
    value = entry.get("fill_value")
    if dtype.kind == "f" and isinstance(value, str) and value.startswith("0x"):
        bits = np.dtype(f"u{dtype.itemsize}").type(int(value, 16))
        return bits.view(dtype.newbyteorder("="))
    return fill_of(value, dtype)


def mask_of(attributes: Mapping[str, Any]) -> dict[str, float]:
    """Return the attribute `_FillValue` as a number, if there is one.

    Raises
    ------
    ValueError
        It is none; xarray writes that of real numbers as text, eight bytes in base64.
    """
    value = attributes.get("_FillValue")
    if value is None:
        return {}
    if value in ("NaN", "Infinity", "-Infinity"):
        return {"_FillValue": float(value)}
    try:
        if isinstance(value, str):
            (value,) = struct.unpack("<d", base64.b64decode(value, validate=True))
    except struct.error:
        pass
    if type(value) not in (int, float):
        raise ValueError(f"has the fill value {str(value)[:40]!r}, which is no number")
    return {"_FillValue": value}
