"""NCEP/NCAR Reanalysis 1 from a server on loopback to the store of a run."""

import json
import subprocess
import sys
import time
from datetime import date

import numpy as np
import pytest
import xarray as xr
from loopback import Shelf, serving
from made_ncep import KINDS, LEVELS, PRESSURE, content, write
from raw_files import find_raw_files
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.data.download import collect
from smoecast.data.download.http import CHUNK
from smoecast.data.sources import ncep, remote
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError, InputError, NotPublishedError
from smoecast.fields.canonical.units import GRAVITY
from smoecast.fields.read.open import open_file
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: ncep
data:
  source: ncep
  years: [2013, 2014]
  channels: [z500, t850, tsig995, msl]
  split: {train: [2013-01-01, 2013-12-31], validation: [2014-01-01, 2014-01-02],
          test: [2014-01-03, 2014-12-31]}
download: {retry_minutes: 0.01}
"""
NAMES = {
    "z": "hgt",
    "t": "air",
    "u": "uwnd",
    "v": "vwnd",
    "q": "shum",
    "r": "rhum",
    "w": "omega",
    "tsig995": "air.sig995",
    "msl": "slp",
    "sp": "pres.sfc",
}


def parse(*overrides):
    return yaml_file.parse(CONFIG, "ncep.yaml", overrides)


@pytest.fixture
def world(tmp_path):
    """Two years of four variables on a server, and the config of a run on it."""
    files = {}
    for year, times in ((2013, 365 * 4), (2014, 20)):
        for name, folder in (
            ("hgt", "pressure"),
            ("air", "pressure"),
            ("air.sig995", "surface"),
            ("slp", "surface"),
        ):
            files[f"/{folder}/{name}.{year}.nc"] = content(tmp_path, name, year, times)
    with serving(Shelf(files)) as shelf:
        yield shelf, parse(f"folder={tmp_path}", f"download.url={shelf.address}/")


def test_addresses_are_those_of_noaa():
    wanted = ncep.list_files(
        request_of(parse("data.channels=[z500, z850, u250, sp]", "data.years=[2013]"))
    )
    assert [r.url for r in wanted] == [
        f"https://downloads.psl.noaa.gov/Datasets/ncep.reanalysis/{name}.2013.nc"
        for name in ("pressure/hgt", "pressure/uwnd", "surface/pres.sfc")
    ]
    assert wanted[0].about == 2 * 1464 * 17 * 73 * 144
    assert wanted[0].final == date(2014, 1, 15)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", KINDS)
def test_every_file_is_read_right(tmp_path, name, packed):
    path = tmp_path / f"{name}.2013.nc"
    physical = write(path, name, 2013, 8, packed=packed)
    short = next(ours for ours, theirs in NAMES.items() if theirs == name)
    factor = {"z": GRAVITY, "r": 0.01}.get(short, 1.0)
    with open_file(path) as dataset:
        assert list(dataset.data_vars) == [short]
        field = dataset[short].transpose("time", ..., "latitude", "longitude")
        if name in PRESSURE:
            assert field["level"].values.tolist() == sorted(LEVELS)
            physical = physical[:, ::-1]
        expected = physical * factor
        # the file's own float32 offset and scale cannot be better than this
        largest = np.abs(expected).max()
        np.testing.assert_allclose(field.values, expected, rtol=0, atol=3e-7 * largest)
        assert field["time"].values[1] == np.datetime64("2013-01-01T06:00")


def test_from_the_server_to_the_store(world):
    _, config = world
    summary = download(config)
    assert len(summary["files"]) == 8
    assert set(json.loads((config.raw / "manifest.json").read_text())["files"]) == {
        f["file"] for f in summary["files"]
    }
    made = preprocess(config)["analyses"]
    assert made["shape"] == {"time": 1480, "channel": 4, "latitude": 4, "longitude": 8}
    assert made["split"] == {"train": 1460, "validation": 8, "test": 12}
    with xr.open_zarr(config.store) as store, open_file(config.raw / "hgt.2014.nc") as heights:
        expected = heights["z"].sel(level=500).values
        np.testing.assert_array_equal(store["fields"].values[1460:, 0], expected)


def test_second_run_asks_for_nothing(world):
    shelf, config = world
    download(config)
    asked = len(shelf.asked)
    assert asked == 8
    assert download(config)["files"] == download(config)["files"]
    assert len(shelf.asked) == asked


def test_removed_and_damaged_files_come_again(world):
    shelf, config = world
    download(config)
    (config.raw / "slp.2013.nc").unlink()
    (config.raw / "hgt.2014.nc").write_bytes(b"damaged")
    download(config)
    again = sorted(path for path, _ in shelf.asked[8:])
    assert again == ["/pressure/hgt.2014.nc", "/surface/slp.2013.nc"]
    assert open_file(config.raw / "hgt.2014.nc")["z"].sizes["time"] == 20


def test_web_page_is_no_weather(world):
    shelf, config = world
    shelf.files["/surface/slp.2013.nc"] = b"<html>Accept our terms first</html>"
    with pytest.raises(InputError, match=r"slp.2013.nc: what came is no NetCDF but a web page"):
        download(config)
    assert not list(config.raw.glob("slp.2013.nc*"))
    shelf.files["/surface/slp.2013.nc"] = b"neither"
    with pytest.raises(InputError, match="is no NetCDF: open"):
        download(config)


def test_killed_in_the_middle_of_several_files(world, tmp_path):
    """Through the command line, twice: the lock is free again and no byte comes twice."""
    shelf, config = world
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    shelf.pause = 0.02
    code = "import sys; from smoecast.cli.main import app; app(['download', '-c', sys.argv[1]])"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while shelf.sent.total() < 500_000:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    time.sleep(0.1)  # until the server notices
    shelf.pause = 0.0
    assert invoke("-c", str(path)).exit_code == 0
    for name, content_ in shelf.files.items():
        assert (config.raw / name.rsplit("/", 1)[1]).read_bytes() == content_
        assert shelf.sent[name] <= len(content_) + CHUNK
    assert preprocess(config)


def test_running_year_is_looked_at_again(world, monkeypatch):
    shelf, config = world
    monkeypatch.setattr(collect, "today", lambda: date(2014, 1, 6))
    download(config)
    path = "/surface/slp.2014.nc"
    shelf.files[path] = content(config.raw, "slp", 2014, 24)
    manifest = config.raw / "manifest.json"
    stored = json.loads(manifest.read_text())
    for facts in stored["files"].values():
        facts["fetched"] = "2014-01-05T12:00:00+00:00"
    manifest.write_text(json.dumps(stored))
    shelf.answered.clear()
    download(config)
    assert sorted(shelf.answered) == [200] + [304] * 7  # 2013 may still grow until mid January
    assert open_file(config.raw / "slp.2014.nc")["msl"].sizes["time"] == 24
    monkeypatch.setattr(collect, "today", lambda: date(2014, 3, 1))
    download(config)
    assert len(shelf.answered) == 8  # looked at today, and that is after mid January of 2015


def test_year_to_come_is_not_published_yet(world, monkeypatch):
    shelf, config = world
    for module in (collect, remote):
        monkeypatch.setattr(module, "today", lambda: date(2014, 1, 10))
    del shelf.files["/surface/slp.2014.nc"], shelf.files["/surface/air.sig995.2014.nc"]
    with pytest.raises(NotPublishedError, match=r"air.sig995.2014.nc .*and 1 more.*6 of 8 files"):
        download(config)
    assert (config.raw / "hgt.2014.nc").is_file()
    assert len(find_raw_files(config)) == 6
    with pytest.raises(InputError, match="fetch what is missing"):
        preprocess(config)


def test_year_that_should_be_there_is_not(world):
    shelf, config = world
    del shelf.files["/surface/slp.2013.nc"]
    with pytest.raises(InputError, match="no such file"):
        download(config)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.channels=[t2m]"], "t2m, which source ncep lacks; it has z<level>"),
        (["data.channels=[z600, z999]"], "z999, but source ncep has z at 10 20"),
        (["data.channels=[q200]"], "q200, but source ncep has q at 300 400"),
        (["data.years=[1947, 2013]"], "1947, but source ncep begins in 1948"),
        (["data.step_hours=3"], "time every 6 h"),
        (["data.constants=[orography]"], "no constants"),
    ],
)
def test_what_it_lacks_is_said(overrides, words):
    with pytest.raises(ConfigError, match=words):
        ncep.list_files(request_of(parse(*overrides)))


def test_preprocess_before_download(tmp_path):
    config = parse(f"folder={tmp_path}")
    with pytest.raises(InputError, match="run `smoecast download`"):
        preprocess(config)
    with pytest.raises(InputError, match=r"no raw file is there yet"):
        preprocess(parse(f"folder={tmp_path}", "data.years=[2200]"))


def invoke(*words):
    return CliRunner().invoke(app, ["download", *words])


def test_command_line(world, tmp_path):
    shelf, config = world
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    dry = invoke("-c", str(path), "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "8 of 8 files to fetch, about 2.2 GB" in dry.output
    assert shelf.asked == []
    assert not config.raw.exists()
    done = invoke("-c", str(path), "--json", "-q")
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.output)["files"]) == 8
    dry = json.loads(invoke("-c", str(path), "--dry-run", "--json").output)
    assert dry["bytes"] == 0
    assert all(entry["there"] for entry in dry["files"])
    assert "0 of 8 files to fetch" in invoke("-c", str(path), "--dry-run").output
    assert "8 raw files, 1.3 MB" in invoke("-c", str(path)).output
    later = invoke("-c", str(path), "-s", "data.years=[2200]")
    assert later.exit_code == 4
    assert "not published yet" in later.output


def test_list_and_config(tmp_path):
    listed = invoke("--list")
    assert listed.exit_code == 0
    assert "ncep: NCEP/NCAR Reanalysis 1" in listed.output
    assert "licence  NOAA" in listed.output
    assert invoke("--list", "--json").exit_code == 0
    nothing = invoke()
    assert nothing.exit_code == 2
    assert "give --config" in nothing.output
    assert plan(yaml_file.parse("name: p", "p.yaml"))["files"] == []
    assert "on this machine" in invoke("-c", "planet-demo", "--dry-run").output


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.years=[]"], "data.years names none"),
        (["download.url=ftp://host"], "begins with https"),
        (["download.url=https://me:secret@host/x"], "plain, without user"),
        (["download.url=https://host/x?token=secret"], "plain, without user"),
    ],
)
def test_config_is_checked_and_quotes_no_secret(overrides, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse(*overrides)
    assert "secret" not in str(caught.value)


def test_folder_of_another_run_is_refused(world):
    from smoecast.disk.locks import lock
    from smoecast.errors import LockedError

    _, config = world
    with lock(config.raw), pytest.raises(LockedError):
        download(config)
