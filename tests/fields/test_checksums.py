"""Checksums that results carry: damage shows, wherever it is."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from made_fields import forecast
from made_forecasts import forecasts
from write_whole import write_netcdf, write_wb2

from smoecast.errors import InputError, OutputError
from smoecast.fields import checksums


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of about 40 kB."""
    path = tmp_path_factory.mktemp("whole") / "out.nc"
    write_netcdf(forecast("t2m", "z500", "z850"), path)
    return path


@pytest.fixture
def file(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(whole, tmp_path / "out.nc"))


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stored") / "f.zarr"
    write_wb2(forecasts(), path)
    return path


@pytest.fixture
def store(stored: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(stored, tmp_path / "f.zarr"))


def flip(path: Path, place: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(content)


def refused(path: Path, words: str = "make it again", whole: bool = True) -> None:
    with pytest.raises(OutputError, match=words) as caught:
        checksums.check(path, whole=whole)
    assert str(caught.value).startswith(f"{path}: ")


# ---- a NetCDF file


@pytest.mark.parametrize("all_of_it", [True, False])
def test_what_was_written_is_whole(file: Path, all_of_it: bool) -> None:
    checksums.check(file, whole=all_of_it)


@pytest.mark.parametrize("all_of_it", [True, False])
def test_every_flipped_byte_is_found(file: Path, all_of_it: bool) -> None:
    content = file.read_bytes()
    end = len(content)
    places = {*range(0, end, 397), *range(64), *range(end - 300, end)}
    for place in sorted(places):
        flip(file, place, place % 8)
        refused(file, whole=all_of_it)
        file.write_bytes(content)


@pytest.mark.slow
def test_every_single_flipped_bit_is_found(file: Path) -> None:
    content = file.read_bytes()
    for place in range(len(content)):
        flip(file, place, place % 8)
        refused(file)
        file.write_bytes(content)


@pytest.mark.parametrize("kept", [0.01, 0.5, 0.99, 0.9999])
def test_a_cut_file_is_found(file: Path, kept: float) -> None:
    os.truncate(file, int(file.stat().st_size * kept))
    refused(file, "its checksums are gone, it was cut or ")


def test_bytes_that_were_added_are_found(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")
    refused(file, "its checksums are gone")


def test_a_program_that_changes_the_file_loses_the_checksums(file: Path) -> None:
    with netCDF4.Dataset(file, "a") as opened:
        opened.title = "another"
    refused(file, "it was cut or another program changed it")


def test_the_message_names_the_place(file: Path) -> None:
    flip(file, 30_000)
    refused(file, r"changed after it was written \(between bytes 0 and \d+\): make it again")


def test_files_that_carry_none(tmp_path: Path) -> None:
    plain = tmp_path / "plain.nc"
    xr.Dataset({"a": ("x", [1.0])}, attrs={"title": "t"}).to_netcdf(plain)
    (tmp_path / "text").write_text("no NetCDF")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("plain.nc", "carries no checksums"),
        ("text", "is no result"),
        ("nothing", "there is no such result"),
        ("pipe", "there is no such result"),
        (".", "carries no checksums"),
    ):
        with pytest.raises(InputError, match=words):
            checksums.check(tmp_path / name, whole=True)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"1", b"[" * 100_000, b'{"pieces": 3, "header": ""}', b'{"pieces": []}'],
)
def test_forged_checksums_are_refused_without_a_traceback(file: Path, body: bytes) -> None:
    tail = hashlib.sha256(body).hexdigest().encode() + b"%016d" % len(body) + checksums._MAGIC
    file.write_bytes(file.read_bytes() + body + tail)
    refused(file, "its checksums are gone")


def test_a_length_before_the_beginning_is_refused(file: Path) -> None:
    tail = b"0" * 64 + b"9" * 16 + checksums._MAGIC
    file.write_bytes(file.read_bytes() + tail)
    refused(file, "its checksums are gone")


def test_a_file_of_whole_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_netcdf(forecast("t2m"), tmp_path / "a.nc")
    with (tmp_path / "a.nc").open("rb") as opened:
        said = checksums._read_sums(opened)
    assert said is not None
    monkeypatch.setattr(checksums, "PIECE_BYTES", sum(said[0]))
    write_netcdf(forecast("t2m"), tmp_path / "b.nc")
    checksums.check(tmp_path / "b.nc", whole=True)
    assert (tmp_path / "a.nc").read_bytes() == (tmp_path / "b.nc").read_bytes()


def test_a_file_that_cannot_be_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(opened: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(checksums, "_read_sums", broken)
    refused(file, r"cannot be read whole \(Input/output error\)")


def test_readers_see_what_they_saw_without(file: Path, tmp_path: Path) -> None:
    """What stands after the last byte of HDF5 is no part of the file to netCDF."""
    with file.open("rb") as opened:
        said = checksums._read_sums(opened)
    assert said is not None
    bare = tmp_path / "bare.nc"
    bare.write_bytes(file.read_bytes()[: sum(said[0])])
    with xr.open_dataset(file) as one, xr.open_dataset(bare) as other:
        xr.testing.assert_identical(one.load(), other.load())


# ---- samples of what is large


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "PIECE_BYTES", 1024)
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 4096)


@pytest.mark.usefixtures("small_samples")
def test_samples_of_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.nc"
    write_netcdf(forecast("t2m", "z500", "z850"), path)
    checksums.check(path, whole=False)
    content = path.read_bytes()
    found = 0
    for place in range(512, len(content) - 4096, 1024):
        flip(path, place)
        refused(path, whole=True)
        try:
            checksums.check(path, whole=False)
        except OutputError:
            found += 1
        path.write_bytes(content)
    assert 2 <= found < len(content) // 1024


def resealed(path: Path, change) -> None:
    """Change a file behind its checksums, so that the pieces agree and the header does not."""
    with path.open("rb") as opened:
        said = checksums._read_sums(opened)
    assert said is not None
    path.write_bytes(path.read_bytes()[: sum(said[0])])
    with netCDF4.Dataset(path, "a") as opened:
        change(opened)
    checksums.seal_file(path, said[2])


@pytest.mark.usefixtures("small_samples")
@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["latitude"].__setitem__(0, 12.0),
        lambda f: f["valid_time"].__setitem__((0, 0), 5),
        lambda f: f.setncattr("title", "A forecast"),
        lambda f: f["t2m"].setncattr("units", "k"),
        lambda f: f.createVariable("more", "f4"),
        lambda f: f.createDimension("more", 2),
    ],
)
def test_the_header_is_always_read(tmp_path: Path, change) -> None:
    """Whatever the samples miss: coordinates, attributes, dimensions and variables."""
    path = tmp_path / "large.nc"
    write_netcdf(forecast("t2m", "z500"), path)
    resealed(path, lambda f: None)
    checksums.check(path, whole=False)
    resealed(path, change)
    refused(path, "a coordinate or an attribute", whole=False)


@pytest.mark.usefixtures("small_samples")
def test_a_header_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.nc"
    write_netcdf(forecast("t2m", "z500"), path)

    def broken(path: Path) -> None:
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(netCDF4, "Dataset", broken)
    refused(path, r"it cannot be opened \(NetCDF: HDF error\)", whole=False)


@pytest.mark.parametrize(("count", "size"), [(1000, 2**20), (3, 2**26), (70, 2**20), (2, 2**30)])
def test_samples_are_bounded_and_have_both_ends(count: int, size: int) -> None:
    chosen = list(checksums._choose_parts([size] * count, whole=False))
    assert chosen[0] == 0
    assert chosen[-1] == count - 1
    assert len(set(chosen)) == len(chosen)
    assert len(chosen) == 2 or len(chosen) * size <= checksums.SAMPLE_BYTES
    assert list(checksums._choose_parts([size] * count, whole=True)) == list(range(count))


# ---- a store


@pytest.mark.parametrize("all_of_it", [True, False])
def test_every_changed_file_of_a_store_is_found(store: Path, all_of_it: bool) -> None:
    checksums.check(store, whole=all_of_it)
    for path in sorted(p for p in store.rglob("*") if p.is_file()):
        content = path.read_bytes()
        for place in np.linspace(0, len(content) - 1, 5).astype(int):
            flip(path, int(place))
            refused(store, whole=all_of_it)
            path.write_bytes(content)
        path.write_bytes(content[:-1])
        refused(store, whole=all_of_it)
        path.unlink()
        refused(store, whole=all_of_it)
        path.write_bytes(content)
    checksums.check(store, whole=all_of_it)


def test_the_message_names_the_file(store: Path) -> None:
    chunk = store / "2m_temperature" / "3.0.0.0"
    content = chunk.read_bytes()
    flip(chunk, 40)
    refused(store, r"\(2m_temperature/3\.0\.0\.0 has other content\)")
    chunk.write_bytes(content + b"\0")
    refused(store, r"\(2m_temperature/3\.0\.0\.0 has another size\)")
    chunk.unlink()
    refused(store, r"\(2m_temperature/3\.0\.0\.0 is missing\)")
    chunk.write_bytes(content)
    (store / "temperature" / "0.0.0.0.9").write_bytes(b"")
    refused(store, r"\(temperature/0\.0\.0\.0\.9 was added\)")


@pytest.mark.parametrize("make", [os.mkfifo, lambda p: p.symlink_to("3.0.0.0")])
def test_a_chunk_that_is_no_file(store: Path, make) -> None:
    chunk = store / "2m_temperature" / "4.0.0.0"
    chunk.unlink()
    make(chunk)
    refused(store, r"2m_temperature/4\.0\.0\.0 is no regular file")


def test_a_lock_in_a_store_is_no_change(store: Path) -> None:
    (store / ".lock").write_text("held")
    checksums.check(store, whole=True)


def test_a_store_whose_checksums_are_gone(store: Path) -> None:
    (store / checksums.LISTING).unlink()
    refused(store, "its checksums .* are gone")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"bytes": 1, "sha256": 2}', "[" * 100_000])
def test_forged_listings_are_refused_without_a_traceback(store: Path, text: str) -> None:
    (store / checksums.LISTING).write_text(text)
    refused(store, "are damaged")


def test_a_forged_listing_opens_nothing_elsewhere(store: Path) -> None:
    said = checksums._list_parts({"../../etc/passwd": 1}, {"../../etc/passwd": "0"})
    (store / checksums.LISTING).write_text(json.dumps(said))
    refused(store, "passwd is missing")


def test_samples_of_a_large_store(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 3000)
    checksums.check(store, whole=False)
    for name in ("time/0", "latitude/0", ".zmetadata", "2m_temperature/.zattrs"):
        content = (store / name).read_bytes()
        flip(store / name, len(content) - 1)
        refused(store, name, whole=False)
        (store / name).write_bytes(content)
    seen = 0
    for chunk in sorted(store.glob("*/*.0.0*")):
        content = chunk.read_bytes()
        flip(chunk, 40)
        refused(store, chunk.name, whole=True)
        try:
            checksums.check(store, whole=False)
        except OutputError:
            seen += 1
        chunk.write_bytes(content)
    assert seen == 2
