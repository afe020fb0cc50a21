"""The manifest: what is on disk and right is known without the network."""

import errno
import json
import os
from datetime import date

import pytest

from smoecast.data.download import manifest as module
from smoecast.data.download.manifest import Manifest, entry_of
from smoecast.data.download.remote_file import RemoteFile, shown
from smoecast.errors import InputError, OutputError


def put(folder, text="content"):
    (folder / "a.nc").write_text(text)
    manifest = Manifest(folder)
    manifest.add("a.nc", entry_of(folder / "a.nc", "https://host/a.nc", notes={"era5t": 3}))
    return manifest


def test_round_trip(tmp_path):
    entry = put(tmp_path).get("a.nc")
    again = Manifest(tmp_path)
    assert again.get("a.nc") == entry
    assert again.holds("a.nc")
    assert entry.day == date.fromisoformat(entry.fetched[:10])
    assert again.get("b.nc") is None
    assert not again.holds("b.nc")


def test_size_and_time_spare_the_checksum(tmp_path, monkeypatch):
    manifest = put(tmp_path)

    def never(path):
        raise AssertionError(path)

    monkeypatch.setattr(module, "sha256_of", never)
    assert manifest.holds("a.nc")


def test_copied_file_is_known_by_its_content(tmp_path):
    manifest = put(tmp_path)
    os.utime(tmp_path / "a.nc", (1, 1))
    assert manifest.holds("a.nc")
    assert Manifest(tmp_path).get("a.nc").mtime_ns == 10**9


@pytest.mark.parametrize("text", ["other s", "longer than before"])
def test_changed_file_is_not_held(tmp_path, text):
    manifest = put(tmp_path)
    (tmp_path / "a.nc").write_text(text)
    os.utime(tmp_path / "a.nc", (1, 1))
    assert not manifest.holds("a.nc")


def test_removed_file_is_not_held(tmp_path):
    manifest = put(tmp_path)
    (tmp_path / "a.nc").unlink()
    assert not manifest.holds("a.nc")


ENTRY = {"bytes": 1, "sha256": "a", "mtime_ns": 1, "url": "u", "fetched": "2020-01-01T00:00:00"}


@pytest.mark.parametrize(
    "change",
    [
        {"bytes": "1"},
        {"bytes": True},
        {"mtime_ns": 1.5},
        {"sha256": None},
        {"url": ["u"]},
        {"fetched": 5},
        {"fetched": "yesterday"},
        {"etag": 7},
        {"modified": {}},
        {"notes": []},
        {"more": 1},
    ],
)
def test_a_manifest_with_an_entry_that_is_none_is_refused(tmp_path, change):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"files": {"a": ENTRY}}))
    assert Manifest(tmp_path).get("a").bytes == 1
    path.write_text(json.dumps({"files": {"a": ENTRY | change}}))
    with pytest.raises(InputError, match=r"manifest.json: this is no manifest"):
        Manifest(tmp_path)


def test_a_manifest_without_end_is_refused_unread(tmp_path):
    with (tmp_path / "manifest.json").open("wb") as file:
        file.truncate(module.MOST_BYTES + 1)
    with pytest.raises(InputError, match="larger than"):
        Manifest(tmp_path)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"files": {"a": {"bytes": 1}}}', '{"files": []}', "[" * 100_000]
)
def test_foreign_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InputError, match=r"manifest.json: this is no manifest"):
        Manifest(tmp_path)


def test_full_disk_is_said(tmp_path, monkeypatch):
    manifest = put(tmp_path)

    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module, "write_atomic", refuse)
    with pytest.raises(OutputError, match="No space left"):
        manifest.add("b.nc", manifest.get("a.nc"))
    assert list(json.loads((tmp_path / "manifest.json").read_text())["files"]) == ["a.nc"]


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://me:secret@host:8/a/b.nc#x", "https://host:8/a/b.nc"),
        ("https://host/d?path=%2F5&files=a.zip", "https://host/d?path=/5&files=a.zip"),
        ("https://host/d?files=a&token=secret", "https://host/d?files=a&token=..."),
        ("https://host/d?secret", "https://host/d?..."),
        ("http://[", "the address"),
    ],
)
def test_addresses_without_secrets(url, seen):
    assert shown(url) == seen


def test_what_stays_and_what_may_still_come():
    remote = RemoteFile(
        "a.zip", "https://host/a.zip", gives=("a.nc", "b.nc"), published=date(2014, 2, 1)
    )
    assert remote.final_names == ("a.nc", "b.nc")
    assert remote.may_come_after(date(2014, 1, 31))
    assert not remote.may_come_after(date(2014, 2, 1))
    assert not RemoteFile("a.nc", "").may_come_after(date.min)
    assert RemoteFile("a.nc", "").final_names == ("a.nc",)
