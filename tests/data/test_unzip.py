"""Archives that are damaged or hostile; nothing of them reaches the disk."""

import errno
import os
import warnings
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from made_weatherbench import zipped

from smoecast.data import unzip
from smoecast.data.unzip import extract
from smoecast.errors import InputError, OutputError


def archive(folder, files):
    path = folder / "a.zip"
    path.write_bytes(files if isinstance(files, bytes) else zipped(files))
    return path


def test_only_what_is_wanted_however_deep(tmp_path):
    path = archive(tmp_path, {"a/b/x.nc": b"x" * 10_000, "y.nc": b"y", "z.nc": b"z"})
    found = [(name, temporary.read_bytes()) for name, temporary in extract(path, ["x.nc", "z.nc"])]
    assert found == [("x.nc", b"x" * 10_000), ("z.nc", b"z")]
    assert not (tmp_path / "y.nc.part").exists()


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
    ((_, temporary),) = extract(path, ["x.nc"])
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
