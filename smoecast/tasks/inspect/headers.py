"""What the headers of a file say of its variables, in the words of the file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.dimensions import normalize_levels, rename_dimensions
from smoecast.fields.canonical.rows import row_at
from smoecast.fields.canonical.units import conversion
from smoecast.fields.canonical.variables import Match, identify
from smoecast.fields.left_out import LeftOut
from smoecast.names import PROJECTION, parse_channel
from smoecast.variables import ISOBARIC, VARIABLES, Variable, variable_of, variable_of_param

_PLAIN = ("surface", "meanSea", "entireAtmosphere", "nominalTop")
"""Kinds of level of GRIB whose number says nothing."""
_ALIKE = ("shortName", "typeOfLevel", "stepType", "stream")
"""Keys of ecCodes in which the fields of one header are alike, beside their type of data."""
_APART = ("heightAbove", "isobaricInPa")
_SHOWN = 6
"""Levels that are named one by one."""
_PLACE = ("latitude", "longitude", *PROJECTION)


@dataclass(frozen=True)
class Header:
    """One variable of a NetCDF or Zarr file, or one kind of field of a GRIB file.

    Attributes
    ----------
    name, long_name, units : str
        As the file has them.
    level : str
        Kind and numbers of its levels, such as ``isobaricInhPa 500, 850``.
    step : str
        What it is of the time: ``instant``, ``accum``, ``time: mean``; empty where it does not say.
    fields : int
        Times, levels, members together.
    ours : str
        The variable of smoecast that it is or nearly is, empty where there is none.
    keys : mapping of str to str
        By which it is known: of GRIB keys of ecCodes that all of its fields have, else `variable`.
    levels : frozenset of str
        Of GRIB: the numbers of its levels.
    """

    name: str
    long_name: str
    units: str
    level: str
    step: str
    fields: int
    ours: str
    keys: Mapping[str, str] = field(default_factory=dict)
    levels: frozenset[str] = frozenset()

    @property
    def variable(self) -> Variable | None:
        """The quantity that it is or nearly is."""
        channel = parse_channel(self.ours)
        return VARIABLES.get(self.ours) or (channel.variable if channel else None)

    def find_si_unit(self) -> str:
        """Return the unit to which its values are brought, empty where they stay as they are."""
        if self.variable is None:
            return ""
        try:
            same = conversion(self.variable, self.units or None, "") == (1.0, 0.0)
        except InputError:  # the reader says so
            return ""
        return "" if same else self.variable.units

    def find_left_out(self, left_out: Sequence[LeftOut]) -> LeftOut | None:
        """Return the note that says that it is not read: none of its levels is."""
        meant = [left for left in left_out if self._is_meant(left)]
        whole = next((left for left in meant if "level" not in left.keys), None)
        if whole is not None:
            return whole
        gone = {left.keys["level"] for left in meant}
        return meant[0] if meant and self.levels <= gone else None

    def _is_meant(self, left: LeftOut) -> bool:
        """Tell whether some of it is what is left out."""
        if not left.keys:
            return left.name == self.name
        level = left.keys.get("level")
        alike = all(self.keys.get(k) == v for k, v in left.keys.items() if k != "level")
        return alike and (level is None or level in self.levels)


def headers_of_grib(kinds: Sequence[dict[str, Any]]) -> list[Header]:
    """Return the headers of a GRIB file.

    Parameters
    ----------
    kinds : sequence of dict
        See `fields.read.grib.keys.list_kinds`. The control and the members of an ensemble are
        one; heights, each of which is a variable of its own, are apart, and levels in Pa, of which
        few are whole numbers of hPa.
    """
    found: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for kind in kinds:
        # the control is a member
        one_kind = {**kind, "dataType": "pf"} if kind["dataType"] == "cf" else kind
        key = tuple(one_kind[k] for k in (*_ALIKE, "units", "dataType"))
        if kind["typeOfLevel"].startswith(_APART):
            for level, count in kind["levels"].items():
                one = {**one_kind, "levels": {level: count}, "fields": count}
                found.setdefault((*key, level), []).append(one)
        else:
            found.setdefault(key, []).append(one_kind)
    return [_header_of_grib(alike) for alike in found.values()]


def _header_of_grib(alike: Sequence[dict[str, Any]]) -> Header:
    first = alike[0]
    levels = list(dict.fromkeys(level for kind in alike for level in kind["levels"]))
    return Header(
        first["shortName"],
        first["name"],
        first["units"],
        f"{first['typeOfLevel']} {_say_levels(levels, first['typeOfLevel'])}".strip(),
        first["stepType"],
        sum(kind["fields"] for kind in alike),
        _ours(first),
        {key: first[key] for key in (*_ALIKE, "dataType")},
        frozenset(levels),
    )


def _ours(kind: dict[str, Any]) -> str:
    variable = variable_of_param(kind["paramId"]) or variable_of(kind["shortName"])
    if variable is None:
        return ""
    variable = row_at(variable, kind["typeOfLevel"])
    on_pressure = kind["typeOfLevel"] in ISOBARIC
    return variable.name if (variable.vertical == "pressure") == on_pressure else ""


def _say_levels(levels: Sequence[str], kind: str) -> str:
    """Return numbers of levels, of many the first and the last; nothing where they say nothing."""
    if kind in _PLAIN and set(levels) <= {"0"}:
        return ""
    numbers = sorted(levels, key=lambda text: (len(text), text))
    if len(numbers) > _SHOWN:
        return f"{numbers[0]} to {numbers[-1]} ({len(numbers)})"
    return ", ".join(numbers)


def headers_of_dataset(raw: xr.Dataset, source: str) -> list[Header]:
    """Return the headers of a NetCDF file or Zarr group.

    Parameters
    ----------
    raw : xr.Dataset
        Decoded, under its own names.
    source : str
        Names the file.
    """
    try:
        named = rename_dimensions(raw, source)
        named = normalize_levels(named, source)
    except InputError:
        named = raw
    return [
        _header_of_array(str(name), raw[name], named, source)
        for name in raw.data_vars
        if name in named.data_vars and raw[name].ndim
    ]


def _header_of_array(name: str, array: xr.DataArray, named: xr.Dataset, source: str) -> Header:
    ours = named[name]
    sizes = [size for dimension, size in ours.sizes.items() if dimension not in _PLACE]
    try:
        found = identify(name, ours, named, source)
        match = found.name if isinstance(found, Match) else found.channel
    except InputError:  # the reader says so
        variable = variable_of(name)
        match = variable.name if variable else ""
    step = array.attrs.get("GRIB_stepType") or array.attrs.get("cell_methods") or ""
    return Header(
        name,
        str(array.attrs.get("long_name", "")),
        str(array.attrs.get("units", "")),
        _level_of_array(array, ours),
        " ".join(str(step).split()),
        int(np.prod(sizes)),
        match,
        {"variable": name},
    )


def _level_of_array(array: xr.DataArray, ours: xr.DataArray) -> str:
    """Return the level of a variable in the words of the file."""
    theirs = dict(zip(ours.dims, array.dims, strict=True)).get("level")
    if theirs is not None and theirs in array.coords:
        values = array[theirs].values
        unit = array[theirs].attrs.get("units", "")
        words = _say_levels([f"{value:g}" for value in values.tolist()], "")
        return f"{theirs} {words} {unit}".strip()
    # xarray shows every scalar of the file beside every variable; the file says whose it is
    beside = str(array.encoding.get("coordinates", "")).split()
    scalars = [
        f"{name} {float(c):g} {c.attrs.get('units', '')}".strip()
        for name, c in array.coords.items()
        if c.ndim == 0 and c.dtype.kind in "iuf" and _is_vertical(str(name), c)
        if name in beside or not set(beside) & {*map(str, array.coords)}
    ]
    return ", ".join(scalars)


def _is_vertical(name: str, coordinate: xr.DataArray) -> bool:
    words = ("height", "level", "pressure", "depth")
    return "positive" in coordinate.attrs or name.lower().startswith(words)
