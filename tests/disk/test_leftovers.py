"""Temporary names stand for places, and what killed runs left goes."""

import subprocess
import sys
from pathlib import Path

import pytest

from smoecast.disk.atomic import stage
from smoecast.disk.leftovers import place_of, sweep, sweep_beside
from smoecast.disk.locks import lock


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("runs/.f.nc.0123abcd.tmp", "runs/f.nc"),
        ("runs/.f.nc.0123abcd.part", "runs/f.nc"),
        ("runs/.s.zarr.0123abcd.part/s.zarr/time/0", "runs/s.zarr/time/0"),
        ("/runs/f.nc", "/runs/f.nc"),
        (".hidden/.f.part/g", ".hidden/.f.part/g"),
    ],
)
def test_a_temporary_name_stands_for_a_place(path, place):
    assert str(place_of(Path(path))) == place


def test_what_was_left_of_one_file_goes_and_nothing_else(tmp_path):
    kept = (".f.0123abcd.part.old", ".f.x.0123abcd.tmp", ".g.0123abcd.tmp", ".f.12.tmp", "f")
    for name in (".f.0123abcd.tmp", ".f.ffffffff.part", *kept):
        (tmp_path / name).touch()
    with stage(tmp_path / "f") as part:
        sweep_beside(tmp_path / "f")
        assert part.parent.exists()
    assert names(tmp_path) == sorted(kept)


def test_a_sweep_takes_what_killed_runs_left_and_nothing_else(tmp_path):
    code = (
        "import os, sys, signal; from pathlib import Path\n"
        "from smoecast.disk.atomic import stage\n"
        "with stage(Path(sys.argv[1]) / 'f.nc') as part:\n"
        "    part.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    for name in (".a.nc.123.part", ".b.json.77.tmp", ".mine.tmp", ".f.12345678.tmp.bak", "x.part"):
        (tmp_path / name).touch()
    (tmp_path / ".wb.zarr.part").mkdir()
    (tmp_path / ".store.zarr.draft").mkdir()
    assert sum(name.startswith(".f.nc.") for name in names(tmp_path)) == 1
    with stage(tmp_path / "busy.nc") as part:
        part.write_bytes(b"half")
        with lock(tmp_path):
            pass
        assert part.read_bytes() == b"half"
    kept = {".lock", ".mine.tmp", ".f.12345678.tmp.bak", "x.part", ".store.zarr.draft"}
    assert set(names(tmp_path)) == kept


def test_a_sweep_does_not_follow_links(tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "file").touch()
    (tmp_path / ".x.00000000.part").symlink_to("precious")
    sweep(tmp_path, whole=True)
    assert names(tmp_path / "precious") == ["file"]


def test_a_store_that_was_moved_away_comes_back(tmp_path):
    (tmp_path / ".lost.zarr.old").mkdir()
    (tmp_path / ".there.zarr.old").mkdir()
    (tmp_path / "there.zarr").mkdir()
    sweep(tmp_path, whole=True)
    assert names(tmp_path) == ["lost.zarr", "there.zarr"]
