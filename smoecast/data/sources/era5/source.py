"""Source `era5`: ERA5 from the Copernicus Climate Data Store, as GRIB.

Hersbach et al. (2020), doi:10.1002/qj.3803. One request a month and kind of field: on levels (by
the levels that are wanted), at the surface, accumulated (which the store dates differently), and
constants. No request asks for more than `FIELDS` fields, which the store's limits allow for.
"""

import hashlib
import json
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import xarray as xr

from smoecast.config.data import Data, Era5
from smoecast.data.download.collect import Hooks, today
from smoecast.data.download.remote_file import About, RemoteFile
from smoecast.data.download.retry import RetryBudget
from smoecast.data.sources.era5.queue import Queue
from smoecast.data.sources.open import SUMS, open_analyses
from smoecast.data.sources.remote import remote_source
from smoecast.data.sources.source import AnalysesRequest, size_analyses
from smoecast.errors import ConfigError, InputError, NotPublishedError
from smoecast.fields.derived import sources_of
from smoecast.fields.read.grib.index import index
from smoecast.names import Channel, parse_channel
from smoecast.variables import VARIABLES

ABOUT = About(
    name="era5",
    what="ERA5, the whole Earth or an area, up to 0.25 degrees, hourly since 1940",
    size="at 1 degree and 6-hourly about 0.2 GB a year and field",
    licence="CC BY 4.0; cite Hersbach et al. 2020 and the Copernicus Climate Change Service",
    needs="pip install smoecast[download]; a free account (~/.cdsapirc), its licence accepted",
    truth="ERA5",
)
FIELDS = 10_000
FIRST_YEAR = 1940
_LEVELS = (
    *(1, 2, 3, 5, 7, 10, 20, 30, 50, 70, 100, 125, 150, 175, 200, 225, 250, 300, 350, 400, 450),
    *(500, 550, 600, 650, 700, 750, 775, 800, 825, 850, 875, 900, 925, 950, 975, 1000),
)
_ABSENT = ("tsig995", "ws10", "fg10_3h", "fg10_6h", "tp6h", "lntp6h", "lat2d")
_DELAY = timedelta(days=6)
"""After which a day is there, as preliminary ERA5T."""
_FINAL_MONTHS = 4
"""After which a month is final."""


@dataclass(frozen=True)
class Request:
    """One request, and the file that comes of it.

    Attributes
    ----------
    remote : RemoteFile
        The file; its name holds a mark of the request, so that another request is another file.
    collection : str
        Data set of the store.
    body : dict
        As the store wants it.
    fields : int
        GRIB messages that must come.
    """

    remote: RemoteFile
    collection: str
    body: dict[str, Any]
    fields: int


def list_files(asked: AnalysesRequest) -> list[RemoteFile]:
    """Return the files that hold the channels of a run.

    Raises
    ------
    ConfigError
        A channel, a year or the spacing in time is not in this data.
    """
    return [request.remote for request in list_requests(asked)]


def list_requests(asked: AnalysesRequest) -> list[Request]:
    """Return the requests of a run. Raises as `list_files` does."""
    data = asked.wanted
    if asked.download.url:
        raise ConfigError(
            "download.url has no meaning for source era5, whose address stands beside the key in "
            "~/.cdsapirc: leave it out"
        )
    years = sorted(set(data.years))
    if years[0] < FIRST_YEAR:
        raise ConfigError(f"data.years names {years[0]}, but source era5 begins in {FIRST_YEAR}")
    channels = [_channel_of(name) for name in sources_of((*data.channels, *data.constants), _has)]
    made = [
        request
        for year in years
        for month in range(1, 13)
        for kind, levels, names in _groups(channels)
        for request in _monthly(data, year, month, kind, levels, names)
    ]
    constants = [c.variable.name for c in channels if c.variable.vertical == "constant"]
    if constants:
        first = date(years[0], 1, 1)
        made.append(_new_request(data.era5, "constant", first, ["01"], ["00:00"], (), constants))
    return made


def _has(name: str) -> bool:
    channel = parse_channel(name)
    return channel is not None and channel.variable.name not in _ABSENT


def _channel_of(name: str) -> Channel:
    channel = parse_channel(name)
    if channel is None or not _has(name):
        raise ConfigError(f"data.channels names {name}, which source era5 lacks")
    if channel.level is not None and channel.level not in _LEVELS:
        raise ConfigError(
            f"data.channels names {name}, but source era5 has {channel.variable.name} at "
            f"{' '.join(map(str, _LEVELS))} hPa"
        )
    return channel


def _groups(channels: Sequence[Channel]) -> list[tuple[str, tuple[int, ...], list[str]]]:
    """Group variables so that no request brings a field that nobody wants."""
    levels: dict[str, set[int]] = {}
    groups: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for channel in channels:
        name = channel.variable.name
        if channel.level is not None:
            levels.setdefault(name, set()).add(channel.level)
        elif channel.variable.vertical != "constant":
            kind = "surface" if channel.variable.step == "instant" else "accumulated"
            groups.setdefault((kind, ()), []).append(name)
    for name, wanted in levels.items():
        groups.setdefault(("levels", tuple(sorted(wanted))), []).append(name)
    return [(kind, levels, names) for (kind, levels), names in groups.items()]


def _monthly(
    data: Data, year: int, month: int, kind: str, levels: tuple[int, ...], names: list[str]
) -> Iterator[Request]:
    """Split the fields of a month into requests of no more than `FIELDS` fields."""
    days = [f"{day:02d}" for day in range(1, monthrange(year, month)[1] + 1)]
    # sums over six hours are made of every hour's
    summed = kind == "accumulated" and SUMS & set(data.channels)
    times = [f"{hour:02d}:00" for hour in range(0, 24, 1 if summed else data.step_hours)]
    each = len(days) * len(times) * max(1, len(levels))
    share = max(1, FIELDS // each)
    for begin in range(0, len(names), share):
        some = names[begin : begin + share]
        yield _new_request(data.era5, kind, date(year, month, 1), days, times, levels, some)


def _new_request(
    era5: Era5,
    kind: str,
    first: date,
    days: list[str],
    times: list[str],
    levels: tuple[int, ...],
    names: list[str],
) -> Request:
    body: dict[str, Any] = {
        "product_type": ["reanalysis"],
        "variable": [_cds_name(name) for name in names],
        "year": [f"{first.year}"],
        "month": [f"{first.month:02d}"],
        "day": days,
        "time": times,
        "data_format": "grib",
        "download_format": "unarchived",
        "grid": f"{era5.grid_degrees:g}/{era5.grid_degrees:g}",
    }
    if levels:
        body["pressure_level"] = [str(level) for level in levels]
    if era5.area:
        body["area"] = list(era5.area)
    collection = f"reanalysis-era5-{'pressure' if levels else 'single'}-levels"
    mark = hashlib.sha256(json.dumps([collection, body], sort_keys=True).encode()).hexdigest()
    fields = len(names) * max(1, len(levels)) * len(days) * len(times)
    last = first + timedelta(days=len(days) - 1)
    remote = RemoteFile(
        name=f"era5_{first:%Y%m}_{kind}_{mark[:8]}.grib",
        url="",
        about=fields * (200 + 2 * prod(shape(era5.grid_degrees, era5.area))),
        published=last + _DELAY,
        final=_months_later(first, _FINAL_MONTHS),
    )
    return Request(remote, collection, body, fields)


def _cds_name(name: str) -> str:
    # on single levels, geopotential is that of the ground
    return "geopotential" if name == "orography" else VARIABLES[name].cds_name


def shape(degrees: float, area: Sequence[float]) -> tuple[int, int]:
    """Return the points in latitude and longitude of the grid that the store interpolates to."""
    north, west, south, east = area or (90.0, 0.0, -90.0, 360.0 - degrees)
    width = min(east - west, 360.0 - degrees)
    return round((north - south) / degrees) + 1, round(width / degrees) + 1


def _months_later(first: date, months: int) -> date:
    years, month = divmod(first.month - 1 + months, 12)
    return date(first.year + years, month + 1, 1)


def hooks(asked: AnalysesRequest) -> Hooks:
    """Return what is done around a fetch: wait in the queue before, count the messages after."""
    queue = Queue(asked.raw, 3600.0 * asked.download.wait_hours)
    by_name = {request.remote.name: request for request in list_requests(asked)}
    return Hooks(
        locate=partial(_places, queue, by_name),
        inspect=lambda path, remote: _inspect(path, by_name[remote.name]),
    )


def _places(
    queue: Queue, by_name: dict[str, Request], remote: RemoteFile, patience: RetryBudget
) -> Iterator[RemoteFile]:
    """Yield where the store has put the file: of an earlier request, and of at most one new one."""
    request = by_name[remote.name]
    if remote.may_come_after(today()):
        raise NotPublishedError(f"{remote.name} is not published before {remote.published}")
    earlier = queue.return_to(remote, patience)
    if earlier is not None:
        yield earlier
        queue.forget(remote.name)
    yield queue.submit(remote, request.collection, request.body, patience)
    queue.forget(remote.name)


def _inspect(path: Path, request: Request) -> dict[str, Any]:
    """Walk the messages: as many as asked for; how many of them are preliminary ERA5T.

    Raises
    ------
    InputError
        A message is broken, or one is missing.
    """
    messages, _ = index(path)
    found = {(m.channel, m.init_time + m.lead_time) for m in messages}
    if len(found) != request.fields:
        raise InputError(
            f"{request.remote.name}: the Climate Data Store sent {len(found)} of "
            f"{request.fields} fields"
        )
    preliminary = sum(m.experiment.lstrip("0") == "5" for m in messages)
    return {"fields": request.fields, "preliminary": preliminary, "request": request.body}


def _open(paths: Sequence[Path], asked: AnalysesRequest) -> xr.Dataset:
    if not SUMS & set(asked.wanted.channels):
        return open_analyses(paths, asked)
    # the sums need every hour of precipitation, the rest came at the step of the store
    hourly = [path for path in paths if "_accumulated_" in path.name]
    others = [path for path in paths if path not in hourly]
    return open_analyses(paths, asked, groups=[hourly, others])


def _size(asked: AnalysesRequest) -> dict[str, int]:
    era5 = asked.wanted.era5
    return size_analyses(asked, shape(era5.grid_degrees, era5.area))


SOURCE = remote_source(ABOUT, list_files, hooks, _open, _size)
