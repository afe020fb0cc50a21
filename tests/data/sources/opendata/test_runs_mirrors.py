"""ECMWF's open data while its own server is busy: the copies of it in object stores serve."""

from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta

import pytest
from ecmwf.opendata.urls import URLS
from loopback import serving
from made_buckets import Bucket, BucketHandler
from made_opendata import run, stem
from raw_files import find_raw_files

from smoecast.config import yaml_file
from smoecast.data.download.manifest import Manifest
from smoecast.data.sources.opendata import runs
from smoecast.errors import InputError
from smoecast.tasks.download import download

CONFIG = """
name: today
data:
  source: opendata
  channels: [z500, t850, t2m]
  split: {train: 1.0, validation: 0.0, test: 0.0}
postprocess:
  source: opendata
  channels: [t2m]
  lead_hours: [6, 24]
  split: {train: 1.0, validation: 0.0, test: 0.0}
download: {retry_minutes: 0.1, parallel: 1}
"""
NEWEST = datetime(2026, 11, 24, 6)
MEMBERS = (1, 2, 3)


@pytest.fixture(scope="module")
def objects():
    files = {}
    for start in (NEWEST, NEWEST - timedelta(hours=6)):
        files |= run(start, "oper", "fc", 0, (None,))
        for step in (6, 24):
            files |= run(start, "enfo", "ef", step, MEMBERS)
    return files


@pytest.fixture
def sites(objects, monkeypatch):
    """ECMWF's server and two copies."""
    monkeypatch.setattr(runs, "now", lambda: datetime(2026, 11, 24, 13, 40, tzinfo=UTC))
    monkeypatch.setattr("smoecast.data.download.collect.today", lambda: date(2026, 11, 24))
    with ExitStack() as stack:
        made = [
            stack.enter_context(serving(Bucket(dict(objects), kind=kind), BucketHandler))
            for kind in ("plain", "s3", "google")
        ]
        monkeypatch.setattr(runs, "URL", made[0].address)
        monkeypatch.setattr(runs, "MIRRORS", tuple(site.address for site in made[1:]))
        yield made


def parse(tmp_path, *overrides):
    return yaml_file.parse(CONFIG, "today.yaml", [f"folder={tmp_path}", *overrides])


def of(site, suffix):
    return [path for path, _ in site.asked if path.endswith(suffix)]


def test_the_mirrors_are_those_of_the_client():
    ours = {"ecmwf": runs.URL, "aws": runs.MIRRORS[0], "google": runs.MIRRORS[1]}
    assert ours == {name: URLS[name] for name in ours}


def test_no_mirror_is_asked_while_the_own_server_serves(sites, tmp_path):
    download(parse(tmp_path))
    assert not sites[1].asked
    assert not sites[2].asked


def test_all_comes_from_the_copies(sites, tmp_path, capsys):
    """One of which is busy as well at first."""
    own, amazon, google = sites
    own.busy, amazon.busy = 10_000, 2
    config = parse(tmp_path)
    made = download(config)
    assert len(made["files"]) == 3
    assert set(own.answered) == {503}
    assert of(amazon, ".grib2")
    assert of(google, ".index")
    entries = [Manifest(path.parent).get(path.name) for path in find_raw_files(config)]
    assert entries[0].url.startswith(amazon.address)
    told = capsys.readouterr().err
    assert f"answers 503; asking {amazon.address}" in told
    assert f"answers 503 (SlowDown); asking {google.address}" in told
    assert "the newest run is that of 2026-11-24 06 UTC" in told


def test_busy_in_the_middle_of_a_file(sites, tmp_path):
    """What has come of the messages is dropped, for copies may be of two versions."""
    own, amazon, _ = sites

    class Busy(list):
        def append(self, entry):
            super().append(entry)
            if len([path for path, _ in self if path.endswith(".grib2")]) == 1:
                own.busy = 9

    own.asked = Busy()
    config = parse(tmp_path, "data.channels=[z500, t2m]", "postprocess.source=files")
    made = download(config)
    assert len(of(own, ".grib2")) == 2
    assert len(of(amazon, ".grib2")) == 2
    grib = f"{stem(NEWEST, 'oper', 'fc', 0)}.grib2"
    assert amazon.sent[grib] == made["files"][0]["bytes"]


def test_a_copy_that_is_late_gives_the_run_before(sites, tmp_path, capsys):
    own, amazon, google = sites
    own.busy = 10_000
    for site in (amazon, google):
        for path in [path for path in site.files if f"/{NEWEST:%H}z/" in path]:
            del site.files[path]
    download(parse(tmp_path))
    assert "the newest run is that of 2026-11-24 00 UTC" in capsys.readouterr().err


def test_an_address_that_a_person_names_is_the_only_one(sites, tmp_path):
    own, amazon, google = sites
    own.busy = 10_000
    named = parse(tmp_path, f"download.url={own.address}/", "download.retry_minutes=0.005")
    with pytest.raises(InputError, match="answers 503; given up"):
        download(named)
    assert not amazon.asked
    assert not google.asked


def test_a_run_that_was_found_elsewhere_has_no_mirrors(sites):
    request = runs.Request(runs.URL, (), (), 6, runs.MIRRORS)
    assert request.at_mirrors("https://elsewhere.example/a.grib2") == ()
    assert request.at_mirrors(f"{runs.URL}/a.grib2") == tuple(
        f"{mirror}/a.grib2" for mirror in runs.MIRRORS
    )
