"""What of a file is not read is noted in memory, each thing once, and told in one line."""

import json
from pathlib import Path

import pytest
import xarray as xr
from made_fields import surface

from smoecast import console, run_record
from smoecast.fields import left_out as module
from smoecast.fields.left_out import (
    ATTRIBUTE,
    LeftOut,
    describe,
    from_attribute,
    gather,
    left_out_of,
    note_left_out,
    tell,
    to_attribute,
    to_plain,
)
from smoecast.fields.read.open import open_files

PRES = LeftOut("pres on maxWind", "sp is read from the ground", "sp")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is said, by a process that has told nothing yet."""
    lines: list[str] = []
    monkeypatch.setattr(module, "_told", {})
    monkeypatch.setattr(console, "say", lines.append)
    return lines


def test_each_thing_is_noted_once():
    noted = note_left_out(xr.Dataset(attrs={"title": "x"}), [LeftOut("zust"), PRES, PRES])
    assert left_out_of(noted) == (LeftOut("zust"), PRES)
    assert noted.attrs["title"] == "x"
    assert left_out_of(xr.Dataset()) == ()
    assert left_out_of(xr.Dataset(attrs=to_attribute([PRES]))) == ()


def test_a_reason_is_told_beside_the_name():
    told = describe([LeftOut("zust"), PRES])
    assert told == "zust, pres on maxWind (sp is read from the ground)"


def test_the_first_file_that_has_it_is_named(tmp_path: Path):
    paths = [tmp_path / name for name in ("a.nc", "b.nc")]
    for index, path in enumerate(paths):
        dataset = surface().isel(time=[index])
        dataset.assign(zust=dataset["t2m"]).to_netcdf(path)
    assert to_plain(left_out_of(open_files(paths))) == [
        {"name": "zust", "reason": "", "file": "a.nc"}
    ]


def test_an_attribute_says_what_it_was_given():
    assert to_attribute([]) == {}
    attributes = to_attribute([PRES, PRES])
    assert json.loads(attributes[ATTRIBUTE])[0]["name"] == "pres on maxWind"
    assert from_attribute(attributes) == to_plain([PRES])


@pytest.mark.parametrize("strange", ["{", "[1]", "7", '[{"name": "x"}]', None])
def test_an_attribute_of_others_is_nothing(strange: object):
    assert from_attribute({ATTRIBUTE: strange}) == []
    assert from_attribute({}) == []


def test_it_is_told_once_with_reasons_first(told: list[str]):
    for paths in ([Path("x/a.nc")], [Path("a.nc"), Path("b.nc")]):
        tell([LeftOut("zust"), PRES], paths)
    assert told == [
        "left out of a.nc: pres on maxWind (sp is read from the ground); zust "
        "(`smoecast inspect` tells more)"
    ]
    tell([LeftOut(f"v{number}") for number in range(20)], [Path("a.nc"), Path("b.nc")])
    assert told[1].startswith("left out of 2 files: v0, v1, v2, v3, v4 and 15 more (")
    tell([], [Path("a.nc")])
    assert len(told) == 2


def test_a_zarr_group_is_called_as_its_folder(told: list[str], tmp_path: Path):
    surface().assign(zust=surface()["t2m"]).to_zarr(tmp_path / "a.zarr", zarr_format=2)
    path = tmp_path / "a.zarr" / ".zmetadata"
    tell(left_out_of(open_files([path])), [path])
    assert told == ["left out of a.zarr: zust (`smoecast inspect` tells more)"]


def test_what_is_left_out_on_purpose_is_counted(told: list[str]):
    chosen = [LeftOut(f"t on {n}", "not selected by data.select") for n in range(30)]
    tell([*chosen, PRES], [Path("a.grib")])
    tell([LeftOut("x", "not selected by data.select")], [Path("b.grib")])
    assert told == [
        "left out of a.grib: pres on maxWind (sp is read from the ground); 30 kinds of "
        "field not selected by data.select (`smoecast inspect` tells more)",
        "left out of b.grib: 1 kind of field not selected by data.select (`smoecast "
        "inspect` tells more)",
    ]


def test_a_worker_leaves_it_to_the_process_that_waits(told: list[str]):
    with console.listen():
        tell([PRES], [Path("a.nc")])
    assert told == []
    tell([PRES], [Path("a.nc")])
    assert len(told) == 1


def test_it_is_recorded_and_not_said_where_nothing_is_to_be_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(module, "_told", {})
    monkeypatch.setattr(console, "_state", {**console._state, "quiet": True})
    run_record.begin("test")
    tell([PRES], [Path("a.nc")])
    tell([LeftOut("zust")], [Path("b.nc")])
    noted = run_record.finish(0, "")["notes"]["left_out"]
    assert [one["name"] for one in noted] == ["pres on maxWind", "zust"]
    assert capsys.readouterr() == ("", "")


def test_what_is_told_in_a_block_is_gathered(told: list[str]):
    tell([PRES], [Path("a.nc")])
    with gather() as found:
        tell([PRES], [Path("b.nc")])
    tell([LeftOut("zust")], [Path("c.nc")])
    assert list(found) == [PRES]
    assert len(told) == 2


def test_things_of_one_reason_share_it(told: list[str]):
    each = [LeftOut(f"{n} on {k}", f"{n} is on the ground") for n in "abcdefg" for k in "xy"]
    tell(each, [Path("a.grib")])
    assert told[0].startswith("left out of a.grib: a on x, a on y (a is on the ground); b on x, ")
    assert "e on x, e on y (e is on the ground); 4 more (`smoecast" in told[0]
