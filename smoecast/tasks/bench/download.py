"""`smoecast bench download`: one large file from a server on this machine, kept and checked."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from smoecast.tasks.bench.measuring.case import OURS, Case, Setting, Task, Way, Work

MEGABYTES = 400
NAME, ADDRESS = "file.bin", "address"


class _Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def make_data(setting: Setting) -> None:
    """Write the file that is served."""
    import numpy as np

    block = np.random.default_rng(0).bytes(10**6)
    with (setting.folder / NAME).open("wb") as file:
        for _ in range(1 if setting.quick else MEGABYTES):
            file.write(block)


@contextmanager
def serve(setting: Setting) -> Iterator[None]:
    """Serve the folder on loopback, from the process that measures, and note the address."""
    handler = partial(_Quiet, directory=str(setting.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/{NAME}"
        (setting.folder / ADDRESS).write_text(address)
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def _by_smoecast(setting: Setting) -> Work:
    from smoecast.data.download.fetch import fetch

    def work(place: Path) -> Path:
        fetch((setting.folder / ADDRESS).read_text(), place / NAME)
        return place / NAME

    return work


def _by_command(words: tuple[str, ...], setting: Setting) -> Work:
    def work(place: Path) -> Path:
        address = (setting.folder / ADDRESS).read_text()
        subprocess.run([*words, NAME, address], cwd=place, check=True)
        return place / NAME

    return work


def _by_curl_and_sha256(setting: Setting) -> Work:
    import hashlib

    download = _by_command(CURL, setting)

    def work(place: Path) -> Path:
        download(place)
        with (place / NAME).open("rb") as file:
            hashlib.file_digest(file, "sha256")
        return place / NAME

    return work


CURL = ("curl", "--silent", "--output")
ARIA2 = ("aria2c", "--quiet", "--file-allocation=none", "--out")


def _tasks(_: Setting) -> dict[str, Task]:
    ways = {
        OURS: Way(_by_smoecast),
        "curl, then sha256 of the file": Way(_by_curl_and_sha256, "curl"),
        "curl": Way(partial(_by_command, CURL), "curl"),
        "aria2c": Way(partial(_by_command, ARIA2), "aria2"),
    }
    return {"400 MB on loopback": Task(ways)}


CASE = Case("a download", _tasks, make_data, around=serve)
