"""One file of any kind: what its headers say, and what smoecast reads of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.data import time_selection
from smoecast.errors import InputError, SmoecastError
from smoecast.fields import channels, times
from smoecast.fields.grid import place_of
from smoecast.fields.left_out import LeftOut, left_out_of
from smoecast.fields.read.grib.index import list_kinds
from smoecast.fields.read.netcdf.open import open_raw
from smoecast.fields.read.open import format_of, read_head
from smoecast.fields.read.results import open_result, read_attributes
from smoecast.fields.read.zarr.anemoi import is_anemoi, separate
from smoecast.fields.read.zarr.group_file import folder_of
from smoecast.fields.read.zarr.open import read_group
from smoecast.fields.store import store
from smoecast.names import parse_channel
from smoecast.tasks.inspect.headers import Header, headers_of_dataset, headers_of_grib
from smoecast.variables import VARIABLES

_PRODUCTS = ("_mean", "_std", "_quantile", "_probability_above", "_probability_below")
"""Ends of names that `postprocess` gives beside members."""


@dataclass(frozen=True, eq=False)
class Contents:
    """What a file holds.

    Attributes
    ----------
    path : Path
        A file, or what stands for a Zarr group.
    format : str
        ``GRIB 1``, ``NetCDF 4``, ``Zarr``; empty where it is none.
    headers : list of Header
        As far as they can be read.
    dataset : xr.Dataset or None
        Canonical; None where the file is refused.
    problem : str
        Why it is refused; empty where it is not.
    made_by : str
        The command of smoecast that made it; empty where none did.
    """

    path: Path
    format: str
    headers: list[Header]
    dataset: xr.Dataset | None
    problem: str
    made_by: str

    @property
    def place(self) -> Path:
        """The file, or the folder of a Zarr group."""
        return folder_of(self.path)

    @property
    def left_out(self) -> list[LeftOut]:
        """What is not read; products beside members are read by those who want them."""
        found = left_out_of(self.dataset) if self.dataset is not None else ()
        return [one for one in found if not (self.made_by and one.name.endswith(_PRODUCTS))]


def look(path: Path) -> Contents:
    """Look at one file: its headers, and what `open_file` makes of it; no field is read.

    Parameters
    ----------
    path : Path
        A file, or what stands for a Zarr group.
    """
    format_, place = _format_of(path), folder_of(path)
    attributes = read_attributes(place)
    if format_ == "Zarr" and store.DETAILS in attributes:
        return _look_at_store(path)
    headers: list[Header] = []
    dataset, problem = None, ""
    try:
        if format_ == "GRIB":
            found = list_kinds(path)
            format_ = f"GRIB {' and '.join(map(str, found['editions']))}".strip()
            headers = headers_of_grib(found["kinds"])
        elif format_.startswith("NetCDF"):
            headers = headers_of_dataset(open_raw(path), str(path))
        elif format_ == "Zarr":
            headers = _headers_of_group(path)
        dataset = open_result(path)
    except (InputError, OSError) as error:
        problem = _in_words(error, place)
    source = str(attributes.get("source", ""))
    made_by = source if "smoecast_identity" in attributes else ""
    return Contents(path, format_, headers, dataset, problem, made_by)


def _headers_of_group(path: Path) -> list[Header]:
    """Return the headers of a Zarr group; of a training set, which is one array, its variables."""
    raw, source = read_group(path.parent, chunks={}, file=path.name), str(path.parent)
    if "data" not in raw or not is_anemoi(raw.attrs, raw["data"].dims):
        return headers_of_dataset(raw, source)
    named, left_out = separate(raw, source)
    fields = raw.sizes["time"] * raw.sizes["ensemble"]
    others = [Header(one.name, "", "", "", "", fields, "") for one in left_out]
    return [*headers_of_dataset(named, source), *others]


def _look_at_store(path: Path) -> Contents:
    try:
        opened = store.open_store(path.parent)
        dataset = channels.unpack(opened["fields"])
        bare = dataset.drop_vars([n for n in dataset.coords if n not in dataset.dims])
        headers = headers_of_dataset(bare, str(path.parent))
    except SmoecastError as error:
        return Contents(path, "Zarr", [], None, str(error), "smoecast preprocess")
    return Contents(path, "Zarr", headers, dataset, "", "smoecast preprocess")


def _in_words(error: Exception, place: Path) -> str:
    if isinstance(error, OSError):
        return f"{place}: it cannot be read ({error.strerror})"
    return str(error)


def _format_of(path: Path) -> str:
    """Return what kind of file it is, by its first bytes; empty where it is none."""
    try:
        return format_of(path, read_head(path))
    except OSError:  # the reader says so
        return ""


def axes_of(dataset: xr.Dataset | None) -> dict[str, Any]:
    """Return the axes of a canonical dataset as JSON has them.

    Returns
    -------
    dict
        ``holds`` (``analyses``, ``forecasts``, ...; empty for no dataset), ``times`` of analyses
        and ``starts`` of forecasts (each with ``first``, ``last``, ``count`` and ``step_hours``,
        None where they are not evenly spaced, or None), ``lead_hours``, ``members`` (how many, or
        None) and ``grid``.
    """
    if dataset is None:
        empty: dict[str, Any] = dict.fromkeys(("times", "starts", "members"))
        return {"holds": "", **empty, "lead_hours": [], "grid": ""}
    leads = dataset["lead_time"].values if "lead_time" in dataset.dims else np.array([])
    hours = [float(hour) for hour in times.as_hours(leads)] if leads.size else []
    return {
        "holds": _say_kind(dataset, hours),
        "times": _series_of(dataset, "time"),
        "starts": _series_of(dataset, "init_time"),
        "members": dataset.sizes.get("number"),
        "lead_hours": hours,
        "grid": place_of(dataset).describe(),
    }


def _say_kind(dataset: xr.Dataset, hours: list[float]) -> str:
    if "time" in dataset.dims:
        return "analyses"
    if "init_time" not in dataset.dims:
        return "constants"
    if "number" in dataset.dims:
        return "ensemble forecasts" if any(hours) else "ensembles of analyses"
    return "forecasts" if any(hours) else "analyses"


def _series_of(dataset: xr.Dataset, axis: str) -> dict[str, Any] | None:
    if axis not in dataset.dims:
        return None
    values = dataset[axis].values
    steps = np.unique(times.as_hours(np.diff(values)))
    return {
        "first": times.iso(values[0]),
        "last": times.iso(values[-1]),
        "count": len(values),
        "step_hours": float(steps[0]) if len(steps) == 1 else None,
    }


def channels_in(dataset: xr.Dataset | None) -> tuple[list[str], list[str]]:
    """Return what a config may ask for: channels, and constants."""
    there = channels.channels_of(dataset) if dataset is not None else []
    known = [channel for channel in map(parse_channel, there) if channel is not None]
    order = {name: place for place, name in enumerate(VARIABLES)}
    known.sort(key=lambda c: (order[c.variable.name], c.level or 0))
    constants = [c.name for c in known if c.variable.vertical == "constant"]
    return [c.name for c in known if c.name not in constants], constants


def objections(dataset: xr.Dataset, source: str) -> list[str]:
    """Return what would refuse a series of analyses, in sentences with the mend.

    Parameters
    ----------
    dataset : xr.Dataset
        Canonical.
    source : str
        Names the files.
    """
    if "time" not in dataset.dims or dataset.sizes["time"] < 2:
        return []
    steps, counts = np.unique(np.diff(dataset["time"].values), return_counts=True)
    hours = max(1, round(float(times.as_hours(steps[counts.argmax()]))))
    try:
        time_selection.evenly(dataset, hours, source)
    except InputError as error:
        return [f"with data.step_hours: {hours}: {str(error).removeprefix(f'{source}: ')}"]
    return []
