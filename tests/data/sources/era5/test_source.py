"""ERA5 through the real client of the Climate Data Store, against a store on loopback."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from math import prod
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from loopback import serving
from made_cds import CdsHandler, Store, grib, value_of

from smoecast.config import yaml_file
from smoecast.data.download import collect
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.retry import Limits, RetryBudget
from smoecast.data.sources import remote
from smoecast.data.sources.era5 import client, source
from smoecast.data.sources.era5 import queue as era5_queue
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError, InputError, NotPublishedError, OutputError
from smoecast.tasks.download import download, plan
from smoecast.tasks.preprocess.preprocess import preprocess

pytest.importorskip("ecmwf.datastores", reason="ecmwf-datastores-client is an optional extra")

CONFIG = """
name: e
data:
  source: era5
  years: [2013]
  channels: [z500, tp]
  constants: [orography]
  step_hours: 24
  era5: {grid_degrees: 1, area: [45, 10, 42, 15]}
sample: {lead_hours: [24]}
download: {retry_minutes: 0.05, wait_hours: 0.01}
"""


def parse(*overrides):
    return yaml_file.parse(CONFIG, "e.yaml", overrides)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(era5_queue, "POLL", [0.005, 0.02])
    for name in ("CDSAPI_RC", "ECMWF_DATASTORES_KEY", "ECMWF_DATASTORES_URL", "CDSAPI_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world(tmp_path, monkeypatch):
    with serving(Store(), CdsHandler) as store:
        monkeypatch.setenv("CDSAPI_URL", f"{store.address}/api")
        monkeypatch.setenv("CDSAPI_KEY", store.key)
        yield store, parse(f"folder={tmp_path}", "data.constants=[]", "data.channels=[z500]")


def quick_run(config, *overrides):
    more = ("data.constants=[]", "data.channels=[z500]", *overrides)
    return parse(f"folder={config.folder}", *more)


def wait_ends_once(monkeypatch, store, count):
    """Let the wait in the queue be over when so many requests were submitted, by no clock."""
    clock = SimpleNamespace(monotonic=lambda: 0.0 if len(store.posts) < count else 1e9)
    monkeypatch.setattr(era5_queue, "time", clock)


def only(monkeypatch, count=1):
    """Ask for the first months of a run only, to keep a test short."""
    whole = source.list_requests
    monkeypatch.setattr(source, "list_requests", lambda config: whole(config)[:count])


def test_requests_are_what_the_store_wants():
    requests = source.list_requests(request_of(parse()))
    assert len(requests) == 12 * 2 + 1
    first = requests[0]
    assert first.collection == "reanalysis-era5-single-levels"
    assert first.body["variable"] == ["total_precipitation"]
    levels = requests[1]
    assert levels.collection == "reanalysis-era5-pressure-levels"
    assert levels.body == {
        "product_type": ["reanalysis"],
        "variable": ["geopotential"],
        "pressure_level": ["500"],
        "year": ["2013"],
        "month": ["01"],
        "day": [f"{day:02d}" for day in range(1, 32)],
        "time": ["00:00"],
        "data_format": "grib",
        "download_format": "unarchived",
        "grid": "1/1",
        "area": [45.0, 10.0, 42.0, 15.0],
    }
    assert levels.fields == 31
    assert levels.remote.published == date(2013, 2, 6)
    assert levels.remote.final == date(2013, 5, 1)
    assert levels.remote.about == 31 * (200 + 2 * 4 * 6)
    assert requests[-1].body["variable"] == ["geopotential"]
    assert requests[-1].body["day"] == ["01"]
    assert len({w.remote.name for w in requests}) == len(requests)


def test_instantaneous_apart_from_accumulated_and_no_field_too_many():
    config = parse(
        "data.channels=[z500, t500, t850, u850, t2m, msl, tp, tisr]", "data.step_hours=6"
    )
    january = [
        w
        for w in source.list_requests(request_of(config))
        if w.remote.name.startswith("era5_201301")
    ]
    asked = {(tuple(w.body["variable"]), tuple(w.body.get("pressure_level", ()))) for w in january}
    assert asked == {
        (("geopotential",), ("500",)),
        (("temperature",), ("500", "850")),
        (("u_component_of_wind",), ("850",)),
        (("2m_temperature", "mean_sea_level_pressure"), ()),
        (("total_precipitation", "toa_incident_solar_radiation"), ()),
        (("geopotential",), ()),
    }


@pytest.mark.parametrize(
    ("degrees", "area", "points"),
    [
        (1, [], 181 * 360),
        (0.25, [], 721 * 1440),
        (1, [90, -180, -90, 180], 181 * 360),
        (2.5, [50, -10, 40, 10], 5 * 9),
    ],
)
def test_points_of_a_grid(degrees, area, points):
    assert prod(source.shape(degrees, area)) == points


def test_no_request_is_too_large():
    levels = (50, 250, 500, 600, 700, 850, 925)
    channels = ", ".join(f"{name}{level}" for name in "ztuvq" for level in levels)
    requests = source.list_requests(
        request_of(parse(f"data.channels=[{channels}]", "data.step_hours=1"))
    )
    assert max(w.fields for w in requests) <= source.FIELDS
    assert sum(w.fields for w in requests) == 35 * 8760 + 1


def test_from_the_store_to_ours(world):
    store, config = world
    config = parse(f"folder={config.folder}")
    download(config)
    assert len(store.posts) == 25
    made = preprocess(config)["analyses"]
    assert made["shape"] == {"time": 365, "channel": 2, "latitude": 4, "longitude": 6}
    with xr.open_zarr(config.store) as result:
        for i, (param, level) in enumerate(((129, 500), (228, 0))):
            wanted = [value_of(param, level, t) for t in result["time"].values]
            np.testing.assert_allclose(result["fields"].values[:, i, 0, 0], wanted, rtol=1e-6)
        np.testing.assert_allclose(result["constant_orography"], 1.0)
    asked = len(store.posts)
    download(config)
    assert len(store.posts) == asked
    assert plan(config)["bytes"] == 0


def test_request_and_experiment_are_recorded_and_no_secret(world, monkeypatch, capsys):
    store, config = world
    only(monkeypatch)
    store.experiment = "0005"
    download(config)
    (file,) = config.raw.glob("*.grib")
    entry = Manifest(config.raw).get(file.name)
    assert entry.notes["preliminary"] == entry.notes["fields"] == 31
    assert entry.notes["request"]["month"] == ["01"]
    told = "".join(p.read_text() for p in config.raw.glob("*.json")) + "".join(capsys.readouterr())
    assert "job-1" in told
    assert "secret" not in told


def test_preliminary_months_come_again_once_they_are_final(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    store.experiment = "0005"
    monkeypatch.setattr(collect, "today", lambda: date(2013, 2, 20))
    download(config)
    manifest = config.raw / "manifest.json"
    stored = json.loads(manifest.read_text())
    next(iter(stored["files"].values()))["fetched"] = "2013-02-20T00:00:00+00:00"
    manifest.write_text(json.dumps(stored))
    journal = config.raw / "requests.json"
    journal.write_text(journal.read_text().replace(f'"{date.today().year}-', '"2013-'))
    download(config)
    assert len(store.posts) == 1
    monkeypatch.setattr(collect, "today", lambda: date(2013, 6, 1))
    store.experiment = "0001"
    download(config)
    assert len(store.posts) == 2
    (entry,) = json.loads(manifest.read_text())["files"].values()
    assert entry["notes"]["preliminary"] == 0
    download(config)
    assert len(store.posts) == 2


def test_months_to_come_are_not_asked_for(world, monkeypatch):
    store, config = world
    for module in (collect, source, remote):
        monkeypatch.setattr(module, "today", lambda: date(2013, 3, 7))
    with pytest.raises(
        NotPublishedError, match=r"not published before 2013-04-06 .and 9 more.*2 of"
    ):
        download(config)
    assert len(store.posts) == 2
    assert preprocess(parse(f"folder={config.folder}", "data.constants=[]", "data.channels=[z500]"))


def test_queue_longer_than_the_wait_ends_in_4_and_is_gone_back_to(world, monkeypatch):
    store, config = world
    only(monkeypatch, 2)
    wait_ends_once(monkeypatch, store, 2)
    store.hold = True
    short = parse(
        f"folder={config.folder}",
        "data.constants=[]",
        "data.channels=[z500]",
    )
    with pytest.raises(NotPublishedError, match=r"still queued.*wait_hours") as caught:
        download(short)
    assert caught.value.exit_code == 4
    assert len(store.posts) == 2
    monkeypatch.setattr(era5_queue, "time", time)
    store.hold = False
    download(config)
    assert len(store.posts) == 2


CODE = """
import sys
from pathlib import Path
from types import SimpleNamespace
from smoecast.config import yaml_file
from smoecast.data.sources.era5 import queue
from smoecast.tasks.download import download
queue.POLL[:] = [0.005, 0.02]
download(yaml_file.load(Path(sys.argv[1])))
"""


def test_killed_in_the_queue(world, tmp_path):
    store, config = world
    store.hold = True
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    journal = config.raw / "requests.json"
    with subprocess.Popen([sys.executable, "-c", CODE, str(path)], stderr=subprocess.PIPE) as run:
        deadline = time.monotonic() + 30
        while not journal.is_file() or len(json.loads(journal.read_text())) < 4:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        run.send_signal(signal.SIGKILL)
    assert len(store.posts) == 4
    store.hold = False
    download(config)
    assert len(list(config.raw.glob("*.grib"))) == 12
    months = Counter(post["month"][0] for post in store.posts)
    assert months == {f"{month:02d}": 1 for month in range(1, 13)}


def test_job_that_is_gone_is_asked_for_anew(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    wait_ends_once(monkeypatch, store, 1)
    store.hold = True
    with pytest.raises(NotPublishedError):
        download(parse(f"folder={config.folder}", "data.constants=[]", "data.channels=[z500]"))
    monkeypatch.setattr(era5_queue, "time", time)
    store.hold = False
    store.jobs.clear()
    download(config)
    assert len(store.posts) == 2


def test_missing_fields_are_refused(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    store.leave_out = 2
    with pytest.raises(InputError, match="sent 29 of 31 fields"):
        download(config)
    assert not list(config.raw.glob("*.grib*"))
    assert len(store.posts) == 1
    store.leave_out = 0
    store.files.clear()
    download(config)
    assert len(store.posts) == 2


def test_bursts_and_retry_after(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    store.burst = [(500, {}), (429, {"Retry-After": "1"})]
    store.cuts = [100]
    begin = time.monotonic()
    download(
        parse(
            f"folder={config.folder}",
            "data.constants=[]",
            "data.channels=[z500]",
            "download.retry_minutes=1",
        )
    )
    assert time.monotonic() - begin > 1.0
    assert len(store.posts) == 1
    assert max(store.sent.values()) == len(store.files["/object-store/job-1.grib"])


def test_no_answer_uses_up_the_budget(world, monkeypatch):
    _, config = world
    monkeypatch.setenv("CDSAPI_URL", "http://127.0.0.1:9/api")
    only(monkeypatch)
    with pytest.raises(InputError, match="no connection to the Climate Data Store; given up"):
        download(
            parse(
                f"folder={config.folder}",
                "data.constants=[]",
                "data.channels=[z500]",
                "download.retry_minutes=0.005",
            )
        )


@pytest.mark.parametrize(
    ("status", "content", "error", "words"),
    [
        (
            403,
            {"title": "required licences not accepted", "detail": "visit the page"},
            InputError,
            r"answers 403 \(required licences not accepted visit the page\)",
        ),
        (401, {"title": "Unauthorized"}, ConfigError, "refuses the key"),
        (422, {}, InputError, "answers 422"),
        (400, [], InputError, r"answers 400 \(Bad Request\)"),
    ],
)
def test_refusals(world, monkeypatch, status, content, error, words):
    store, config = world
    only(monkeypatch)
    store.refusal = (status, content)
    with pytest.raises(error, match=words):
        download(config)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("cost limits exceeded", InputError),
        ("None of the data you have requested is available yet", InputError),
        ("the data is not available yet, the latest date is 2013-01-05", NotPublishedError),
    ],
)
def test_failed_requests(world, monkeypatch, words, error):
    store, config = world
    only(monkeypatch)
    store.failure = words
    with pytest.raises(error, match=words):
        download(config)
    assert json.loads((config.raw / "requests.json").read_text()) == {}


def test_dismissed_requests(world, monkeypatch):
    """Somebody has deleted the request on the web page of the store."""
    store, config = world
    only(monkeypatch)
    store.dismissed = True
    with pytest.raises(InputError, match=r"could not serve the request \(API state 'dismissed'\)"):
        download(config)


def test_refusal_that_is_no_json(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    store.statuses["/api"] = [(418, {})]
    with pytest.raises(InputError, match=r"answers 418 \(I'm a Teapot\)"):
        download(config)


def test_no_answer_about_an_older_request_keeps_its_place(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    store.hold = True
    with pytest.raises(NotPublishedError):
        download(quick_run(config, "download.wait_hours=0.0003"))
    journal = (config.raw / "requests.json").read_text()
    store.burst = [(500, {})] * 99
    with pytest.raises(InputError, match="answers 500; given up"):
        download(quick_run(config, "download.retry_minutes=0"))
    assert (config.raw / "requests.json").read_text() == journal


def test_wrong_key(world, monkeypatch):
    _, config = world
    monkeypatch.setenv("CDSAPI_KEY", "another")
    with pytest.raises(ConfigError, match=r"refuses the key .Unauthorized wrong key") as caught:
        download(config)
    assert "another" not in str(caught.value)


def test_accounts(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"needs an account.*~/.cdsapirc"):
        client.account()
    (tmp_path / ".ecmwfdatastoresrc").write_text("url: https://a/api\nkey: 1\n")
    assert client.account() == ("https://a/api", "1")
    (tmp_path / ".cdsapirc").write_text("# mine\nkey: 2\n")
    assert client.account() == (client.URL, "2")
    (tmp_path / "other").write_text("url: https://b/api\nkey: 3")
    monkeypatch.setenv("CDSAPI_RC", str(tmp_path / "other"))
    assert client.account() == ("https://b/api", "3")
    monkeypatch.setenv("CDSAPI_KEY", "4")
    assert client.account() == (client.URL, "4")
    monkeypatch.setenv("ECMWF_DATASTORES_KEY", "5")
    assert client.account()[1] == "5"


def test_an_account_that_others_can_read_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    path = tmp_path / ".cdsapirc"
    path.write_text("key: the-secret\n")
    path.chmod(0o600)
    client.account()
    assert capsys.readouterr().err == ""
    path.chmod(0o644)
    client.account()
    err = capsys.readouterr().err
    assert err.endswith(f"chmod 600 {path}\n")
    assert "the-secret" not in err


@pytest.mark.parametrize("content", [b"key: the-secret \xff\n", b"key: the-secret\n" * 10_000])
def test_an_account_that_is_no_text_is_refused_without_its_words(tmp_path, monkeypatch, content):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CDSAPI_KEY", raising=False)
    (tmp_path / ".cdsapirc").write_bytes(content)
    with pytest.raises(ConfigError, match="the account cannot be read") as caught:
        client.account()
    assert "secret" not in str(caught.value)


def test_a_key_that_the_store_repeats_is_not_shown(world):
    store, config = world
    store.refusal = (400, {"title": "Bad", "detail": f"what is {store.key}?"})
    with pytest.raises(InputError, match=r"answers 400 \(Bad what is \.\.\.\?\)"):
        download(config)


def test_the_key_is_in_no_file_and_no_line(world, monkeypatch, capsys):
    store, config = world
    only(monkeypatch)
    download(config)
    written = [path for path in config.folder.rglob("*") if path.is_file()]
    assert {"manifest.json", "requests.json"} < {path.name for path in written}
    assert not [path for path in written if store.key.encode() in path.read_bytes()]
    assert store.key not in "".join(capsys.readouterr())


def test_client_that_is_not_installed(world, monkeypatch):
    _, config = world
    monkeypatch.setitem(sys.modules, "ecmwf.datastores", None)
    with pytest.raises(ConfigError, match=r"pip install smoecast\[download\]"):
        download(config)


def test_untrusted_certificate():
    import requests

    def refuse():
        raise requests.exceptions.SSLError("secret")

    with pytest.raises(InputError, match="certificate"):
        client.ask(refuse, "file", RetryBudget(Limits()))


JOURNALS = (
    *("{", "[]", '{"a": {"id": 1}}', '{"a": 3}', "[" * 100_000),
    '{"a": {"id": "../../other", "submitted": "2020-01-01T00:00:00+00:00"}}',
)


def test_refusal_without_an_answer():
    import requests

    def refuse():
        raise requests.HTTPError("secret")

    with pytest.raises(InputError, match=r"answers nothing \(without a reason\)"):
        client.ask(refuse, "file", RetryBudget(Limits()))


@pytest.mark.parametrize("text", JOURNALS)
def test_foreign_journal_is_refused(tmp_path, text):
    (tmp_path / "requests.json").write_text(text)
    with pytest.raises(InputError, match="no journal of smoecast"):
        era5_queue.Queue(tmp_path, 1.0)


def test_full_disk_at_the_journal(world, monkeypatch):
    _, config = world

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(era5_queue, "write_atomic", refuse)
    with pytest.raises(OutputError, match="does not take the journal"):
        download(config)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.channels=[z501]"], "z501, but source era5 has z at 1 2 3"),
        (["data.channels=[tsig995]"], "tsig995, which source era5 lacks"),
        (["data.years=[1939]"], "1939, but source era5 begins in 1940"),
        (["download.url=https://host"], "no meaning for source era5"),
        (["data.era5.area=[42, 10, 45, 15]"], "north above south"),
        (["data.era5.grid_degrees=0.1"], "grid_degrees"),
    ],
)
def test_what_it_lacks_is_said(overrides, words):
    with pytest.raises(ConfigError, match=words):
        source.list_files(request_of(parse(*overrides)))


def test_made_grib_is_read_as_era5(tmp_path):
    request = source.list_requests(request_of(parse()))[0].body
    path = Path(tmp_path / "a.grib")
    path.write_bytes(b"".join(grib(request, "0005")))
    notes = source._inspect(path, source.list_requests(request_of(parse()))[0])
    assert notes["preliminary"] == 31
