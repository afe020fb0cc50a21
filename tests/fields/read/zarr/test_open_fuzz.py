"""Zarr stores with anything changed: a sentence, or the values that xarray and zarr read.

Metadata are changed node by node, chunks byte by byte; then everything is read. Nothing but a
`SmoecastError` may come out, within seconds.
"""

import json
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from made_stores import fields, group, group_v3

from smoecast.errors import SmoecastError
from smoecast.fields.canonical import canonical
from smoecast.fields.read.open import open_file
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts

SECONDS = 10
"""That reading may take, at most."""

FEW = settings(derandomize=True, deadline=None, max_examples=40)
MANY = settings(deadline=None, max_examples=2000)

CODECS = {
    "none": None,
    "blosc lz4": numcodecs.Blosc("lz4", 5, numcodecs.Blosc.SHUFFLE),
    "blosc zstd": numcodecs.Blosc("zstd", 3, numcodecs.Blosc.BITSHUFFLE),
    "blosc zlib": numcodecs.Blosc("zlib", 3),
    "blosc blosclz": numcodecs.Blosc("blosclz", 9),
    "zstd": numcodecs.Zstd(3),
    "lz4": numcodecs.LZ4(),
    "zlib": numcodecs.Zlib(3),
    "gzip": numcodecs.GZip(1),
    "bz2": numcodecs.BZ2(),
}
SUMMED = ("zlib", "gzip", "bz2")
"""What comes with a checksum: what is read of it is right."""

NASTY: list[Any] = [
    *(None, True, False, 0, 1, 2, 3, 7, -1, -7, 8, 2**31, 2**63, 10**30, 0.0, 0.5, -1e300, 1e-300),
    *(float("nan"), float("inf"), "", "x", "/", "..", "|O", "<f4", ">f8", "<i2", "|b1", "<U4"),
    *("|S3", "C", "F", ".", "NaN", "pickle", "blosc", "zlib", "shuffle", "time", "latitude"),
    *("hours since 1900-01-01", "days since 0001-01-01", "days since 2001-13-45", "seconds", "K"),
    *("hours since 9999-01-01", "noleap", "360_day", "true", "timedelta64[ns]", "t2m time", "\x00"),
    *([], {}, [1], [8], [[]], [{}], [3, 5, 4], {"id": "zlib"}, {"id": "pickle"}, {"id": "lz4"}),
    *([{"id": "shuffle"}], [{"id": "delta", "dtype": "<f4"}], {"id": "bz2"}, ["time"], {"a": {}}),
]
KEYS = [
    *("scale_factor", "add_offset", "_FillValue", "missing_value", "units", "calendar", "dtype"),
    *("coordinates", "_Unsigned", "standard_name", "axis", "positive", "grid_mapping", "bounds"),
    *("dimension_separator", "filters", "smoecast", "smoecast_part", "long_name", "_Encoding"),
]


@contextmanager
def in_time() -> Iterator[None]:
    """Turn a hang into a failure."""

    def late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def nodes(tree: Any) -> list[tuple[Any, Any]]:
    """Return every place in a JSON tree as its container and its key."""
    found: list[tuple[Any, Any]] = []
    items = enumerate(tree) if isinstance(tree, list) else tree.items()
    for key, value in list(items):
        found.append((tree, key))
        if isinstance(value, list | dict):
            found += nodes(value)
    return found


def mutate(data: st.DataObject, tree: Any) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        places = nodes(tree)
        if not places:
            return
        where, key = places[data.draw(st.integers(0, len(places) - 1))]
        how = data.draw(st.sampled_from(["change", "change", "add", "remove", "rename"]))
        if how == "change" or isinstance(where, list):
            where[key] = json.loads(json.dumps(data.draw(st.sampled_from(NASTY))))
        elif how == "add":
            new = data.draw(st.sampled_from(KEYS))
            where[new] = json.loads(json.dumps(data.draw(st.sampled_from(NASTY))))
        else:
            value = where.pop(key)
            if how == "rename":
                where[data.draw(st.sampled_from(["x", "../x", "a/b", "", key.upper()]))] = value


def damaged(data: st.DataObject, content: bytes) -> bytes:
    """Return bytes with some of them changed, cut off, or more of them."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    how = data.draw(st.sampled_from(["", "", "cut", "more"]))
    if how == "cut":
        del changed[data.draw(st.integers(0, len(changed))) :]
    return bytes(changed) + (b"\0" * 9 if how == "more" else b"")


@contextmanager
def copy(source: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # xarray says some of what it finds odd
        yield Path(shutil.copytree(source, Path(folder) / source.name))


def read(act: Callable[[], xr.Dataset]) -> xr.Dataset | None:
    """Return what is read; None where it is refused in one sentence."""
    try:
        with in_time():
            return act().load()
    except SmoecastError as error:
        assert "\n" not in str(error)
        return None


def by_zarr(path: Path) -> xr.Dataset | None:
    """Return what zarr reads, if it does; in our form."""
    try:
        found = xr.open_zarr(path.parent, chunks={}, decode_timedelta=True)
        return canonical.canonical(found, str(path.parent)).load()
    except Exception:  # noqa: BLE001  # whatever it trips over, there is nothing to compare
        return None


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("groups")
    made = fields().assign_attrs(title="made")
    found = {}
    for name, codec in CODECS.items():
        group(folder / f"{name}.zarr", made, compressors=codec)
        found[name] = folder / f"{name}.zarr"
    return found


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One array in shards, the others in chunks."""
    return group_v3(tmp_path_factory.mktemp("v3") / "a.zarr", shards=(4, 5, 8)).parent


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ours") / "store.zarr"
    made = fields().rename(t2m="fields").expand_dims("channel", axis=1).assign_coords(channel=["a"])
    made = made.assign(offset=("channel", [280.0]), scale=("channel", [5.0]))
    draft = drafts.start_draft(made, path, {"identity": "abc"})
    draft.write(0, made["fields"].values, {})
    draft.finish(xr.Dataset({"mean": ("channel", [280.0]), "train": ("time", np.arange(8) < 6)}))
    return path


def metadata_of_a_group(data: st.DataObject, groups: dict[str, Path]) -> None:
    with copy(groups[data.draw(st.sampled_from(["zlib", "blosc lz4", "none"]))]) as folder:
        path = folder / ".zmetadata"
        whole = json.loads(path.read_bytes())
        mutate(data, whole)
        path.write_text(json.dumps(whole))
        found = read(lambda: open_file(path))
        if found is None:
            return
        wanted = by_zarr(path)
        if wanted is not None:
            xr.testing.assert_equal(found, wanted)


def chunks_of_a_group(data: st.DataObject, groups: dict[str, Path]) -> None:
    name = data.draw(st.sampled_from(list(groups)))
    with copy(groups[name]) as folder:
        files = sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
        file = data.draw(st.sampled_from(files))
        file.write_bytes(damaged(data, file.read_bytes()))
        found = read(lambda: open_file(folder / ".zmetadata"))
        if found is not None and name in SUMMED and file.parent.name == "t2m":
            np.testing.assert_array_equal(found["t2m"], fields()["t2m"])


def a_group_of_v3(data: st.DataObject, made: Path) -> None:
    with copy(made) as folder:
        path = folder / "zarr.json"
        if data.draw(st.booleans()):
            whole = json.loads(path.read_bytes())
            mutate(data, whole)
            path.write_text(json.dumps(whole))
        else:
            files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != path.name)
            file = data.draw(st.sampled_from(files))
            file.write_bytes(damaged(data, file.read_bytes()))
        found = read(lambda: open_file(path))
        wanted = by_zarr(path) if found is not None else None
        if found is not None and wanted is not None:
            xr.testing.assert_equal(found, wanted)


def a_store_of_ours(data: st.DataObject, ours: Path) -> None:
    with copy(ours) as folder:
        path = folder / ".zmetadata"
        if data.draw(st.booleans()):
            whole = json.loads(path.read_bytes())
            mutate(data, whole)
            path.write_text(json.dumps(whole))
        else:
            files = sorted(p for p in folder.rglob("*") if p.is_file())
            file = data.draw(st.sampled_from(files))
            file.write_bytes(damaged(data, file.read_bytes()))
        found = read(lambda: store.open_store(folder))
        if found is not None:
            assert found["fields"].dtype == np.float32
            assert isinstance(store.details_of(found), dict)


@FEW
@given(st.data())
def test_metadata_of_a_group(groups: dict[str, Path], data: st.DataObject) -> None:
    metadata_of_a_group(data, groups)


@FEW
@given(st.data())
def test_chunks_of_a_group(groups: dict[str, Path], data: st.DataObject) -> None:
    chunks_of_a_group(data, groups)


@FEW
@given(st.data())
def test_a_group_of_v3(shards: Path, data: st.DataObject) -> None:
    a_group_of_v3(data, shards)


@FEW
@given(st.data())
def test_a_store_of_ours(ours: Path, data: st.DataObject) -> None:
    a_store_of_ours(data, ours)


@pytest.mark.slow
@MANY
@given(st.data())
def test_metadata_of_a_group_for_long(groups: dict[str, Path], data: st.DataObject) -> None:
    metadata_of_a_group(data, groups)


@pytest.mark.slow
@MANY
@given(st.data())
def test_chunks_of_a_group_for_long(groups: dict[str, Path], data: st.DataObject) -> None:
    chunks_of_a_group(data, groups)


@pytest.mark.slow
@MANY
@given(st.data())
def test_a_group_of_v3_for_long(shards: Path, data: st.DataObject) -> None:
    a_group_of_v3(data, shards)


@pytest.mark.slow
@MANY
@given(st.data())
def test_a_store_of_ours_for_long(ours: Path, data: st.DataObject) -> None:
    a_store_of_ours(data, ours)
