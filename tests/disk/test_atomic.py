"""Files and folders are whole or absent."""

import errno
import os
from pathlib import Path

import pytest

from smoecast.disk import atomic
from smoecast.disk.atomic import put, refuse_special, resolve, stage, write_atomic
from smoecast.errors import OutputError


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "no bytes")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


def test_a_planted_link_is_not_followed(tmp_path, monkeypatch):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    tokens = iter(["00000000", "11111111"])
    monkeypatch.setattr(atomic.secrets, "token_hex", lambda n: next(tokens))
    (tmp_path / ".file.00000000.tmp").symlink_to(victim)
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "file", b"new")
    assert victim.read_bytes() == b"precious"


def test_written_files_have_the_permissions_that_the_user_set(tmp_path):
    old = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", b"new")
    finally:
        os.umask(old)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (os.mkfifo, "a pipe"),
        (lambda path: path.symlink_to("elsewhere"), "a symbolic link"),
        (lambda path: path.mkdir(), "a folder"),
    ],
)
def test_only_regular_files_are_replaced(tmp_path, make, what):
    path = tmp_path / "result"
    make(path)
    before = path.lstat().st_ino
    with pytest.raises(OutputError, match=f"result: is {what}, which is not replaced"):
        write_atomic(path, b"new")
    assert path.lstat().st_ino == before


def test_a_device_is_not_replaced():
    with pytest.raises(OutputError, match="/dev/null: is a device, which is not replaced"):
        refuse_special(atomic.Path("/dev/null"))


def test_a_folder_does_not_replace_a_file(tmp_path):
    (tmp_path / "store").write_bytes(b"a file")
    with pytest.raises(OutputError, match="is a file"), stage(tmp_path / "store") as part:
        part.mkdir()
        put(part, tmp_path / "store")
    assert (tmp_path / "store").read_bytes() == b"a file"


def test_what_is_staged_takes_its_place_or_goes(tmp_path):
    with stage(tmp_path / "file") as part:
        part.write_bytes(b"new")
        put(part, tmp_path / "file")
    with pytest.raises(KeyError), stage(tmp_path / "other") as part:
        part.write_bytes(b"half")
        raise KeyError
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_changes_places_with_an_older_one(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(atomic.ctypes, "CDLL", lambda name, use_errno: object())
    path = tmp_path / "store"
    for content in ("old", "new"):
        with stage(path) as part:
            part.mkdir()
            (part / content).touch()
            put(part, path)
    assert names(path) == ["new"]
    assert names(tmp_path) == ["store"]


def test_an_exchange_that_the_disk_refuses_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic.ctypes, "get_errno", lambda: errno.EACCES)

    class Libc:
        renameat2 = staticmethod(lambda *arguments: -1)

    monkeypatch.setattr(atomic.ctypes, "CDLL", lambda name, use_errno: Libc)
    (tmp_path / "store").mkdir()
    with pytest.raises(PermissionError), stage(tmp_path / "store") as part:
        part.mkdir()
        put(part, tmp_path / "store")
    assert names(tmp_path) == ["store"]


def test_a_folder_that_was_swept_before_it_was_opened_is_made_again(tmp_path, monkeypatch):
    real, made = Path.mkdir, []

    def swept_once(self, *args, **kwargs):
        real(self, *args, **kwargs)
        made.append(self)
        if len(made) == 1:
            self.rmdir()

    monkeypatch.setattr(Path, "mkdir", swept_once)
    with atomic.stage(tmp_path / "f") as part:
        part.write_bytes(b"x")
        atomic.put(part, tmp_path / "f")
    assert len(made) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize("write", [write_atomic, None])
def test_what_was_swept_before_it_was_held_is_made_again(tmp_path, monkeypatch, write):
    real, calls = atomic._hold, []

    def swept_once(descriptor, path):
        calls.append(path)
        if len(calls) == 1:
            atomic.remove(path)
        return real(descriptor, path)

    monkeypatch.setattr(atomic, "_hold", swept_once)
    if write:
        write(tmp_path / "file", b"new")
    else:
        with stage(tmp_path / "file") as part:
            part.write_bytes(b"new")
            put(part, tmp_path / "file")
    assert len(calls) == 2
    assert names(tmp_path) == ["file"]


def test_a_home_that_nobody_has_is_left_as_it_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert str(resolve("~/run.yaml")) == "/home/me/run.yaml"
    assert str(resolve("~nobody-here/run.yaml")) == "~nobody-here/run.yaml"


@pytest.mark.parametrize("write", [True, False])
def test_a_disk_that_refuses_says_which_file(tmp_path, monkeypatch, write):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    monkeypatch.setattr(atomic.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space") as caught:
        if write:
            write_atomic(path, b"new")
        else:
            with stage(path) as part:
                part.write_bytes(b"new")
                put(part, path)
    assert caught.value.filename2 == str(path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("moment", ["is made", "is removed"])
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_signal_as_a_temporary_name_comes_or_goes_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, kind: str
) -> None:
    calls = []

    def interrupt_once(real):
        def call(*given, **more):
            if real is atomic.remove and not calls:  # before it is gone
                calls.append(real)
                raise KeyboardInterrupt
            found = real(*given, **more)
            if not calls:  # once it is there
                calls.append(real)
                raise KeyboardInterrupt
            return found

        return call

    if moment == "is removed":
        monkeypatch.setattr(atomic, "remove", interrupt_once(atomic.remove))
    elif kind == "file":
        monkeypatch.setattr(atomic.os, "open", interrupt_once(os.open))
    else:
        monkeypatch.setattr(Path, "mkdir", interrupt_once(Path.mkdir))

    def work() -> None:
        if kind == "file":
            atomic.write_atomic(tmp_path / "a", b"x")
        else:
            with atomic.stage(tmp_path / "a"):
                pass

    with pytest.raises(KeyboardInterrupt):
        work()
    monkeypatch.undo()
    assert calls
    assert [path.name for path in tmp_path.iterdir()] in ([], ["a"])
