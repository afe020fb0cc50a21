"""What a run reads must be at its end what it was at its beginning."""

import os
import shutil
from pathlib import Path

import pytest
from made_store import CHUNK, make

from smoecast.data.unchanged import ChangedError, hold_inputs
from smoecast.disk.atomic import put, stage
from smoecast.errors import InputError, LockedError, ModelError
from smoecast.fields.store import writer as drafts


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.nc"
    path.write_bytes(b"content")
    os.utime(path, ns=(1, 1))
    return path


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(drafts, "CHUNK_BYTES", CHUNK)
    return make(tmp_path / "store.zarr")


def test_a_touched_or_copied_file_is_the_same(file: Path) -> None:
    with hold_inputs([file]) as inputs:
        assert inputs.manifest[0]["file"] == "a.nc"
        inputs.confirm()
        file.touch()
        inputs.confirm()
        shutil.copy(file, file.with_name("b"))
        file.with_name("b").replace(file)
        inputs.confirm()


def test_a_file_of_other_content_is_another_one(file: Path, tmp_path: Path) -> None:
    spoiled = tmp_path / "made"
    for change in (lambda: file.write_bytes(b"CONTENT"), file.unlink):
        spoiled.touch()
        with hold_inputs([file]) as inputs:
            change()
            with pytest.raises(ChangedError, match=r"a\.nc: changed while this run was") as caught:
                inputs.confirm(spoiled)
        assert caught.value.exit_code == 5
        assert not spoiled.exists()


def test_a_failure_with_a_changed_file_is_told_as_its_change(file: Path) -> None:
    with pytest.raises(ChangedError, match="changed while"), hold_inputs([file]):
        file.write_bytes(b"CONTENT")
        raise RuntimeError("NetCDF: HDF error")
    with pytest.raises(InputError, match="missing values"), hold_inputs([file]):
        raise InputError("missing values")
    with hold_inputs([file]) as held:
        with pytest.raises(ModelError, match="check the units"), held.tell_changes():
            raise ModelError("check the units")
        file.write_bytes(b"CONTE")
        with pytest.raises(ChangedError, match="changed while"), held.tell_changes():
            raise ModelError("check the units")


def test_the_files_of_a_zarr_group_are_those_in_its_folder(tmp_path: Path) -> None:
    group = tmp_path / "g"
    (group / "t2m").mkdir(parents=True)
    (group / ".zmetadata").write_text("{}")
    (group / "t2m" / "0.0").write_text("chunk")
    with hold_inputs([group / ".zmetadata"]) as inputs:
        (group / "t2m" / "0.1").write_text("a chunk of another run")
        inputs.confirm()
        with pytest.raises(LockedError), stage(group) as part:
            part.mkdir()
            put(part, group)
        (group / "t2m" / "0.0").write_text("other")
        with pytest.raises(ChangedError, match=r"t2m/0\.0: changed"):
            inputs.confirm()


def test_a_store_is_checked_held_and_compared(path: Path) -> None:
    chunk = path / "fields" / "1.0.0.0"
    content = chunk.read_bytes()
    with hold_inputs(stores=[path, path.with_name("none.zarr")]) as inputs:
        with pytest.raises(LockedError), stage(path) as part:
            part.mkdir()
            put(part, path)
        chunk.write_bytes(content)
        inputs.confirm()
        for spoiled in (b"", content[::-1]):
            chunk.write_bytes(spoiled)
            with pytest.raises(ChangedError, match=r"1\.0\.0\.0: changed"):
                inputs.confirm()
    with pytest.raises(InputError, match="is damaged"), hold_inputs(stores=[path]):
        pass


def test_a_store_in_the_place_of_another_is_seen(path: Path, tmp_path: Path) -> None:
    same = tmp_path / "same.zarr"
    shutil.copytree(path, same)
    with hold_inputs(stores=[path]) as inputs:
        path.rename(tmp_path / "old.zarr")
        same.rename(path)
        inputs.confirm()  # to the byte the same
        (path / "mean" / "0").write_bytes(b"other")
        with pytest.raises(ChangedError, match="mean/0: changed"):
            inputs.confirm()
        shutil.rmtree(path)
        with pytest.raises(ChangedError):
            inputs.confirm()


def test_without_checksums_any_change_counts(path: Path) -> None:
    (path / "fields" / ".smoecast.json").unlink()
    with hold_inputs(stores=[path]) as inputs:
        (path / "fields" / "0.0.0.0").touch()
        with pytest.raises(ChangedError):
            inputs.confirm()
