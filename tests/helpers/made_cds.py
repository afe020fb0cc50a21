"""A Climate Data Store on 127.0.0.1: the protocol of `ecmwf-datastores-client` 0.5, and GRIB."""

import itertools
import json
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import eccodes
import numpy as np
from loopback import Shelf, _Handler

from smoecast.variables import variable_of

LATITUDE, LONGITUDE = 4, 6
FULL = (
    "Number of queued requests using the API is limited to 200. Please configure your scripts "
    "accordingly. Visit copernicus-support.ecmwf.int for further information."
)
BUSY = "Number queued requests for this dataset is temporarily limited. Please configure your "


@dataclass
class Store(Shelf):
    """What the store has been asked, and how it behaves.

    A job answers `accepted` until it was asked `patience` times; `hold` keeps all of them queued.
    The store takes every request, and rejects it a moment later, for `words`, where more than
    `limit` wait; `most` counts how many waited at once. `refusals` are what it answers to the next
    requests. One that comes while there is a `stall` is not answered before that is set.
    """

    key: str = "the-secret-key"
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    posts: list[dict[str, Any]] = field(default_factory=list)
    patience: int = 1
    hold: bool = False
    refusal: tuple[int, dict[str, str]] | None = None
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    stall: threading.Event | None = None
    stalled: threading.Event = field(default_factory=threading.Event)
    limit: int = 200
    most: int = 0
    words: str = FULL
    failure: str = ""
    dismissed: bool = False
    burst: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    experiment: str = "0001"
    leave_out: int = 0
    counter: Any = field(default_factory=lambda: itertools.count(1))
    lock: Any = field(default_factory=threading.Lock)


class CdsHandler(_Handler):
    """Speaks to the real client; anything outside /api is a file of the shelf."""

    def do_GET(self) -> None:  # noqa: N802
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[0] != "api":
            return super().do_GET()
        if parts[1] == "catalogue":
            return self._json(200, {"messages": []})
        return self._retrieve(self.server.shelf, parts)

    def _retrieve(self, store: Store, parts: list[str]) -> None:
        if store.statuses.get("/api"):
            return self._bare(*store.statuses["/api"].pop(0))
        if store.burst:
            status, headers = store.burst.pop(0)
            return self._json(status, {"title": "busy"}, headers)
        if self.headers.get("PRIVATE-TOKEN") != store.key:
            return self._json(401, {"title": "Unauthorized", "detail": "wrong key"})
        if parts[3] == "processes":
            return self._json(200, {"id": parts[4], "links": []})
        job = store.jobs.get(parts[4])
        if job is None or job.get("dismissed"):
            return self._json(404, {"title": "job not found", "detail": parts[4]})
        return self._results(store, job) if parts[-1] == "results" else self._job(store, job)

    def do_POST(self) -> None:  # noqa: N802
        store: Store = self.server.shelf
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if store.stall is not None:
            store.stalled.set()
            store.stall.wait()
        if store.refusal or store.refusals:
            return self._json(*(store.refusal or store.refusals.pop(0)))
        collection = urlsplit(self.path).path.split("/")[5]
        with store.lock:
            identity = f"job-{next(store.counter)}"
            store.posts.append({"collection": collection, **body["inputs"]})
            job = {"id": identity, "asked": 0, "request": store.posts[-1], "open": True}
            store.jobs[identity] = job
            open_now = sum(job["open"] for job in store.jobs.values())
            job["open"] = open_now <= store.limit
            job["rejected"] = not job["open"]
            store.most = max(store.most, open_now)
        return self._json(201, self._described(store, store.jobs[identity], "accepted"))

    def _described(self, store: Store, job: dict[str, Any], status: str) -> dict[str, Any]:
        address = f"{store.address}/api/retrieve/v1/jobs/{job['id']}"
        links = [{"rel": "monitor", "href": address}, {"rel": "self", "href": address}]
        if status == "successful":
            links.append({"rel": "results", "href": f"{address}/results"})
        return {"jobID": job["id"], "status": status, "links": links, "metadata": {}}

    def _job(self, store: Store, job: dict[str, Any]) -> None:
        status = "accepted"
        if store.dismissed:
            status = "dismissed"
        elif job["rejected"]:
            status = "rejected"
        elif not store.hold:
            job["asked"] += 1
            if job["asked"] > store.patience:
                status = "failed" if store.failure or job.get("fails") else "successful"
                job["open"] = False
            elif job["asked"] == store.patience:
                status = "running"
        return self._json(200, self._described(store, job, status))

    def _results(self, store: Store, job: dict[str, Any]) -> None:
        if store.failure or job.get("fails"):
            return self._json(400, {"title": "The job has failed", "detail": store.failure})
        if job["rejected"]:
            said = {"type": "job results failed", "title": "The job has been rejected"}
            return self._json(400, {**said, "traceback": store.words})
        if job.get("gone"):
            words = f"results of job {job['id']} expired"
            return self._json(
                404, dict.fromkeys(("type", "title"), "results expired") | {"detail": words}
            )
        if job.get("empty"):
            return self._json(200, {})
        path = f"/object-store/{job['id']}.grib"
        with store.lock:
            if path not in store.files and not job.get("expired"):
                messages = grib(job["request"], store.experiment)
                store.files[path] = b"".join(messages[store.leave_out :])
        asset = {
            "type": "application/x-grib",
            "href": f"{store.address}{path}?X-Signature=topsecret",
            "file:checksum": 1234567890,
            "file:size": len(store.files.get(path, b"")),
            "file:local_path": f"s3:/{path}",
        }
        if path in store.files:
            store.files[f"{path}?X-Signature=topsecret"] = store.files[path]
        return self._json(200, {"asset": {"value": asset}})

    def _json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def value_of(param: int, level: int, valid: np.datetime64) -> float:
    """What the field holds, all over: another value for every message."""
    hours = (valid - np.datetime64("2000-01-01")) / np.timedelta64(1, "h")
    return float(param * 10 + level + (hours % 1000) / 10)


def grib(request: dict[str, Any], experiment: str) -> list[bytes]:
    """Return the GRIB 1 messages that a request asks for, on a small grid."""
    messages = []
    names = ("year", "month", "day", "time", "variable")
    levels = request.get("pressure_level", [""])
    for year, month, day, clock, name, level in itertools.product(
        *(request[key] for key in names), levels
    ):
        valid = np.datetime64(f"{year}-{month}-{day}T{clock}")
        messages.append(_message(valid, name, level, experiment))
    return messages


def _message(valid: np.datetime64, name: str, level: str, experiment: str) -> bytes:
    variable = variable_of(name)
    assert variable is not None
    accumulated = variable.name in ("tp", "tisr")
    handle = eccodes.codes_grib_new_from_samples("regular_ll_pl_grib1")
    init = valid - np.timedelta64(6, "h") if accumulated else valid
    text = str(init.astype("datetime64[m]"))
    keys = {
        "marsClass": "ea",
        "marsStream": "oper",
        "experimentVersionNumber": experiment,
        "dataType": "fc" if accumulated else "an",
        "Ni": LONGITUDE,
        "Nj": LATITUDE,
        "latitudeOfFirstGridPointInDegrees": 45.0,
        "latitudeOfLastGridPointInDegrees": 42.0,
        "longitudeOfFirstGridPointInDegrees": 10.0,
        "longitudeOfLastGridPointInDegrees": 15.0,
        "iDirectionIncrementInDegrees": 1.0,
        "jDirectionIncrementInDegrees": 1.0,
        "dataDate": int(text[:10].replace("-", "")),
        "dataTime": int(text[11:16].replace(":", "")),
        "typeOfLevel": "isobaricInhPa" if level else "surface",
        "level": int(level or 0),
        "paramId": variable.param_id or 129,
    }
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    if accumulated:
        eccodes.codes_set(handle, "stepType", "accum")
        eccodes.codes_set(handle, "stepRange", "5-6")
    constant = variable.vertical == "constant" or (name == "geopotential" and not level)
    value = 1.0 if constant else value_of(variable.param_id, int(level or 0), valid)
    eccodes.codes_set_values(handle, np.full(LATITUDE * LONGITUDE, value))
    content = eccodes.codes_get_message(handle)
    eccodes.codes_release(handle)
    return bytes(content)
