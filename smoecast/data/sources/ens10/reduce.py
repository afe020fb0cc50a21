"""What is kept of a file of ENS-10: whether it is whole, and its members or their statistics.

A start (one day of one year) for which any wanted message is missing is named and left out, in
both forms: a mean over nine members is no mean over ten, and a store has no room for holes.
"""

import itertools
import os
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import xarray as xr

from smoecast.data.members import over_land
from smoecast.errors import InputError, OutputError
from smoecast.fields import channels as fields_channels
from smoecast.fields.channels import layout
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib.index import index
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.grib.open import open_grib
from smoecast.fields.times import as_hours, iso
from smoecast.fields.write.netcdf import netcdf_writer

MEMBERS = range(1, 11)
"""Numbers of the perturbed forecasts; a file that counts from 0 is as welcome."""
YEARS = range(1998, 2018)
"""Of the forecasts in every file."""
_ONE_WRITER = threading.Lock()  # netCDF-C crashes under threads


@dataclass(frozen=True)
class Request:
    """What is wanted of one file.

    Attributes
    ----------
    kind : str
        ``pl`` or ``sfc``.
    day : datetime.date
        By which the file is named; its forecasts start on that day of each of `YEARS`.
    channels : tuple of str
        Of this kind.
    lead_hours : tuple of int
    keep : str
        ``members`` or ``statistics``.
    """

    kind: str
    day: date
    channels: tuple[str, ...]
    lead_hours: tuple[int, ...]
    keep: Literal["members", "statistics"]

    def wants(self, found: Message | LeftOut) -> bool:
        """Whether a message is one of those wanted."""
        return (
            isinstance(found, Message)
            and found.channel in self.channels
            and found.member is not None
            and float(as_hours(found.lead_time)) in self.lead_hours
        )


def find_gaps(path: Path, request: Request, what: str) -> dict[np.datetime64, list[str]]:
    """Return the wanted messages that a file lacks, in words, by start of forecast.

    Parameters
    ----------
    path : Path
        What was kept of the file.
    request : Request
    what : str
        The file in messages.

    Raises
    ------
    InputError
        A message is broken, or no start has all of its messages.
    """
    messages, _ = index(path)
    lacking = _gaps_by_start(messages, request)
    starts = _starts(messages, request)
    if len(lacking) == len(starts):
        first = next(iter(lacking.values()))[0]
        raise InputError(f"{what}: no start has all of its messages; the first missing is {first}")
    return lacking


def _starts(messages: Sequence[Message], request: Request) -> list[np.datetime64]:
    """Return the starts that a file has, and those of the years that it should have."""
    there = {message.init_time for message in messages}
    years = {int(str(start)[:4]) for start in there}
    days = (request.day.replace(year=year) for year in YEARS if year not in years)
    return sorted(there | {np.datetime64(day.isoformat(), "ns") for day in days})


def _numbers(messages: Sequence[Message]) -> list[int]:
    """Return the members that a file has, and as many others as it should have more."""
    there = {message.member for message in messages if message.member is not None}
    others = [number for number in MEMBERS if number not in there]
    return sorted(there | set(others[: max(0, len(MEMBERS) - len(there))]))


def _gaps_by_start(messages: Sequence[Message], request: Request) -> dict[np.datetime64, list[str]]:
    there = {(m.init_time, m.channel, int(as_hours(m.lead_time)), m.member) for m in messages}
    wanted = list(product(request.channels, request.lead_hours, _numbers(messages)))
    lacking = {}
    for start in _starts(messages, request):
        gone = [rest for rest in wanted if (start, *rest) not in there]
        if len(gone) == len(wanted):
            lacking[start] = [f"every message at init_time {iso(start)}"]
        elif gone:
            lacking[start] = [
                f"{channel} at init_time {iso(start)}, lead_time {hours} h, number {number}"
                for channel, hours, number in gone
            ]
    return lacking


def make(path: Path, request: Request, target: Path) -> Path:
    """Make the file that stays of what was kept of a remote one; return `target`.

    Parameters
    ----------
    path : Path
        GRIB with the wanted messages.
    request : Request
    target : Path
        GRIB with the members, or NetCDF with ``{channel}_mean`` and ``{channel}_std``
        (init_time, lead_time, latitude, longitude), of the starts that are complete.

    Raises
    ------
    InputError
        A message is broken, there twice, or on another grid.
    OutputError
        The disk does not take it.
    """
    messages, _ = index(path)
    lacking = _gaps_by_start(messages, request)
    whole = [message for message in messages if message.init_time not in lacking]
    if request.keep == "members":
        _copy(path, whole, target)
        members = open_grib(target)
        for channel in request.channels:  # refused where it does not make one block
            fields_channels.field(members, channel, str(target))
        return target
    source = target.with_suffix(".grib") if lacking else path
    try:
        if lacking:
            _copy(path, whole, source)
        members = open_grib(source)
        with _ONE_WRITER:
            _write(statistics(members, request.channels, str(path)), target)
    finally:
        if lacking:
            source.unlink(missing_ok=True)
    return target


def _write(moments: xr.Dataset, target: Path) -> None:
    """Write statistics, worked out as many starts at a time as their members were read in."""
    ends = np.cumsum(moments.unify_chunks().chunks["init_time"]).tolist()
    with netcdf_writer(moments, target) as append:
        for begin, end in itertools.pairwise([0, *ends]):
            append(moments.isel(init_time=slice(begin, end)).compute())


def _copy(path: Path, messages: Iterable[Message], target: Path) -> None:
    """Copy some messages of a file, one at a time, and have them on disk."""
    try:
        with path.open("rb") as source, target.open("wb") as file:
            for message in messages:
                source.seek(message.offset)
                file.write(source.read(message.length))
            file.flush()
            os.fsync(file.fileno())
    except OSError as problem:
        raise OutputError(
            f"{target}: the disk does not take the file ({problem.strerror}): make room and run "
            "again, what has come is kept"
        ) from None


def statistics(members: xr.Dataset, names: Sequence[str], source: str) -> xr.Dataset:
    """Return mean and standard deviation (over M - 1) of every channel over its members, lazily.

    Parameters
    ----------
    members : xr.Dataset
        Canonical, with `number`.
    names : sequence of str
        Channels.
    source : str
        Names the file in messages.

    Returns
    -------
    xr.Dataset
        ``{channel}_mean`` and ``{channel}_std``, float32, worked out in float64.
    """
    members = over_land(members)
    fields = {n: fields_channels.field(members, n, source).astype(np.float64) for n in names}
    mean = layout({n: f.mean("number", skipna=False) for n, f in fields.items()}, stack=False)
    std = layout({n: f.std("number", ddof=1, skipna=False) for n, f in fields.items()}, stack=False)
    moments = {f"{n}_mean": _moment(mean[n], "mean", "mean") for n in names}
    moments |= {
        f"{n}_std": _moment(std[n], "standard deviation", "standard_deviation") for n in names
    }
    return xr.Dataset(moments, attrs=_ATTRIBUTES)


_ATTRIBUTES = {
    "title": "ENS-10: mean and standard deviation of ten ensemble hindcasts",
    "institution": "ECMWF",
    "source": "ENS-10, ensemble hindcasts of the ECMWF Integrated Forecasting System",
    "references": "Ashkboos et al. 2022, arXiv 2206.14786",
    "license": "CC BY 4.0",
}


def _moment(field: xr.DataArray, words: str, method: str) -> xr.DataArray:
    """Say in CF's words that a field is a moment over members."""
    long_name = f"{words} of {field.attrs['long_name']}"
    attributes = {"long_name": long_name, "cell_methods": f"realization: {method}"}
    return field.astype(np.float32).assign_attrs(attributes)
