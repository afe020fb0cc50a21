"""A store is written whole or not at all, taken up where it was left, read back as written."""

import errno
import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from smoecast.errors import InputError, OutputError
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts

TIMES = np.arange("2001-01-01", "2001-01-06", np.timedelta64(12, "h"), dtype="datetime64[ns]")


def content(value: float = 1.0, *, half: bool = False) -> xr.Dataset:
    rows = np.arange(10, dtype="f4")[:, None, None, None]
    fields = np.full((10, 2, 3, 4), value, np.float32) + rows
    dataset = xr.Dataset(
        {"fields": (("time", "channel", "latitude", "longitude"), fields)},
        {"time": TIMES, "channel": ["z500", "t2m"], "latitude": [1.0, 0.0, -1.0]},
    )
    packing = {"offset": ("channel", [4.0, 6.0]), "scale": ("channel", [3.0, 2.0])}
    return dataset.assign(packing) if half else dataset


def write_chunk(draft: drafts.Draft, dataset: xr.Dataset, chunk: int) -> None:
    values = dataset["fields"].values[draft.slice_of(chunk)]
    draft.write(chunk, values, {"first": float(values.flat[0])})


def write(path: Path, dataset: xr.Dataset, identity: str = "abc") -> None:
    draft = drafts.start_draft(dataset, path, {"identity": identity})
    for chunk in draft.missing_chunks():
        write_chunk(draft, dataset, chunk)
    draft.finish(xr.Dataset({"mean": dataset["fields"].mean(["time", "latitude", "longitude"])}))


@pytest.fixture(autouse=True)
def four_rows_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "CHUNK_BYTES", 4 * 2 * 3 * 4 * 4)


def test_round_trip_with_summary_and_details(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    write(path, content())
    read = store.open_store(path)
    xr.testing.assert_equal(read["fields"], content()["fields"])
    np.testing.assert_array_equal(read["mean"], [5.5, 5.5])
    assert store.details_of(read)["identity"] == "abc"
    assert read["fields"].dtype == np.float32
    assert [p.name for p in tmp_path.iterdir()] == ["store.zarr"]


def test_any_zarr_reader_opens_it(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    write(path, content())
    with xr.open_zarr(path) as read:
        np.testing.assert_array_equal(read["fields"], content()["fields"])
        assert read["fields"].encoding["chunks"] == (4, 2, 3, 4)


@pytest.mark.parametrize(
    "key",
    [
        {"time": 9},
        {"time": slice(1, 9, 3)},
        {"time": [8, 0, 3], "channel": 1},
        {"time": slice(0, 0)},
        {"channel": [1], "latitude": slice(None, None, -1), "longitude": 2},
        {"time": xr.DataArray([1, 2], dims="a"), "channel": xr.DataArray([0, 1], dims="a")},
    ],
    ids=str,
)
@pytest.mark.parametrize("half", [False, True])
def test_a_selection_equals_that_of_an_array(tmp_path: Path, key: dict, half: bool) -> None:
    path = tmp_path / "store.zarr"
    write(path, content(half=half))
    found = store.open_store(path)["fields"].isel(key)
    np.testing.assert_allclose(found, content()["fields"].isel(key), atol=0.005 * half, rtol=0)


def test_half_precision_halves_the_bytes_and_keeps_three_digits(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal([4.0, 6.0], [3.0, 2.0], (10, 3, 4, 2))
    dataset = content(half=True)
    dataset["fields"] = dataset["fields"].copy(data=values.transpose(0, 3, 1, 2).astype("f4"))
    sizes = {}
    for name, source in {"half": dataset, "whole": dataset.drop_vars(["scale", "offset"])}.items():
        write(tmp_path / f"{name}.zarr", source)
        files = (tmp_path / f"{name}.zarr" / "fields").glob("[0-9]*")
        sizes[name] = sum(f.stat().st_size for f in files)
    assert sizes["whole"] == 2 * sizes["half"]
    found = store.open_store(tmp_path / "half.zarr")["fields"]
    assert float(np.abs(found - dataset["fields"]).max()) < 3.0 * 3.5 / 2048


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "whole.zarr", content())
    path = tmp_path / "store.zarr"
    draft = drafts.start_draft(content(), path, {"identity": "abc"})
    assert draft.missing_chunks() == [0, 1, 2]
    write_chunk(draft, content(), 2)
    (draft.group / "fields" / "0.0.0.0").write_bytes(b"half a chunk, no note")
    again = drafts.start_draft(content(), path, {"identity": "abc"})
    assert again.missing_chunks() == [0, 1]
    assert not path.exists()
    write(path, content())
    assert tree(path) == tree(tmp_path / "whole.zarr")


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_notes_come_back_in_order(tmp_path: Path) -> None:
    draft = drafts.start_draft(content(), tmp_path / "store.zarr", {"identity": "abc"})
    for chunk in (2, 0, 1):
        write_chunk(draft, content(), chunk)
    assert [note["first"] for note in draft.notes()] == [1.0, 5.0, 9.0]


def test_a_draft_of_something_else_is_thrown_away(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    draft = drafts.start_draft(content(), path, {"identity": "abc"})
    write_chunk(draft, content(), 0)
    assert drafts.start_draft(content(), path, {"identity": "def"}).missing_chunks() == [0, 1, 2]


def test_a_discarded_draft_leaves_nothing(tmp_path: Path) -> None:
    drafts.start_draft(content(), tmp_path / "store.zarr", {"identity": "abc"})
    drafts.discard(tmp_path / "store.zarr")
    assert list(tmp_path.iterdir()) == []


def test_a_new_store_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    write(path, content(1.0))
    write(path, content(2.0), "def")
    assert float(store.open_store(path)["fields"][0, 0, 0, 0]) == 2.0
    assert [p.name for p in tmp_path.iterdir()] == ["store.zarr"]


def test_a_full_disk_is_an_output_error_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.zarr"
    draft = drafts.start_draft(content(), path, {"identity": "abc"})
    write_chunk(draft, content(), 0)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(drafts, "write_atomic", full)
        with pytest.raises(OutputError, match=r"No space left on device.*what is done stays done"):
            write_chunk(draft, content(), 1)
    assert draft.missing_chunks() == [1, 2]
    write(path, content())
    np.testing.assert_array_equal(store.open_store(path)["fields"], content()["fields"])


def test_a_chunk_that_changed_on_disk_is_refused_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "store.zarr"
    draft = drafts.start_draft(content(), path, {"identity": "abc"})
    for chunk in draft.missing_chunks():
        write_chunk(draft, content(), chunk)
    file = draft.group / "fields" / "1.0.0.0"
    file.write_bytes(file.read_bytes()[::-1])
    with pytest.raises(OutputError, match="part 2 of 3 did not read back"):
        draft.finish(xr.Dataset())
    assert draft.missing_chunks() == [1]


def test_no_store_no_zarr_and_another_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run `smoecast preprocess` first"):
        store.open_store(tmp_path / "none.zarr")
    (tmp_path / "empty.zarr").mkdir()
    with pytest.raises(InputError, match="no readable store"):
        store.open_store(tmp_path / "empty.zarr")
    path = tmp_path / "store.zarr"
    write(path, content())
    group = zarr.open_group(path, mode="a")
    group.attrs["smoecast"] = json.dumps({"schema": 99})
    zarr.consolidate_metadata(group.store)
    with pytest.raises(InputError, match="another version of smoecast"):
        store.open_store(path)
