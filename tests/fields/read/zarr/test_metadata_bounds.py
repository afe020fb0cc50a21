"""Metadata and chunks that would take the memory or the day: refused before, in one sentence."""

import bz2
import gzip
import json
import os
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
from made_stores import changed, chunks, describe, described, fields, group

from smoecast.errors import InputError
from smoecast.fields.read.open import open_file
from smoecast.fields.read.zarr import array as zarr_array
from smoecast.fields.read.zarr import metadata as zarr_metadata
from smoecast.fields.store import store

MIB = 2**20


@pytest.fixture(autouse=True, scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a first read imports is not counted."""
    open_file(group(tmp_path_factory.mktemp("good") / "a.zarr")).load()


def refused(path: Path, words: str, mib: float = 16) -> None:
    """It is refused, in one sentence, with no more memory than that."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=words) as caught:
            open_file(path).load()
        assert tracemalloc.get_traced_memory()[1] < mib * MIB
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


SIZES: list[tuple[str, dict[str, Any], str]] = [
    ("t2m", {"chunks": [0, 5, 4]}, "has a size of 0, not 1 to"),
    ("t2m", {"chunks": [-3, 5, 4]}, "has a size of -3"),
    ("t2m", {"chunks": [3.5, 5, 4]}, r"has a size of 3\.5"),
    ("t2m", {"chunks": [True, 5, 4]}, "has a size of True"),
    ("t2m", {"chunks": [3, 5]}, "has 3 dimensions, but chunks of 2"),
    ("t2m", {"chunks": 7}, "is not described"),
    ("t2m", {"shape": [-1, 5, 8]}, "has a size of -1, not 0 to"),
    ("t2m", {"shape": [8, 5]}, "has 2 dimensions, but chunks of 3"),
    ("t2m", {"shape": [8, 5, 8, 1], "chunks": [1, 1, 1, 1]}, "does not name its 4 dimensions"),
    ("latitude", {"shape": [2_000_000_000]}, "has a size of 2000000000, not 0 to 20000000"),
    ("time", {"shape": [10**30], "chunks": [10**30]}, "has a size of 10000000000"),
    ("t2m", {"shape": [20_000_000, 20_000_000, 8]}, "not 0 to 2000000"),
    ("t2m", {"chunks": [20_000_000, 500, 400]}, "'?.*a chunk of t2m has .* GiB, and no more"),
    (
        "time",
        {"dtype": "<U999", "shape": [20_000_000], "chunks": [20_000_000]},
        "not 0 to 67108864",
    ),
    ("t2m", {"shape": [20_000_000] * 3, "chunks": [20_000_000] * 3}, "not 0 to 1125899906842624"),
    ("t2m", {"dtype": "<U4000"}, "'<U4000', which are not read"),
    ("t2m", {"dtype": [["a", "<f4"]]}, "which are not read"),
    ("t2m", {"dtype": "f4,f4"}, "'f4,f4', which are not read"),
    ("t2m", {"zarr_format": 3}, "is of another version of Zarr"),
    ("t2m", {"order": "A"}, "laid out in another way"),
    ("t2m", {"dimension_separator": "/../../"}, "laid out in another way"),
    ("t2m", {"fill_value": "zero"}, "has the fill value 'zero', which it cannot hold"),
    ("time", {"fill_value": 10**30}, "is not described"),
    ("t2m", {"compressor": "blosc"}, "names the codec 'blosc'"),
    ("t2m", {"compressor": {"id": "lzma"}}, "names the codec 'lzma', which is not run"),
    ("t2m", {"filters": [{"id": "shuffle", "elementsize": 0}]}, "has a shuffle of no size"),
    ("t2m", {"filters": [{"id": "delta"}]}, "is not described"),
    ("t2m", {"filters": [{"id": "delta", "dtype": "<f8"}]}, "filter delta of float64 on values of"),
    (
        "t2m",
        {"filters": [{"id": "fixedscaleoffset", "dtype": "<f4", "offset": 0, "scale": 0}]},
        "has a scale of 0",
    ),
    (
        "t2m",
        {"filters": [{"id": "fixedscaleoffset", "dtype": "<f4", "offset": "x", "scale": 1}]},
        "has 'x' where a number must be",
    ),
    (
        "time",
        {"filters": [{"id": "quantize", "dtype": "<i8", "digits": 1}]},
        "has a filter quantize on whole numbers",
    ),
]


@pytest.mark.parametrize(("array", "changes", "words"), SIZES, ids=lambda value: str(value)[:60])
def test_metadata_that_nothing_real_has(
    tmp_path: Path, array: str, changes: dict[str, Any], words: str
) -> None:
    path = group(tmp_path / "a.zarr")
    changed(path, array, **changes)
    refused(path, words)


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"scale_factor": "one"}, "has 'one' where a number must be"),
        ({"add_offset": float("inf")}, "has 'inf' where a number must be"),
        ({"missing_value": [1, {}]}, "where a number must be"),
        ({"units": {"a": 1}}, "has an attribute units that is no word"),
        ({"bounds": ["a"]}, "has an attribute bounds that is no word"),
        ({"_ARRAY_DIMENSIONS": ["time", "a", "b", "a"]}, "does not name its 3 dimensions"),
        ({"_ARRAY_DIMENSIONS": ["time", "time", "longitude"]}, "does not name its 3 dimensions"),
        ({"_ARRAY_DIMENSIONS": [1, 2, 3]}, "does not name its 3 dimensions"),
        ({"_ARRAY_DIMENSIONS": 3}, "is not described"),
    ],
    ids=str,
)
def test_attributes_that_mean_nothing(
    tmp_path: Path, attributes: dict[str, Any], words: str
) -> None:
    path = group(tmp_path / "a.zarr")
    metadata = described(path)
    metadata["t2m/.zattrs"] |= attributes
    describe(path, metadata)
    refused(path, words)


@pytest.mark.parametrize("name", ["../t2m", "/t2m", "a/../../t2m", ".hidden", "", "a\\b", "C:t2m"])
def test_names_of_arrays_that_lead_out(tmp_path: Path, name: str) -> None:
    path = group(tmp_path / "a.zarr")
    metadata = described(path)
    for kind in (".zarray", ".zattrs"):
        metadata[f"{name}/{kind}"] = metadata[f"t2m/{kind}"]
    describe(path, metadata, beside=False)
    refused(path, "has a name that leads out of the store")


def rle_frame(size: int) -> bytes:
    """Return a Zstandard frame of zeros that does not say how large it becomes."""
    block = 128 * 1024
    blocks = [(block << 3 | 1 << 1).to_bytes(3, "little") + b"\0"] * (size // block)
    last = (block << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\0"
    return b"\x28\xb5\x2f\xfd\0\x58" + b"".join([*blocks[1:], last])


def zeros(mib: int) -> bytes:
    return bytes(mib * MIB)


BOMBS: dict[str, Callable[[], bytes]] = {  # made when asked for: this module is often loaded
    "bz2": lambda: bz2.compress(zeros(32)),
    "zlib": lambda: zlib.compress(zeros(8)),
    "gzip": lambda: gzip.compress(zeros(8)),
    "zstd": lambda: bytes(numcodecs.Zstd(19).encode(zeros(100))),
    "zstd that says nothing": lambda: rle_frame(100 * MIB),
    "lz4": lambda: struct.pack("<I", 2**31 - 1) + bytes(numcodecs.LZ4().encode(bytes(240)))[4:],
    "blosc": lambda: bytes(numcodecs.Blosc().encode(zeros(100))),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs(tmp_path: Path, name: str) -> None:
    path = group(tmp_path / "a.zarr", chunks=(3, 5, 8))
    changed(path, "t2m", compressor={"id": name.split(maxsplit=1)[0]})
    bomb = BOMBS[name]()
    for chunk in chunks(path, "t2m"):
        chunk.write_bytes(bomb)
    refused(path, "this is no chunk of t2m", mib=4)


@pytest.mark.parametrize("name", ["lz4", "blosc", "zstd"])
@pytest.mark.parametrize("size", [0, 100, 481, 2**31 - 1])
def test_sizes_that_a_chunk_says_of_itself(tmp_path: Path, name: str, size: int) -> None:
    """Too much would be memory that was never written, too little values that are not there."""
    path = group(tmp_path / "a.zarr", chunks=(3, 5, 8))
    changed(path, "t2m", compressor={"id": name})
    codec = {"lz4": numcodecs.LZ4(), "blosc": numcodecs.Blosc(), "zstd": numcodecs.Zstd()}[name]
    whole = bytearray(codec.encode(np.random.default_rng(0).bytes(480)))
    if name == "zstd":
        whole[4:7] = bytes([0x80 | whole[4] & 0x3F, *size.to_bytes(4, "little")])
    else:
        begin = 4 if name == "blosc" else 0
        whole[begin : begin + 4] = size.to_bytes(4, "little")
    for chunk in chunks(path, "t2m"):
        chunk.write_bytes(whole)
    refused(path, "this is no chunk of t2m")


def test_a_blosc_chunk_that_says_it_is_longer_than_it_is(tmp_path: Path) -> None:
    """c-blosc reads as far as the header says, past the end of what is there."""
    path = group(tmp_path / "a.zarr", compressors=numcodecs.Blosc("lz4"))
    for chunk in chunks(path, "t2m"):
        chunk.write_bytes(chunk.read_bytes()[:-7])
    refused(path, "this is no chunk of t2m")


def test_a_chunk_file_without_end(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr")
    for chunk in chunks(path, "t2m"):
        with chunk.open("r+b") as file:
            file.truncate(2**40)
    refused(path, "this is no chunk of t2m", mib=2)


@pytest.mark.parametrize("kind", ["folder", "link to nothing"])
def test_a_chunk_that_is_no_file(tmp_path: Path, kind: str) -> None:
    path = group(tmp_path / "a.zarr")
    for chunk in list(chunks(path, "t2m")):
        chunk.unlink()
        chunk.mkdir() if kind == "folder" else chunk.symlink_to(path.parent / "nothing")
    refused(path, r"this is no chunk of t2m \(no file\)")


@pytest.mark.parametrize(
    ("dtype", "content", "words"),
    [
        ("|b1", b"\x02" * 8, "neither true nor false"),
        ("<U1", (0x110000).to_bytes(4, "little") * 8, "signs that are no text"),
        ("<U1", (0xD800).to_bytes(4, "little") * 8, "signs that are no text"),
    ],
)
def test_bytes_that_are_no_values(tmp_path: Path, dtype: str, content: bytes, words: str) -> None:
    made = fields().assign(flag=("time", np.zeros(8, np.int8)))
    path = group(tmp_path / "a.zarr", made)
    changed(path, "flag", dtype=dtype, compressor=None, fill_value=None)
    (path.parent / "flag" / "0").write_bytes(content)
    with pytest.raises(InputError, match=words):
        zarr_metadata.arrays_of(path)["flag"].read(path.parent)


def test_metadata_that_are_nested_without_end(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr")
    path.write_text('{"metadata": ' + "[" * 200_000)
    refused(path, "no consolidated metadata of a Zarr v2 group")


def test_metadata_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = group(tmp_path / "a.zarr")
    with path.open("r+b") as file:
        file.truncate(500 * MIB)
    refused(path, r"\(more than 64 MiB\)", mib=1)
    path.write_bytes(b'{"metadata": [' + b"{}," * 5_000_000)
    refused(path, "more than 4000000 values", mib=40)


def test_metadata_that_are_a_pipe(tmp_path: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(tmp_path / ".zmetadata")
    with pytest.raises(InputError, match=r"no readable store.*there is no such file"):
        store.open_store(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"metadata": 3}',
        '{"metadata": {".zgroup": {"zarr_format": 3}}}',
        '{"metadata": {"t2m/.zarray": 3}}',
        '{"metadata": {".zgroup": 3}}',
        '{"metadata": {".zattrs": 3}}',
        '{"metadata": {}, "big": ' + "9" * 5000 + "}",
    ],
)
def test_metadata_that_are_none(tmp_path: Path, content: str) -> None:
    path = tmp_path / ".zmetadata"
    path.write_text(content)
    words = r"no consolidated metadata|is not described|neither GRIB nor NetCDF"
    with pytest.raises(InputError, match=words):
        open_file(path)


PLAIN = {"fields": {"compressors": None, "chunks": (3, 1, 5, 8)}}


def plain_store() -> xr.Dataset:
    made = fields().rename(t2m="fields").expand_dims("channel", axis=1).assign_coords(channel=["a"])
    return made.assign_attrs(smoecast=json.dumps({"schema": store.SCHEMA}))


@pytest.mark.parametrize(
    "changes",
    [
        {"compressor": {"id": "zlib"}},
        {"filters": [{"id": "shuffle"}]},
        {"order": "F"},
        {"dimension_separator": "/"},
        {"chunks": [3, 1, 5, 4]},
        {"dtype": ">f4"},
        {"dtype": "<i4", "fill_value": 0},
    ],
    ids=str,
)
def test_a_store_that_is_not_plain_bytes_is_not_mapped(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """Its rows would be read from the wrong bytes without a word."""
    plain_store().to_zarr(tmp_path / "s.zarr", zarr_format=2, consolidated=True, encoding=PLAIN)
    found = store.open_store(tmp_path / "s.zarr")["fields"]
    np.testing.assert_array_equal(found[:, 0], fields()["t2m"])
    changed(tmp_path / "s.zarr" / ".zmetadata", "fields", **changes)
    not_mapped(tmp_path / "s.zarr")


def not_mapped(path: Path) -> None:
    with pytest.raises(InputError, match="not stored as smoecast stores them"):
        store.open_store(path)


@pytest.mark.parametrize("packing", [{"scale": [1.0]}, {"scale": [1.0] * 2, "offset": [1.0] * 2}])
def test_a_store_whose_packing_does_not_fit_its_channels(tmp_path: Path, packing: dict) -> None:
    made = plain_store()
    for name, values in packing.items():
        made[name] = (f"{name}_of", values)
    made.to_zarr(tmp_path / "s.zarr", zarr_format=2, consolidated=True, encoding=PLAIN)
    not_mapped(tmp_path / "s.zarr")


def test_a_store_whose_fields_have_no_places(tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    plain_store().to_zarr(path, zarr_format=2, consolidated=True, encoding=PLAIN)
    metadata = described(path / ".zmetadata")
    metadata["fields/.zarray"] |= {"shape": [8], "chunks": [3]}
    metadata["fields/.zattrs"]["_ARRAY_DIMENSIONS"] = ["time"]
    describe(path / ".zmetadata", metadata)
    not_mapped(path)


def test_the_largest_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = group(tmp_path / "a.zarr")
    monkeypatch.setattr(zarr_array, "CHUNK_BYTES", 240)
    open_file(path).load()
    monkeypatch.setattr(zarr_array, "CHUNK_BYTES", 239)
    refused(path, "write the store in smaller chunks")
    array = zarr_metadata.arrays_of(path)["t2m"]
    with pytest.raises(InputError, match="write the store in smaller chunks"):
        array.decode(path, "a chunk")
