"""ECMWF's open data from a server on loopback: the newest run, and only the wanted messages."""

import json
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from ecmwf.opendata import Client
from loopback import Shelf, serving
from made_opendata import field, message, run, stem, value_of
from raw_files import find_raw_files

from smoecast.config import yaml_file
from smoecast.data.download.manifest import Manifest
from smoecast.data.sources import registry
from smoecast.data.sources.opendata import runs
from smoecast.errors import ConfigError, InputError, NotPublishedError
from smoecast.fields.canonical.units import GRAVITY
from smoecast.fields.read.open import open_files
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: today
data:
  source: opendata
  channels: [z500, t850, t2m]
  constants: [lsm, orography]
  split: {train: 1.0, validation: 0.0, test: 0.0}
download: {retry_minutes: 0.01}
"""
ENSEMBLE = (
    "data.source=none",
    "postprocess.source=opendata",
    "postprocess.channels=[z500, t2m, tp]",
    "postprocess.lead_hours=[6, 24]",
    "postprocess.split={train: 1.0, validation: 0.0, test: 0.0}",
)
NEWEST = datetime(2026, 11, 24, 6)
MEMBERS = (1, 2, 3)


def parse(*overrides):
    return yaml_file.parse(CONFIG, "today.yaml", overrides)


def before(hours):
    return NEWEST - timedelta(hours=hours)


@pytest.fixture(scope="module")
def objects():
    files = {}
    for hours in (0, 6, 12, 18):
        files |= run(before(hours), "oper", "fc", 0, (None,))
    for step in (6, 24):
        files |= run(NEWEST, "enfo", "ef", step, MEMBERS)
        files |= run(before(6), "enfo", "ef", step, (0, *MEMBERS))
    return files


@pytest.fixture
def world(tmp_path, objects, monkeypatch):
    monkeypatch.setattr(runs, "now", lambda: datetime(2026, 11, 24, 13, 40, tzinfo=UTC))
    monkeypatch.setattr("smoecast.data.download.collect.today", lambda: date(2026, 11, 24))
    with serving(Shelf(dict(objects))) as shelf:

        def config(*overrides):
            return parse(f"folder={tmp_path}", f"download.url={shelf.address}", *overrides)

        yield shelf, config


def index_of(start, stream="oper", kind="fc", step=0):
    return f"{stem(start, stream, kind, step)}.index"


def grib_of(start, stream="oper", kind="fc", step=0):
    return f"{stem(start, stream, kind, step)}.grib2"


def expected(param, level, start, step=0, number=0):
    """Values on our grid: the archive begins at 180 degrees east."""
    values = np.roll(field(value_of(param, level, start, step, number)), 6, axis=1)
    return values.astype(np.float32)


def test_dry_run_needs_no_network(tmp_path):
    shown = plan(parse(f"folder={tmp_path}", "sample.history_hours=[0, 6]"))
    assert [row["file"] for row in shown["files"]] == [
        "opendata_latest_oper_0h.grib2",
        "opendata_latest-6h_oper_0h.grib2",
    ]
    assert shown["files"][0]["url"] == "https://data.ecmwf.int/forecasts"
    assert shown["bytes"] == 2 * 5 * 600_000
    shown = plan(parse(f"folder={tmp_path}", *ENSEMBLE))
    assert shown["source"] == "opendata"
    assert shown["bytes"] == 2 * 51 * 3 * 600_000


def test_the_newest_analysis(world, capsys):
    shelf, config = world
    wanted = config()
    made = download(wanted)
    assert [entry["file"][:28] for entry in made["files"]] == ["opendata_2026112406_oper_0h_"]
    fields = open_files(find_raw_files(wanted))
    assert fields["init_time"].values == np.datetime64(NEWEST)
    np.testing.assert_array_equal(fields["t850"].squeeze(), expected("t", 850, NEWEST))
    np.testing.assert_array_equal(fields["t2m"].squeeze(), expected("2t", 0, NEWEST))
    np.testing.assert_allclose(
        fields["z500"].squeeze(), expected("gh", 500, NEWEST) * GRAVITY, rtol=1e-6
    )
    np.testing.assert_array_equal(fields["orography"], expected("z", 0, NEWEST))
    grib = grib_of(NEWEST)
    assert shelf.sent[grib] == made["files"][0]["bytes"] < len(shelf.files[grib])
    entry = Manifest(wanted.raw).get(made["files"][0]["file"])
    assert "CC BY 4.0; (C) ECMWF" in entry.notes["licence"]
    assert entry.notes["fields"] == 5
    told = capsys.readouterr().err
    assert "CC BY 4.0; (C) ECMWF" in told
    assert "the run of 2026-11-24 12 UTC is not there yet" in told
    assert plan(wanted)["bytes"] == 0


@pytest.mark.parametrize("overrides", [(), ENSEMBLE])
def test_a_newest_run_that_is_too_old_is_4(world, overrides):
    _, make = world
    config = make(*overrides)
    assert download(config, oldest=np.datetime64(NEWEST))["files"]
    with pytest.raises(NotPublishedError, match=r"that of 2026-11-24T06:00, older than the 2026"):
        download(config, oldest=np.datetime64(NEWEST) + np.timedelta64(1, "s"))


def test_the_age_of_what_has_no_runs_is_refused(tmp_path):
    config = yaml_file.parse("name: x", "x.yaml", [f"folder={tmp_path}"])
    with pytest.raises(ConfigError, match="source planet has no runs whose age could be told"):
        download(config, oldest=np.datetime64(NEWEST))


def test_to_the_store_with_its_history(world):
    _, config = world
    wanted = config("sample.history_hours=[0, 12]")
    download(wanted)
    made = preprocess(wanted)["analyses"]
    assert made["shape"] == {"time": 3, "channel": 3, "latitude": 7, "longitude": 12}
    assert (made["first"], made["last"]) == ("2026-11-23T18", "2026-11-24T06")


def test_a_newer_run_is_taken_as_soon_as_it_is_there(world):
    shelf, config = world
    download(config())
    old = find_raw_files(config())
    shelf.asked.clear()
    download(config())
    newer = datetime(2026, 11, 24, 12)
    assert [path for path, _ in shelf.asked] == [index_of(newer)]
    assert find_raw_files(config()) == old
    shelf.files |= run(newer, "oper", "fc", 0, (None,))
    download(config())
    assert find_raw_files(config())[0].name.startswith("opendata_2026112412_oper_0h_")


def test_a_whole_run_or_the_one_before(world):
    """Every lead time must be there, and every start that the history needs."""
    shelf, config = world
    del shelf.files[index_of(NEWEST, "enfo", "ef", 24)]
    download(config(*ENSEMBLE))
    assert "opendata_2026112400_enfo_24h" in find_raw_files(config(*ENSEMBLE), "ensembles")[1].name
    with pytest.raises(NotPublishedError, match="no run of the last 72 hours has all that is wan"):
        download(config("sample.history_hours=[0, 6, 12, 18, 24]"))
    wide = config("data.step_hours=12", "sample.history_hours=[0, 12]", "sample.lead_hours=[12]")
    download(wide)
    assert [path.name[:19] for path in find_raw_files(wide)] == [
        "opendata_2026112400", "opendata_2026112312",
    ]  # fmt: skip


def test_the_newest_ensemble(world):
    shelf, config = world
    wanted = config(*ENSEMBLE)
    made = download(wanted)
    fields = open_files(find_raw_files(wanted, "ensembles"))
    assert dict(fields["t2m"].sizes) == {
        "init_time": 1, "lead_time": 2, "number": 3, "latitude": 7, "longitude": 12,
    }  # fmt: skip
    for lead, step in enumerate((6, 24)):
        for place, number in enumerate(MEMBERS):
            found = fields.isel(init_time=0, lead_time=lead, number=place)
            np.testing.assert_array_equal(found["t2m"], expected("2t", 0, NEWEST, step, number))
    assert sum(entry["bytes"] for entry in made["files"]) == sum(
        count for path, count in shelf.sent.items() if path.endswith(".grib2")
    )
    assert all(path.parent.name == "ensembles" for path in find_raw_files(wanted, "ensembles"))
    shape = preprocess(wanted)["ensembles"]["shape"]
    assert (shape["lead_time"], shape["number"], shape["channel"]) == (2, 3, 3)


def test_the_control_is_member_zero_where_it_is_there(world):
    shelf, config = world
    for step in (6, 24):
        del shelf.files[index_of(NEWEST, "enfo", "ef", step)]
    download(config(*ENSEMBLE))
    fields = open_files(find_raw_files(config(*ENSEMBLE), "ensembles"))
    assert fields["number"].values.tolist() == [0, 1, 2, 3]


def test_both_kinds_in_one_download(world):
    shelf, config = world
    both = config(*ENSEMBLE[1:])
    assert len(download(both)["files"]) == 3
    for hours in (0, 6, 12, 18):
        del shelf.files[index_of(before(hours))]
    other = config(*ENSEMBLE[1:], "name=other")
    with pytest.raises(NotPublishedError):
        download(other)
    assert len(find_raw_files(other, "ensembles")) == 2  # which did come
    with pytest.raises(InputError, match="not there yet: run `smoecast download`"):
        find_raw_files(other)


def test_ensembles_beside_a_simulated_planet(world, monkeypatch):
    _, config = world
    made = [{"file": "planet_0.nc", "bytes": 1, "sha256": ""}]

    def simulate(asked):
        asked.raw.mkdir(parents=True)
        return list(made)

    planet = replace(registry.ANALYSES["planet"], fetch=simulate)
    monkeypatch.setitem(registry.ANALYSES.loaded, "planet", planet)
    wanted = config(*ENSEMBLE, "data.source=planet", "data.constants=[]")
    summary = download(wanted)
    assert summary["source"] == "planet, opendata"
    assert [entry["file"][:8] for entry in summary["files"]] == ["planet_0", "opendata", "opendata"]


def test_one_mirror_for_two_sources_is_refused(world):
    _, config = world
    with pytest.raises(ConfigError, match=r"download\.url stands for ncep and for opendata"):
        download(
            config("data.source=ncep", "data.years=[2000]", *ENSEMBLE[1:], "data.constants=[]")
        )


def test_the_same_messages_as_the_real_client(world, tmp_path):
    shelf, config = world
    wanted = config()
    download(wanted)
    theirs = tmp_path / "theirs.grib2"
    shelf.headers = {"Content-Type": "application/octet-stream"}
    client = Client(
        source=shelf.address,
        source_accept_ranges=True,
        source_accept_multiple_ranges=False,
        maximum_retries=1,
    )
    for request in (
        {"param": "gh", "levelist": 500},
        {"param": "t", "levelist": 850},
        {"param": ["2t", "lsm", "z"], "levtype": "sfc"},
    ):
        client.retrieve(
            date="20261124", time=6, stream="oper", type="fc", step=0, target=str(theirs), **request
        )
        for param in np.atleast_1d(request["param"]):
            one = message(str(param), request.get("levelist", 0), NEWEST, 0, None)
            assert one in theirs.read_bytes()
            assert one in find_raw_files(wanted)[0].read_bytes()


@pytest.mark.parametrize("day", [datetime(2026, 11, 24), datetime(2026, 5, 11)])
@pytest.mark.parametrize("hour", [0, 6])
def test_the_same_addresses_as_the_real_client(day, hour):
    """Before cycle 50r1 the runs of 06 and 18 UTC were the stream scda."""
    client = Client(source="https://a.example")
    for stream, kind, step in (("oper", "fc", 0), ("enfo", "ef", 24)):
        request = runs.Request("https://a.example", (), (), 6)
        start = day.replace(hour=hour)
        ours = runs._address(request, runs.FileRequest(stream, kind, step), start)
        request = {"date": f"{day:%Y%m%d}", "time": hour, "stream": stream, "step": step}
        their_kind = "pf" if kind == "ef" else kind
        assert client._get_urls(request | {"type": their_kind}).urls == [ours]


def changed_index(shelf, path, change):
    lines = [json.loads(line) for line in shelf.files[path].decode().splitlines()]
    shelf.files[path] = "\n".join(json.dumps(line) for line in change(lines)).encode()


def test_a_member_or_a_channel_is_missing(world):
    shelf, config = world
    path = index_of(NEWEST, "enfo", "ef", 24)
    right = shelf.files[path]
    changed_index(
        shelf, path, lambda lines: [x for x in lines if (x["param"], x["number"]) != ("2t", "2")]
    )
    with pytest.raises(InputError, match="t2m of member 2 is missing in the run"):
        download(config(*ENSEMBLE))
    shelf.files[path] = right
    download(config(*ENSEMBLE))  # the index is asked for anew
    changed_index(shelf, index_of(NEWEST), lambda lines: [x for x in lines if x["param"] != "lsm"])
    with pytest.raises(InputError, match="the run has no lsm at 0 h: leave it out"):
        download(config())


def test_an_index_that_promises_wrong(world):
    """As when the file is published anew: both come again with the next download."""
    shelf, config = world
    path, right = index_of(NEWEST), shelf.files[index_of(NEWEST)]

    def swapped(lines):
        for line in lines:
            if line["param"] == "2t":
                line["param"] = "msl"
            elif line["param"] == "msl":
                line["param"] = "2t"
        return lines

    changed_index(shelf, path, swapped)
    with pytest.raises(InputError, match="are those that the index promised: run again"):
        download(config())
    changed_index(shelf, path, lambda lines: [x | {"_length": x["_length"] - 1} for x in lines])
    with pytest.raises(InputError, match="message 1 is broken or cut"):
        download(config())
    shelf.files[path] = right
    download(config())
    assert len(find_raw_files(config())) == 1


def test_a_page_in_place_of_an_index(world):
    shelf, config = world
    shelf.files[index_of(NEWEST)] = b"<html>sign in</html>"
    with pytest.raises(InputError, match="this is no index of GRIB messages"):
        download(config())


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[]", "1", '{"start": 5}', '{"start": "2026-11-24", "files": ["a"]}', "{"],
)
def test_a_note_of_the_newest_run_that_is_none(tmp_path, text):
    (tmp_path / "opendata.json").write_text(text)
    request = runs.Request("https://host", (runs.FileRequest("oper", "fc", 0),), ("t2m",), 6)
    assert runs.newest(request, tmp_path) is None


def test_an_index_without_its_file(world):
    shelf, config = world
    del shelf.files[grib_of(NEWEST)]
    with pytest.raises(NotPublishedError, match="not published yet"):
        download(config())


def test_a_cut_goes_on_where_it_was(world):
    shelf, config = world
    wanted = config("download.retry_minutes=1")
    shelf.cuts = [1 << 20, 1 << 20, 1 << 20, 700]  # whole: addresses that are not there, the index
    made = download(wanted)
    assert shelf.sent[grib_of(NEWEST)] == made["files"][0]["bytes"]


def test_the_client_is_not_installed(world, monkeypatch):
    _, config = world
    monkeypatch.setitem(sys.modules, "ecmwf.opendata", None)
    with pytest.raises(ConfigError, match=r"pip install smoecast\[download\]"):
        download(config())


def test_other_lead_times_are_another_survey(world):
    _, config = world
    download(config(*ENSEMBLE))
    other = config(*ENSEMBLE[:-2], "postprocess.lead_hours=[12]")
    assert plan(other)["files"][0]["file"] == "opendata_latest_enfo_12h.grib2"
    with pytest.raises(InputError, match="not there yet"):
        find_raw_files(other, "ensembles")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.channels=[tp]"], "data.channels names tp, which source opendata lacks; it has z<l"),
        (["data.channels=[z550]"], "z550, but source opendata has z at 50 100"),
        (["data.step_hours=3"], "step_hours = 3, but source opendata has an analysis every 6 h"),
        ([*ENSEMBLE, "postprocess.lead_hours=[147]"], "names 147, but source opendata has every"),
        ([*ENSEMBLE, "postprocess.lead_hours=[0]"], "names 0, when tp has not begun: leave it out"),
        ([*ENSEMBLE[:2], "postprocess.channels=[t2m, slt]"], "postprocess.channels names slt"),
    ],
)
def test_what_it_lacks_is_said(overrides, words, tmp_path):
    with pytest.raises(ConfigError, match=words):
        plan(parse(f"folder={tmp_path}", "sample.lead_hours=[6]", *overrides))
