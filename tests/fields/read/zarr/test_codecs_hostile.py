"""Stores from strangers: nothing in them runs, none fills the memory, each is one sentence.

`numcodecs` is told to unpickle, as versions before 0.16.6 did unasked: the marker that the hostile
stores want to make must not appear whatever the library would do.
"""

import json
import pickle
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np
import pytest
import xarray as xr
from made_stores import changed, chunks, describe, described, fields, group, trap
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.errors import InputError
from smoecast.fields.read.open import open_file
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts

PICKLE = {"id": "pickle", "protocol": 5}
ZLIB = {"id": "zlib", "level": 1}

HOSTILE: dict[str, tuple[dict[str, Any], Callable[[bytes], bytes]]] = {
    "compressor": ({"compressor": PICKLE}, bytes),
    "beside texts": (
        {"dtype": "|O", "compressor": PICKLE, "filters": [{"id": "vlen-utf8"}], "fill_value": ""},
        bytes,
    ),
    "filter": ({"compressor": None, "filters": [PICKLE]}, bytes),
    "filter under zlib": ({"compressor": ZLIB, "filters": [PICKLE]}, zlib.compress),
    "first of two": ({"compressor": None, "filters": [PICKLE, {"id": "shuffle"}]}, bytes),
    "objects": ({"dtype": "|O", "compressor": None, "filters": [PICKLE], "fill_value": 0}, bytes),
}


@pytest.fixture(autouse=True)
def unpickling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numcodecs.pickles, "ALLOW_UNSAFE_PICKLE_DECODE", True)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "it ran"


def hostile(folder: Path, marker: Path, array: str, how: str) -> Path:
    """Write a group one of whose arrays is a pickle."""
    path = group(folder)
    changes, wrap = HOSTILE[how]
    changed(path, array, **changes)
    for chunk in chunks(path, array):
        chunk.write_bytes(wrap(trap(marker)))
    return path


def use(path: Path) -> None:
    open_file(path).load()


def refused(path: Path, words: str, act: Callable[[Path], None] = use) -> None:
    with pytest.raises(InputError, match=words) as caught:
        act(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_trap_would_snap(marker: Path) -> None:
    pickle.loads(trap(marker))
    assert marker.exists()


def test_the_stores_are_read_as_they_are(tmp_path: Path) -> None:
    np.testing.assert_array_equal(open_file(group(tmp_path / "a.zarr"))["t2m"], fields()["t2m"])


@pytest.mark.parametrize("array", ["time", "latitude", "t2m"])
@pytest.mark.parametrize("how", HOSTILE)
def test_no_pickle_runs(tmp_path: Path, marker: Path, array: str, how: str) -> None:
    path = hostile(tmp_path / "a.zarr", marker, array, how)
    refused(path, "which (is not run; these are: blosc, zstd|are not read: only booleans)|shuffle")
    assert not marker.exists()


def test_a_pickle_in_the_files_beside_the_metadata_is_not_looked_at(
    tmp_path: Path, marker: Path
) -> None:
    """Zarr reads one or the other; only what was checked decides how chunks are decoded."""
    path = group(tmp_path / "a.zarr")
    good = described(path)
    changed(path, "t2m", compressor=PICKLE)
    describe(path, good, beside=False)
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])
    for chunk in chunks(path, "t2m"):
        chunk.write_bytes(trap(marker))
    refused(path, "this is no chunk of t2m")
    assert not marker.exists()


def test_a_pickle_in_the_consolidated_metadata_alone(tmp_path: Path, marker: Path) -> None:
    path = group(tmp_path / "a.zarr")
    metadata = described(path)
    metadata["t2m/.zarray"]["compressor"] = PICKLE
    describe(path, metadata, beside=False)
    refused(path, "'t2m' names the codec 'pickle', which is not run")


def test_metadata_of_another_version_beside_ours_are_not_looked_at(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr")
    (fields() + 1).to_zarr(tmp_path / "other.zarr", zarr_format=3, consolidated=False)
    shutil.copytree(tmp_path / "other.zarr", path.parent, dirs_exist_ok=True)
    np.testing.assert_array_equal(open_file(path)["t2m"], fields()["t2m"])


@pytest.mark.parametrize("how", HOSTILE)
@pytest.mark.parametrize("array", ["channel", "scale", "fields"])
def test_a_store_of_ours_runs_nothing_either(
    tmp_path: Path, marker: Path, how: str, array: str
) -> None:
    path = made_store(tmp_path / "store.zarr") / ".zmetadata"
    changes, wrap = HOSTILE[how]
    changed(path, array, **changes)
    for chunk in chunks(path, array):
        chunk.write_bytes(wrap(trap(marker)))
    refused(path.parent, "no readable store; delete it", read_store)
    refused(path.parent, "which (is not run|are not read)|has a ", store.rows_of)
    assert not marker.exists()


def stacked() -> xr.Dataset:
    made = fields().rename(t2m="fields").expand_dims("channel", axis=1)
    return made.assign_coords(channel=["t2m"])


def made_store(path: Path) -> Path:
    made = stacked().assign(offset=("channel", [280.0]), scale=("channel", [5.0]))
    draft = drafts.start_draft(made, path, {"identity": "abc"})
    for chunk in draft.missing_chunks():
        draft.write(chunk, made["fields"].values[draft.slice_of(chunk)], {})
    draft.finish(made[["scale"]].rename(scale="std"))
    return path


def read_store(path: Path) -> None:
    store.open_store(path).load()


def test_a_draft_that_others_have_touched_is_not_finished(tmp_path: Path, marker: Path) -> None:
    """Zarr itself opens it to append; it looks at the files of each array."""
    made = stacked()
    draft = drafts.start_draft(made, tmp_path / "store.zarr", {"identity": "abc"})
    for chunk in draft.missing_chunks():
        draft.write(chunk, made["fields"].values[draft.slice_of(chunk)], {})
    file = draft.metadata / "time" / ".zarray"
    file.write_text(json.dumps(json.loads(file.read_bytes()) | {"compressor": PICKLE}))
    (draft.metadata / "time" / "0").write_bytes(trap(marker))
    with pytest.raises(InputError, match=r"time/\.zarray: the array names the codec 'pickle'"):
        draft.finish(made[["time"]])
    assert not marker.exists()


def test_what_is_no_json_beside_a_draft_names_no_codec(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr")
    (path.parent / "t2m" / ".zarray").write_text('{"dtype": ')
    drafts.check_files(path.parent)
    (path.parent / "t2m" / "zarr.json").write_text("{}")
    refused(path.parent, "of another version of Zarr", drafts.check_files)


@pytest.mark.parametrize(
    "codec", ["vlen-utf8", "vlen-bytes", "vlen-array", "json2", "msgpack2", "categorize"]
)
def test_texts_of_any_length_are_one_sentence(tmp_path: Path, codec: str) -> None:
    path = group(tmp_path / "a.zarr")
    changed(path, "t2m", dtype="|O", filters=[{"id": codec}])
    refused(path, "holds values of the type '|O', which are not read")


def test_a_store_of_texts_as_xarray_writes_it(tmp_path: Path) -> None:
    made = fields().assign(station=("time", np.array(["a", "bb"] * 4, object)))
    refused(group(tmp_path / "a.zarr", made), "'station' holds values of the type '|O'")


@pytest.mark.parametrize("verb", ["evaluate", "preprocess", "train"])
def test_through_the_command_line(tmp_path: Path, marker: Path, verb: str) -> None:
    path = hostile(tmp_path / "a.zarr", marker, "t2m", "beside texts")
    ours = made_store(tmp_path / "a" / "store.zarr")
    if verb == "train":
        (ours / "fields" / ".smoecast.json").unlink(missing_ok=True)  # it would be refused before
        changed(ours / ".zmetadata", "channel", **HOSTILE["beside texts"][0])
        (ours / "channel" / "0").write_bytes(trap(marker))
    config = tmp_path / "run.yaml"
    config.write_text(
        f"name: a\nfolder: {tmp_path}\nsample: {{lead_hours: [6]}}\n"
        f"data: {{source: files, files: [{path}], channels: [t2m]}}\n"
    )
    options = ["--input", str(path.parent)] if verb == "evaluate" else []
    result = CliRunner().invoke(app, [verb, "-c", str(config), *options])
    assert result.exit_code == 3, result.output
    assert "|O" in result.output
    assert not marker.exists()
