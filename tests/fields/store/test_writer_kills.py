"""A store comes out the same wherever making it was stopped: killed, or the disk full."""

import shutil
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from interruptions import DONE, KILLED, REFUSED, every_stop, run

from smoecast.errors import InputError
from smoecast.fields.store import store
from smoecast.fields.store import writer as drafts


@pytest.fixture(autouse=True)
def two_rows_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "CHUNK_BYTES", 2 * 2 * 3 * 4 * 4)
    warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)


def content(value: float = 0.0) -> xr.Dataset:
    fields = np.arange(6 * 2 * 3 * 4, dtype="f4").reshape(6, 2, 3, 4) + np.float32(value)
    times = np.datetime64("2001-01-01", "ns") + np.arange(6) * np.timedelta64(1, "D")
    return xr.Dataset(
        {"fields": (("time", "channel", "latitude", "longitude"), fields)},
        {"time": times, "channel": ["z500", "t2m"]},
    )


SUMMARY = xr.Dataset({"mean": ("channel", [1.0, 2.0]), "std": ("channel", [3.0, 4.0])})


def filled(path: Path, value: float = 0.0) -> drafts.Draft:
    dataset = content(value)
    draft = drafts.start_draft(dataset, path, {"identity": f"{value}"})
    for chunk in draft.missing_chunks():
        draft.write(chunk, dataset["fields"].values[draft.slice_of(chunk)], {})
    return draft


def make(path: Path, value: float = 0.0) -> None:
    """Do what `preprocess` does."""
    if not _is_done(path, f"{value}"):
        filled(path, value).finish(SUMMARY)
    drafts.discard(path)


def _is_done(path: Path, identity: str) -> bool:
    try:
        store.verify_store(path, whole=True)
        with store.open_store(path) as dataset:
            return store.details_of(dataset)["identity"] == identity
    except InputError:
        return False


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("how", "old", "whole", "step"),
    [
        pytest.param("kill", False, False, 8, id="killed here and there at the end"),
        pytest.param("kill", False, False, 1, id="killed at the end", marks=SLOW),
        pytest.param("full", False, False, 1, id="disk full at the end", marks=SLOW),
        pytest.param("kill", True, False, 1, id="killed, in the place of another", marks=SLOW),
        pytest.param("full", True, False, 1, id="disk full, in the place of another", marks=SLOW),
        pytest.param("kill", False, True, 1, id="killed anywhere", marks=SLOW),
        pytest.param("full", False, True, 1, id="disk full anywhere", marks=SLOW),
    ],
)
def test_stopped_at_any_operation_it_goes_on_to_the_same_bytes(
    tmp_path: Path, how: str, old: bool, whole: bool, step: int
) -> None:
    """Stop the last stage alone, or all of it."""
    begun, place = tmp_path / "begun", tmp_path / "run"
    path = place / "store.zarr"
    make(tmp_path / "whole" / "store.zarr")
    wanted = tree(tmp_path / "whole")
    begun.mkdir()
    if old:
        make(begun / "store.zarr", 1.0)
    draft = replace(filled(begun / "store.zarr"), path=path) if not whole else None

    def work() -> None:
        if draft is not None:
            draft.finish(SUMMARY)
        else:
            make(path)

    def stopped(stop: int) -> int:
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(begun, place)
        ended = run(work, stop, how)
        assert ended in (KILLED if how == "kill" else REFUSED, DONE), f"operation {stop}: {ended}"
        if path.exists():
            store.verify_store(path, whole=True)  # the old one or the new one, never a half
        make(path)
        assert tree(place) == wanted, f"operation {stop}"
        assert [p.name for p in place.iterdir()] == ["store.zarr"], f"operation {stop}"
        return ended

    assert every_stop(stopped, step) > 30


def test_a_draft_that_an_earlier_version_broke_off_is_completed(tmp_path: Path) -> None:
    """Version 0.1 appended mean and std to the group itself and then found it unreadable."""
    make(tmp_path / "whole.zarr")
    path = tmp_path / "store.zarr"
    draft = filled(path)
    shutil.copytree(draft.metadata, draft.group, dirs_exist_ok=True)
    shutil.rmtree(draft.metadata)
    (draft.group / "mean").mkdir()
    (draft.group / "mean" / ".zarray").write_text("{}")
    (draft.group / "fields" / ".1.0.0.0.01234567.tmp").write_bytes(b"half a chunk")
    make(path)
    assert tree(path) == tree(tmp_path / "whole.zarr")
