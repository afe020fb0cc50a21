"""What is drawn from: any file of fields, a start and lead times of it, a region."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.config.yaml_text import one_line
from smoecast.data.sources.files import expand
from smoecast.errors import ConfigError, InputError
from smoecast.fields import channels, times
from smoecast.fields.grid import Grid, ProjectedGrid, place_of
from smoecast.fields.missing import name_files
from smoecast.fields.read.open import open_files
from smoecast.fields.read.results import open_result, read_attributes
from smoecast.fields.read.zarr.group_file import folder_of
from smoecast.fields.store import store
from smoecast.names import AREAS, REGIONS, Box
from smoecast.tasks.plot.cartography.maps import say_simulated

MOST_LEADS = 6
"""Lead times that are drawn unless others are asked for."""
_SAID = ("title", "source", "institution", "comment")
"""Attributes in which a file says that it is of the simulated planet."""


@dataclass(frozen=True, eq=False)
class Opened:
    """Fields that were opened.

    Attributes
    ----------
    dataset : xr.Dataset
        Canonical, with the means and probabilities of a calibrated ensemble.
    source : str
        Names its files.
    title : str
        What the file calls itself; empty where it does not.
    simulated : bool
        Whether it says that it is of the simulated planet.
    """

    dataset: xr.Dataset
    source: str
    title: str = ""
    simulated: bool = False

    @property
    def file(self) -> str:
        """What its file is called, without folders."""
        return one_line(Path(self.source).name or self.source, 70)

    @property
    def foot(self) -> str:
        """What stands under a picture: title and file."""
        return " | ".join(word for word in (one_line(self.title, 70), self.file) if word)


def attributes_say_simulated(attributes: Mapping[Any, Any]) -> bool:
    """Tell whether attributes of a file or a store say that it is of the simulated planet."""
    return say_simulated(*(attributes.get(name, "") for name in (*_SAID, store.DETAILS)))


def open_input(patterns: Sequence[str], option: str = "--input") -> Opened:
    """Open what paths, folders and globs name: NetCDF, GRIB, Zarr, results and stores.

    In messages `option` names where they stood.

    Raises
    ------
    InputError
        There is no such file, or one is refused.
    """
    paths = expand(patterns, option)
    attributes = read_attributes(folder_of(paths[0]))
    source = str(folder_of(paths[0])) if len(paths) == 1 else name_files(paths)
    if store.DETAILS in attributes:
        dataset = channels.unpack(store.open_store(folder_of(paths[0]))["fields"])
    elif len(paths) == 1:
        dataset = open_result(paths[0])
    else:
        dataset = open_files(paths, any_grid=True)
    title = str(attributes.get("title", ""))
    return Opened(dataset, source, title, attributes_say_simulated(attributes))


def choose_times(
    dataset: xr.Dataset, source: str, init_time: str | None, leads: Sequence[float]
) -> xr.Dataset:
    """Choose one start (or of analyses one time) and lead times; the last, and up to six.

    Returns
    -------
    xr.Dataset
        Without ``init_time`` and ``time`` as dimensions.

    Raises
    ------
    ConfigError
        A time is no time, or lead times are asked of analyses.
    InputError
        The file does not have them; some that it has are named.
    """
    return choose_leads(choose_start(dataset, source, init_time), source, leads)


def choose_leads(
    dataset: xr.Dataset, source: str, leads: Sequence[float], most: int = MOST_LEADS
) -> xr.Dataset:
    """Choose lead times: those that are named, else up to so many, evenly; of analyses nothing.

    Raises
    ------
    ConfigError
        Lead times are asked of analyses.
    InputError
        The file does not have them.
    """
    if "lead_time" not in dataset.dims:
        if leads:
            raise ConfigError(f"--lead: {source} holds no forecasts along lead time: leave it out")
        return dataset
    hours = times.as_hours(dataset["lead_time"].values)
    if leads:
        said = [f"{hour:g}" for hour in hours]
        chosen = []
        for lead in leads:
            what = f"{source}: {lead:g} h ahead is not in it"
            chosen.append(_find(np.isclose(hours, lead), what, said))
    else:
        evenly = np.linspace(0, len(hours) - 1, min(len(hours), most))
        chosen = [int(place) for place in np.round(evenly)]
    return dataset.isel(lead_time=chosen)


def choose_start(dataset: xr.Dataset, source: str, init_time: str | None) -> xr.Dataset:
    """Choose one start, or of analyses one time: that which is named, else the last.

    Raises
    ------
    ConfigError
        It is no time, or the file has none.
    InputError
        The file does not have it.
    """
    axis = next((name for name in ("init_time", "time") if name in dataset.dims), "")
    if not axis:
        if init_time:
            raise ConfigError(f"--init-time: {source} has no axis of times: leave it out")
        return dataset
    there = dataset[axis].values
    place = len(there) - 1
    if init_time:
        wanted = times.parse_time(init_time)
        place = _find(there == wanted, f"{source}: {times.iso(wanted)} is not in it", there)
    return dataset.isel({axis: place})


def _find(same: np.ndarray, what: str, there: Sequence[Any] | np.ndarray) -> int:
    """Return the first place that is the same; InputError, with what is there, where none is."""
    found = np.flatnonzero(same)
    if len(found):
        return int(found[0])
    said = [times.iso(t) if isinstance(t, np.datetime64) else str(t) for t in there]
    if len(said) > 8:
        said = [*said[:3], "...", *said[-3:]]
    raise InputError(f"{what}, which has {', '.join(said)}: ask for one of these")


def find_box(region: str) -> Box:
    """Return north, west, south, east of a named region, or of four numbers.

    Raises
    ------
    ConfigError
        It is neither, or no single box.
    """
    if region in REGIONS:
        if len(REGIONS[region]) > 1:
            raise ConfigError(f"--region {region}: these are two maps: give one of its halves")
        return REGIONS[region][0]
    single = [name for name, boxes in REGIONS.items() if len(boxes) == 1]
    try:
        north, west, south, east = (float(part) for part in region.split(","))
    except ValueError:
        raise ConfigError(
            f"--region {region}: no region: give N,W,S,E in degrees, or {', '.join(single)}"
        ) from None
    if not (90 >= north > south >= -90 and west < east <= west + 360 and abs(west) <= 360):
        raise ConfigError(
            f"--region {region}: no box: north above south, west before east (-10,30), in degrees"
        )
    return north, west, south, east


def box_of(region: str | None, boxes: Mapping[str, Box]) -> str | None:
    """Return a region of a run as maps take it; None where it is none of one box, such as land.

    Parameters
    ----------
    region : str or None
    boxes : mapping of str to Box
        Those of the run's own, ``evaluate.boxes``.

    Raises
    ------
    ConfigError
        There is no such region.
    """
    if region is None or (region in AREAS and len(REGIONS.get(region, ())) != 1):
        return None
    if region in boxes:
        return ",".join(map(str, boxes[region]))
    find_box(region)
    return region


def cut(dataset: xr.Dataset, source: str, region: str | None) -> xr.Dataset:
    """Cut a region out of fields; its middle, or that of the map, becomes that of the columns.

    Raises
    ------
    ConfigError
        The region is none, or the grid is a projection.
    InputError
        It has no point of the grid.
    """
    place = place_of(dataset)
    if isinstance(place, ProjectedGrid):
        if region:
            raise ConfigError(f"--region: {source} is on a map projection: leave it out")
        return dataset
    north, west, south, east = find_box(region) if region else (90.0, -180.0, -90.0, 180.0)
    if not region and not place.periodic:
        west = float(place.longitude[0])
        east = west + 360
    if region in REGIONS and east - west >= 360:
        west, east = -180.0, 180.0
    longitude = west + (place.longitude - west) % 360
    columns = np.flatnonzero(longitude <= east)
    rows = np.flatnonzero((place.latitude <= north) & (place.latitude >= south))
    if len(columns) < 2 or len(rows) < 2:
        raise InputError(f"{source}: less than two rows or columns of it lie in {region}: widen it")
    columns = columns[np.argsort(longitude[columns])]
    chosen = dataset.isel(latitude=rows, longitude=columns)
    return chosen.assign_coords(longitude=longitude[columns])


def nearest_point(dataset: xr.Dataset, source: str, point: str) -> xr.Dataset:
    """Return the series at the grid point that is nearest to a place.

    Parameters
    ----------
    dataset : xr.Dataset
    source : str
    point : str
        ``LAT,LON`` in degrees.

    Raises
    ------
    ConfigError
        It is no point, or the grid is a projection.
    InputError
        It lies further than a cell away from all points.
    """
    try:
        latitude, longitude = (float(part) for part in point.split(","))
    except ValueError:
        latitude = longitude = np.nan
    if not (abs(latitude) <= 90 and abs(longitude) <= 360):
        raise ConfigError(f"--point {point}: no point: give LAT,LON in degrees, as 52.5,13.4")
    place = place_of(dataset)
    if not isinstance(place, Grid):
        raise ConfigError(f"--point: {source} is on a map projection: draw a map")
    east = np.abs((place.longitude - longitude + 180) % 360 - 180)
    north = np.abs(place.latitude - latitude)
    if north.min() > _spacing(place.latitude) or east.min() > _spacing(place.longitude):
        raise InputError(
            f"{source}: {point} lies outside its grid, {place.describe()}: give a point of it"
        )
    return dataset.isel(latitude=int(north.argmin()), longitude=int(east.argmin()))


def _spacing(axis: np.ndarray) -> float:
    return float(np.abs(np.diff(axis)).max()) if len(axis) > 1 else 1.0
