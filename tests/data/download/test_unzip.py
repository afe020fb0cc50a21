"""Archives that are damaged or hostile; nothing of them reaches the disk."""

import errno
import os
import tracemalloc
import warnings
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from made_weatherbench import zipped

from smoecast.data.download import unzip
from smoecast.data.download.unzip import extract
from smoecast.errors import InputError, OutputError


def archive(folder, files):
    path = folder / "a.zip"
    path.write_bytes(files if isinstance(files, bytes) else zipped(files))
    return path


def test_only_what_is_wanted_however_deep(tmp_path):
    path = archive(tmp_path, {"a/b/x.nc": b"x" * 10_000, "y.nc": b"y", "z.nc": b"z"})
    found = [(name, temporary.read_bytes()) for name, temporary in extract(path, ["x.nc", "z.nc"])]
    assert found == [("x.nc", b"x" * 10_000), ("z.nc", b"z")]
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize(
    "name", ["../x.nc", "a/../../x.nc", "/etc/x.nc", "..\\x.nc", "C:\\x.nc", "a/../x.nc"]
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    folder = tmp_path / "raw"
    folder.mkdir()
    path = archive(folder, {"good.nc": b"good", name: b"bad"})
    with pytest.raises(InputError, match="leads out of its folder"):
        list(extract(path, ["good.nc"]))
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["a.zip"]


def test_missing_and_doubled_files(tmp_path):
    path = archive(tmp_path, {"a/x.nc": b"1", "b/x.nc": b"2"})
    with pytest.raises(InputError, match=r"x.nc is twice"):
        list(extract(path, ["x.nc"]))
    with pytest.raises(InputError, match=r"y.nc is not among its 2 members"):
        list(extract(path, ["y.nc"]))


@pytest.mark.parametrize("kept", [0, 10, 4000, -1, -22, -60])
def test_cut_anywhere(tmp_path, kept):
    whole = zipped({"x.nc": os.urandom(8000)})
    path = archive(tmp_path, whole[:kept])
    with pytest.raises(InputError, match="damaged"):
        list(extract(path, ["x.nc"]))


def test_no_archive_at_all(tmp_path):
    with pytest.raises(InputError, match="damaged"):
        list(extract(archive(tmp_path, b"<html>Please log in</html>" * 100), ["x.nc"]))


def test_locked_with_a_password(tmp_path):
    content = bytearray(zipped({"x.nc": b"x"}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    with warnings.catch_warnings(), pytest.raises(InputError, match=r"damaged.*password"):
        list(extract(archive(tmp_path, bytes(content)), ["x.nc"]))


def test_links_are_written_as_what_they_are(tmp_path):
    info = zipfile.ZipInfo("x.nc")
    info.external_attr = 0o120777 << 16
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(info, "/etc/passwd")
    for _, temporary in extract(path, ["x.nc"]):
        assert not temporary.is_symlink()
        assert temporary.read_text() == "/etc/passwd"


def test_no_room_is_known_beforehand(tmp_path, monkeypatch):
    path = archive(tmp_path, {"x.nc": b"x" * 1000})
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(unzip.shutil, "disk_usage", lambda place: usage(999))
    with pytest.raises(OutputError, match=r"need 0.0 GB.*archive is kept"):
        list(extract(path, ["x.nc"]))
    assert path.is_file()


@pytest.mark.parametrize("where", ["open", "write", "fsync"])
def test_full_disk(tmp_path, monkeypatch, where):
    path = archive(tmp_path, {"x.nc": b"x" * 1000})
    problem = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*_):
        raise problem

    class Full:
        flush = close = lambda self: None
        write = refuse
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda self, *_: None  # noqa: E731

    if where == "fsync":
        monkeypatch.setattr(os, "fsync", refuse)
    else:
        monkeypatch.setattr(Path, "open", refuse if where == "open" else lambda *_: Full())
    with pytest.raises(OutputError, match="No space left"):
        list(extract(path, ["x.nc"]))


def compressed(folder, content, method=zipfile.ZIP_DEFLATED):
    path = folder / "a.zip"
    with zipfile.ZipFile(path, "w", method) as made:
        made.writestr("x.nc", content)
    return path


def refused(path, words):
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=words):
            list(extract(path, ["x.nc"]))
        assert tracemalloc.get_traced_memory()[1] < 20 * 2**20
    finally:
        tracemalloc.stop()
    assert not path.with_name("x.nc.part").exists()


def test_a_bomb(tmp_path):
    refused(compressed(tmp_path, bytes(100 * 2**20)), r"x\.nc has \d+ bytes that promise 104857600")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_to_compress_that_are_undone_a_block_at_a_time(tmp_path, method):
    """Python's zipfile would hold all of what a block becomes."""
    refused(compressed(tmp_path, bytes(100 * 2**20), method), "cannot be undone bit by bit")


def test_a_bomb_that_says_it_is_none(tmp_path):
    """No more than the archive promises is ever written, and that is too little to be right."""
    path = compressed(tmp_path, bytes(100 * 2**20))
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        begin = content.index(signature) + offset
        content[begin : begin + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(InputError, match="the archive is damaged"):
        list(extract(path, ["x.nc"]))
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_a_list_of_members_without_end(tmp_path):
    whole = bytearray(zipped({"x.nc": b"x"}))
    end = whole.index(b"PK\x05\x06")
    first = int.from_bytes(whole[end + 16 : end + 20], "little")
    members = bytes(whole[first:end]) * 200_000
    whole[end + 12 : end + 16] = len(members).to_bytes(4, "little")
    refused(
        archive(tmp_path, bytes(whole[:first]) + members + bytes(whole[end:])), "list of members"
    )


def test_a_planted_link_is_not_followed(tmp_path):
    (tmp_path / "raw").mkdir()
    path = archive(tmp_path / "raw", {"x.nc": b"x"})
    (tmp_path / "raw" / "x.nc").symlink_to(tmp_path / "out")
    with pytest.raises(InputError, match="a symbolic link leads out"):
        list(extract(path, ["x.nc"]))
    assert not (tmp_path / "out").exists()
