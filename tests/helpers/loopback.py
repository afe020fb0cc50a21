"""A file server on 127.0.0.1 that misbehaves on request and counts every byte it sends."""

import hashlib
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Shelf:
    """What is served and how.

    `statuses` are answered before anything else, `cuts` end the next bodies after so many bytes.
    A file larger than memory is a view of where it is mapped; `etags` would read all of it.
    """

    files: dict[str, bytes | memoryview] = field(default_factory=dict)
    statuses: dict[str, list[tuple[int, dict[str, str]]]] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: bool = True
    etags: bool = True
    length: str = "stated"  # stated, chunked or untold
    pause: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    address: str = ""

    def etag(self, path: str) -> str:
        return '"' + hashlib.md5(self.files[path]).hexdigest() + '"'


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Any

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        shelf: Shelf = self.server.shelf
        path = self.path
        shelf.asked.append((path, dict(self.headers)))
        if shelf.statuses.get(path):
            status, headers = shelf.statuses[path].pop(0)
            return self._bare(status, headers)
        if path not in shelf.files:
            return self._bare(404, {})
        if shelf.etags and self.headers.get("If-None-Match") == shelf.etag(path):
            return self._bare(304, {"ETag": shelf.etag(path)})
        return self._send(shelf, path)

    def _bare(self, status: int, headers: dict[str, str]) -> None:
        self.server.shelf.answered.append(status)
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _send(self, shelf: Shelf, path: str) -> None:
        body, first = shelf.files[path], 0
        total = end = len(body)
        wanted = self.headers.get("Range", "")
        same = not self.headers.get("If-Range") or self.headers["If-Range"] == shelf.etag(path)
        status = 200
        if wanted and shelf.ranges and same:
            begin, _, last = wanted.removeprefix("bytes=").partition("-")
            first, end = int(begin), min(int(last) + 1, total) if last else total
            if first >= total:
                return self._bare(416, {"Content-Range": f"bytes */{total}"})
            status = 206
        headers = dict(shelf.headers)
        if shelf.etags:
            headers["ETag"] = shelf.etag(path)
        if status == 206:
            headers["Content-Range"] = f"bytes {first}-{end - 1}/{total}"
        if shelf.length == "stated":
            headers["Content-Length"] = str(end - first)
        elif shelf.length == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        shelf.answered.append(status)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self._body(shelf, path, body[first:end])
        return None

    def _body(self, shelf: Shelf, path: str, body: bytes | memoryview) -> None:
        cut = shelf.cuts.pop(0) if shelf.cuts else None
        body = body if cut is None else body[:cut]
        step = 1 << 14
        self.close_connection = self.close_connection or cut is not None or shelf.length == "untold"
        try:
            for begin in range(0, len(body), step):
                part = body[begin : begin + step]
                shelf.sent[path] += len(part)  # before a client that has all of it looks
                if shelf.length == "chunked":
                    self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                else:
                    self.wfile.write(part)
                if shelf.pause:
                    time.sleep(shelf.pause)
            if shelf.length == "chunked" and cut is None:
                self.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def serving(shelf: Shelf, handler: type[BaseHTTPRequestHandler] = _Handler) -> Iterator[Shelf]:
    """Serve a shelf on a free port; `shelf.address` says where."""
    server = _Server(("127.0.0.1", 0), handler)
    server.shelf = shelf
    shelf.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = "127.0.0.1"
    try:
        yield shelf
    finally:
        os.environ["NO_PROXY"] = before or ""
        server.shutdown()
        server.server_close()
        thread.join()
