"""Files are whole or absent; a folder is held by one process."""

import errno
import fcntl
import json
import os
import subprocess
import sys

import pytest

from smoecast import disk
from smoecast.disk import (
    named,
    place_of,
    put,
    refuse_special,
    staging,
    sweep,
    sweep_beside,
    write_atomic,
)
from smoecast.errors import LockedError, OutputError
from smoecast.locks import lock


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
    monkeypatch.setattr(disk.secrets, "token_hex", lambda n: next(tokens))
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
        refuse_special(disk.Path("/dev/null"))


def test_a_folder_does_not_replace_a_file(tmp_path):
    (tmp_path / "store").write_bytes(b"a file")
    with pytest.raises(OutputError, match="is a file"), staging(tmp_path / "store") as part:
        part.mkdir()
        put(part, tmp_path / "store")
    assert (tmp_path / "store").read_bytes() == b"a file"


def test_what_is_staged_takes_its_place_or_goes(tmp_path):
    with staging(tmp_path / "file") as part:
        part.write_bytes(b"new")
        put(part, tmp_path / "file")
    with pytest.raises(KeyError), staging(tmp_path / "other") as part:
        part.write_bytes(b"half")
        raise KeyError
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize("exchange", [True, False])
def test_a_folder_changes_places_with_an_older_one(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(disk.ctypes, "CDLL", lambda name, use_errno: object())
    path = tmp_path / "store"
    for content in ("old", "new"):
        with staging(path) as part:
            part.mkdir()
            (part / content).touch()
            put(part, path)
    assert names(path) == ["new"]
    assert names(tmp_path) == ["store"]


def test_an_exchange_that_the_disk_refuses_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(disk.ctypes, "get_errno", lambda: errno.EACCES)

    class Libc:
        renameat2 = staticmethod(lambda *arguments: -1)

    monkeypatch.setattr(disk.ctypes, "CDLL", lambda name, use_errno: Libc)
    (tmp_path / "store").mkdir()
    with pytest.raises(PermissionError), staging(tmp_path / "store") as part:
        part.mkdir()
        put(part, tmp_path / "store")
    assert names(tmp_path) == ["store"]


def test_a_sweep_takes_what_killed_runs_left_and_nothing_else(tmp_path):
    code = (
        "import os, sys, signal; from pathlib import Path; from smoecast.disk import staging\n"
        "with staging(Path(sys.argv[1]) / 'f.nc') as part:\n"
        "    part.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    for name in (".a.nc.123.part", ".b.json.77.tmp", ".mine.tmp", ".f.12345678.tmp.bak", "x.part"):
        (tmp_path / name).touch()
    (tmp_path / ".wb.zarr.part").mkdir()
    (tmp_path / ".store.zarr.draft").mkdir()
    assert sum(name.startswith(".f.nc.") for name in names(tmp_path)) == 1
    with staging(tmp_path / "busy.nc") as part:
        part.write_bytes(b"half")
        with lock(tmp_path):
            pass
        assert part.read_bytes() == b"half"
    kept = {".lock", ".mine.tmp", ".f.12345678.tmp.bak", "x.part", ".store.zarr.draft"}
    assert set(names(tmp_path)) == kept


def test_a_sweep_does_not_follow_links(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / ".x.00000000.part").symlink_to("precious")
    sweep(tmp_path)
    assert names(tmp_path / "precious") == ["file"]


def test_a_store_that_was_moved_away_comes_back(tmp_path):
    (tmp_path / ".lost.zarr.old").mkdir()
    (tmp_path / ".there.zarr.old").mkdir()
    (tmp_path / "there.zarr").mkdir()
    sweep(tmp_path)
    assert names(tmp_path) == ["lost.zarr", "there.zarr"]


@pytest.mark.parametrize("write", [write_atomic, None])
def test_what_was_swept_before_it_was_held_is_made_again(tmp_path, monkeypatch, write):
    real, calls = disk._hold, []

    def swept_once(descriptor, path):
        calls.append(path)
        if len(calls) == 1:
            disk.remove(path)
        return real(descriptor, path)

    monkeypatch.setattr(disk, "_hold", swept_once)
    if write:
        write(tmp_path / "file", b"new")
    else:
        with staging(tmp_path / "file") as part:
            part.write_bytes(b"new")
            put(part, tmp_path / "file")
    assert len(calls) == 2
    assert names(tmp_path) == ["file"]


def test_lock_is_free_again_after_the_block(tmp_path):
    for _ in range(2):
        with lock(tmp_path / "run"):
            pass


def test_lock_held_by_another_process_is_refused_and_names_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from smoecast.disk import lock\n"
        "with lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        words = rf"held by another run \(pid {other.pid} on \S+ since \S+Z: -c "
        with pytest.raises(LockedError, match=words) as caught, lock(tmp_path):
            pass
        assert caught.value.exit_code == 75
        other.communicate("")
    with lock(tmp_path):
        assert json.loads((tmp_path / ".lock").read_bytes())["pid"] == os.getpid()


def test_lock_is_refused_within_one_process_too(tmp_path):
    with (tmp_path / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError, match="another run: wait"), lock(tmp_path):
            pass


def test_a_lock_that_cannot_be_taken_is_one_sentence(tmp_path):
    (tmp_path / ".lock").symlink_to("elsewhere")
    with pytest.raises(OutputError, match="cannot be held for this run"), lock(tmp_path):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be held for this run"), lock(tmp_path / "file"):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_home_that_nobody_has_is_left_as_it_is(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    assert str(named("~/run.yaml")) == "/home/me/run.yaml"
    assert str(named("~nobody-here/run.yaml")) == "~nobody-here/run.yaml"


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("runs/.f.nc.0123abcd.tmp", "runs/f.nc"),
        ("runs/.f.nc.0123abcd.part", "runs/f.nc"),
        ("runs/.s.zarr.0123abcd.part/s.zarr/time/0", "runs/s.zarr/time/0"),
        ("/runs/f.nc", "/runs/f.nc"),
        (".hidden/.f.part/g", ".hidden/.f.part/g"),
    ],
)
def test_a_temporary_name_stands_for_a_place(path, place):
    assert str(place_of(disk.Path(path))) == place


def test_what_was_left_of_one_file_goes_and_nothing_else(tmp_path):
    kept = (".f.0123abcd.part.old", ".f.x.0123abcd.tmp", ".g.0123abcd.tmp", ".f.12.tmp", "f")
    for name in (".f.0123abcd.tmp", ".f.ffffffff.part", *kept):
        (tmp_path / name).touch()
    with staging(tmp_path / "f") as part:
        sweep_beside(tmp_path / "f")
        assert part.parent.exists()
    assert names(tmp_path) == sorted(kept)


@pytest.mark.parametrize("write", [True, False])
def test_a_disk_that_refuses_says_which_file(tmp_path, monkeypatch, write):
    def refuse(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "file"
    monkeypatch.setattr(disk.os, "fsync", refuse)
    with pytest.raises(OSError, match="No space") as caught:
        if write:
            write_atomic(path, b"new")
        else:
            with staging(path) as part:
                part.write_bytes(b"new")
                put(part, path)
    assert caught.value.filename2 == str(path)
    assert names(tmp_path) == []
