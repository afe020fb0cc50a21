"""The Climate Data Store as its own client speaks to it: account, calls, refusals.

Protocol and account are those of `ecmwf-datastores-client`; its own retries (500 times 120 s) and
downloads (in place, checked by size only) are not used: `data.download.retry` and
`data.download.fetch` are.
"""

import os
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import requests

from smoecast.data.download.credentials import warn_of_readers
from smoecast.data.download.retry import RetryBudget, T, TransientError, retry
from smoecast.disk.atomic import resolve
from smoecast.disk.small_files import read_small
from smoecast.errors import ConfigError, InputError, NotPublishedError

if TYPE_CHECKING:
    from ecmwf.datastores import Client
    from ecmwf.datastores import Remote as Job

URL = "https://cds.climate.copernicus.eu/api"
_MOST_BYTES = 2**16
"""Of a file with an account."""
_AGAIN = (408, 429, 500, 502, 503, 504)
_LATE = ("not available yet", "not yet available")
_FULL = re.compile(r"queued requests\b.{0,80}\blimited", re.IGNORECASE)
"""What the store says when too many requests of an account, or of all for a data set, wait in it.

"Number of queued requests using the API is limited to 200. Please configure your scripts
accordingly", and "Number queued requests for this dataset is temporarily limited".
"""
_EXPIRED = (404, 410)


class RefusedError(InputError):
    """The store answers that it does not do what was asked of it.

    Parameters
    ----------
    message : str
        In one sentence.
    expired : bool
        Whether it no longer has what it was asked for.
    """

    def __init__(self, message: str, expired: bool = False) -> None:
        super().__init__(message)
        self.expired = expired


class QueueFullError(Exception):
    """Too many requests are in the queue for another one; never leaves `queue.Queue`."""


def account() -> tuple[str, str]:
    """Return address and key of the store, from the environment or from a file at home.

    First ``ECMWF_DATASTORES_URL`` and ``_KEY``, then ``CDSAPI_URL`` and ``_KEY``, then the files
    ``~/.cdsapirc`` (or ``$CDSAPI_RC``) and ``~/.ecmwfdatastoresrc``.

    Raises
    ------
    ConfigError
        There is no key in any of them, or a file cannot be read.
    """
    for prefix in ("ECMWF_DATASTORES", "CDSAPI"):
        if key := os.environ.get(f"{prefix}_KEY"):
            return os.environ.get(f"{prefix}_URL", URL), key
    for name in (os.environ.get("CDSAPI_RC", "~/.cdsapirc"), "~/.ecmwfdatastoresrc"):
        path = resolve(name)
        if path.is_file():
            warn_of_readers(path)
            pairs = (line.split(":", 1) for line in _lines_of(path) if ":" in line)
            found = {key.strip(): value.strip() for key, value in pairs}
            if found.get("key"):
                return found.get("url", URL), found["key"]
    raise ConfigError(
        "source era5 needs an account of the Copernicus Climate Data Store: put `url` and `key` "
        "of your profile page there into ~/.cdsapirc"
    )


def _lines_of(path: Path) -> list[str]:
    try:
        return read_small(path, _MOST_BYTES).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:  # whose words hold nothing of the file
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"{path}: the account cannot be read ({why}): correct it") from None


def open_client(patience: RetryBudget) -> "Client":
    """Open the store with the real client, its own retries switched off.

    Raises
    ------
    ConfigError
        The client is not installed, or there is no account.
    """
    try:
        from ecmwf.datastores import Client  # noqa: PLC0415  # an optional extra
    except ImportError:
        raise ConfigError(
            "source era5 needs the client of the Climate Data Store: pip install smoecast[download]"
        ) from None
    url, key = account()
    with warnings.catch_warnings():
        # it warns where the store's message board does not answer, which nobody needs
        warnings.simplefilter("ignore", UserWarning)
        return Client(
            url=url,
            key=key,
            timeout=patience.limits.timeout_seconds,
            progress=False,
            cleanup=False,
            maximum_tries=1,
        )


def ask(call: Callable[[], T], name: str, patience: RetryBudget) -> T:
    """Call the client until it answers, within the patience of the download.

    Raises
    ------
    RefusedError
        The store refuses; `name` says for which file.
    QueueFullError
        It refuses since too many requests are in its queue.
    InputError
        It does not answer for too long, or its certificate is not trusted.
    ConfigError
        The store refuses the key.
    """

    def attempt() -> T:
        try:
            return call()
        except requests.exceptions.SSLError:
            raise InputError(
                f"{name}: the certificate of the Climate Data Store is not trusted: set "
                "REQUESTS_CA_BUNDLE to your own certificates if a proxy stands in between"
            ) from None
        except requests.HTTPError as error:
            response = error.response
            if _FULL.search(words := _words(response)):
                raise QueueFullError(words) from None
            if response is None or response.status_code not in _AGAIN:
                raise _refusal_of(response, name) from None
            text = response.headers.get("Retry-After", "")
            raise TransientError(
                f"the Climate Data Store answers {response.status_code}",
                float(text) if text.isdigit() else None,
            ) from None
        except requests.exceptions.JSONDecodeError:
            raise TransientError("the Climate Data Store answers with a page") from None
        except (requests.ConnectionError, requests.Timeout):
            raise TransientError("no connection to the Climate Data Store") from None

    return retry(attempt, name, patience)


def _refusal_of(response: requests.Response | None, name: str) -> ConfigError | InputError:
    words = _words(response)
    status = response.status_code if response is not None else "nothing"
    if status == 401:
        return ConfigError(
            f"the Climate Data Store refuses the key ({words}): copy it anew from your profile "
            "page to ~/.cdsapirc"
        )
    message = f"{name}: the Climate Data Store answers {status} ({words})"
    return RefusedError(message, expired=status in _EXPIRED)


def _words(response: requests.Response | None) -> str:
    """Return what the store says of a refusal, in one line."""
    if response is None:
        return "without a reason"
    try:
        said = response.json()
        text = " ".join(str(said[key]) for key in ("title", "detail", "traceback") if key in said)
    except (ValueError, TypeError):
        text = ""
    words = " ".join((text or str(response.reason)).split())
    # a server, or a proxy before it, may tell what it was sent
    key = getattr(response.request, "headers", {}).get("PRIVATE-TOKEN")
    return (words.replace(key, "...") if key else words)[:300]


def failure(job: "Job", name: str, status: str) -> InputError | NotPublishedError | QueueFullError:
    """Return why the store made nothing of a request."""
    from ecmwf.datastores.processing import ProcessingFailedError  # noqa: PLC0415

    words = status
    try:
        job.get_results()
    except requests.HTTPError as error:
        words = _words(error.response)
    except (ProcessingFailedError, requests.RequestException) as error:
        words = " ".join(str(error).split())[:300]
    if _FULL.search(words):  # it takes every request, and rejects it a moment later
        return QueueFullError(words)
    if any(phrase in words for phrase in _LATE):
        return NotPublishedError(f"{name} is not published yet: try later ({words})")
    return InputError(f"{name}: the Climate Data Store could not serve the request ({words})")


def place_of(job: "Job", name: str, patience: RetryBudget) -> tuple[str, int]:
    """Return where the file of a request that is done is, and its bytes.

    Raises
    ------
    RefusedError
        The result has expired, or the store names no file, or refuses; see also `ask`.
    """
    from ecmwf.datastores.processing import ProcessingFailedError  # noqa: PLC0415

    try:
        results = ask(job.get_results, name, patience)
        return results.location, results.content_length
    except (LookupError, TypeError, ValueError, ProcessingFailedError):
        raise RefusedError(
            f"{name}: the Climate Data Store names no file of request {job.request_id}: run again",
            expired=True,
        ) from None
