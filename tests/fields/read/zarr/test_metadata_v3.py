"""Zarr v3, with and without shards: what xarray and zarr read of it, or one sentence."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
import zarr
from made_stores import fields, group_v3, mixed
from zarr.codecs import (
    BloscCodec,
    BytesCodec,
    Crc32cCodec,
    GzipCodec,
    TransposeCodec,
    ZstdCodec,
)

from smoecast.data.sources.files import expand
from smoecast.errors import InputError
from smoecast.fields.read.open import open_file
from smoecast.fields.read.zarr import array as zarr_array
from smoecast.fields.read.zarr.open import read_group

ENCODINGS: dict[str, dict[str, Any]] = {
    "as xarray does": {},
    "bare": {"compressors": None},
    "gzip": {"compressors": GzipCodec()},
    "blosc": {"compressors": BloscCodec(cname="lz4", shuffle="bitshuffle")},
    "zstd that is summed": {"compressors": [ZstdCodec(checksum=True), Crc32cCodec()]},
    "sums that are packed": {"compressors": [Crc32cCodec(), ZstdCodec()]},
    "turned": {"filters": [TransposeCodec(order=(2, 0, 1))]},
    "big end first": {"serializer": BytesCodec(endian="big")},
    "shards": {"shards": (4, 5, 8)},
    "one shard": {"shards": (8, 5, 8), "compressors": None},
    "shards turned": {"shards": (4, 5, 8), "filters": [TransposeCodec(order=(1, 2, 0))]},
    "packed": {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768},
    "dots": {"chunk_key_encoding": {"name": "v2", "separator": "."}},
    "double": {"dtype": "f8", "_FillValue": -5.0, "shards": (8, 5, 4)},
}


def change(path: Path, act: Callable[[dict[str, Any]], None], name: str = "t2m") -> None:
    """Change what the metadata of a group say of one array."""
    whole = json.loads(path.read_bytes())
    act(whole["consolidated_metadata"]["metadata"][name])
    path.write_text(json.dumps(whole))


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_file(path).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("one", [True, False], ids=["consolidated", "not"])
@pytest.mark.parametrize("name", ENCODINGS)
def test_what_zarr_reads(tmp_path: Path, name: str, one: bool) -> None:
    path = group_v3(tmp_path / "a.zarr", mixed(), one=one, **ENCODINGS[name])
    with xr.open_zarr(path.parent, chunks={}, consolidated=one, decode_timedelta=True) as wanted:
        found = read_group(path.parent, {}, file=path.name)
        assert found["t2m"].chunks == wanted["t2m"].chunks
        assert {n: v.dtype for n, v in found.variables.items()} == {
            n: v.dtype for n, v in wanted.variables.items()
        }
        xr.testing.assert_identical(found.load(), wanted.load())
    np.testing.assert_allclose(open_file(path)["t2m"], fields()["t2m"], atol=0.01)


def test_the_same_as_a_netcdf_file(tmp_path: Path) -> None:
    fields().to_netcdf(tmp_path / "a.nc")
    group_v3(tmp_path / "a.zarr", shards=(8, 5, 8))
    paths = expand([str(tmp_path / "*.zarr")], "data.files")
    assert (
        paths == expand([str(tmp_path / "a.zarr")], "data.files") == [tmp_path / "a.zarr/zarr.json"]
    )
    xr.testing.assert_identical(open_file(paths[0]).load(), open_file(tmp_path / "a.nc").load())


def test_texts_of_any_length_are_left_out_where_nothing_lies_along_them(tmp_path: Path) -> None:
    texts = np.array(["a", "bb"] * 4, object)
    path = group_v3(tmp_path / "a.zarr", fields().assign_coords(expver=("time", texts)))
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])
    made = fields().rename(time="station").assign_coords(station=texts)
    refused(group_v3(tmp_path / "b.zarr", made), "'station' holds values of the type 'string'")


@pytest.mark.parametrize("one", [True, False], ids=["consolidated", "not"])
def test_arrays_of_groups_below_are_left_alone(tmp_path: Path, one: bool) -> None:
    path = group_v3(tmp_path / "a.zarr", one=False)
    zarr.open_group(path.parent, mode="a").create_group("_build").create_array(
        "x", shape=3, dtype="c8"
    )
    if one:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            zarr.consolidate_metadata(path.parent)
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])


@pytest.mark.parametrize("fill", ["0x7fc00000", "NaN", None])
def test_fill_values_of_floats(tmp_path: Path, fill: object) -> None:
    path = group_v3(tmp_path / "a.zarr")
    change(path, lambda entry: entry.update(fill_value=fill))
    next(file for file in (path.parent / "t2m" / "c").rglob("*") if file.is_file()).unlink()
    if fill is None:
        refused(path, "the chunk is missing, and the store says 0 for what is missing")
    else:
        assert np.isnan(open_file(path)["t2m"]).sum() == 2 * 5 * 4


@pytest.mark.parametrize("shards", [None, (4, 5, 8)], ids=["chunks", "shards"])
def test_a_chunk_that_is_not_there_is_never_zero_kelvin(tmp_path: Path, shards: Any) -> None:
    made = fields()
    made["tp"] = (made["t2m"].dims, np.zeros((8, 5, 8), "f4"), {"units": "m"})
    made["t2m"][:4] = 0.0
    how = {
        "chunks": (4, 5, 8) if shards is None else (2, 5, 4),
        "shards": shards,
        "fill_value": 0.0,
    }
    path = group_v3(tmp_path / "a.zarr", made, **how)
    change(path, lambda entry: entry.update(fill_value=0.0), "tp")
    refused(path, "the chunk is missing, and the store says 0 for .* no 2 metre temperature: copy")
    assert (open_file(path)["tp"] == 0).all()  # it may well have been dry
    assert (read_group(path.parent, file=path.name)["t2m"][:4] == 0).all()  # as zarr reads it


def test_a_packed_chunk_that_is_not_there(tmp_path: Path) -> None:
    """A fill value of 0 would be 280 K."""
    path = group_v3(tmp_path / "a.zarr", **ENCODINGS["packed"])
    change(path, lambda entry: entry.update(fill_value=0))
    next(file for file in (path.parent / "t2m" / "c").rglob("*") if file.is_file()).unlink()
    refused(path, "the chunk is missing, and the store says 0 for what is missing")


def codecs(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda entry: entry["codecs"][0]["configuration"].update(changes)


INDEX = [{"name": "bytes", "configuration": {"endian": "little"}}]
BAD: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another codec": (lambda e: e.update(codecs=[{"name": "pickle"}]), "names the codec 'pickle'"),
    "no codec": (lambda e: e.update(codecs=[]), "names the codec '' where values become bytes"),
    "unknown compressor": (
        codecs(codecs=[{"name": "bytes"}, {"name": "lzma"}]),
        "'lzma', which is",
    ),
    "two": (codecs(codecs=["bytes", "gzip", "zstd"]), "names two compressors, gzip and zstd"),
    "shards in shards": (codecs(codecs=[{"name": "sharding_indexed"}]), "'sharding_indexed' where"),
    "odd shards": (codecs(chunk_shape=[3, 5, 4]), r"shards of \[4, 5, 8\], no multiple of chunks"),
    "no shards": (codecs(chunk_shape=[0, 5, 4]), r"shards of \[4, 5, 8\] with chunks of \[0"),
    "flat shards": (codecs(chunk_shape=[2, 5]), r"with chunks of \[2, 5\]"),
    "packed index": (codecs(index_codecs=[*INDEX, {"name": "gzip"}]), "stored as bytes, gzip"),
    "index elsewhere": (codecs(index_location="middle"), "an index of shards that is stored as"),
    "many": (
        lambda e: (
            e["chunk_grid"]["configuration"].update(chunk_shape=[2**11, 2**10, 1]),
            e["codecs"][0]["configuration"].update(chunk_shape=[1, 1, 1]),
        ),
        "has 2097152 chunks in a shard",
    ),
    "turned": (
        codecs(codecs=[{"name": "transpose", "configuration": {"order": [0, 0, 1]}}, *INDEX]),
        r"has the dimensions in the order \[0, 0, 1\]",
    ),
    "grid": (lambda e: e["chunk_grid"].update(name="rectilinear"), "than in regular chunks"),
    "transformers": (lambda e: e.update(storage_transformers=[{}]), "than in regular chunks"),
    "keys": (lambda e: e["chunk_key_encoding"].update(name="fanout"), "under other names than"),
    "type": (lambda e: e.update(data_type="complex64"), "of the type 'complex64'"),
    "type of another": (lambda e: e.update(data_type={"name": "r16"}), "of the type 'r16'"),
    "times of ten": (
        lambda e: e.update(
            data_type={
                "name": "numpy.datetime64",
                "configuration": {"unit": "s", "scale_factor": 10},
            }
        ),
        "of the type 'numpy.datetime64'",
    ),
    "no fill": (lambda e: e["attributes"].update(_FillValue="AAAA"), "'AAAA', which is no number"),
    "fill of times": (
        lambda e: e.update(
            data_type={"name": "numpy.datetime64", "configuration": {"unit": "s"}}, fill_value="x"
        ),
        "has the fill value 'x', which it cannot hold",
    ),
    "no dimensions": (lambda e: e.update(dimension_names=None), "does not name its 3 dimensions"),
    "version": (lambda e: e.update(zarr_format=4), "is of another version of Zarr"),
}


@pytest.mark.parametrize("how", BAD)
def test_metadata_that_are_not_read(tmp_path: Path, how: str) -> None:
    path = group_v3(tmp_path / "a.zarr", shards=(4, 5, 8))
    act, words = BAD[how]
    change(path, act)
    refused(path, words)


@pytest.mark.parametrize("name", ["../t2m", "/t2m", ".hidden", "a\\b"])
def test_names_of_arrays_that_lead_out(tmp_path: Path, name: str) -> None:
    path = group_v3(tmp_path / "a.zarr")
    whole = json.loads(path.read_bytes())
    arrays = whole["consolidated_metadata"]["metadata"]
    arrays[name] = arrays.pop("t2m")
    path.write_text(json.dumps(whole))
    refused(path, "has a name that leads out of the store")


@pytest.mark.parametrize(
    "content", ["{}", '{"zarr_format": 3, "node_type": "array"}', "{", "{}" * 9]
)
def test_metadata_that_are_none(tmp_path: Path, content: str) -> None:
    path = group_v3(tmp_path / "a.zarr")
    path.write_text(content)
    refused(path, "this is no metadata of a Zarr v3 group")


def test_attributes_that_are_none(tmp_path: Path) -> None:
    path = group_v3(tmp_path / "a.zarr")
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"attributes": [1]}))
    refused(path, "its attributes are none")


def test_groups_of_two_versions_in_one_folder(tmp_path: Path) -> None:
    path = group_v3(tmp_path / "a.zarr")
    (fields() + 1).to_zarr(tmp_path / "b.zarr", zarr_format=2, consolidated=True)
    (tmp_path / "b.zarr" / ".zmetadata").rename(path.parent / ".zmetadata")
    with pytest.raises(InputError, match=r"of Zarr v2 and of v3, which may differ: name the file"):
        expand([str(path.parent)], "data.files")
    assert expand([str(path)], "data.files") == [path]


def test_v2_that_is_not_consolidated(tmp_path: Path) -> None:
    fields().to_zarr(tmp_path / "a.zarr", zarr_format=2, consolidated=False)
    (path,) = expand([str(tmp_path / "a.zarr")], "data.files")
    assert path.name == ".zgroup"
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])
    codec = numcodecs.Pickle().get_config()
    array = path.parent / "t2m" / ".zarray"
    array.write_text(json.dumps(json.loads(array.read_bytes()) | {"compressor": codec}))
    refused(path, "'t2m' names the codec 'pickle', which is not run")
    path.write_text('{"zarr_format": 3}')
    refused(path, r"this is no metadata of a Zarr v2 group \(another version")


def test_more_arrays_than_anything_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = group_v3(tmp_path / "a.zarr", one=False)
    monkeypatch.setattr("smoecast.fields.read.zarr.metadata.ARRAYS", 3)
    refused(path, "more than 3 arrays")


def shard_of(path: Path) -> Path:
    return path.parent / "t2m" / "c" / "0" / "0" / "0"


def test_a_shard_that_is_cut_or_changed(tmp_path: Path) -> None:
    path = group_v3(tmp_path / "a.zarr", shards=(4, 5, 8))
    shard = shard_of(path)
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1])
    refused(path, "this is no chunk of t2m .its checksum is another one.: fetch it again")
    shard.write_bytes(whole[:50])
    refused(path, "50 bytes, but the index alone has 68")
    shard.write_bytes(whole[:-60] + b"\xff" + whole[-59:])
    refused(path, "its checksum is another one")
    shard.unlink()
    shard.mkdir()
    refused(path, r"this is no chunk of t2m \(no file\)")


@pytest.mark.parametrize("pair", [(0, 2**60), (2**60, 8), (2**64 - 1, 8)], ids=str)
def test_an_index_that_leads_out_of_its_shard(tmp_path: Path, pair: tuple[int, int]) -> None:
    path = group_v3(tmp_path / "a.zarr", shards=(4, 5, 8))
    change(path, codecs(index_codecs=INDEX))
    shard = shard_of(path)
    index = np.array([pair] * 4, "<u8").tobytes()
    shard.write_bytes(shard.read_bytes()[:-68] + index)
    refused(path, r"this is no chunk of t2m \(\d+ bytes from byte")


def test_a_shard_whose_index_is_first(tmp_path: Path) -> None:
    path = group_v3(tmp_path / "a.zarr", shards=(4, 5, 8), compressors=None)
    change(path, codecs(index_location="start"))
    for shard in (path.parent / "t2m" / "c").rglob("0"):
        if shard.is_file():
            whole = shard.read_bytes()
            index = np.frombuffer(whole[-68:-4], "<u8").reshape(-1, 2) + np.array([64, 0], "<u8")
            shard.write_bytes(index.tobytes() + whole[:-68])
    change(path, codecs(index_codecs=INDEX))
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])


def test_the_largest_chunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = group_v3(tmp_path / "a.zarr", shards=(4, 5, 8))
    monkeypatch.setattr(zarr_array, "CHUNK_BYTES", 159)
    refused(path, "write the store in smaller chunks")


def test_links_to_other_files_of_the_machine(tmp_path: Path) -> None:
    path = group_v3(tmp_path / "a.zarr", shards=(4, 5, 8))
    moved = shard_of(path).rename(tmp_path / "outside")
    shard_of(path).symlink_to(moved)
    refused(path, "a symbolic link leads out of the store")
