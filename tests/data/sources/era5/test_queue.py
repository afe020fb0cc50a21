"""Requests that come to nothing: results that are gone, and a queue that is full."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from loopback import serving
from made_cds import BUSY, FULL, CdsHandler, Store

from smoecast.config import yaml_file
from smoecast.data.download.retry import Limits, RetryBudget
from smoecast.data.sources.era5 import client, source
from smoecast.data.sources.era5 import queue as era5_queue
from smoecast.data.sources.registry import request_of
from smoecast.errors import InputError, NotPublishedError
from smoecast.tasks.download import download

pytest.importorskip("ecmwf.datastores", reason="ecmwf-datastores-client is an optional extra")

CONFIG = """
name: e
data:
  source: era5
  years: [2013]
  channels: [z500]
  step_hours: 24
  era5: {grid_degrees: 1, area: [45, 10, 42, 15]}
sample: {lead_hours: [24]}
download: {retry_minutes: 0.05, wait_hours: 1}
"""


@pytest.fixture
def world(tmp_path, monkeypatch):
    for name in ("CDSAPI_RC", "ECMWF_DATASTORES_KEY", "ECMWF_DATASTORES_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(era5_queue, "POLL", [0.005, 0.02])
    with serving(Store(), CdsHandler) as store:
        monkeypatch.setenv("CDSAPI_URL", f"{store.address}/api")
        monkeypatch.setenv("CDSAPI_KEY", store.key)
        yield store, parse(tmp_path)


def parse(folder, *overrides):
    return yaml_file.parse(CONFIG, "e.yaml", [f"folder={folder}", *overrides])


def only(monkeypatch, count=1):
    """Ask for the first months of a run only, to keep a test short."""
    whole = source.list_requests
    monkeypatch.setattr(source, "list_requests", lambda config: whole(config)[:count])


def journal(config):
    return json.loads((config.raw / "requests.json").read_text())


def remember(world, monkeypatch):
    """Have an earlier run that was killed when its only request was done; return the request."""
    _, config = world
    only(monkeypatch)
    config.raw.mkdir(parents=True)
    (request,) = source.list_requests(request_of(config))
    queue = era5_queue.Queue(config.raw, 60.0)
    queue.submit(request.remote, request.collection, request.body, RetryBudget(Limits()))
    assert next(iter(journal(config).values()))["id"] == "job-1"
    return request


# ---- results that are gone


def lose_result(store):
    store.jobs["job-1"]["gone"] = True


def lose_asset(store):
    store.jobs["job-1"]["empty"] = True


def lose_job(store):
    store.jobs["job-1"]["dismissed"] = True


def lose_object(store):
    store.files.clear()
    store.jobs["job-1"]["expired"] = True


def forbid_object(store):
    """What stores answer that do not let everybody list what they have."""
    store.statuses["/object-store/job-1.grib?X-Signature=topsecret"] = [(403, {})]


def reject_object(store):
    store.statuses["/object-store/job-1.grib?X-Signature=topsecret"] = [(410, {})]


LOSSES = [lose_result, lose_asset, lose_job, lose_object, forbid_object, reject_object]


@pytest.mark.parametrize("lose", LOSSES)
def test_a_result_that_is_gone_is_made_again(world, monkeypatch, capsys, lose):
    store, config = world
    request = remember(world, monkeypatch)
    lose(store)
    capsys.readouterr()
    download(config)
    assert len(store.posts) == 2
    assert (config.raw / request.remote.name).is_file()
    assert [entry["id"] for entry in journal(config).values()] == ["job-2"]
    told = capsys.readouterr().err
    words = "the result of request job-1 has expired or was deleted, submitting it again"
    assert told.count(f"{request.remote.name}: {words}") == 1
    assert "trying another way" not in told
    assert "topsecret" not in told


def test_a_result_that_is_there_is_not_made_again(world, monkeypatch):
    store, config = world
    remember(world, monkeypatch)
    download(config)
    assert len(store.posts) == 1


def test_a_result_that_is_not_what_was_asked_for_is_made_again(world, monkeypatch, capsys):
    store, config = world
    store.leave_out = 2
    remember(world, monkeypatch)
    store.leave_out = 0
    download(config)
    assert len(store.posts) == 2
    assert "sent 29 of 31 fields; trying another way" in capsys.readouterr().err


@pytest.mark.parametrize("lose", [lose_result, lose_asset])
def test_only_once(world, monkeypatch, lose):
    store, config = world
    remember(world, monkeypatch)
    lose(store)
    made = CdsHandler._results

    def lose_all(handler, store, job):
        job |= {key: store.jobs["job-1"].get(key) for key in ("gone", "empty")}
        return made(handler, store, job)

    monkeypatch.setattr(CdsHandler, "_results", lose_all)
    words = {lose_result: "answers 404 .results expired", lose_asset: "no file of request job-2"}
    with pytest.raises(InputError, match=words[lose]):
        download(config)
    assert len(store.posts) == 2


@pytest.mark.parametrize("status", ["dismissed", "rejected", "failed"])
def test_a_request_that_came_to_nothing_is_submitted_again(world, monkeypatch, capsys, status):
    store, config = world
    remember(world, monkeypatch)
    store.jobs["job-1"] |= {"fails": status == "failed", "rejected": status == "rejected"}
    monkeypatch.setattr(store, "dismissed", status == "dismissed")
    submitted = CdsHandler.do_POST

    def mended(handler):
        store.dismissed = False
        return submitted(handler)

    monkeypatch.setattr(CdsHandler, "do_POST", mended)
    download(config)
    assert len(store.posts) == 2
    assert f"request job-1 is {status}, submitting it again" in capsys.readouterr().err


def test_a_request_that_fails_while_it_is_waited_for(world, monkeypatch, capsys):
    store, config = world
    remember(world, monkeypatch)
    store.jobs["job-1"] |= {"asked": -3, "fails": True}
    download(config)
    assert len(store.posts) == 2
    told = capsys.readouterr().err
    assert "back to request job-1, accepted" in told
    assert "request job-1 is failed, submitting it again" in told


def test_a_request_of_another_account(world, monkeypatch, capsys):
    store, config = world
    remember(world, monkeypatch)
    store.burst = [(403, {})]
    download(config)
    assert len(store.posts) == 2
    assert "answers 403 (busy), submitting it again" in capsys.readouterr().err


def test_other_trouble_loses_no_place(world, monkeypatch):
    """As a proxy that wants a password."""
    store, config = world
    remember(world, monkeypatch)
    store.statuses["/object-store/job-1.grib?X-Signature=topsecret"] = [(407, {})]
    with pytest.raises(InputError, match=r"refuses access \(407\)") as caught:
        download(config)
    assert "topsecret" not in str(caught.value)
    download(config)
    assert len(store.posts) == 1


CODE = """
import sys
from pathlib import Path
from smoecast.config import yaml_file
from smoecast.data.sources.era5 import queue, source
from smoecast.tasks.download import download
whole = source.list_requests
source.list_requests = lambda asked: whole(asked)[:1]
queue.POLL[:] = [0.005, 0.02]
download(yaml_file.load(Path(sys.argv[1])))
"""


def test_killed_before_it_is_submitted_again(world, tmp_path, monkeypatch, capsys):
    """The next run does not go back to what is gone."""
    store, config = world
    remember(world, monkeypatch)
    lose_result(store)
    path = tmp_path / "run.yaml"
    path.write_text(yaml_file.dump(config))
    store.stall = threading.Event()
    with subprocess.Popen([sys.executable, "-c", CODE, str(path)], stderr=subprocess.PIPE) as run:
        assert store.stalled.wait(120)
        run.send_signal(signal.SIGKILL)
    assert journal(config) == {}
    store.refusals = [(400, {})]  # nobody reads the answer to the one that was under way
    store.stall.set()
    store.stall = None
    while store.refusals:
        time.sleep(0.01)
    capsys.readouterr()
    download(config)
    assert [post["month"] for post in store.posts] == [["01"]] * 2
    assert "job-1" not in capsys.readouterr().err


def test_a_request_that_changes_its_mind():
    """Between the question for its state and that for its result."""
    from ecmwf.datastores.processing import ProcessingFailedError

    def get_results():
        raise ProcessingFailedError("API state 'dismissed'")

    job = SimpleNamespace(get_results=get_results, request_id="job-1")
    with pytest.raises(client.RefusedError, match="names no file of request job-1") as caught:
        client.place_of(job, "a.grib", RetryBudget(Limits()))
    assert caught.value.expired


# ---- a queue that is full


@pytest.mark.parametrize("words", [FULL, BUSY])
def test_a_full_queue_is_waited_for(world, monkeypatch, capsys, words):
    """The store takes every request and rejects it a moment later; that costs no patience."""
    store, config = world
    store.limit, store.words = 0, words
    submitted = CdsHandler.do_POST

    def room_after_six(handler):
        store.limit = 0 if len(store.posts) < 6 else 200
        return submitted(handler)

    monkeypatch.setattr(CdsHandler, "do_POST", room_after_six)
    download(parse(config.folder, "download.retry_minutes=0", "download.parallel=1"))
    assert len(list(config.raw.glob("*.grib"))) == 12
    assert len(store.posts) == 12 + 6
    assert [int(entry["id"][4:]) for entry in journal(config).values()] == [*range(7, 19)]
    told = capsys.readouterr().err
    waiting = re.findall(r"(\S+): waiting for room in the queue .The job has been rejected", told)
    assert len(waiting) == 1


@pytest.mark.parametrize("status", [400, 403, 429])
def test_a_refusal_for_a_full_queue_is_waited_for(world, monkeypatch, capsys, status):
    store, config = world
    only(monkeypatch)
    store.refusals = [(status, {"title": "rejected", "detail": FULL})] * 3
    download(parse(config.folder, "download.retry_minutes=0"))
    assert len(store.posts) == 1
    assert "waiting for room in the queue (rejected Number of queued" in capsys.readouterr().err


def test_a_queue_that_stays_full_ends_in_4(world, monkeypatch):
    store, config = world
    only(monkeypatch)
    store.limit = 0
    ended = {"at": 5}
    late = SimpleNamespace(monotonic=lambda: 0.0 if len(store.posts) < ended["at"] else 1e9)
    monkeypatch.setattr(era5_queue, "time", late)
    words = r"found no place in the queue of the Climate Data Store within 1 h .download\.wait_h"
    with pytest.raises(NotPublishedError, match=words) as caught:
        download(config)
    assert caught.value.exit_code == 4
    assert len(store.posts) == 5
    assert journal(config) == {}
    store.limit, ended["at"] = 200, 99
    download(config)
    assert len(store.posts) == 6


def test_what_is_not_submitted_in_time_is_not_submitted(world, monkeypatch):
    """Else a run with little patience would fill the queue."""
    store, config = world
    store.hold = True
    late = SimpleNamespace(monotonic=lambda: 0.0 if not store.posts else 1e9)
    monkeypatch.setattr(era5_queue, "time", late)
    with pytest.raises(NotPublishedError, match="0 of 12 files are there"):
        download(parse(config.folder, "download.parallel=1"))
    assert len(store.posts) == 1


def test_no_run_fills_the_queue(world, monkeypatch):
    store, config = world
    monkeypatch.setattr(era5_queue, "QUEUED", 2)
    store.patience = 4
    download(parse(config.folder, "download.parallel=8"))
    assert len(store.posts) == 12
    assert store.most <= 2


def test_room_that_does_not_come(world, monkeypatch):
    store, config = world
    monkeypatch.setattr(era5_queue, "QUEUED", 2)
    store.hold = True
    clock = SimpleNamespace(monotonic=lambda: 0.0 if len(store.posts) < 2 else 1e9)
    monkeypatch.setattr(era5_queue, "time", clock)
    with pytest.raises(NotPublishedError, match="0 of 12 files are there"):
        download(parse(config.folder, "download.parallel=8"))
    assert len(store.posts) == 2


def test_a_page_in_place_of_an_answer(world, monkeypatch, capsys):
    """As while the store is being mended."""
    store, config = world
    only(monkeypatch)
    store.statuses["/api"] = [(200, {})]
    download(parse(config.folder, "download.retry_minutes=1"))
    assert "the Climate Data Store answers with a page; waited" in capsys.readouterr().err
