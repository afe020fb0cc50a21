"""A folder that is read is not replaced, and a reader has the folder that is there."""

import errno
import fcntl
import os
import threading
from pathlib import Path

import pytest

from smoecast.disk.atomic import put, stage
from smoecast.disk.read_locks import hold_for_reading, unread
from smoecast.errors import LockedError


def folder_of(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "a").write_text(content)
    return path


def replace(path: Path, content: str) -> None:
    with stage(path) as part:
        folder_of(part, content)
        put(part, path)


def test_a_folder_that_is_read_is_not_replaced(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "s.zarr", "old")
    with hold_for_reading(path), hold_for_reading(path):
        with pytest.raises(LockedError, match="another run is reading it") as caught:
            replace(path, "new")
        assert caught.value.exit_code == 75
        assert (path / "a").read_text() == "old"
    replace(path, "new")
    assert (path / "a").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["s.zarr"]


def test_a_read_only_folder_can_be_held(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "s.zarr", "old")
    path.chmod(0o555)
    with hold_for_reading(path), pytest.raises(LockedError), unread(path):
        pass


def test_a_reader_that_waited_has_the_new_folder(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "s.zarr", "old")
    held, found = threading.Event(), []

    def read() -> None:
        held.set()
        with hold_for_reading(path):
            with pytest.raises(LockedError), unread(path):
                pass
            found.append((path / "a").read_text())

    with unread(path):
        reader = threading.Thread(target=read)
        reader.start()
        held.wait()
        path.rename(tmp_path / "away")
        folder_of(path, "new")
    reader.join()
    assert found == ["new"]


def test_a_folder_that_is_gone_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("none", "file"):
        with hold_for_reading(tmp_path / name):
            held = sorted(path.name for path in tmp_path.iterdir())
        assert held == ["file"]  # nothing is made to be held


def test_a_file_system_without_locks_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    path = folder_of(tmp_path / "s.zarr", "old")
    monkeypatch.setattr(fcntl, "flock", refuse)
    with hold_for_reading(path):
        replace(path, "new")
    assert (path / "a").read_text() == "new"
