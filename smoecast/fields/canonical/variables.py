"""Which quantity a variable of a foreign file is."""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.names import VARIABLES, Variable, parse_channel, variable_of, variable_of_param

_SIGMA = re.compile(r"sigma level 0?\.?995|0\.9950? sigma", re.IGNORECASE)
_TWO_METRES = re.compile(r"\b2 ?m\b|\b2 met(er|re)", re.IGNORECASE)
_NEAR_GROUND = {"t": "t2m", "u": "u10", "v": "v10"}
HEIGHTS = {"t2m": 2.0, "d2m": 2.0, "u10": 10.0, "v10": 10.0, "ws10": 10.0, "fg10": 10.0}
_WINDS_ALOFT = {"u100", "v100", "u200", "v200"}
"""Names that elsewhere mean winds so many metres above ground."""
_COMPUTED = ("lat2d",)
"""Never read: files that have it differ in units, and the grid says it already."""
_BY_NAME_ONLY = ("tp6h",)
"""Their standard name does not tell them from others: the interval is not in it."""
_STANDARD_NAMES = {"surface_geopotential": "orography", "land_binary_mask": "lsm"}


@dataclass(frozen=True)
class Match:
    """What a variable of a file turned out to be.

    Attributes
    ----------
    name : str
        Under which it goes on: a short name, or a channel name with its own level (``z500``).
    variable : Variable
        The quantity.
    """

    name: str
    variable: Variable


def identify(name: str, array: xr.DataArray, dataset: xr.Dataset, source: str) -> Match | None:
    """Return what `array` is, or None when smoecast has no use for it.

    Parameters
    ----------
    name : str
        Its name in the file.
    array : xarray.DataArray
        With its dimensions under our names.
    dataset : xarray.Dataset
        The whole file, for its global attributes.
    source : str
        File name for messages.

    Raises
    ------
    InputError
        If it is a quantity on pressure levels and the file does not say on which.
    """
    channel = parse_channel(name)
    if "realization:" in str(array.attrs.get("cell_methods", "")):
        return None  # a moment over members, beside the members themselves
    if name.endswith("_quantile"):
        return None  # of ours: it has the standard name of the variable itself
    if channel is not None and channel.level is not None:
        # ERA5's u100 is the wind at 100 metres: only a stated pressure makes it a channel.
        stated = f"level_{channel.level}" in str(array.encoding.get("coordinates", "")).split()
        plain = name not in _WINDS_ALOFT and "level" not in array.coords
        return Match(name, channel.variable) if stated or plain else None
    variable = _variable(name, array)
    if variable is None or variable.name in _COMPUTED:
        return None
    return _at_level(variable, array, dataset, f"{source}: {name}")


def _at_level(
    variable: Variable, array: xr.DataArray, dataset: xr.Dataset, what: str
) -> Match | None:
    """Return what a quantity is once its height or level is known, or None where it has no use."""
    if variable.name == "t" and _mentions(_SIGMA, array, dataset):
        return _variable_of("tsig995")
    height = _height(array)
    if variable.vertical != "pressure":
        fits = "level" not in array.dims and _fits(variable.name, height)
        return _variable_of(variable.name) if fits else None
    if "level" in array.dims or "level" in array.coords:
        return _variable_of(variable.name)
    return _near_ground(variable, array, height, what)


def _variable_of(name: str) -> Match:
    return Match(name, VARIABLES[name])


def _near_ground(
    variable: Variable, array: xr.DataArray, height: float | None, what: str
) -> Match | None:
    """Return what a quantity of the pressure levels is where there is no pressure."""
    if variable.name == "z":
        # ERA5 single levels: without a level the geopotential is that of the ground.
        return _variable_of("orography")
    if height is None and variable.name == "t" and _mentions(_TWO_METRES, array, None):
        return _variable_of("t2m")
    if height is None:
        raise InputError(
            f"{what} is {variable.long_name} without a level: "
            "the file must say its pressure in a coordinate named level"
        )
    name = _NEAR_GROUND.get(variable.name)
    return _variable_of(name) if name and _fits(name, height) else None


def _variable(name: str, array: xr.DataArray) -> Variable | None:
    """Look a variable up by name, GRIB parameter, short name, then CF standard name."""
    attributes = array.attrs
    for known in (name, attributes.get("GRIB_shortName"), attributes.get("short_name")):
        found = variable_of(known) if isinstance(known, str) else None
        if found is not None:
            return found
    parameter = attributes.get("GRIB_paramId")
    if isinstance(parameter, int | float | np.integer | np.floating) and np.isfinite(parameter):
        found = variable_of_param(int(parameter))
        if found is not None:
            return found
    return _by_standard_name(str(attributes.get("standard_name", "")), array)


def _by_standard_name(standard_name: str, array: xr.DataArray) -> Variable | None:
    """Return the only variable of that name: with levels if `array` has them, else without."""
    if standard_name in _STANDARD_NAMES:
        return VARIABLES[_STANDARD_NAMES[standard_name]]
    named = [v for v in VARIABLES.values() if v.standard_name == standard_name and standard_name]
    levels = "level" in array.coords
    fitting = [
        v for v in named if (v.vertical == "pressure") == levels and v.name not in _BY_NAME_ONLY
    ]
    height = _height(array)
    if len(fitting) > 1:
        fitting = [v for v in fitting if height is not None and v.name in HEIGHTS]
    return fitting[0] if len(fitting) == 1 else None


def _height(array: xr.DataArray) -> float | None:
    """Return the height above ground in metres that the file states, or None."""
    beside = str(array.encoding.get("coordinates", "")).split()
    heights = {
        str(name): float(np.asarray(coordinate.values).item())
        for name, coordinate in array.coords.items()
        if coordinate.size == 1
        and coordinate.dtype.kind in "iuf"
        and _is_height(str(name), coordinate)
    }
    # xarray shows every scalar of the file beside every variable; the file says whose it is.
    stated = {heights[name] for name in heights if name in beside} or set(heights.values())
    return stated.pop() if len(stated) == 1 else None


def _is_height(name: str, coordinate: xr.DataArray) -> bool:
    metres = str(coordinate.attrs.get("units")) in ("m", "metre", "metres", "meter", "meters")
    return str(coordinate.attrs.get("standard_name")) == "height" or (
        metres and name.startswith("height")
    )


def _fits(name: str, height: float | None) -> bool:
    """Whether a stated height is the one of the variable; screens stand at 1.25 to 2 m."""
    wanted = HEIGHTS.get(name)
    return height is None or wanted is None or abs(height - wanted) <= 1.0


def _mentions(pattern: re.Pattern[str], array: xr.DataArray, dataset: xr.Dataset | None) -> bool:
    """Whether the words of a variable, or the title of its file, match `pattern`."""
    words = [str(array.attrs.get(key, "")) for key in ("long_name", "var_desc", "level_desc")]
    if dataset is not None:
        words += [str(dataset.attrs.get(key, "")) for key in ("title", "description")]
    return any(pattern.search(text) for text in words)
