"""One HTTP request for a file, and what the answer means: bytes, another try, or the end."""

import re
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from smoecast import __version__
from smoecast.data.download.credentials import warn_of_netrc
from smoecast.data.download.remote_file import shown
from smoecast.data.download.retry import BusyError, TransientError
from smoecast.errors import InputError, NotPublishedError, SmoecastError

CHUNK = 1 << 18
_AGAIN = (408, 425, 429, 500, 502, 503, 504)
_BUSY = ("SlowDown", "ServerBusy")
"""Codes by which object stores (S3 and its like, Azure) ask for fewer requests."""
_CODE = re.compile(rb"<Code>([A-Za-z]{1,40})</Code>")
_HEADERS = {"User-Agent": f"smoecast/{__version__}", "Accept-Encoding": "identity"}


class NotOnServerError(InputError):
    """The server does not have the file."""


class NoAccessError(InputError):
    """The server does not give the file to this account; or has it no more, and does not say so."""


def ask(
    session: requests.Session,
    url: str,
    headers: dict[str, str],
    seconds: float,
    missing: type[SmoecastError],
) -> requests.Response:
    """Send a request; return an answer that brings something, its body still to be read.

    What `requests` says of a failure is not repeated: it quotes the whole address.

    Parameters
    ----------
    session : requests.Session
        Of one thread.
    url, headers : str, dict
        What is asked for; a 304 is let through only if a header asks for it.
    seconds : float
        Silence after which the connection counts as dead.
    missing : type of SmoecastError
        What a 404 means.

    Raises
    ------
    BusyError
        The server serves nobody just now; another attempt, or a mirror, may bring more.
    InputError
        None will: the address, the certificate or the access is wrong.
    NotPublishedError
        The file is not there yet, if `missing` says so.
    """
    where = shown(url)
    try:
        warn_of_netrc(url)
        response = session.get(
            url,
            headers=_HEADERS | headers,
            stream=True,
            timeout=seconds,
            hooks={"response": _refuse_plain_text},
        )
    except requests.exceptions.SSLError:
        raise InputError(
            f"{where}: the server's certificate is not trusted: set REQUESTS_CA_BUNDLE to your own "
            "certificates if a proxy stands in between"
        ) from None
    except requests.Timeout:
        raise BusyError(f"no answer for {seconds:g} s") from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        raise BusyError("no connection") from None
    except (requests.RequestException, ValueError):
        raise InputError(f"{where}: this address leads nowhere: correct download.url") from None
    status = response.status_code
    conditional = any(name.startswith("If-") and name != "If-Range" for name in headers)
    if status in (200, 206, 416) or (status == 304 and conditional):
        return response
    code = _code_of(response)
    response.close()
    if status in _AGAIN or code.startswith(_BUSY):
        said = f"{status} ({code})" if code else f"{status}"
        raise BusyError(f"the server answers {said}", _retry_after(response))
    raise _refusal(where, status, missing)


def _code_of(response: requests.Response) -> str:
    """Return the code in the XML by which an object store says what is wrong; else nothing."""
    with suppress(urllib3.exceptions.HTTPError, OSError):
        found = _CODE.search(response.raw.read(4096))
        return found[1].decode() if found else ""
    return ""


def _refuse_plain_text(response: requests.Response, **_: Any) -> None:
    """Refuse to be led from https to http: `requests` would follow, credentials of ~/.netrc too."""
    if not (response.is_redirect and response.url.lower().startswith("https:")):
        return
    if urlsplit(urljoin(response.url, response.headers["Location"])).scheme != "https":
        raise InputError(
            f"{shown(response.url)}: the server leads to an address without encryption, which is "
            "not followed: use another mirror (download.url)"
        )


def _refusal(where: str, status: int, missing: type[SmoecastError]) -> SmoecastError:
    if status in (404, 410) and missing is NotPublishedError:
        return NotPublishedError(f"{where} is not published yet: try later")
    if status in (404, 410):
        kind = NotOnServerError if missing is InputError else missing
        return kind(f"{where}: the server has no such file ({status})")
    if status in (401, 403, 407):
        kind = InputError if status == 407 else NoAccessError
        return kind(
            f"{where}: the server refuses access ({status}): credentials belong in ~/.netrc"
        )
    return InputError(f"{where}: the server answers {status}")


def _retry_after(response: requests.Response) -> float | None:
    """Return the seconds for which a server wants to be left alone: a number or a date."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return None


def content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Return the first byte and the total of ``bytes 10-99/100``, None for what is not said."""
    unit, _, rest = response.headers.get("Content-Range", "").partition(" ")
    span, _, total = rest.partition("/")
    first = span.partition("-")[0]
    if unit != "bytes":
        return None, None
    return (int(first) if first.isdigit() else None, int(total) if total.isdigit() else None)


def total_of(response: requests.Response, there: int) -> int | None:
    """Return the size of the whole file of which `there` bytes are there; None where unsaid."""
    length = response.headers.get("Content-Length", "")
    return there + int(length) if length.isdigit() else content_range(response)[1]


def tells_its_end(response: requests.Response) -> bool:
    """Whether the body says itself where it ends."""
    return "chunked" in response.headers.get("Transfer-Encoding", "").lower()


def next_chunk(response: requests.Response) -> bytes:
    """Return what has come, undecoded; nothing at the end.

    Raises
    ------
    TransientError
        The connection was cut or fell silent.
    """
    try:
        return bytes(response.raw.read1(CHUNK, decode_content=False))
    except urllib3.exceptions.ReadTimeoutError:
        raise TransientError("the server fell silent") from None
    except (urllib3.exceptions.HTTPError, OSError):
        raise TransientError("the connection was cut") from None
