"""Stores of anemoi-datasets, ECMWF's training sets: one array of all variables, points in a row.

Layout `gridded` of https://anemoi.readthedocs.io/projects/datasets: ``data`` (time, variable,
ensemble, cell), ``dates``, ``latitudes`` and ``longitudes`` of every point; the names of the
variables, what MARS says of each and the dates without data are attributes. The fields of MARS are
in its units, which a store of before 2026 does not repeat. Statistics beside them are of the
store's own years and are not used.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields.channels import LEVEL_PREFIX
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.choice import IN_FILE
from smoecast.fields.times import iso
from smoecast.names import Channel, channel_of, parse_channel
from smoecast.variables import VARIABLES, Variable, variable_of

_DIMENSIONS = ("time", "variable", "ensemble", "cell")
_COMPUTED = re.compile(
    r"(cos|sin)_(julian_day|latitude|local_time|longitude|solar_zenith_angle)|insolation"
    r"|latitude|longitude"
)
"""Inputs that anemoi makes of time and place."""
_SUMS = ("fg10", *(v.name for v in VARIABLES.values() if v.step == "accum"))
"""Over hours: as ours, over the last one."""
_MARS_UNITS = {"r": "%", "sd": "m of water equivalent"}
"""Where MARS has others than we."""
_HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0, "": 1.0}
_DIGITS = 4
"""Decimals of a degree by which points are told apart."""


def is_anemoi(attributes: Mapping[str, Any], dimensions: Sequence[Any]) -> bool:
    """Whether a group has the layout of anemoi-datasets, by the dimensions of its array data.

    Its values are then what is stored: a fill value is no missing one, for in Zarr v2 that is 0.
    """
    return isinstance(attributes.get("variables"), list) and tuple(dimensions) == _DIMENSIONS


def separate(dataset: xr.Dataset, source: str) -> tuple[xr.Dataset, list[LeftOut]]:
    """Return the variables of a store on a latitude-longitude grid, and those that are left out.

    Parameters
    ----------
    dataset : xarray.Dataset
        A decoded group, lazy.
    source : str
        Names the store in messages.

    Returns
    -------
    xarray.Dataset
        Foreign still, for `fields.canonical.canonical`: variables (time, [number,] latitude,
        longitude) under short names of ours, with their units. Missing dates at its beginning and
        end are left out; those in between are refused when they are read.
    list of LeftOut

    Raises
    ------
    InputError
        Its points make no regular grid, its dates are none, or it does not say which variables it
        has.
    """
    names = [str(name) for name in dataset.attrs["variables"]]
    if len(names) != dataset.sizes["variable"] or len(set(names)) < len(names):
        raise InputError(
            f"{source}: its attribute variables names {len(set(names))} variables, but it has "
            f"{dataset.sizes['variable']}: fetch it again"
        )
    latitude, longitude, order = _grid(dataset, source)
    times, data = _present(dataset, source)
    values = data.rechunk({3: -1})
    if not np.array_equal(order, np.arange(len(order))):
        values = values[..., order]
    values = values.reshape(*values.shape[:3], len(latitude), len(longitude))
    dims = ("time", "number", "latitude", "longitude")
    alone = values.shape[2] == 1
    fields, left_out = {}, []
    for index, name in enumerate(names):
        found = _identify(name, dataset.attrs)
        if isinstance(found, LeftOut):
            left_out.append(found)
            continue
        channel, units = found
        one = values[:, index, 0] if alone else values[:, index]
        array = xr.Variable(dims[:1] + dims[2:] if alone else dims, one, {"units": units})
        array.encoding[IN_FILE] = name
        if channel.level is not None:
            array.encoding["coordinates"] = f"{LEVEL_PREFIX}{channel.level}"
        if channel.name in fields:
            raise InputError(f"{source}: has {channel.name} twice: keep one of them")
        fields[channel.name] = array
    if not fields:
        raise InputError(f"{source}: no variable that smoecast knows among {' '.join(names)}")
    axes = {"time": times, "latitude": latitude, "longitude": longitude}
    said = {"license": dataset.attrs.get("licence"), "source": dataset.attrs.get("attribution")}
    return xr.Dataset(fields, axes, {k: v for k, v in said.items() if isinstance(v, str)}), left_out


def _grid(
    dataset: xr.Dataset, source: str
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.intp]]:
    """Return rows from north, columns from 0 degrees east, and which point stands at each place."""
    if not {"latitudes", "longitudes"} <= set(dataset.variables):
        raise InputError(f"{source}: has no latitudes and longitudes of its points: fetch it again")
    latitude, longitude = (
        np.asarray(dataset[name].values, np.float64) for name in ("latitudes", "longitudes")
    )
    count = dataset.sizes["cell"]
    if latitude.shape != (count,) or longitude.shape != (count,):
        raise InputError(f"{source}: has not one latitude and longitude a point: fetch it again")
    if not (np.isfinite(latitude).all() and np.isfinite(longitude).all()):
        raise InputError(f"{source}: latitudes or longitudes of its points are missing")
    rows, row = np.unique(-np.round(latitude, _DIGITS), return_inverse=True)
    columns, column = np.unique(np.round(longitude, _DIGITS) % 360, return_inverse=True)
    place = row * len(columns) + column
    order = np.argsort(place, kind="stable")
    if len(rows) * len(columns) != count or not np.array_equal(place[order], np.arange(count)):
        resolution = dataset.attrs.get("resolution")
        named = f" ({resolution})" if isinstance(resolution, str | int | float) else ""
        raise InputError(
            f"{source}: its {count} points{named} make no regular latitude-longitude grid, but "
            f"{len(rows)} different latitudes and {len(columns)} longitudes: regrid it first, "
            "to such a grid, when the store is made"
        )
    return -rows, columns, order


def _present(dataset: xr.Dataset, source: str) -> tuple[NDArray[np.datetime64], Any]:
    """Return the times that there are, and the data of them, in which none may be missing."""
    dates = dataset["dates"].values if "dates" in dataset.variables else np.array([])
    if dates.dtype.kind != "M" or dates.shape != (dataset.sizes["time"],):
        raise InputError(f"{source}: has not one date a field in its array dates: fetch it again")
    given = dataset.attrs.get("missing_dates") or []
    try:
        gone = np.isin(dates, np.array([np.datetime64(str(date), "s") for date in given], "M8[s]"))
    except (ValueError, TypeError):
        raise InputError(f"{source}: its attribute missing_dates has no dates") from None
    there = np.flatnonzero(~gone)
    if not len(there):
        raise InputError(f"{source}: all of its {len(dates)} dates are missing (missing_dates)")
    span = slice(int(there[0]), int(there[-1]) + 1)
    data = dataset["data"].isel(time=span).data
    if gone[span].any():
        import dask.array as da  # noqa: PLC0415  # half a second

        marks = da.from_array(np.where(gone[span], dates[span], np.datetime64("NaT")))
        marks = marks.rechunk((data.chunks[0],))[:, None, None, None]
        data = da.map_blocks(_refuse_missing, data, marks, source=source, dtype=data.dtype)
    return dates[span], data


def _refuse_missing(
    values: NDArray[Any], missing: NDArray[np.datetime64], source: str
) -> NDArray[Any]:
    """Return values none of which is of a missing date."""
    found = missing[~np.isnat(missing)]
    if len(found):
        raise InputError(
            f"{source}: {iso(found[0].astype('M8[ns]'))} is one of its missing dates: take a "
            "store that begins after it or ends before it"
        )
    return values


def _identify(name: str, attributes: Mapping[str, Any]) -> tuple[Channel, str] | LeftOut:
    """Return what a variable is and its units, or why it is left out."""
    said = _mapping(_mapping(attributes.get("variables_metadata")).get(name))
    if said.get("computed_forcing") or _COMPUTED.fullmatch(name):
        return LeftOut(name, "computed from time and place")
    mars = _mapping(said.get("mars"))
    stem, _, number = name.rpartition("_")
    level = mars.get("levelist")
    if level is None and number.isdecimal() and _on_pressure(stem, number, attributes):
        mars, level = {"param": stem, "levtype": "pl"}, number
    param = str(mars.get("param", name))
    variable = variable_of(param)
    if variable is None:
        leveled = number.isdecimal() and variable_of(stem) is not None
        return LeftOut(name, "the store does not say that its level is a pressure" * leveled)
    kind = mars.get("levtype", "sfc")
    found: Channel | str = f"on levels of the type {kind}"
    if name not in (param, f"{param}_{level}", f"{param}{level}"):
        found = f"which MARS calls {param}"
    elif kind == "pl" and variable.vertical == "pressure":
        found = _at(variable, str(level))
    elif kind == "sfc" and level is None:
        found = _over(variable, said)
    if isinstance(found, str):
        return LeftOut(name, found, "" if level else variable.name)
    units = said.get("units")
    return found, units if isinstance(units, str) else _MARS_UNITS.get(param, variable.units)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _on_pressure(param: str, level: str, attributes: Mapping[str, Any]) -> bool:
    """Whether the request to MARS, which stores of before 2024 keep, has a parameter on a level."""
    asked = _mapping(_mapping(attributes.get("data_request")).get("param_level")).get("pl")
    pairs = [list(map(str, one)) for one in asked or () if isinstance(one, list | tuple)]
    return [param, level] in pairs


def _at(variable: Variable, level: str) -> Channel | str:
    """Return a quantity on a pressure level, or why it is left out."""
    if not level.isdecimal():
        return f"on the level {level[:20]}"
    channel = Channel(variable, int(level))
    if parse_channel(channel.name) != channel:
        return f"on {level[:20]} hPa, where no channel is"
    return channel


def _over(variable: Variable, said: Mapping[str, Any]) -> Channel | str:
    """Return a quantity at the surface, or why it is left out; sums over as many hours as ours."""
    hours, process = _hours(said.get("period")), said.get("process")
    if variable.name == "z":  # without a level that of the ground
        return channel_of("orography")
    if variable.vertical == "pressure":
        return "without a pressure level"
    if variable.name not in _SUMS:
        return f"{process} over time" if process else Channel(variable, None)
    if hours == 6 and variable.name == "tp":
        return channel_of("tp6h")
    over = "hours that are not told" if hours is None else f"{hours:g} h"
    return Channel(variable, None) if hours == 1 else f"over {over}"


def _hours(period: Any) -> float | None:
    """Return how long a period is that is told by its ends: ``["0h", "6h"]``, or in hours."""
    ends = period if isinstance(period, Sequence) and len(period) == 2 else ()
    found = [re.fullmatch(r"(\d{1,6})([smhd]?)", str(end)) for end in ends]
    lengths = [int(one[1]) * _HOURS[one[2]] for one in found if one]
    return lengths[1] - lengths[0] if len(lengths) == 2 else None
