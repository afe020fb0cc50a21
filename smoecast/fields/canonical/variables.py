"""Which quantity a variable of a foreign file is."""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.rows import fits_height, level_refusal, row_at, step_refusal
from smoecast.fields.channels import LEVEL_PREFIX
from smoecast.fields.left_out import LeftOut
from smoecast.names import DIMENSION_ALIASES, DIMENSIONS, PROJECTION, Channel, parse_level
from smoecast.variables import HEIGHTS, VARIABLES, Variable, variable_of, variable_of_param

_SIGMA = re.compile(r"sigma level 0?\.?995|0\.9950? sigma", re.IGNORECASE)
_TWO_METRES = re.compile(r"\b2 ?m\b|\b2 met(er|re)", re.IGNORECASE)
_NEAR_GROUND = {"t": "t2m", "u": "u10", "v": "v10"}
_LOWEST = {"z": 50}
_LOWEST_OF_OTHERS = 250
"""From which number on ``t850`` is a pressure in hPa where nothing but the name says so.

Below it there may be metres above ground: thermometers at 2 m, masts and wind farms up to 200 m
(ERA5 calls its winds there u100 and u200), soil and sea some metres down. No geopotential is of a
height, but z20 and z26 are depths of isotherms of the sea.
"""
_OTHER_PLACES = re.compile(
    r"tropopause|max(imum)? wind|cloud (base|top|bottom)|freezing|isotherm|boundary layer"
    r"|\b(low|middle|medium|high|convective)([- ]level)?( type)? cloud",
    re.IGNORECASE,
)
"""Words of files for levels on which nothing of the table without a pressure lies."""
_AT_PRESSURE = re.compile(r"\b\d+ ?(hpa|mb|mbar|millibars?)\b", re.IGNORECASE)
_NO_VALUES = re.compile(r"anomal|standard[_ ]error|climatolog", re.IGNORECASE)
_MEAN = re.compile(r"\b(mean (daily|monthly)|(daily|monthly) mean (?!sea))", re.IGNORECASE)
_CLOCKS = ("time", "init_time", "lead_time")
_SPEED = re.compile(r"^(10[ -]?m(et(er|re)s?)? )?wind speed( at 10 ?m)?$", re.IGNORECASE)
"""CESM calls it U10."""
_METHOD = re.compile(r"(?P<names>(?:\w+\s*:\s*)+)(?P<method>\w+)")
_METHODS = {
    **{"point": "instant", "sum": "accum", "maximum": "max", "minimum": "min"},
    **{"mean": "avg", "average": "avg"},
}
"""Words of `cell_methods` and of NOAA's `statistic` as step types of ecCodes."""
MEMBERS = "realization"
"""Scalar coordinate of a moment, and what its ``cell_methods`` is over: the members as a whole."""
SCALARS = "scalar_coordinates"
"""Attribute of ours that names scalar coordinates where ``coordinates`` may not."""
_COMPUTED = ("lat2d",)
"""Never read: files that have it differ in units, and the grid says it already."""
_BY_NAME_ONLY = ("tp6h", "fg10_3h", "fg10_6h", "i10fg")
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


def is_moment(array: xr.DataArray | xr.Variable) -> bool:
    """Whether a variable is a moment over members."""
    return f"{MEMBERS}:" in str(array.attrs.get("cell_methods", ""))


def identify(name: str, array: xr.DataArray, dataset: xr.Dataset, source: str) -> Match | LeftOut:
    """Return what `array` is, or why it is not read.

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
    if is_moment(array):
        return LeftOut(name)  # beside the members themselves
    if name.endswith("_quantile"):
        return LeftOut(name)  # of ours: it has the standard name of the variable itself
    found = _by_channel(name, array) or _by_variable(name, array, dataset, f"{source}: {name}")
    if isinstance(found, LeftOut):
        return found
    reason = _refusal(found.variable, array)
    return LeftOut(name, reason, found.name) if reason else found


def _by_channel(name: str, array: xr.DataArray) -> Match | LeftOut | None:
    """Read a name that tells the pressure: ``z500``, ``u_10hPa``; None where it does not."""
    channel = parse_level(name)
    if channel is None:
        return None
    # of ours: u10 with its pressure beside it too, as older versions wrote the wind at 10 hPa
    told = (array.encoding.get("coordinates", ""), array.attrs.get(SCALARS, ""))
    ours = f"{LEVEL_PREFIX}{channel.level}" in " ".join(map(str, told)).split()
    if ours or (name == channel.name and name.endswith("hPa")):
        return Match(channel.name, channel.variable)
    beside = array.coords.get("level")
    stated = beside is not None and beside.ndim == 0 and int(beside) == channel.level
    if name == channel.name:
        return _at_own_level(channel, beside is not None, stated)
    if not stated or _height(array) is not None:
        return None  # u10 is the wind at 10 metres
    words = f"{channel.level} hPa or at {channel.level} m"
    reason = f"it may be at {words}: call it {channel.name}, or state its height"
    return LeftOut(name, reason, name)


def _at_own_level(channel: Channel, leveled: bool, stated: bool) -> Match | LeftOut:
    """Read a name such as ``t850``, whose pressure the file may state or contradict."""
    level = channel.level or 0
    if stated or (level >= _LOWEST.get(channel.variable.name, _LOWEST_OF_OTHERS) and not leveled):
        return Match(channel.name, channel.variable)
    reason = f"{level} may be hPa or metres: state its pressure in a coordinate named level"
    if leveled:
        reason = "its level is not the one in its name"
    return LeftOut(channel.name, reason, channel.name)


def _by_variable(name: str, array: xr.DataArray, dataset: xr.Dataset, what: str) -> Match | LeftOut:
    """Read a name of a quantity, whose height or level stands elsewhere."""
    variable = _variable(name, array)
    if variable is None or variable.name in _COMPUTED:
        return LeftOut(name)
    level_type = array.attrs.get("GRIB_typeOfLevel")
    near = level_type == "heightAboveGround" and variable.name in _NEAR_GROUND
    if (
        isinstance(level_type, str)
        and not near
        and (reason := level_refusal(row_at(variable, level_type), level_type, None))
    ):
        of_name = {"variable": name}
        return LeftOut(f"{name} on {level_type}", reason, variable.name, keys=of_name)
    found = _at_level(variable, array, dataset, what)
    if found is None:
        return LeftOut(name, f"{variable.name} is read {variable.place} alone", variable.name)
    return found


def _refusal(variable: Variable, array: xr.DataArray) -> str:
    """Say what in the words of a file speaks against a variable; empty where nothing does."""
    if reason := step_refusal(variable, _step_type(variable, array)):
        return f"{reason}; to take it all the same, write data.assume with step: {variable.step}"
    if variable.vertical != "pressure" and _mentions(_OTHER_PLACES, array, None):
        return f"{variable.name} is read {variable.place} alone"
    named = f"{array.attrs.get('standard_name')} {array.attrs.get('long_name')}"
    if _NO_VALUES.search(named) or any("climatology" in c.attrs for c in array.coords.values()):
        return "it is an anomaly, an error or a climatology by what the file says of it"
    if variable.name in ("u10", "v10") and _mentions(_SPEED, array, None):
        return "it is a wind speed by its long_name"
    return ""


def _step_type(variable: Variable, array: xr.DataArray) -> str:
    """Return the step type of ecCodes that a file states; that of the variable where it is none.

    `GRIB_stepType` is asked first, so that it can be set where the file is to be taken otherwise.
    """
    attributes = array.attrs
    given = attributes.get("GRIB_stepType")
    if isinstance(given, str) and given:
        return given
    for match in _METHOD.finditer(str(attributes.get("cell_methods", ""))):
        names = [n.strip() for n in match["names"].split(":")]
        if any(DIMENSION_ALIASES.get(n, n) in _CLOCKS for n in names):
            return _METHODS.get(match["method"].lower(), match["method"])
    for word in str(attributes.get("statistic", "")).lower().split():
        if word in _METHODS:
            return _METHODS[word]
    return "avg" if _mentions(_MEAN, array, None) else variable.step


def _at_level(
    variable: Variable, array: xr.DataArray, dataset: xr.Dataset, what: str
) -> Match | None:
    """Return what a quantity is once its height or level is known, or None where it has no use."""
    if variable.name == "t" and _mentions(_SIGMA, array, dataset):
        return _variable_of("tsig995")
    height = _height(array)
    if variable.vertical != "pressure":
        fits = "level" not in array.dims and _fits(variable, height)
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
    if any(name not in (*DIMENSIONS, *PROJECTION) for name in array.dims):
        return None  # levels of another kind: of a model, of the sea
    if variable.name == "z" and not _mentions(_AT_PRESSURE, array, None):
        # ERA5 single levels: without a level the geopotential is that of the ground.
        return _variable_of("orography")
    if height is None and variable.name == "t" and _mentions(_TWO_METRES, array, None):
        return _variable_of("t2m")
    if height is None:
        raise InputError(
            f"{what} is {variable.long_name} without a level: say its pressure with data.assume "
            "({'*.nc': {level: 500}}), or in a coordinate named level"
        )
    name = _NEAR_GROUND.get(variable.name)
    return _variable_of(name) if name and _fits(VARIABLES[name], height) else None


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
    if height is None:  # ua850 of a file without its pressure is an eastward wind too
        fitting = [v for v in fitting if v.name not in HEIGHTS or v.step == "max"]
    if [v.name for v in fitting] == ["fg10"] and _step_type(fitting[0], array) == "instant":
        return VARIABLES["i10fg"]
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


def _fits(variable: Variable, height: float | None) -> bool:
    """Whether a stated height is that of the variable, if it is of a certain height."""
    return variable.height is None or fits_height(variable, height)


def _mentions(pattern: re.Pattern[str], array: xr.DataArray, dataset: xr.Dataset | None) -> bool:
    """Whether the words of a variable, or the title of its file, match `pattern`."""
    words = [str(array.attrs.get(key, "")) for key in ("long_name", "var_desc", "level_desc")]
    if dataset is not None:
        words += [str(dataset.attrs.get(key, "")) for key in ("title", "description")]
    return any(pattern.search(text) for text in words)
