"""What a process says of itself."""

import sys
import time

import pytest

from smoecast import process


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("https://me:secret@mirror.org/a", "https://...@mirror.org/a"),
        ("download.url=https://mirror.org/a?token=secret", "download.url=https://mirror.org/a?..."),
        ("https://mirror.org/a", "https://mirror.org/a"),
        ("a@b", "a@b"),
        ("fc_{init_time:%Y}.nc?", "fc_{init_time:%Y}.nc?"),
    ],
)
def test_a_command_is_shown_without_secrets(
    word: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/smoecast", "download", word])
    assert process.describe()["command"] == ["smoecast", "download", shown]


def test_versions_come_without_loading_anything() -> None:
    import subprocess

    code = (
        "import sys\nfrom smoecast import process\n"
        "assert 'torch' in process.describe()['versions']\n"
        "sys.exit(bool({'torch', 'xarray', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_most_memory_is_at_least_what_was_held() -> None:
    held = bytearray(200 * 2**20)
    held[:: 2**12] = b"x" * len(held[:: 2**12])
    assert process.memory()["peak_memory_bytes"] > len(held)
    assert process.memory()["peak_memory_bytes_of_a_child"] >= 0


def test_a_process_is_older_than_what_it_spent() -> None:
    assert process.age(least=0.0) >= 0.0
    assert process.age(least=1e9) == 1e9  # never less than it is known to be
    assert process.age(least=0.0) < time.clock_gettime(time.CLOCK_MONOTONIC) + 1e6


def test_a_folder_that_was_removed_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise FileNotFoundError

    monkeypatch.setattr(process.Path, "cwd", refuse)
    assert process.describe()["folder"] == ""
