"""The fetcher against a server that misbehaves: right after all, or a reason; no byte twice."""

import dataclasses
import errno
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate
from pathlib import Path

import numpy as np
import pytest
from loopback import Shelf, serving

from smoecast.data.download import partial_file
from smoecast.data.download.fetch import fetch
from smoecast.data.download.http import CHUNK
from smoecast.data.download.retry import Limits, RetryBudget, StoppedError
from smoecast.errors import InputError, NotPublishedError, OutputError

BODY = np.random.default_rng(0).bytes(300_000)
SHA = "sha256:" + hashlib.sha256(BODY).hexdigest()
QUICK = Limits(first_wait=0.002, longest_wait=0.01, retry_seconds=2.0, timeout_seconds=5.0)


@pytest.fixture
def shelf():
    with serving(Shelf({"/file": BODY})) as shelf:
        yield shelf


def get(shelf, folder, limits=QUICK, **more):
    return fetch(f"{shelf.address}/file", folder / "file", patience=RetryBudget(limits), **more)


def leftovers(folder):
    return sorted(p.name for p in folder.iterdir() if p.name != "file")


def test_whole_and_described(shelf, tmp_path):
    seen = []
    entry = get(
        shelf, tmp_path, size=len(BODY), checksum=SHA, progress=lambda *now: seen.append(now)
    )
    assert (tmp_path / "file").read_bytes() == BODY
    assert (entry.bytes, "sha256:" + entry.sha256) == (len(BODY), SHA)
    assert entry.mtime_ns == (tmp_path / "file").stat().st_mtime_ns
    assert entry.etag == shelf.etag("/file")
    assert seen[-1] == (len(BODY), len(BODY))
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("cut", [0, 1, 2, 4095, 16384, 16385, 150_000, 299_998, 299_999])
def test_connection_cut_at_any_byte(shelf, tmp_path, cut):
    shelf.cuts = [cut]
    get(shelf, tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY
    assert shelf.sent["/file"] == len(BODY)
    assert leftovers(tmp_path) == []


def test_cut_again_and_again(shelf, tmp_path):
    shelf.cuts = [7, 0, 100_000, 3, 50_000]
    get(shelf, tmp_path, checksum=SHA)
    assert (tmp_path / "file").read_bytes() == BODY
    assert shelf.sent["/file"] == len(BODY)


def test_cut_in_chunked_transfer(shelf, tmp_path):
    shelf.length, shelf.cuts = "chunked", [40_000]
    get(shelf, tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY


def test_length_untold_is_refused_without_a_checksum(shelf, tmp_path):
    shelf.length = "untold"
    with pytest.raises(InputError, match="does not say how long"):
        get(shelf, tmp_path)
    shelf.cuts = [9]
    get(shelf, tmp_path, checksum=SHA)
    assert (tmp_path / "file").read_bytes() == BODY


def test_retry_after_is_honoured(shelf, tmp_path):
    soon = formatdate(time.time() + 2.0, usegmt=True)
    shelf.statuses["/file"] = [(429, {"Retry-After": "1"}), (503, {"Retry-After": soon})]
    begin = time.monotonic()
    get(shelf, tmp_path, Limits(first_wait=0.001, retry_seconds=10.0))
    assert 1.0 < time.monotonic() - begin < 6.0
    assert shelf.answered == [429, 503, 200]


def test_retry_after_past_the_budget_ends_at_once(shelf, tmp_path):
    shelf.statuses["/file"] = [(429, {"Retry-After": "3600"})]
    begin = time.monotonic()
    with pytest.raises(InputError, match=r"429 and asks for 3600 s of rest.*retry_minutes"):
        get(shelf, tmp_path)
    assert time.monotonic() - begin < 1.0


def test_bursts_of_500(shelf, tmp_path):
    shelf.statuses["/file"] = [(s, {}) for s in (500, 502, 503, 504, 500, 408, 429)]
    get(shelf, tmp_path)
    assert shelf.answered == [500, 502, 503, 504, 500, 408, 429, 200]
    assert shelf.sent["/file"] == len(BODY)


def test_errors_without_end_use_up_the_budget(shelf, tmp_path):
    shelf.statuses["/file"] = [(500, {})] * 10_000
    limits = Limits(first_wait=0.01, longest_wait=0.05, retry_seconds=0.3)
    begin = time.monotonic()
    with pytest.raises(InputError, match="answers 500; given up"):
        get(shelf, tmp_path, limits)
    assert time.monotonic() - begin < 2.0


def test_nobody_listens(tmp_path):
    limits = Limits(first_wait=0.01, retry_seconds=0.1)
    with pytest.raises(InputError, match="no connection; given up"):
        fetch("http://127.0.0.1:9/file", tmp_path / "file", patience=RetryBudget(limits))


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_silence_is_a_failure(shelf, tmp_path, pause):
    """A server that answers, or goes on sending, later than the timeout."""
    limits = Limits(first_wait=0.01, retry_seconds=0.2, timeout_seconds=0.05)
    if pause:
        shelf.files["/file"] = body = BODY[:60_000]
        shelf.pause = pause
        get(shelf, tmp_path, Limits(first_wait=0.01, retry_seconds=30, timeout_seconds=0.15))
        assert (tmp_path / "file").read_bytes() == body
        return
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file"
        with pytest.raises(InputError, match=r"no answer for 0.05 s; given up"):
            fetch(url, tmp_path / "file", patience=RetryBudget(limits))


def test_wrong_checksum_is_refused_and_gone(shelf, tmp_path):
    with pytest.raises(InputError, match="sha256 of what came is not the one promised"):
        get(shelf, tmp_path, checksum="sha256:" + "0" * 64)
    assert list(tmp_path.iterdir()) == []


def test_other_checksums(shelf, tmp_path):
    get(shelf, tmp_path, checksum="md5:" + hashlib.md5(BODY).hexdigest().upper())
    assert (tmp_path / "file").read_bytes() == BODY


def test_damaged_part_is_fetched_again_from_the_start(shelf, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    get(shelf, tmp_path, checksum=SHA)
    assert (tmp_path / "file").read_bytes() == BODY
    assert shelf.answered == [206, 200]


def test_wrong_size_is_refused(shelf, tmp_path):
    with pytest.raises(InputError, match="300000 bytes, 7 were promised"):
        get(shelf, tmp_path, size=7)
    shelf.length = "chunked"
    with pytest.raises(InputError, match="300000 bytes came, 299999 were promised"):
        get(shelf, tmp_path, size=299_999)
    with pytest.raises(InputError, match="300000 bytes came, 300001 were promised"):
        get(shelf, tmp_path, size=300_001)
    assert shelf.answered == [200, 200, 200]


def test_length_untold_but_known_beforehand(shelf, tmp_path, capsys):
    shelf.length, shelf.cuts = "untold", [9]
    get(shelf, tmp_path, size=len(BODY))
    assert (tmp_path / "file").read_bytes() == BODY
    assert "ended after 9 of 300000 bytes" in capsys.readouterr().err
    assert shelf.sent["/file"] == len(BODY)


def test_server_without_ranges_starts_over(shelf, tmp_path):
    shelf.ranges, shelf.cuts = False, [100_000, 200_000]
    get(shelf, tmp_path)
    assert (tmp_path / "file").read_bytes() == BODY
    assert shelf.answered == [200, 200, 200]


def test_changed_file_starts_over(shelf, tmp_path):
    shelf.cuts = [100_000]
    shelf.statuses["/file"] = []
    with pytest.raises(InputError, match="given up"):
        get(shelf, tmp_path, Limits(retry_seconds=0.0))
    assert (tmp_path / "file.part").stat().st_size == 100_000
    shelf.files["/file"] = other = BODY[::-1]
    get(shelf, tmp_path)
    assert (tmp_path / "file").read_bytes() == other
    assert shelf.asked[-1][1]["If-Range"] == '"' + hashlib.md5(BODY).hexdigest() + '"'


def test_shorter_file_on_the_server_starts_over(shelf, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 400_000)
    get(shelf, tmp_path, checksum=SHA)
    assert shelf.answered == [416, 200]


def test_server_that_sends_another_part(shelf, tmp_path):
    (tmp_path / "file.part").write_bytes(BODY[:1000])
    shelf.statuses["/file"] = [(206, {"Content-Range": "bytes 5-9/300000"})]
    get(shelf, tmp_path, checksum=SHA)
    assert (tmp_path / "file").read_bytes() == BODY


def test_part_without_marks_is_not_trusted(shelf, tmp_path):
    (tmp_path / "file.part").write_bytes(b"x" * 1000)
    get(shelf, tmp_path)
    assert shelf.answered == [200]
    assert (tmp_path / "file").read_bytes() == BODY


def test_last_modified_serves_where_there_is_no_etag(shelf, tmp_path, monkeypatch):
    shelf.etags, shelf.cuts = False, [100_000]
    shelf.headers["Last-Modified"] = "Tue, 01 Jan 2013 00:00:00 GMT"
    monkeypatch.setattr(Shelf, "etag", lambda self, path: self.headers["Last-Modified"])
    get(shelf, tmp_path)
    assert shelf.sent["/file"] == len(BODY)
    assert shelf.asked[-1][1]["If-Range"] == "Tue, 01 Jan 2013 00:00:00 GMT"


def test_whole_part_needs_no_request(shelf, tmp_path, monkeypatch):
    """Killed between the last byte and the file's coming into place."""

    def killed(entry):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(shelf, tmp_path, record=killed)
    get(shelf, tmp_path)
    assert shelf.answered == [200]
    assert (tmp_path / "file").read_bytes() == BODY


def test_whole_part_of_unstated_length(shelf, tmp_path):
    (tmp_path / "file.part").write_bytes(BODY)
    get(shelf, tmp_path, checksum=SHA)
    assert shelf.answered == [416]


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (404, InputError, "no such file"),
        (403, InputError, r"refuses access \(403\)"),
        (400, InputError, "answers 400"),
        (304, InputError, "answers 304"),
    ],
)
def test_refusals_end_at_once(shelf, tmp_path, status, error, words):
    shelf.statuses["/file"] = [(status, {})]
    with pytest.raises(error, match=words):
        get(shelf, tmp_path)
    assert shelf.answered == [status]


def test_not_published_yet(shelf, tmp_path):
    shelf.statuses["/file"] = [(404, {})]
    with pytest.raises(NotPublishedError, match="not published yet") as caught:
        get(shelf, tmp_path, missing=NotPublishedError)
    assert caught.value.exit_code == 4


def test_addresses_that_lead_nowhere(tmp_path):
    for url in ("ftp://127.0.0.1/file", "http://[", "nonsense"):
        with pytest.raises(InputError, match="leads nowhere"):
            fetch(url, tmp_path / "file")


def test_untrusted_certificate_is_not_tried_again(tmp_path, monkeypatch):
    import requests

    def refuse(*_, **__):
        raise requests.exceptions.SSLError("https://user:word@host/?token=1")

    monkeypatch.setattr(requests.Session, "get", refuse)
    with pytest.raises(InputError, match="certificate is not trusted"):
        fetch("https://127.0.0.1/file", tmp_path / "file")


def test_secrets_are_shown_nowhere(shelf, tmp_path, capsys):
    url = f"{shelf.address}/file?path=a&token=topsecret".replace("//", "//me:topsecret@")
    for status in (500, 429):
        shelf.statuses.setdefault("/file?path=a&token=topsecret", []).append((status, {}))
    shelf.files["/file?path=a&token=topsecret"] = BODY
    entry = fetch(url, tmp_path / "file", patience=RetryBudget(QUICK))
    assert "Authorization" in shelf.asked[0][1]
    with pytest.raises(InputError) as caught:
        fetch(url + "2", tmp_path / "other", patience=RetryBudget(QUICK))
    told = repr(entry) + str(caught.value) + "".join(capsys.readouterr())
    told += "".join(p.read_text() for p in tmp_path.glob("*.json"))
    assert "trying again" in told
    assert "topsecret" not in told
    assert entry.url == f"{shelf.address}/file?path=a&token=..."


def test_unchanged_file_is_not_sent(shelf, tmp_path):
    entry = get(shelf, tmp_path)
    assert get(shelf, tmp_path, known=entry) is entry
    shelf.files["/file"] = BODY + b"more"
    newer = get(shelf, tmp_path, known=entry)
    assert newer.bytes == len(BODY) + 4
    assert shelf.answered == [200, 304, 200]
    shelf.statuses["/file"] = [(304, {})]
    dated = dataclasses.replace(newer, etag="", modified="Tue, 01 Jan 2013 00:00:00 GMT")
    assert get(shelf, tmp_path, known=dated) is dated
    assert shelf.asked[-1][1]["If-Modified-Since"] == dated.modified


def test_stopped_downloads_keep_their_part(shelf, tmp_path):
    patience = RetryBudget(QUICK)

    def stop(done, total):
        patience.stop()

    with pytest.raises(StoppedError):
        fetch(f"{shelf.address}/file", tmp_path / "file", patience=patience, progress=stop)
    assert 0 < (tmp_path / "file.part").stat().st_size <= CHUNK


def test_failures_at_the_same_time_count_once():
    patience = RetryBudget(Limits(first_wait=0.2, longest_wait=0.2, retry_seconds=0.5))
    import threading

    threads = [
        threading.Thread(target=patience.wait, args=(1, "why", time.monotonic())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.1 < patience._lost < 0.3


CODE = """
import resource, sys
from pathlib import Path
from smoecast.data.download.fetch import fetch
from smoecast.errors import OutputError
if len(sys.argv) > 3:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    fetch(sys.argv[1], Path(sys.argv[2]))
except OutputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def run(shelf, folder, *more):
    command = [sys.executable, "-c", CODE, f"{shelf.address}/file", str(folder / "file"), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_disk_full_then_room_again(shelf, tmp_path):
    with run(shelf, tmp_path, "100000") as process:
        said = process.communicate()[0]
    assert process.returncode == 5
    assert "make room and run again" in said
    assert (tmp_path / "file.part").stat().st_size == 100_000
    first = shelf.sent["/file"]
    get(shelf, tmp_path, checksum=SHA)
    assert shelf.sent["/file"] - first == len(BODY) - 100_000


@pytest.mark.parametrize("name", ["open", "write", "write_atomic"])
def test_disk_refuses_from_the_start(shelf, tmp_path, monkeypatch, name):
    def refuse(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    class Full(io.BytesIO):
        write = refuse

    def opened(path, mode="r", **more):
        if Path(path).suffix == ".part":
            return Full() if name == "write" else refuse()
        return open(path, mode, **more)  # noqa: PTH123

    if name == "write_atomic":
        monkeypatch.setattr(partial_file, "write_atomic", refuse)
    else:
        monkeypatch.setattr(partial_file, "open", opened, raising=False)
    with pytest.raises(OutputError, match="No space left"):
        get(shelf, tmp_path)


def test_killed_in_the_middle_goes_on(shelf, tmp_path):
    shelf.pause = 0.05
    part = tmp_path / "file.part"
    with run(shelf, tmp_path) as process:
        deadline = time.monotonic() + 20
        while not (part.is_file() and part.stat().st_size > 50_000):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    kept, shelf.pause = part.stat().st_size, 0.0
    assert 0 < kept < len(BODY)
    time.sleep(0.15)  # until the server notices that nobody listens
    get(shelf, tmp_path, checksum=SHA)
    assert (tmp_path / "file").read_bytes() == BODY
    assert len(BODY) <= shelf.sent["/file"] <= len(BODY) + CHUNK
