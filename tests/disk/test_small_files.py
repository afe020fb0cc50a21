"""Small files are read whole or refused at once, whatever stands under their name."""

import os
import socket
import threading
from pathlib import Path

import pytest

from smoecast.disk import small_files
from smoecast.disk.small_files import read_json, read_small


def test_a_file_of_just_the_size_is_read_and_a_larger_one_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_small(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_small(path, 4)


def test_a_sparse_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(2**42)
    with pytest.raises(OSError, match="larger than"):
        read_small(path, 10)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        for name, words in (
            ("pipe", "a pipe, no file"),
            (".", "Is a directory"),
            ("/dev/zero", "a device, no file"),
            ("socket", "No such device"),
            ("none", "No such file"),
        ):
            with pytest.raises(OSError, match=words):
                read_small(tmp_path / name, 10)


def write_later(path: Path, content: bytes) -> threading.Thread:
    thread = threading.Thread(target=path.write_bytes, args=(content,))
    thread.start()
    return thread


def test_a_pipe_is_read_to_its_end_where_it_may_be_one(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    content = b"x" * 200_000  # more than a pipe holds
    writer = write_later(pipe, content)
    assert read_small(pipe, 200_000, pipe=True) == content
    writer.join()


def test_a_pipe_that_its_writer_has_left_is_read(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"name: x")
    os.close(writer)
    assert read_small(Path(f"/dev/fd/{reader}"), 100, pipe=True) == b"name: x"
    os.close(reader)


def test_a_pipe_without_end_is_refused(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = write_later(pipe, b"x" * 60_000)
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_small(pipe, 10, pipe=True)
    writer.join()


@pytest.mark.parametrize(("content", "words"), [(None, "silent"), (b"", "brought nothing")])
def test_a_pipe_that_brings_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, words: str
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    monkeypatch.setattr(small_files, "PATIENCE", 0.2 if content is None else 60.0)
    writer = None if content is None else write_later(pipe, content)
    with pytest.raises(OSError, match=words):
        read_small(pipe, 10, pipe=True)
    if writer:
        writer.join()


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000, b"9" * 5000, b""])
def test_what_is_no_json_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(b'{"a": 1}')
    assert read_json(path, 8) == {"a": 1}
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r".") as caught:
        read_json(path, 2**20)
    assert not isinstance(caught.value, RecursionError)
