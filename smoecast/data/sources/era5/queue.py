"""Requests to the Copernicus Climate Data Store: queued there for hours, never lost here.

The request ids stand in a journal beside the raw files before anything is waited for, so that a
run killed in the queue finds its place in it again.
"""

import json
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smoecast import console
from smoecast.data.download.remote_file import RemoteFile
from smoecast.data.download.retry import RetryBudget, RetryBudgetError
from smoecast.data.sources.era5.client import ask, failure, open_client
from smoecast.disk.atomic import write_atomic
from smoecast.errors import InputError, NotPublishedError, OutputError

if TYPE_CHECKING:
    from ecmwf.datastores import Client
    from ecmwf.datastores import Remote as Job

NAME = "requests.json"
POLL = [1.0, 60.0]
"""Seconds between questions to the queue: the first, and the most."""
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
        self._of_thread = threading.local()
        self._journal = self._read()

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._path.is_file():
            return {}
        try:
            found: dict[str, dict[str, Any]] = json.loads(self._path.read_bytes())
            for facts in found.values():
                datetime.fromisoformat(facts["submitted"])
                str(facts["id"])
        except (ValueError, KeyError, TypeError, AttributeError):
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

    def locate(
        self, remote: RemoteFile, collection: str, request: dict[str, Any], patience: RetryBudget
    ) -> RemoteFile:
        """Return where the file is, once the store has made it, and its size.

        Goes back to the request in the journal, or submits one.

        Raises
        ------
        NotPublishedError
            The store does not have this data yet, or the queue is longer than this run may wait.
        InputError
            The store refuses the request, or does not answer for too long.
        ConfigError
            The client is not installed, or the account is missing or refused.
        """
        client = self._client(patience)
        job = self._attach(client, remote.name, patience) or self._submit(
            client, remote.name, collection, request, patience
        )
        self._await(job, remote.name, patience)
        results = ask(job.get_results, remote.name, patience)
        # its `file:checksum` is a token of its own cache (fsspec), of parts or of names, and no
        # checksum of the content: the size and every GRIB message are verified instead
        return replace(remote, url=results.location, size=results.content_length)

    def _client(self, patience: RetryBudget) -> "Client":
        """Return the client of this thread: its session does not stand two."""
        if not hasattr(self._of_thread, "client"):
            with self._lock:
                self._of_thread.client = open_client(patience)
        client: Client = self._of_thread.client
        return client

    def _attach(self, client: "Client", name: str, patience: RetryBudget) -> "Job | None":
        """Return the job of an earlier run if it may still bring the file."""
        if not self.knows(name):
            return None
        identity = str(self._journal[name]["id"])
        try:
            job = ask(lambda: client.get_remote(identity), name, patience)
            status = ask(lambda: job.status, name, patience)
        except RetryBudgetError:
            raise
        except InputError:
            status = "gone"
        if status in ("accepted", "running", "successful"):
            console.say(f"{name}: back to request {identity}, {status}")
            return job
        console.say(f"{name}: request {identity} is {status}, asking anew")
        self.forget(name)
        return None

    def _submit(
        self,
        client: "Client",
        name: str,
        collection: str,
        request: dict[str, Any],
        patience: RetryBudget,
    ) -> "Job":
        self._check_time(name)
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

    def _await(self, job: "Job", name: str, patience: RetryBudget) -> None:
        """Ask the queue, ever less often, until the job is done."""
        seconds = POLL[0]
        while (status := ask(lambda: job.status, name, patience)) != "successful":
            if status not in ("accepted", "running"):
                self.forget(name)
                raise failure(job, name, status)
            self._check_time(name)
            patience.pause(min(seconds, max(0.0, self._end - time.monotonic())))
            seconds = min(1.5 * seconds, POLL[1])

    def _check_time(self, name: str) -> None:
        if time.monotonic() >= self._end:
            raise NotPublishedError(
                f"{name} is still queued at the Climate Data Store after {self._wait / 3600:g} h "
                "(download.wait_hours): the same command goes back to its place in the queue"
            )
