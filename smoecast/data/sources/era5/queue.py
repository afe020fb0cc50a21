"""Requests to the Copernicus Climate Data Store: queued there for hours, never lost here.

The request ids stand in a journal beside the raw files before anything is waited for, so that a
run killed in the queue finds its place in it again. One of which nothing comes any more is struck
from it before anything else is done, so that no run goes back to it a second time.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

from smoecast import console
from smoecast.data.download import http
from smoecast.data.download.remote_file import RemoteFile
from smoecast.data.download.retry import RetryBudget, retry
from smoecast.data.sources.era5.client import (
    QueueFullError,
    RefusedError,
    ask,
    failure,
    open_client,
    place_of,
)
from smoecast.disk.atomic import write_atomic
from smoecast.disk.confine import is_plain
from smoecast.disk.small_files import read_json
from smoecast.errors import InputError, NotPublishedError, OutputError

if TYPE_CHECKING:
    from ecmwf.datastores import Client
    from ecmwf.datastores import Remote as Job

NAME = "requests.json"
WAITING = ("accepted", "running")
DONE = "successful"
_MOST_BYTES = 2**26
POLL = [1.0, 60.0]
"""Seconds between questions to the queue: the first, and the most."""
QUEUED = 100
"""Requests of a run in the queue at once, at most: half of what the store takes of an account.

The other half is for what an earlier run has left there, other programs and the web page.
"""
_KEPT_DAYS = 10
"""The store forgets results after a while; older requests are not gone back to."""


class Queue:
    """The requests of one raw folder.

    Parameters
    ----------
    folder : Path
        Where the journal is.
    wait_seconds : float
        That a run may spend in the queue, for all its requests together.

    Raises
    ------
    InputError
        There is a journal that cannot be read.
    """

    def __init__(self, folder: Path, wait_seconds: float) -> None:
        self._path = folder / NAME
        self._wait = wait_seconds
        self._end = time.monotonic() + wait_seconds
        self._lock = threading.Lock()
        self._room = threading.Semaphore(QUEUED)
        self._of_thread = threading.local()
        self._journal = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._path.is_file():
            return {}
        try:
            found: dict[str, dict[str, Any]] = read_json(self._path, _MOST_BYTES)
            for facts in found.values():
                datetime.fromisoformat(facts["submitted"])
                if not is_plain(facts["id"]):  # it becomes a part of an address
                    raise ValueError
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            raise InputError(
                f"{self._path}: this is no journal of smoecast: move it away, and the requests in "
                "it are submitted again"
            ) from None
        return found

    def knows(self, name: str) -> bool:
        """Whether a request for this file is in the journal and young enough to go back to."""
        facts = self._journal.get(name)
        if facts is None:
            return False
        age = datetime.now(UTC) - datetime.fromisoformat(facts["submitted"])
        return age < timedelta(days=_KEPT_DAYS)

    def forget(self, name: str) -> None:
        """Strike a request from the journal."""
        with self._lock:
            if self._journal.pop(name, None) is not None:
                self._save()

    def return_to(self, remote: RemoteFile, patience: RetryBudget) -> RemoteFile | None:
        """Return where the file of a remembered request is, once the store has made it.

        Returns
        -------
        RemoteFile or None
            With address and size. None: no request is remembered, or nothing comes of it any more,
            which is said; then it is no longer remembered.

        Raises
        ------
        NotPublishedError
            The queue is longer than this run may wait.
        InputError
            The store does not answer for too long.
        ConfigError
            The client is not installed, or the account is missing or refused.
        """
        name = remote.name
        if not self.knows(name):
            return None
        identity = str(self._journal[name]["id"])
        try:
            place = self._recall(remote, identity, patience)
            if isinstance(place, RemoteFile):
                return place
            why = f"{name}: request {identity} is {place}"
        except RefusedError as problem:
            expired = f"{name}: the result of request {identity} has expired or was deleted"
            why = expired if problem.expired else str(problem)
        self.forget(name)
        console.say(f"{why}, submitting it again")
        return None

    def _recall(self, remote: RemoteFile, identity: str, patience: RetryBudget) -> RemoteFile | str:
        """Return where the file of a request is, or the state from which none will come."""
        name, client = remote.name, self._client(patience)
        job = ask(lambda: client.get_remote(identity), name, patience)
        status = ask(lambda: job.status, name, patience)
        if status in WAITING or status == DONE:
            console.say(f"{name}: back to request {identity}, {status}")
            with self._room_for(name, patience):
                status = self._await(job, name, patience)
        if status != DONE:
            return status
        url, size = place_of(job, name, patience)
        _check_there(url, name, patience)
        return replace(remote, url=url, size=size)

    def submit(
        self, remote: RemoteFile, collection: str, request: dict[str, Any], patience: RetryBudget
    ) -> RemoteFile:
        """Submit a request; return where its file is, once the store has made it, and its size.

        Raises
        ------
        NotPublishedError
            The store does not have this data yet, or the queue is longer, or full for longer, than
            this run may wait.
        InputError
            The store refuses the request, or does not answer for too long.
        ConfigError
            The client is not installed, or the account is missing or refused.
        """
        name, told = remote.name, False
        while True:
            try:
                with self._room_for(name, patience):
                    job = self._submit(collection, request, name, patience)
                    status = self._await(job, name, patience)
                if status == DONE:
                    break
                self.forget(name)
                raise failure(job, name, status)
            except QueueFullError as full:
                self.forget(name)
                if not told:
                    console.say(f"{name}: waiting for room in the queue ({full})")
                told = True
            self._pause(POLL[1], name, patience)
        # its `file:checksum` is a token of its own cache (fsspec), of parts or of names, and no
        # checksum of the content: the size and every GRIB message are verified instead
        url, size = place_of(job, name, patience)
        return replace(remote, url=url, size=size)

    @contextmanager
    def _room_for(self, name: str, patience: RetryBudget) -> Iterator[None]:
        """Hold one of the `QUEUED` places of this run in the queue."""
        while not self._room.acquire(blocking=False):
            self._pause(POLL[0], name, patience)
        try:
            yield
        finally:
            self._room.release()

    def _client(self, patience: RetryBudget) -> "Client":
        """Return the client of this thread: its session does not stand two."""
        if not hasattr(self._of_thread, "client"):
            with self._lock:
                self._of_thread.client = open_client(patience)
        client: Client = self._of_thread.client
        return client

    def _submit(
        self, collection: str, request: dict[str, Any], name: str, patience: RetryBudget
    ) -> "Job":
        self._check_time(name)
        client = self._client(patience)
        job = ask(lambda: client.submit(collection, request), name, patience)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        facts = {"id": job.request_id, "submitted": now, "collection": collection}
        with self._lock:
            self._journal[name] = {**facts, "request": request}
            self._save()
        console.say(f"{name}: request {job.request_id} submitted")
        return job

    def _save(self) -> None:
        try:
            write_atomic(self._path, json.dumps(self._journal, indent=1).encode())
        except OSError as problem:
            raise OutputError(
                f"{self._path}: the disk does not take the journal ({problem.strerror}): make "
                "room and run again"
            ) from None

    def _await(self, job: "Job", name: str, patience: RetryBudget) -> str:
        """Ask the queue, ever less often, until nothing is waited for; return the state."""
        seconds = POLL[0]
        while (status := ask(lambda: job.status, name, patience)) in WAITING:
            self._pause(seconds, name, patience)
            seconds = min(1.5 * seconds, POLL[1])
        return status

    def _pause(self, seconds: float, name: str, patience: RetryBudget) -> None:
        """Wait, unless this run has waited for as long as it may."""
        patience.pause(min(seconds, self._check_time(name)))

    def _check_time(self, name: str) -> float:
        """Return the seconds that this run may still wait."""
        rest = self._end - time.monotonic()
        if rest > 0:
            return rest
        hours = f"{self._wait / 3600:g} h (download.wait_hours)"
        if name in self._journal:
            raise NotPublishedError(
                f"{name} is still queued at the Climate Data Store after {hours}: "
                "the same command goes back to its place in the queue"
            )
        raise NotPublishedError(
            f"{name} found no place in the queue of the Climate Data Store within {hours}: "
            "the same command asks for it again"
        )


def _check_there(url: str, name: str, patience: RetryBudget) -> None:
    """Ask for one byte of the file of an older request.

    Raises
    ------
    RefusedError
        It is gone, or its address is valid no more.
    """

    def attempt() -> None:
        headers, seconds = {"Range": "bytes=0-0"}, patience.limits.timeout_seconds
        with requests.Session() as session:
            http.ask(session, url, headers, seconds, InputError).close()

    try:
        retry(attempt, name, patience)
    except (http.NotOnServerError, http.NoAccessError) as problem:
        raise RefusedError(str(problem), expired=True) from None
