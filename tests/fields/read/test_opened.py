"""Files that stay open while they are the same."""

from pathlib import Path

import pytest
from small_world import analyses

from smoecast.errors import InputError
from smoecast.fields.read import opened
from smoecast.fields.read.open import open_file
from smoecast.fields.read.opened import OpenedFiles


@pytest.fixture
def count(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    calls = []

    def open_(path: Path, **how: object):
        calls.append(path)
        return open_file(path, **how)

    monkeypatch.setattr(opened, "open_file", open_)
    return calls


def write(path: Path, number: int) -> None:
    analyses(2).isel(time=[number]).to_netcdf(path)


def test_the_same_file_is_opened_once_and_another_anew(tmp_path, count):
    path, files = tmp_path / "a.nc", OpenedFiles()
    write(path, 0)
    first = files.open(path, load=True)
    assert files.open(path) is first
    assert all(array.chunks is None for array in first.data_vars.values())
    path.unlink()
    write(path, 1)
    second = files.open(path, load=True)
    assert second["time"].values[0] != first["time"].values[0]
    assert second.identical(open_file(path).load())
    assert len(count) == 2


def test_large_values_and_many_files_are_not_kept(tmp_path, count, monkeypatch):
    monkeypatch.setattr(opened, "SMALL", 10)
    monkeypatch.setattr(opened, "MOST", 2)
    files, paths = OpenedFiles(), [tmp_path / name for name in "abc"]
    for path in paths:
        write(path, 0)
        assert files.open(path, load=True)["t2m"].chunks is not None
    files.open(paths[2])
    files.open(paths[0])
    assert count == [*paths, paths[0]]


def test_values_that_cannot_be_read_fail_who_needs_them(tmp_path, monkeypatch):
    path, files = tmp_path / "a.nc", OpenedFiles()
    write(path, 0)
    files.open(path)

    def fail(self):
        raise OSError("no such device")

    monkeypatch.setattr("xarray.Dataset.load", fail)
    assert files.open(path, load=True)["t2m"].chunks is not None


def test_a_file_that_is_gone_is_refused(tmp_path):
    path, files = tmp_path / "a.nc", OpenedFiles()
    write(path, 0)
    files.open(path)
    path.unlink()
    with pytest.raises(InputError, match="no such file"):
        files.open(path)
