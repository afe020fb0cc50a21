"""A folder is held by one process, which the lock names."""

import fcntl
import json
import os
import subprocess
import sys

import pytest

from smoecast.disk.locks import lock
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
