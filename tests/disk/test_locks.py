"""A folder is held by one process, which the lock names."""

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

import pytest

from smoecast.disk import locks
from smoecast.disk.locks import LEASE, lock, lock_output
from smoecast.errors import LockedError, OutputError


def test_lock_is_free_again_after_the_block(tmp_path):
    folder = tmp_path / "run"
    with lock(folder), pytest.raises(LockedError), lock(folder):
        pass
    with lock(folder):
        assert json.loads((folder / ".lock").read_bytes())["pid"] == os.getpid()


def test_lock_held_by_another_process_is_refused_and_names_it(tmp_path):
    code = (
        "import sys; from pathlib import Path; from smoecast.disk.locks import lock\n"
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


HOLDER = """
import sys
from pathlib import Path
from smoecast.disk.locks import lock_output
with lock_output(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_by_another(path):
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield other
        other.kill()


def test_a_result_is_held_and_others_in_its_folder_are_not(tmp_path):
    with held_by_another(tmp_path / "a.nc"):
        with pytest.raises(LockedError, match=r"\.a\.nc\.lock is held by another run \(pid"):
            hold(tmp_path / "a.nc")
        hold(tmp_path / "b.nc")


def hold(path):
    with lock_output(path):
        assert path.with_name(f".{path.name}.lock").exists()


def test_the_lock_of_a_result_goes_with_its_holder(tmp_path):
    hold(tmp_path / "new" / "a.nc")
    assert not list((tmp_path / "new").iterdir())


def test_a_killed_holder_is_followed_and_swept_by_the_next_of_any_result(tmp_path):
    for name in ("a.nc", "b.nc"):
        with held_by_another(tmp_path / name):
            pass
    assert [p.name for p in tmp_path.iterdir()] == [".b.nc.lock"]  # a was swept by b
    (tmp_path / ".mine.lock").write_text("of another program")
    (tmp_path / ".list.lock").write_text("[1]")
    hold(tmp_path / "a.nc")
    assert {p.name for p in tmp_path.iterdir()} == {".mine.lock", ".list.lock"}


def leave_lock(path, silent=0.0, **holder):
    """Leave a lock as a run that did not end leaves it, by the kernel free."""
    said = {"pid": os.getpid(), "host": "elsewhere", "boot": "another", "since": "x", "command": ""}
    left = path.with_name(f".{path.name}.lock")
    left.write_text(json.dumps(said | holder))
    now = left.stat().st_mtime
    os.utime(left, (now - silent, now - silent))


def test_live_locks_of_others_are_not_waited_for(tmp_path, monkeypatch):
    """Two workers made a file each a tenth of a second later for the lock of the other."""
    monkeypatch.setattr(locks.time, "sleep", lambda seconds: seconds and pytest.fail("it waits"))
    with locks.lock_output(tmp_path / "a.nc"), locks.lock_output(tmp_path / "b.nc"):
        assert sorted(path.name for path in tmp_path.iterdir()) == [".a.nc.lock", ".b.nc.lock"]


def test_a_holder_on_another_host_is_respected_while_it_gives_signs_of_life(tmp_path):
    leave_lock(tmp_path / "a.nc")
    with pytest.raises(LockedError, match="on elsewhere"):
        hold(tmp_path / "a.nc")
    hold(tmp_path / "b.nc")
    assert (tmp_path / ".a.nc.lock").exists()
    leave_lock(tmp_path / "a.nc", silent=LEASE + 60)
    hold(tmp_path / "a.nc")


def test_a_lock_of_before_the_reboot_is_taken_whoever_has_its_pid_now(tmp_path):
    leave_lock(tmp_path / "a.nc", host=socket.gethostname())
    hold(tmp_path / "a.nc")


def test_a_lock_of_a_dead_container_of_this_machine_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "_boot", lambda: "this")
    leave_lock(tmp_path / "a.nc", boot="this")
    hold(tmp_path / "a.nc")


def test_without_locks_of_the_file_system_signs_of_life_decide(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    leave_lock(tmp_path / "a.nc", host=socket.gethostname())
    with pytest.raises(LockedError):
        hold(tmp_path / "a.nc")
    leave_lock(tmp_path / "a.nc", host=socket.gethostname(), silent=LEASE + 60)
    hold(tmp_path / "a.nc")


def test_nobody_is_taken_for_dead_where_the_time_cannot_be_told(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    leave_lock(tmp_path / "a.nc", silent=LEASE + 60)
    with pytest.raises(LockedError):
        hold(tmp_path / "a.nc")


def test_a_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(locks, "BEAT", 0.001)
    path = tmp_path / ".a.nc.lock"
    with lock_output(tmp_path / "a.nc"):
        os.utime(path, (0, 0))
        for _ in range(60_000):  # a minute, on a machine that is busy with other things
            if path.stat().st_mtime:
                break
            time.sleep(0.001)
        assert path.stat().st_mtime


def test_a_lock_that_goes_while_it_is_taken_is_looked_for_again(tmp_path, monkeypatch):
    real, gone = fcntl.flock, []

    def flock(descriptor, how):
        if not gone:
            (tmp_path / ".a.nc.lock").unlink()
            gone.append(True)
        real(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    with lock_output(tmp_path / "a.nc"):
        assert json.loads((tmp_path / ".a.nc.lock").read_bytes())["pid"] == os.getpid()
