"""What killed downloads leave is swept by the next one, but for what it can go on from."""

import os
import time
from pathlib import Path

import pytest
from made_weatherbench import zipped

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.data.download.grib_filter import GribSieve
from smoecast.data.download.partial_file import KEPT_DAYS, PartialFile, sweep_downloads
from smoecast.data.download.unzip import extract
from smoecast.data.sources.planet import files
from smoecast.disk.locks import lock
from smoecast.errors import LockedError, OutputError
from smoecast.tasks.download import download


def names(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def aged(path: Path, days: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    os.utime(path, times=(time.time() - 86_400 * days,) * 2)


def test_parts_of_this_run_and_recent_ones_of_others_stay(tmp_path: Path) -> None:
    old, young = KEPT_DAYS + 1, KEPT_DAYS - 1
    stay = {"a.nc.part": old, "a.nc.part.json": old, "s/0.0.part": old, "b.nc.part": young}
    stay |= {"b.nc": old, "ensembles/c.part": old, "notes.party": old}
    go = {"b.grib.part": old, "b.grib.part.json": old, "s/0.1.part": old}
    go |= {f"b.grib.part.journal{end}": old for end in ("", ".new")}
    go |= {"s/.0.2.0123abcd.tmp": 0, ".planet_2001.nc.part": 0, ".ens10_sfc_1.nc.new": 0}
    go |= {".ens10_sfc_1.nc.grib": 0}
    for name, days in (stay | go).items():
        aged(tmp_path / name, days)
    sweep_downloads(tmp_path, ["a.nc", "s/0.0"])
    assert names(tmp_path) == set(stay)


def planet(tmp_path: Path) -> Config:
    path = tmp_path / "run.yaml"
    path.write_text("name: p\ndata: {source: planet, planet: {years: 0.01, ensemble_years: 0}}\n")
    return yaml_file.load(path, [f"folder={tmp_path}"])


def test_two_planet_downloads_at_once_are_one_and_a_refusal(tmp_path: Path) -> None:
    config = planet(tmp_path)
    with (
        lock(config.raw),
        pytest.raises(LockedError, match=rf"held by another run \(pid {os.getpid()} on"),
    ):
        download(config)
    assert names(config.raw) == {".lock"}
    aged(config.raw / ".planet_2001.nc.part", 0)
    assert download(config)["files"]
    assert not [name for name in names(config.raw) if "part" in name]


def test_a_planet_file_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with files._whole(tmp_path / "a" / "x.nc") as part:
            part.write_text("half")
            raise OSError("by hand")

    with pytest.raises(OutputError, match=r"x\.nc could not be written \(by hand\)"):
        fail()
    assert names(tmp_path) == set()


def test_an_archive_that_is_left_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(zipped({"x.nc": b"x", "y.nc": b"y"}))
    taken = extract(path, ["x.nc", "y.nc"])
    next(taken)
    taken.close()
    assert names(tmp_path) == {"a.zip"}
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


@pytest.mark.parametrize("kind", ["part", "sieve", "journal"])
def test_a_planted_link_is_not_followed(tmp_path: Path, kind: str) -> None:
    precious, path = tmp_path / "precious", tmp_path / "a.part"
    precious.write_text("precious")
    link = tmp_path / "a.part.journal.new" if kind == "journal" else path
    link.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic links"):
        part = PartialFile(path) if kind == "part" else GribSieve(path, lambda *_: True, "a")
        part._note() if kind == "journal" else part.append(b"")
    assert precious.read_text() == "precious"
