"""AIFS-ENS from a server on loopback to a store: 51 members, of which the control comes apart."""

from datetime import UTC, date, datetime

import numpy as np
import pytest
from ecmwf.opendata.client import Client
from loopback import Shelf, serving
from made_opendata import field, run, stem, value_of
from raw_files import find_raw_files

from smoecast.config import yaml_file
from smoecast.data.sources.opendata import runs
from smoecast.data.sources.opendata.ensembles import SOURCE
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError, NotPublishedError
from smoecast.fields.channels import field_of
from smoecast.fields.read.open import open_files
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

CONFIG = """
name: aifs
data: {source: none}
download: {retry_minutes: 0.01}
postprocess:
  source: opendata
  opendata: {model: aifs-ens}
  channels: [z500, t2m, tp]
  targets: [t2m]
  lead_hours: [24]
  split: {train: 1.0, validation: 0.0, test: 0.0}
"""
NEWEST = datetime(2026, 11, 24, 6)
STEPS = (24,)


def parse(*overrides):
    return yaml_file.parse(CONFIG, "aifs.yaml", overrides)


@pytest.fixture(scope="module")
def objects():
    files = {}
    for step in STEPS:
        files |= run(NEWEST, "enfo", "cf", step, (0,), "aifs-ens")
        files |= run(NEWEST, "enfo", "pf", step, tuple(range(1, 51)), "aifs-ens")
    return files


@pytest.fixture
def world(tmp_path, objects, monkeypatch):
    monkeypatch.setattr(runs, "now", lambda: datetime(2026, 11, 24, 13, 40, tzinfo=UTC))
    monkeypatch.setattr("smoecast.data.download.collect.today", lambda: date(2026, 11, 24))
    with serving(Shelf(dict(objects))) as shelf:
        yield shelf, parse(f"folder={tmp_path}", f"download.url={shelf.address}")


def expected(param, level, step, number):
    values = np.roll(field(value_of(param, level, NEWEST, step, number)), 6, axis=1)
    return values.astype(np.float32)


def test_all_members_whole_and_right(world):
    _, config = world
    made = download(config)
    assert len(made["files"]) == 2 * len(STEPS)
    fields = open_files(find_raw_files(config, "ensembles"))[["z", "t2m"]].load()
    assert fields["number"].values.tolist() == list(range(51))
    # geopotential, where IFS has heights
    for found, param, level in ((field_of(fields, "z500"), "z", 500), (fields["t2m"], "2t", 0)):
        wanted = [[expected(param, level, step, n) for n in range(51)] for step in STEPS]
        np.testing.assert_array_equal(found[0], np.array(wanted))
    shape = preprocess(config)["ensembles"]["shape"]
    assert (shape["lead_time"], shape["number"], shape["channel"]) == (1, 51, 3)


def test_a_run_whose_control_is_not_there_yet(world):
    shelf, config = world
    del shelf.files[f"{stem(NEWEST, 'enfo', 'cf', 24, 'aifs-ens')}.index"]
    with pytest.raises(NotPublishedError, match="no run of the last 72 hours has all"):
        download(config)


def test_the_plan_counts_both_files(tmp_path):
    shown = plan(parse(f"folder={tmp_path}"))
    assert [row["file"] for row in shown["files"]] == [
        f"opendata_latest_aifs_enfo_{kind}_{step}h.grib2" for step in STEPS for kind in ("cf", "pf")
    ]
    assert shown["bytes"] == runs.MESSAGE_BYTES * 3 * 51 * len(STEPS)


@pytest.mark.parametrize("kind", ["cf", "pf"])
def test_the_same_addresses_as_the_real_client(kind):
    client = Client(source="https://a.example", model="aifs-ens")
    request = runs.Request("https://a.example", (), (), 6)
    ours = runs._address(request, runs.FileRequest("enfo", kind, 24, model="aifs-ens"), NEWEST)
    asked = {"date": "20261124", "time": 6, "stream": "enfo", "step": 24, "type": kind}
    assert client._get_urls(asked).urls == [ours]


def test_steps_that_it_does_not_have(tmp_path):
    config = parse(f"folder={tmp_path}", "postprocess.lead_hours=[9]")
    with pytest.raises(ConfigError, match="names 9, but source opendata has every 6 h up to 360"):
        SOURCE.plan(request_of(config, "ensembles"))
