"""Source `ens10`: ENS-10, ECMWF's ensemble hindcasts of 1998 to 2017 for post-processing.

Ashkboos et al. (2022), arXiv 2206.14786. 105 files for each kind of field, pressure levels and
surface, one for every Monday and Thursday of 2018; each holds the forecasts of 20 years from that
day of the year, 10 members, 0, 24 and 48 h, 361 x 720 points, in GRIB 1. A file is sifted as it
comes (`data.download.grib_filter`), so that only the messages of the wanted channels and lead times
ever reach the disk; they become mean and spread, or stay as members, and what came is deleted.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import xarray as xr

from smoecast import console
from smoecast.config.postprocess import Postprocess
from smoecast.data.download.collect import Hooks
from smoecast.data.download.grib_filter import GribSieve
from smoecast.data.download.remote_file import About, Offer, RemoteFile, shown
from smoecast.data.sources.ens10 import reduce
from smoecast.data.sources.ens10.open import open_fields
from smoecast.data.sources.ens10.reduce import MEMBERS, YEARS, Request
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import EnsemblesRequest, size_ensembles
from smoecast.disk.atomic import stage
from smoecast.errors import ConfigError
from smoecast.fields.read.grib.index import Describer
from smoecast.fields.times import iso

ABOUT = About(
    name="ens10",
    what="ENS-10: ECMWF ensemble hindcasts 1998 to 2017, 10 members, 0, 24, 48 h, 0.5 degrees",
    size="3.4 GB a start date at the surface, 24 GB on levels, 105 dates; 1 GB or less of it stays",
    licence="CC BY 4.0; attribution: ECMWF, ENS-10 (Ashkboos et al. 2022, arXiv 2206.14786)",
    needs="nothing (postprocess.source)",
)
NEWER = "https://object-store.os-api.cci1.ecmwf.int/maelstrom-ap4"
OLDER = "https://storage.ecmwf.europeanweather.cloud/MAELSTROM_AP4"
LEVELS = (10, 50, 100, 200, 300, 400, 500, 700, 850, 925, 1000)
STEPS = (0, 24, 48)
_ON_LEVELS = ("z", "t", "q", "w", "u", "v")
"""Divergence is there too; smoecast has no name for it."""
_SURFACE = ("sst", "tcw", "tcwv", "cp", "msl", "tcc", "u10", "v10", "t2m", "tp", "skt")
_OFFER = Offer("ens10", dict.fromkeys(_ON_LEVELS, LEVELS), _SURFACE, key="postprocess.channels")
_BYTES = {"pl": 24_000_000_000, "sfc": 3_400_000_000}
_MONDAY, _THURSDAY = 0, 3
_YEAR = (date(2018, 1, 1) + timedelta(days) for days in range(365))
DATES = tuple(day for day in _YEAR if day.weekday() in (_MONDAY, _THURSDAY))
"""The 105 start dates, by which the files are named."""


def list_files(asked: EnsemblesRequest) -> list[RemoteFile]:
    """Return the files that hold the channels of a run.

    Raises
    ------
    ConfigError
        A channel or a lead time is not in this data.
    """
    base = asked.download.url or NEWER
    return [_remote(request, base) for request in _requests_of(asked.wanted)]


def _requests_of(settings: Postprocess) -> list[Request]:
    """Return what is wanted of each file."""
    strange = sorted(set(settings.lead_hours) - set(STEPS))
    if strange:
        raise ConfigError(
            f"postprocess.lead_hours names {strange[0]}, but source ens10 has 0, 24 and 48 h"
        )
    kinds: dict[str, list[str]] = {}
    for channel in settings.channels:
        kinds.setdefault(_kind(channel), []).append(channel)
    return [
        Request(kind, day, tuple(sorted(kinds[kind])), settings.lead_hours, settings.ens10.keep)
        for day in _dates(settings)
        for kind in sorted(kinds)
    ]


def _dates(settings: Postprocess) -> list[date]:
    """Return the start dates that are wanted."""
    months = settings.ens10.months or range(1, 13)
    return [day for day in DATES if day.month in months]


def _kind(name: str) -> str:
    """Return in which kind of file a channel is."""
    return "sfc" if _OFFER.channel(name).level is None else "pl"


def _remote(request: Request, base: str) -> RemoteFile:
    """Return the file of a request; its name tells other requests of the same file apart."""
    text = f"{request.channels} {request.lead_hours}"
    mark = hashlib.sha256(text.encode()).hexdigest()[:8]
    suffix = "nc" if request.keep == "statistics" else "grib"
    day = request.day.strftime("%Y%m%d")
    return RemoteFile(
        name=f"output.{request.kind}.{day}.{mark}",
        url=f"{base.rstrip('/')}/output.{request.kind}.{day}",
        about=_BYTES[request.kind],
        gives=(f"ens10_{request.kind}_{day}_{mark}.{suffix}",),
    )


def _places(remote: RemoteFile) -> list[RemoteFile]:
    """Return the file at its newer and at its older address; a mirror has no other one."""
    if not remote.url.startswith(NEWER):
        return [remote]
    older = f"{OLDER}{remote.url.removeprefix(NEWER)}"
    return [replace(remote, mirrors=(older,)), replace(remote, url=older)]


def hooks(asked: EnsemblesRequest) -> Hooks:
    """Return what is done around a fetch: two addresses to try, messages to sift and to reduce."""
    requests = {_remote(request, "").name: request for request in _requests_of(asked.wanted)}

    def part(path: Path, remote: RemoteFile) -> GribSieve:
        request, what, stream = requests[remote.name], shown(remote.url), Describer()

        def is_wanted(message: bytes, number: int) -> bool:
            return request.wants(stream.describe(message, number, f"{what}: message {number}"))

        return GribSieve(path, is_wanted, what)

    def inspect(path: Path, remote: RemoteFile) -> dict[str, Any]:
        request = requests[remote.name]
        missing = reduce.find_gaps(path, request, shown(remote.url))
        for start, messages in missing.items():
            more = f" and {len(messages) - 1} more of that start" if len(messages) > 1 else ""
            console.say(
                f"{shown(remote.url)}: {messages[0]}{more} missing: {iso(start)} is left out"
            )
        return {
            "licence": ABOUT.licence,
            "channels": request.channels,
            "lead_hours": request.lead_hours,
            "missing": [message for messages in missing.values() for message in messages],
        }

    def unpack(path: Path, remote: RemoteFile) -> Iterable[tuple[str, Path]]:
        (name,) = remote.gives
        with stage(path.with_name(name)) as part:
            yield name, reduce.make(path, requests[remote.name], part)

    return Hooks(
        locate=lambda remote, _: _places(remote), part=part, inspect=inspect, unpack=unpack
    )


def _open(paths: Sequence[Path], asked: EnsemblesRequest) -> xr.Dataset:
    fields = open_fields(paths, asked.wanted)
    return xr.Dataset({"fields": fields.assign_attrs(license=ABOUT.licence)})


def _size(asked: EnsemblesRequest) -> dict[str, int]:
    starts = len(YEARS) * len(_dates(asked.wanted))
    sizes = size_ensembles(asked, (361, 720), starts, len(MEMBERS))
    if asked.wanted.ens10.keep == "statistics":
        del sizes["number"]  # mean and spread of each channel in the place of members
        sizes["channel"] *= 2
    return sizes


SOURCE = remote_source(ABOUT, list_files, hooks, _open, _size)
