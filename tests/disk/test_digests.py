"""One sha256 for a file or a folder."""

import hashlib
from pathlib import Path

import pytest

from smoecast.disk.digests import digest, size_of


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert digest(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    assert size_of(tmp_path / "a") == 3


def test_a_folder_is_its_names_and_its_contents(tmp_path: Path) -> None:
    store = tmp_path / "a.zarr"
    (store / "t").mkdir(parents=True)
    (store / "t" / ".zarray").write_bytes(b"{}")
    (store / "t" / "0").write_bytes(b"12")
    first = digest(store)
    assert size_of(store) == 4
    (store / ".lock").write_text("held")
    assert (digest(store), size_of(store)) == (first, 4)
    lines = "".join(
        f"{name}\0{hashlib.sha256(content).hexdigest()}\n"
        for name, content in (("t/.zarray", b"{}"), ("t/0", b"12"))
    )
    assert first == hashlib.sha256(lines.encode()).hexdigest()
    (store / "t" / "0").rename(store / "t" / "1")
    assert digest(store) != first


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    for ask in (digest, size_of):
        with pytest.raises(FileNotFoundError):
            ask(tmp_path / "none")
