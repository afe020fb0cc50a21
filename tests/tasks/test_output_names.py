"""Names of results: one for all starts, or one a start."""

from pathlib import Path

import numpy as np
import pytest

from smoecast.errors import ConfigError
from smoecast.tasks.output_names import OutputName

STARTS = np.array(["2026-11-28T00", "2026-11-28T06"], "datetime64[ns]")


def test_a_plain_name_holds_all_starts():
    name = OutputName("out/fc.nc")
    assert not name.is_pattern
    assert [(path, list(starts)) for path, starts in name.split(STARTS).items()] == [
        (Path("out/fc.nc"), list(STARTS))
    ]
    assert name.folder == Path("out")
    assert not list(name.find())


@pytest.mark.parametrize(
    ("text", "names", "folder"),
    [
        ("fc_{init_time:%Y%m%d%H}.nc", ["fc_2026112800.nc", "fc_2026112806.nc"], "."),
        ("fc_{init_time}.nc", ["fc_2026112800.nc", "fc_2026112806.nc"], "."),
        (
            "a/{init_time:%Y/%m/%d}/{init_time:%H}.nc",
            ["a/2026/11/28/00.nc", "a/2026/11/28/06.nc"],
            "a",
        ),
        ("a/b{init_time:%j}/x{init_time:%y%H}.nc", ["a/b332/x2600.nc", "a/b332/x2606.nc"], "a"),
    ],
)
def test_a_pattern_makes_a_file_a_start(text, names, folder):
    name = OutputName(text)
    assert name.is_pattern
    assert [str(path) for path in name.split(STARTS)] == names
    assert [list(starts) for starts in name.split(STARTS).values()] == [[s] for s in STARTS]
    assert name.folder == Path(folder)
    assert name.suffix == Path(names[0]).suffix


@pytest.mark.parametrize(
    "text",
    [
        "fc_{start}.nc",
        "fc_{init_time.year}.nc",
        "fc_{init_time!r}.nc",
        "fc_{init_time:%s}.nc",
        "fc_{init_time:%}.nc",
        "fc_{}.nc",
        "fc_}.nc",
    ],
)
def test_a_pattern_of_other_things_is_refused(text):
    with pytest.raises(ConfigError, match=r"is no part of the name of a result: name it as fc_"):
        OutputName(text)


def test_two_starts_of_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"2026-11-28T00:00 and 2026-11-28T06:00 .* add the hour"):
        OutputName("fc_{init_time:%Y%m%d}.nc").split(STARTS)


def test_files_are_found_by_their_pattern_and_no_others(tmp_path):
    name = OutputName(str(tmp_path / "{init_time:%Y/%m}" / "fc[1]_{init_time:%Y%m%d%H}.nc"))
    for start in STARTS:
        name.path_of(start).parent.mkdir(parents=True, exist_ok=True)
        name.path_of(start).touch()
    there = tmp_path / "2026" / "11"
    others = (
        "fc[1]_2026112800.grib",
        "fc[1]_2026113200.nc",
        "fc[1]_2025112800.nc",
        "fc1_2026112800.nc",
    )
    for other in others:
        (there / other).touch()
    assert [start for _, start in name.find()] == list(STARTS)
    assert [path.name for path, _ in name.find()] == ["fc[1]_2026112800.nc", "fc[1]_2026112806.nc"]


def test_a_path_names_its_start_or_none():
    name = OutputName("out/fc_{init_time:%Y%m%d}_{init_time:%H}.nc")
    start = np.datetime64("2001-01-02T06:00", "ns")
    assert name.start_of(name.path_of(start)) == start
    for other in ("out/fc_20010102_06.nc.part", "fc_20010102_06.nc", "out/fc_20011302_06.nc"):
        assert name.start_of(Path(other)) is None
    assert OutputName("out/fc.nc").start_of(Path("out/fc.nc")) is None
