"""Which files of a folder are whole."""

import os
from pathlib import Path

import pytest

from smoecast.errors import AbsentError
from smoecast.tasks.watch.folder import Folder


def look(folder: Folder, times: int = 2) -> list[str]:
    for _ in range(times):
        folder.look()
    return sorted(str(path.relative_to(folder.place)) for path in folder.settled)


def watched(place: Path) -> Folder:
    return Folder(str(place), lambda path: path.name.startswith("ours"))


def test_only_what_others_have_finished_is_looked_at(tmp_path: Path) -> None:
    for name in ("an", "b.nc", ".c", "d.part", "e.tmp", "f~", "ours.nc", "x.config.yaml"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/inner.nc").touch()
    (tmp_path / "ours.zarr").mkdir()
    (tmp_path / "ours.zarr/.zmetadata").touch()
    (tmp_path / "g.zarr").mkdir()
    (tmp_path / "g.zarr/.zmetadata").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert look(watched(tmp_path)) == ["an", "b.nc", "g.zarr/.zmetadata"]


@pytest.mark.parametrize("change", ["size", "time", "inode"])
def test_what_changes_is_not_whole(tmp_path: Path, change: str) -> None:
    path, folder = tmp_path / "a", watched(tmp_path)
    path.write_text("x")
    assert look(folder, 1) == []
    assert folder.look() and not folder.look()  # news, then none
    before = path.stat()
    if change == "time":
        os.utime(path, (1, 1))
    else:
        other = tmp_path / ".other"
        other.write_text("xx" if change == "size" else "x")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        if change == "inode":
            other.replace(path)
        else:
            path.write_bytes(other.read_bytes())
            os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert folder.look()
    assert folder.grow == {path}
    assert look(folder, 1) == ["a"]


def test_a_lost_folder_forgets_nothing(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    (place / "a").touch()
    folder = watched(place)
    folder.check()
    look(folder)
    place.rename(tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        folder.look()
    with pytest.raises(AbsentError, match="no such folder"):
        folder.check()
    (tmp_path / "away").rename(place)
    assert not folder.look()
    assert look(folder, 0) == ["a"]


def test_a_glob_names_files_in_any_folder(tmp_path: Path) -> None:
    for name in ("a/1.nc", "a/2.grib", "b/3.nc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    folder = Folder(f"{tmp_path}/*/*.nc", lambda _: False)
    folder.check()
    folder.look()
    folder.look()
    assert sorted(path.name for path in folder.settled) == ["1.nc", "3.nc"]
