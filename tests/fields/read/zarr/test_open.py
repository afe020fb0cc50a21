"""What we read of a group is what xarray and zarr read of it, for every codec on our list."""

from pathlib import Path

import made_stores
import numcodecs
import numpy as np
import pytest
import xarray as xr
from made_stores import changed, describe, described, fields, group, mixed

from smoecast.errors import InputError
from smoecast.fields.read.open import open_file
from smoecast.fields.read.zarr.open import PART, read_group

COMPRESSORS = {
    "none": None,
    "blosc lz4": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
    "blosc zstd": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
    "blosc zlib": numcodecs.Blosc("zlib", 1, numcodecs.Blosc.NOSHUFFLE),
    "blosc blosclz": numcodecs.Blosc("blosclz"),
    "zstd": numcodecs.Zstd(3),
    "zstd with checksum": numcodecs.Zstd(1, checksum=True),
    "lz4": numcodecs.LZ4(),
    "zlib": numcodecs.Zlib(3),
    "gzip": numcodecs.GZip(1),
    "bz2": numcodecs.BZ2(),
}
PACKED = numcodecs.FixedScaleOffset(280, 100, "<f4", "<i4")
FILTERS = {
    "shuffle": [numcodecs.Shuffle(4)],
    "delta": [numcodecs.Delta("<f4")],
    "fixedscaleoffset": [PACKED],
    "quantize": [numcodecs.Quantize(2, "<f4")],
    "quantize to double": [numcodecs.Quantize(2, "<f4", "<f8")],
    "bitround": [numcodecs.BitRound(8)],
    "three": [PACKED, numcodecs.Delta("<i4", "<i2"), numcodecs.Shuffle(2)],
}


def same(path: Path) -> None:
    for chunks in ({}, None):
        with xr.open_zarr(path.parent, chunks=chunks, decode_timedelta=True) as wanted:
            found = read_group(path.parent, chunks)
            assert found["t2m"].chunks == wanted["t2m"].chunks
            assert {n: v.dtype for n, v in found.variables.items()} == {
                n: v.dtype for n, v in wanted.variables.items()
            }
            xr.testing.assert_identical(found.load(), wanted.load())


@pytest.mark.parametrize("name", COMPRESSORS)
def test_every_compressor(tmp_path: Path, name: str) -> None:
    same(group(tmp_path / "a.zarr", mixed(), compressors=COMPRESSORS[name]))


@pytest.mark.parametrize("compressor", [None, numcodecs.Zlib(1)], ids=["bare", "zlib"])
@pytest.mark.parametrize("name", FILTERS)
def test_every_filter(tmp_path: Path, name: str, compressor: object) -> None:
    encoding = {"compressors": compressor, "filters": FILTERS[name], "chunks": (4, 5, 4)}
    path = group(tmp_path / "a.zarr", mixed(), **encoding)
    same(path)
    np.testing.assert_allclose(open_file(path)["t2m"], fields()["t2m"], atol=2.0)


@pytest.mark.parametrize(
    "encoding",
    [
        {"dtype": "i2", "scale_factor": 0.01, "add_offset": 280.0, "_FillValue": -32768},
        {"dtype": "f8", "_FillValue": -5.0},
        {"dtype": ">f4"},
        {"chunks": (1, 1, 3)},
        {"chunks": (8, 5, 8)},
    ],
    ids=str,
)
def test_every_packing_and_chunks_that_are_not_there(tmp_path: Path, encoding: dict) -> None:
    path = group(tmp_path / "a.zarr", mixed(), **encoding)
    same(path)
    (path.parent / "t2m" / "0.0.0").unlink()
    same(path)


def test_slashes_fortran_and_arrays_of_groups_below(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr", compressors=None)
    metadata = described(path)
    metadata["t2m/.zarray"] |= {"order": "F", "dimension_separator": "/"}
    metadata["below/t2m/.zarray"] = {"zarr_format": 3}
    describe(path, metadata, beside=False)
    for file in list((path.parent / "t2m").glob("*.*.*")):
        values = np.frombuffer(file.read_bytes(), "f4").reshape(3, 5, 4)
        new = file.parent / file.name.replace(".", "/")
        new.parent.mkdir(parents=True, exist_ok=True)
        new.write_bytes(values.tobytes("F"))
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])


@pytest.mark.parametrize(
    "key",
    [
        {"time": 3},
        {"time": slice(None, None, -2)},
        {"time": [5, 0, 5]},
        {"time": [-1], "latitude": slice(1, 3)},
        {"latitude": []},
        {"time": xr.DataArray([1, 2], dims="a"), "longitude": xr.DataArray([3, -1], dims="a")},
        {"time": -1, "latitude": 2, "longitude": 7},
    ],
    ids=str,
)
def test_a_selection_equals_that_of_an_array(tmp_path: Path, key: dict) -> None:
    path = group(tmp_path / "a.zarr")
    found = read_group(path.parent)["t2m"].isel(key)
    np.testing.assert_array_equal(found, fields()["t2m"].isel(key))


def test_times_of_a_climatology(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr")
    metadata = described(path)
    metadata["time/.zattrs"] |= {"units": "days since 0000-01-01", "calendar": "standard"}
    describe(path, metadata)
    with pytest.raises(InputError, match=r"a\.zarr: its times, in days since 0000-01-01 with cal"):
        open_file(path)


def test_a_chunk_of_zeros_is_not_stored(tmp_path: Path) -> None:
    """Zarr leaves it out, also where the metadata name no fill value."""
    made = mixed()
    made["mask"][:], made["lead"][:], made["counts"][:] = False, np.timedelta64(0, "ns"), 0
    path = group(tmp_path / "a.zarr", made)
    assert described(path)["mask/.zarray"]["fill_value"] is None
    assert not (path.parent / "mask" / "0").exists()
    same(path)
    changed(path, "t2m", fill_value=None)
    (path.parent / "t2m" / "1.0.0").unlink()
    same(path)


@pytest.mark.parametrize(
    "attributes",
    [
        {"time": {"units": "fortnights since the flood"}},
        {"t2m": {"dtype": "timedelta64[ns]", "units": "hours"}},
        {"names": {"_Encoding": "of nobody"}},
        {"t2m": {"coordinates": "nobody"}, "valid": {"standard_name": "forecast_reference_time"}},
    ],
    ids=str,
)
def test_attributes_that_mean_nothing(tmp_path: Path, attributes: dict) -> None:
    path = group(tmp_path / "a.zarr", mixed())
    metadata = described(path)
    for name, changes in attributes.items():
        metadata[f"{name}/.zattrs"] |= changes
    describe(path, metadata)
    with pytest.raises(InputError, match=r"a\.zarr: "):
        open_file(path).load()


@pytest.mark.parametrize("part", [7, {}, {"years": "x", "levels": None}, {"years": [[1], 2]}])
def test_a_part_that_does_not_say_what_it_has(tmp_path: Path, part: object) -> None:
    path = group(tmp_path / "a.zarr")
    metadata = described(path)
    metadata[".zattrs"][PART] = part
    describe(path, metadata)
    with pytest.raises(InputError, match="no list of years and levels"):
        open_file(path)


@pytest.mark.parametrize("part", ["chunk", "array"])
def test_links_to_other_files_of_the_machine(tmp_path: Path, part: str) -> None:
    """Uncompressed, any file would be values: those that its reader alone may see."""
    metadata = group(tmp_path / "a.zarr", compressors=None)
    linked = metadata.parent / "t2m"
    if part == "chunk":
        linked = next(iter(made_stores.chunks(metadata, "t2m")))
    (tmp_path / "outside").mkdir()
    moved = linked.rename(tmp_path / "outside" / linked.name)
    linked.symlink_to(moved)
    with pytest.raises(InputError, match="a symbolic link leads out of the store"):
        open_file(metadata).load()
    (tmp_path / "link.zarr").symlink_to(metadata.parent)
    linked.unlink()
    moved.rename(linked)
    assert open_file(tmp_path / "link.zarr" / ".zmetadata").load() is not None
