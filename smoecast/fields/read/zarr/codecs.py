"""Compressors and filters of Zarr arrays: a short list, looked at before anything is decoded.

The metadata of a store name the program that decodes it, and whoever wrote them may name `pickle`,
which runs what it reads. So only these are decoded: the compressors of Zarr v2, of WeatherBench 2
and of xarray (`blosc`, `zstd`, `lz4`, `zlib`, `gzip`, `bz2`), and the filters that keep numbers
numbers (`shuffle`, `delta`, `fixedscaleoffset`, `quantize`, `bitround`). None of them makes
objects, and of each the decoded size is known beforehand, so that nothing grows past it. Zarr v3
names the same compressors, and checksums (`crc32c`); of filters only the order of dimensions.
"""

import bz2
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numcodecs
import numpy as np
from numcodecs import blosc, lz4, zstd
from numpy.typing import NDArray

from smoecast.fields.read.zarr.sharding import unsum
from smoecast.fields.read.zarr.types import dtype_of, number_of

PROBLEMS = (ValueError, TypeError, RuntimeError, OSError, EOFError, zlib.error)
"""What decoders raise for bytes that are not theirs."""

Bytes = NDArray[np.uint8]


def _inflate(stored: bytes, size: int, wrapped: int) -> bytes:
    """Undo zlib, or gzip with `wrapped` 31: one byte more than expected at most."""
    return zlib.decompressobj(wrapped).decompress(stored, size + 1)


def _into(decode: Callable[[bytes, Bytes], Any], stored: bytes, size: int) -> Bytes:
    """Decode into as much memory as is expected; zeros, for a decoder may leave some of it."""
    values = np.zeros(size, np.uint8)
    decode(stored, values)
    return values


def _number(stored: bytes) -> int:
    return int.from_bytes(stored, "little")


def _blosc(stored: bytes, size: int) -> Bytes:
    """Undo Blosc 1: its header says both sizes, and c-blosc reads as far as the header says."""
    decoded, whole = _number(stored[4:8]), _number(stored[12:16])
    if (decoded, whole) != (size, len(stored)) or whole < 16:
        raise ValueError(f"{whole} bytes that make {decoded}, not {len(stored)} that make {size}")
    return _into(blosc.decompress, stored, size)


def _lz4(stored: bytes, size: int) -> Bytes:
    decoded = _number(stored[:4])
    if decoded != size:
        raise ValueError(f"makes {decoded} bytes, not {size}")
    return _into(lz4.decompress, stored, size)


def _zstd(stored: bytes, size: int) -> Bytes:
    """Undo Zstandard (RFC 8878, section 3.1.1); where a frame says no size, numcodecs compares."""
    kind = _number(stored[4:5])
    single, dictionary, width = kind >> 5 & 1, (0, 1, 2, 4)[kind & 3], (0, 2, 4, 8)[kind >> 6]
    width = width or single
    begin = 6 - single + dictionary
    decoded = _number(stored[begin : begin + width]) + 256 * (width == 2)
    if width and decoded != size:
        raise ValueError(f"makes {decoded} bytes, not {size}")
    return _into(zstd.decompress, stored, size)


_COMPRESSORS: dict[str, Callable[[bytes, int], bytes | Bytes]] = {
    "blosc": _blosc,
    "zstd": _zstd,
    "lz4": _lz4,
    "zlib": lambda stored, size: _inflate(stored, size, zlib.MAX_WBITS),
    "gzip": lambda stored, size: _inflate(stored, size, zlib.MAX_WBITS + 16),
    "bz2": lambda stored, size: bz2.BZ2Decompressor().decompress(stored, size + 1),
}
_FILTERS = ("shuffle", "delta", "fixedscaleoffset", "quantize", "bitround")


@dataclass(frozen=True)
class Codecs:
    """How the chunks of one array are stored.

    Attributes
    ----------
    compressor : str
        Of `_COMPRESSORS`; empty where there is none.
    filters : tuple of numcodecs codec
        In the order in which they encode, each of `_FILTERS`.
    stored : numpy.dtype
        Type of the values as the compressor gets them.
    """

    compressor: str
    filters: tuple[Any, ...]
    stored: np.dtype[Any]

    def decode(self, stored: bytes, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the values (count,) of one chunk.

        Raises
        ------
        `PROBLEMS`
            It is no such chunk, or would be larger or smaller than it must be.
        """
        size = count * self.stored.itemsize
        if len(stored) > 2 * size + 4096:
            raise ValueError(f"{len(stored)} bytes for {size}")
        content: Any = _COMPRESSORS[self.compressor](stored, size) if self.compressor else stored
        if len(content) != size:
            raise ValueError(f"it does not make {size} bytes")
        values: NDArray[Any] = np.frombuffer(content, self.stored)
        with np.errstate(all="ignore"):
            for one in reversed(self.filters):
                values = np.frombuffer(one.decode(values), np.uint8)
        return values.view(dtype)


def codecs_of(described: Mapping[str, Any], dtype: np.dtype[Any]) -> Codecs:
    """Return the codecs that the ``.zarray`` of an array names.

    Raises
    ------
    ValueError
        One of them is not on the list, or does not fit the values.
    """
    compressor = described.get("compressor")
    name = "" if compressor is None else _name_of(compressor, tuple(_COMPRESSORS))
    filters, stored = [], dtype
    for entry in described.get("filters") or ():
        one, stored = _filter(_name_of(entry, _FILTERS), entry, stored)
        filters += [one] if one else []
    return Codecs(name, tuple(filters), stored)


def _name_of(entry: Any, known: tuple[str, ...]) -> str:
    name = entry.get("id") if isinstance(entry, dict) else entry
    if isinstance(entry, dict) and isinstance(name, str) and name in known:
        return name
    raise ValueError(
        f"names the codec {str(name)[:40]!r}, which is not run; these are: {', '.join(known)}"
    )


def _filter(name: str, entry: Mapping[str, Any], dtype: np.dtype[Any]) -> tuple[Any, np.dtype[Any]]:
    """Return what undoes a filter, and the type of what it has made of values of `dtype`."""
    if name == "bitround":
        return None, dtype  # decoding changes nothing
    if name == "shuffle":
        size = entry.get("elementsize", 4)
        if type(size) is not int or not 1 <= size <= 255:
            raise ValueError("has a shuffle of no size")
        return numcodecs.Shuffle(size), dtype
    decoded, encoded = dtype_of(entry["dtype"]), dtype_of(entry.get("astype") or entry["dtype"])
    if decoded != dtype or decoded.kind not in "iuf" or encoded.kind not in "iuf":
        raise ValueError(f"has a filter {name} of {decoded} on values of {dtype}")
    if name == "delta":
        return numcodecs.Delta(decoded, encoded), encoded
    if decoded.kind != "f":
        raise ValueError(f"has a filter {name} on whole numbers")
    if name == "quantize":
        return numcodecs.Quantize(0, decoded, encoded), encoded
    offset, scale = number_of(entry["offset"]), number_of(entry["scale"])
    if scale == 0:
        raise ValueError("has a scale of 0")
    return numcodecs.FixedScaleOffset(offset, scale, decoded, encoded), encoded


_SUM = "crc32c"
_IN_V3 = (*_COMPRESSORS, _SUM)


@dataclass(frozen=True)
class Chain:
    """How the chunks of one array of Zarr v3 are stored.

    Attributes
    ----------
    steps : tuple of str
        What bytes went through, in this order: one of `_COMPRESSORS` at most, and checksums.
    stored : numpy.dtype
        Type of the values as bytes.
    """

    steps: tuple[str, ...]
    stored: np.dtype[Any]

    def decode(self, stored: bytes, count: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Return the values (count,) of one chunk. Raises as `Codecs.decode` does."""
        size = count * self.stored.itemsize
        if len(stored) > 2 * size + 4096:
            raise ValueError(f"{len(stored)} bytes for {size}")
        content: Any = stored
        for number, step in reversed(list(enumerate(self.steps))):
            if step == _SUM:
                content = unsum(bytes(content))
            else:  # what it makes has the checksums that came before it
                content = _COMPRESSORS[step](bytes(content), size + 4 * number)
        if len(content) != size:
            raise ValueError(f"it does not make {size} bytes")
        return np.frombuffer(content, self.stored).astype(dtype, copy=False)


def chain_of(names: Sequence[str], stored: np.dtype[Any]) -> Chain:
    """Return what undoes the codecs of bytes that the metadata of Zarr v3 name.

    Raises
    ------
    ValueError
        One of them is not on the list, or there are two compressors.
    """
    steps = tuple(_name_of({"id": name.removeprefix("numcodecs.")}, _IN_V3) for name in names)
    if sum(step != _SUM for step in steps) > 1:
        raise ValueError(f"names two compressors, {' and '.join(steps)}, of which one is undone")
    return Chain(steps, stored)
