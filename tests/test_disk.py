"""Files are whole or absent; a folder is held by one process."""

import fcntl
import subprocess
import sys

import pytest

from smoecast.disk import lock, write_atomic
from smoecast.errors import LockedError


def test_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    with pytest.raises(TypeError):
        write_atomic(path, "no bytes")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_lock_is_free_again_after_the_block(tmp_path):
    for _ in range(2):
        with lock(tmp_path / "run"):
            pass


def test_lock_held_by_another_process_is_refused(tmp_path):
    code = (
        "import sys, fcntl; f = open(sys.argv[1], 'a'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path / ".lock")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(LockedError, match="held by another run") as caught, lock(tmp_path):
            pass
        assert caught.value.exit_code == 75
        other.communicate("")
    with lock(tmp_path):
        pass


def test_lock_is_refused_within_one_process_too(tmp_path):
    with (tmp_path / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(LockedError), lock(tmp_path):
            pass
