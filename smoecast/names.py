"""The names of things: dimensions, coordinates, regions, and channels of the table of variables."""

import difflib
import re
from dataclasses import dataclass

from smoecast.variables import VARIABLES, Variable, variable_of, variables_called

DIMENSIONS = (
    "init_time",
    "lead_time",
    "number",
    "time",
    "level",
    "latitude",
    "longitude",
)
"""Dimension names of canonical data, in the order in which they stand."""

PROJECTION = ("projection_y_coordinate", "projection_x_coordinate")
"""Dimensions of a map projection, in the order in which they stand."""

DIMENSION_ALIASES = {
    "forecast_reference_time": "init_time",
    "initial_time": "init_time",
    "forecast_period": "lead_time",
    "prediction_timedelta": "lead_time",
    "step": "lead_time",
    "realization": "number",
    "member": "number",
    "ensemble": "number",
    "sample": "number",
    "valid_time": "time",
    "isobaricInhPa": "level",
    "pressure_level": "level",
    "plev": "level",
    "lev": "level",
    "lat": "latitude",
    "lon": "longitude",
    "nav_lat": "latitude",
    "nav_lon": "longitude",
}
"""What others call a dimension, and what we call it."""

COORDINATE_ATTRIBUTES: dict[str, dict[str, str]] = {
    "init_time": {
        "standard_name": "forecast_reference_time",
        "long_name": "start of the forecast",
    },
    "lead_time": {"standard_name": "forecast_period", "long_name": "time since start of forecast"},
    "valid_time": {"standard_name": "time", "long_name": "time at which the field holds"},
    "time": {"standard_name": "time", "long_name": "time", "axis": "T"},
    "number": {
        "standard_name": "realization",
        "long_name": "ensemble member",
        "units": "1",
    },
    "quantile": {
        "long_name": "share of the distribution that lies below",
        "units": "1",
    },
    "level": {
        "standard_name": "air_pressure",
        "long_name": "pressure level",
        "units": "hPa",
        "positive": "down",
        "axis": "Z",
    },
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude",
        "units": "degrees_north",
        "axis": "Y",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude",
        "units": "degrees_east",
        "axis": "X",
    },
}
"""CF attributes of every coordinate that smoecast writes (times get their units on encoding)."""


Box = tuple[float, float, float, float]
"""North, west, south, east in degrees; points on the edge belong to it."""

REGIONS: dict[str, tuple[Box, ...]] = {
    "global": ((90, 0, -90, 360),),
    "tropics": ((20, 0, -20, 360),),
    "extra-tropics": ((90, 0, 20, 360), (-20, 0, -90, 360)),
    "northern-hemisphere": ((90, 0, 20, 360),),
    "southern-hemisphere": ((-20, 0, -90, 360),),
    "europe": ((75, -12.5, 35, 42.5),),
    "north-america": ((60, -120, 25, -75),),
    "north-atlantic": ((65, -70, 25, -10),),
    "north-pacific": ((60, 145, 25, 230),),
    "east-asia": ((60, 102.5, 25, 150),),
    "ausnz": ((-12.5, 120, -45, 175),),
    "arctic": ((90, 0, 60, 360),),
    "antarctic": ((-60, 0, -90, 360),),
}
"""Regions of scores: the boxes of WeatherBench 2 (scripts/evaluate.py) under its names.

The hemispheres begin at 20 degrees: they are the extratropics of each.
"""

SURFACES = ("land", "sea")
"""More regions of scores: points of which more than half is land (constant lsm), and the others."""

AREAS = (*REGIONS, *SURFACES)
"""Every region of scores that has a name."""


_PRESSURE = "pressure"
_CHANNEL = re.compile(r"(?P<name>[a-z]+)(?P<level>[1-9][0-9]{0,3})")
_CHANNEL_IN_HPA = re.compile(r"(?P<name>[a-z]+)_(?P<level>[1-9][0-9]{0,3})hPa")


@dataclass(frozen=True)
class Channel:
    """One field of a network's input or output: a variable, at a level if it has levels.

    Attributes
    ----------
    variable : Variable
        What it is.
    level : int or None
        Pressure in hPa; None for variables without levels.
    """

    variable: Variable
    level: int | None

    @property
    def name(self) -> str:
        """Name in configs and files: ``z500``, ``t2m``.

        Where ``u10`` is another variable of the table, the wind at 10 metres, the one at 10 hPa is
        ``u_10hPa``.
        """
        if self.level is None:
            return self.variable.name
        short = f"{self.variable.name}{self.level}"
        return f"{self.variable.name}_{self.level}hPa" if short in VARIABLES else short


def parse_channel(name: str) -> Channel | None:
    """Read a channel name such as ``z500`` or ``t2m``; None when it means nothing to us."""
    known = VARIABLES.get(name)
    if known is not None and known.vertical != _PRESSURE:
        return Channel(known, None)
    channel = parse_level(name)
    return channel if channel is not None and channel.name == name else None


def parse_level(name: str) -> Channel | None:
    """Read a variable and its level in either spelling, ``u10`` and ``u_10hPa``, whatever it means.

    `parse_channel` takes the one of the two that is the name of the channel.
    """
    match = _CHANNEL.fullmatch(name) or _CHANNEL_IN_HPA.fullmatch(name)
    variable = VARIABLES.get(match["name"]) if match is not None else None
    if match is None or variable is None or variable.vertical != _PRESSURE:
        return None
    return Channel(variable, int(match["level"]))


def channel_at(variable: str, level: int) -> str:
    """Return the name of the channel of a variable on a level in hPa: ``z500``, ``u_10hPa``."""
    return Channel(VARIABLES[variable], level).name


def channel_of(name: str) -> Channel:
    """Read the name of a channel that has been checked before.

    Raises
    ------
    ValueError
        It means nothing to us.
    """
    channel = parse_channel(name)
    if channel is None:
        raise ValueError(f"{name} is no channel")
    return channel


_FOREIGN = re.compile(r"(?P<name>.*?[A-Za-z])(_?(?P<level>[1-9][0-9]{0,3}) ?(hPa|mb)?)?")
_SURFACES = re.compile(r"_(?P<height>[0-9]+(?=m))?(maboveground|surface|meansealevel)$")  # wgrib2


def explain_channel(name: str) -> str:
    """Say how a channel is written that somebody calls by a name which is none of ours.

    Parameters
    ----------
    name : str
        What stands in a config: ``hgt``, ``TMP``, ``2t``, ``gh500``, ``u_850hPa``.

    Returns
    -------
    str
        ``'hgt' is called z here: write it with its level in hPa: z500``; empty where nobody calls
        anything so.
    """
    found, level = _find_called(name)
    if not found:
        return ""
    first = found[0]
    if level is not None and first.vertical != _PRESSURE:
        return f"'{name}' is no channel: {first.name} has no levels"
    if level is not None or (len(found) == 1 and first.vertical != _PRESSURE):
        return f"'{name}' is called {Channel(first, level).name} here"
    if len(found) > 1:
        said = [f"{_example(v)} ({v.long_name})" for v in found]
        return f"'{name}' is called {', '.join(said[:-1])} or {said[-1]} here"
    if name == first.name:
        return f"'{name}' needs its level in hPa: {_example(first)}"
    how = f"write it with its level in hPa: {_example(first)}"
    return f"'{name}' is called {first.name} here: {how}"


def _find_called(name: str) -> tuple[list[Variable], int | None]:
    """Return the variables that somebody calls so, and the level that stands beside the name."""
    place = _SURFACES.search(name)
    plain = name[: place.start()] if place else name
    if found := variables_called(plain):
        height = float(place["height"]) if place and place["height"] else None
        there = [v for v in found if place and v.vertical != _PRESSURE and v.height == height]
        return there or (found[:1] if variable_of(plain) else found), None
    match = _FOREIGN.fullmatch(plain)
    if match is None:
        return [], None
    return variables_called(match["name"]), int(match["level"]) if match["level"] else None


def _example(variable: Variable) -> str:
    """Return the name of a variable as a config has it, on some level if it needs one."""
    return Channel(variable, 500 if variable.vertical == _PRESSURE else None).name


def suggest_channel(name: str) -> str:
    """Return the channel whose name is most like one that nobody calls anything; empty: none is.

    Parameters
    ----------
    name : str
        What stands in a config: ``tm2``, ``zz500``.
    """
    level = re.search(r"_?[1-9][0-9]{0,3}(hPa)?$", name)
    elsewhere = [v.name for v in VARIABLES.values() if v.vertical != _PRESSURE]
    on_levels = [
        channel_at(variable.name, int(re.sub(r"\D", "", level[0])))
        for variable in VARIABLES.values()
        if level and variable.vertical == _PRESSURE
    ]
    # few ask for 2 hPa, many misspell t2m
    close = [difflib.get_close_matches(name[:40], some, n=1) for some in (elsewhere, on_levels)]
    return next((found[0] for found in close if found), "")
