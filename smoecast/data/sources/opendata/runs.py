"""Runs of ECMWF's real-time open data: which is the newest one, and where its messages are.

Every GRIB file of a run has an index beside it, one JSON line a message with its first byte and its
length; the newest run is the one whose indexes are there. Addresses are those of the client
`ecmwf-opendata`; the bytes come by our own fetcher (docs/decisions/0010-open-data.md).
"""

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from smoecast import console
from smoecast.data.download.collect import Hooks, collect
from smoecast.data.download.remote_file import RemoteFile, shown
from smoecast.data.download.retry import Limits
from smoecast.data.sources.opendata.index import lines_of, select
from smoecast.disk.atomic import write_atomic
from smoecast.disk.small_files import read_json
from smoecast.errors import ConfigError, InputError, NotPublishedError

URL = "https://data.ecmwf.int/forecasts"
MIRRORS = (
    "https://ecmwf-forecasts.s3.eu-central-1.amazonaws.com",
    "https://storage.googleapis.com/ecmwf-open-data",
)
"""ECMWF's own copies, laid out as `URL` is; the one at Azure wants a token first."""
KEPT_HOURS = 72
"""How far back a run is looked for; the archive keeps a few days."""
MESSAGE_BYTES = 600_000
"""Of one field at 0.25 degrees, about."""
_NEWEST = "opendata.json"
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class FileRequest:
    """One file of a run.

    Attributes
    ----------
    stream, kind : str
        ``oper`` and ``fc``, or ``enfo`` and ``ef``, of AIFS-ENS ``cf`` or ``pf``.
    step : int
        Hours ahead.
    before : int
        Hours by which the run is older than the newest one.
    model : str
        That made it: ``ifs`` or ``aifs-ens``.
    """

    stream: str
    kind: str
    step: int
    before: int = 0
    model: str = "ifs"

    @property
    def label(self) -> str:
        """What tells it in the name of a file from others of its run and step."""
        return self.stream if self.model == "ifs" else f"aifs_{self.stream}_{self.kind}"


@dataclass(frozen=True)
class Request:
    """What is wanted of the newest run.

    Attributes
    ----------
    url : str
        Where the runs are.
    wants : tuple of FileRequest
        All of which must be there.
    channels : tuple of str
        Of each.
    every_hours : int
        Starts that may be taken: multiples of this from midnight UTC.
    mirrors : tuple of str
        Where the same runs are, for while `url` is busy.
    """

    url: str
    wants: tuple[FileRequest, ...]
    channels: tuple[str, ...]
    every_hours: int
    mirrors: tuple[str, ...] = ()

    def at_mirrors(self, address: str) -> tuple[str, ...]:
        """Return where the mirrors have a file of `url`."""
        if not address.startswith(f"{self.url}/"):
            return ()
        return tuple(f"{mirror}{address.removeprefix(self.url)}" for mirror in self.mirrors)

    def index_name(self, want: FileRequest, start: datetime) -> str:
        """Return under which name the index of a file is kept."""
        run = start - timedelta(hours=want.before)
        return f"opendata_{run:%Y%m%d%H}_{want.label}_{want.step}h.index"


def sites(url: str) -> tuple[str, tuple[str, ...]]:
    """Return where the runs are and its mirrors: an address that a person names has none."""
    return (url.rstrip("/"), ()) if url else (URL, MIRRORS)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def discover(request: Request, folder: Path, limits: Limits) -> None:
    """Look for the newest run that is there whole; fetch its indexes and note its start.

    Raises
    ------
    NotPublishedError
        None is there.
    ConfigError
        The client is not installed.
    """
    midnight = now().replace(hour=0, minute=0, second=0, microsecond=0)
    start = midnight + timedelta(hours=now().hour // request.every_hours * request.every_hours)
    oldest = start - timedelta(hours=KEPT_HOURS)
    tomorrow = (now() + timedelta(days=1)).date()
    while start >= oldest:
        addresses = {
            request.index_name(w, start): _address(request, w, start) for w in request.wants
        }
        indexes = [
            RemoteFile(name, url, published=tomorrow, mirrors=request.at_mirrors(url))
            for name, address in addresses.items()
            for url in [f"{address.removesuffix('.grib2')}.index"]
        ]
        try:
            collect(indexes, folder, limits, Hooks(inspect=lambda path, remote: _inspect(path)))
        except NotPublishedError:
            console.say(f"the run of {start:%Y-%m-%d %H} UTC is not there yet")
            start -= timedelta(hours=request.every_hours)
            continue
        newest = {"start": start.isoformat(), "files": addresses}
        write_atomic(folder / _NEWEST, json.dumps(newest, indent=1).encode())
        console.say(f"the newest run is that of {start:%Y-%m-%d %H} UTC")
        return
    raise NotPublishedError(
        f"{shown(request.url)}: no run of the last {KEPT_HOURS} hours has all that is wanted: try "
        "later"
    )


def _address(request: Request, want: FileRequest, start: datetime) -> str:
    try:
        from ecmwf.opendata import client  # noqa: PLC0415  # an optional extra
    except ImportError:
        raise ConfigError(
            "source opendata needs the client of ECMWF's open data: pip install smoecast[download]"
        ) from None
    run = start - timedelta(hours=want.before)
    parts = {"stream": want.stream, "type": want.kind, "model": want.model, "resol": "0p25"}
    when = {"_yyyymmdd": f"{run:%Y%m%d}", "_H": f"{run:%H}"}
    # runs of 06 and 18 UTC were once another stream; the client knows when
    stream = client.Client(source=request.url).patch_stream({**parts, **when})
    address: str = client.HOURLY_PATTERN.format(
        _url=request.url,
        _yyyymmddHHMMSS=f"{run:%Y%m%d%H}0000",
        _stream=stream,
        _levfile="",
        _extension="grib2",
        step=want.step,
        **parts,
        **when,
    )
    return address


def _inspect(path: Path) -> dict[str, Any]:
    return {"messages": sum(1 for _ in lines_of(path))}


def newest(request: Request, folder: Path) -> tuple[datetime, dict[str, str]] | None:
    """Return start and addresses of the run that `discover` has found; None before it has.

    None as well if it looked for other files than are wanted now.
    """
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        found = read_json(folder / _NEWEST, _MOST_BYTES)
        start = datetime.fromisoformat(found["start"])
        files = {name: str(address) for name, address in found["files"].items()}
        wanted = [request.index_name(want, start) for want in request.wants]
        if all(name in files and (folder / name).is_file() for name in wanted):
            return start, files
    return None


def newest_start(request: Request, folder: Path) -> np.datetime64 | None:
    """Return the start of the run that `discover` has found; None before it has."""
    found = newest(request, folder)
    return None if found is None else np.datetime64(found[0].replace(tzinfo=None), "s")


def remotes(request: Request, folder: Path, count: int) -> list[RemoteFile]:
    """Return the files of the newest run, or an estimate of them before `discover`.

    Parameters
    ----------
    request : Request
        What is wanted.
    folder : Path
        Of the raw files.
    count : int
        Fields of a channel to expect of a lead time, in one file or two.

    Raises
    ------
    InputError
        The run lacks a channel or a member of it.
    """
    found = newest(request, folder)
    if found is None:
        about = MESSAGE_BYTES * len(request.channels)
        return [
            RemoteFile(
                f"{_stem(want, 'latest')}.grib2",
                request.url,
                about=about * {"cf": 1, "pf": count - 1}.get(want.kind, count),
            )
            for want in request.wants
        ]
    start, addresses = found
    return [_remote(request, want, folder, start, addresses) for want in request.wants]


def _stem(want: FileRequest, when: str) -> str:
    before = f"-{want.before}h" if want.before and when == "latest" else ""
    return f"opendata_{when}{before}_{want.label}_{want.step}h"


def _remote(
    request: Request, want: FileRequest, folder: Path, start: datetime, addresses: dict[str, str]
) -> RemoteFile:
    index = request.index_name(want, start)
    try:
        pieces = select(folder / index, want.step, request.channels)
    except InputError:
        (folder / index).unlink()  # it may have been half written on the server: asked for anew
        raise
    mark = hashlib.sha256(json.dumps(pieces).encode()).hexdigest()[:8]
    run = start - timedelta(hours=want.before)
    size = sum(length for _, length in pieces)
    return RemoteFile(
        name=f"{_stem(want, f'{run:%Y%m%d%H}')}_{mark}.grib2",
        url=addresses[index],
        size=size,
        about=size,
        pieces=tuple(pieces),
        mirrors=request.at_mirrors(addresses[index]),
    )


def later(remote: RemoteFile, day: date) -> RemoteFile:
    """Return the file as one that may still come: a mirror may have its index first."""
    return replace(remote, published=day + timedelta(days=1))


def discard_index(folder: Path, request: Request) -> None:
    """Throw the indexes of the newest run away: what they promise is not what came."""
    found = newest(request, folder)
    if found is not None:
        for want in request.wants:
            (folder / request.index_name(want, found[0])).unlink(missing_ok=True)
