"""A bucket of an object store on 127.0.0.1 that asks for fewer requests, in the words of each."""

from dataclasses import dataclass
from typing import Any

from loopback import Shelf, _Handler

S3 = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message>'
    "<RequestId>5DXGN0S6MBHDZQZZ</RequestId><HostId>AbCd=</HostId></Error>"
)
WORDS = {
    "s3": (503, S3.format(code="SlowDown", message="Please reduce your request rate.")),
    "s3 alike": (400, S3.format(code="SlowDownRead", message="Resource requested is unreadable")),
    "google": (429, S3.format(code="TooManyRequests", message="The rate limit was exceeded.")),
    "azure": (503, "<Error><Code>ServerBusy</Code><Message>The server is busy.</Message></Error>"),
    "plain": (503, "<html><body><h1>503 Service Unavailable</h1></body></html>"),
}
"""Status and body of a refusal for too many requests."""


@dataclass
class Bucket(Shelf):
    """A shelf whose next `busy` answers ask for fewer requests; `rest` is their Retry-After."""

    kind: str = "s3"
    busy: int = 0
    rest: str = ""


class BucketHandler(_Handler):
    """Serves as the plain one does, once it is not busy."""

    def do_GET(self) -> Any:  # noqa: N802
        bucket: Bucket = self.server.shelf
        if bucket.busy <= 0:
            return super().do_GET()
        bucket.busy -= 1
        bucket.asked.append((self.path, dict(self.headers)))
        status, text = WORDS[bucket.kind]
        bucket.answered.append(status)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        if bucket.rest:
            self.send_header("Retry-After", bucket.rest)
        self.end_headers()
        self.wfile.write(body)
        return None
