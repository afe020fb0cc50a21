"""A finished store says what each of its files was, and whatever differs is refused."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from made_store import CHUNK, make

from smoecast.errors import InputError
from smoecast.fields.store import checksums, store
from smoecast.fields.store import writer as drafts


@pytest.fixture(autouse=True)
def two_rows_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "CHUNK_BYTES", CHUNK)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "store.zarr")


def flip(file: Path, bits: int = 1) -> None:
    content = np.frombuffer(file.read_bytes(), np.uint8).copy()
    content[:bits] ^= 1
    file.write_bytes(content.tobytes())


def test_every_file_is_named_and_a_whole_store_passes(path: Path) -> None:
    sums = store.sums_of(path)
    assert sums is not None
    files = {p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file()}
    assert files == {*sums, f"fields/{checksums.NAME}"}
    for whole in (True, False):
        store.verify_store(path, whole=whole)


def test_other_readers_do_not_see_the_checksums(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for consolidated in (True, False):
            with xr.open_zarr(path, consolidated=consolidated) as found:
                assert set(found) == {"fields", "mean"}
        group = zarr.open_group(path, mode="r", use_consolidated=False)
        assert {name for name, _ in group.members()} == {"fields", "mean", "time"}
        assert group["fields"].nchunks_initialized == 3


def test_any_changed_byte_of_any_file_is_refused(path: Path) -> None:
    contents = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}

    @settings(derandomize=True, deadline=None, max_examples=60)
    @given(st.sampled_from(sorted(contents)), st.integers(0, 10**6), st.integers(1, 255))
    def check(file: Path, place: int, change: int) -> None:
        spoiled = bytearray(contents[file])
        spoiled[place % len(spoiled)] ^= change
        file.write_bytes(spoiled)
        try:
            with pytest.raises(InputError, match="run `smoecast preprocess` again"):
                store.verify_store(path, whole=False)
        finally:
            file.write_bytes(contents[file])

    check()


def test_one_bit_in_every_value_is_refused_by_the_cheap_check(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 1)
    for chunk in (path / "fields").glob("[0-9]*"):
        values = np.frombuffer(chunk.read_bytes(), np.uint32) ^ 1
        chunk.write_bytes(values.tobytes())
    with pytest.raises(InputError, match="is damaged; delete the store"):
        store.verify_store(path, whole=False)


def test_the_cheap_check_reads_no_more_than_it_may_and_the_whole_one_all(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checksums, "SAMPLE_BYTES", 2 * CHUNK)
    read: list[str] = []
    real = checksums.crc32_of
    monkeypatch.setattr(checksums, "crc32_of", lambda p: read.append(p.name) or real(p))
    store.verify_store(path, whole=False)
    assert len([name for name in read if name.endswith(".0.0.0")]) == 2
    others = [p for p in path.rglob("*") if p.is_file() and not p.match("fields/[0-9]*")]
    assert len(read) == 2 + len(others) - 1
    read.clear()
    store.verify_store(path, whole=True)
    assert {"0.0.0.0", "1.0.0.0", "2.0.0.0"} <= set(read)


def test_missing_and_cut_files_are_named(path: Path) -> None:
    chunk = path / "fields" / "1.0.0.0"
    content = chunk.read_bytes()
    chunk.write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"1\.0\.0\.0: a file of the store has another size"):
        store.verify_store(path, whole=False)
    sums = path / "fields" / checksums.NAME
    known = sums.read_bytes()
    sums.unlink()
    with pytest.raises(InputError, match=r"1\.0\.0\.0: a part of the store is missing or cut"):
        store.verify_store(path, whole=False)
    sums.write_bytes(known)
    chunk.write_bytes(content)
    small = path / "mean" / ".zattrs"
    small.write_text(small.read_text() + " ")
    with pytest.raises(InputError, match=r"mean/\.zattrs: a file of the store has another size"):
        store.verify_store(path, whole=False)
    small.unlink()
    with pytest.raises(InputError, match=r"mean/\.zattrs: a file of the store is missing"):
        store.verify_store(path, whole=False)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"files": 1, "sha256": ""}',
        b'{"files": {"a": 1}, "sha256": ""}',
        b'{"files": {"a": ["x", 1]}, "sha256": ""}',
        b"[" * 100_000,
        json.dumps({"files": {}, "sha256": checksums._digest({"a": 1})}).encode(),
        *(
            json.dumps({"files": f, "sha256": checksums._digest(f)}).encode()
            for f in ({"../a": [1, 1]}, {"/etc/passwd": [1, 1]})
        ),
    ],
    ids=range(9),
)
def test_damaged_or_hostile_checksums_are_refused(path: Path, content: bytes) -> None:
    (path / "fields" / checksums.NAME).write_bytes(content)
    with pytest.raises(InputError, match="the checksums of the store are damaged; delete the"):
        store.verify_store(path, whole=False)


def test_a_chunk_without_a_checksum_is_refused(path: Path) -> None:
    place = path / "fields" / checksums.NAME
    files = json.loads(place.read_bytes())["files"]
    del files["fields/1.0.0.0"]
    place.write_text(json.dumps({"files": files, "sha256": checksums._digest(files)}))
    with pytest.raises(InputError, match=r"1\.0\.0\.0: a part of the store is missing or cut"):
        store.verify_store(path, whole=False)


def test_a_store_of_an_earlier_version_is_read_and_can_be_given_checksums(path: Path) -> None:
    place = path / "fields" / checksums.NAME
    content = place.read_bytes()
    place.unlink()
    store.verify_store(path, whole=False)
    with pytest.raises(InputError, match="keeps no checksums, for an earlier version made it"):
        store.verify_store(path, whole=True)
    store.add_checksums(path)
    assert place.read_bytes() == content


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no store"):
        store.verify_store(tmp_path / "none.zarr", whole=False)
