"""What a file does not say and a config says in its place: level, variable, units, hours."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.dimensions import normalize_levels, rename_dimensions, role_of
from smoecast.fields.canonical.units import same_unit
from smoecast.fields.read.choice import fields_of
from smoecast.fields.times import as_lead, later
from smoecast.names import parse_channel
from smoecast.variables import VARIABLES, Variable, variable_of

Named = str | tuple[tuple[str, str], ...]
"""One word for the one variable of a file, or pairs of the file's name and a word."""
_UNSAID = ("", "unknown", "none", "undefined")


@dataclass(frozen=True)
class Assumption:
    """What is to be taken for said of a file.

    Attributes
    ----------
    level : int or None
        Pressure in hPa of its fields.
    variable : str or tuple of (str, str)
        Short names of ours (``z``).
    units : str or tuple of (str, str)
        Of its values.
    step : str
        Step type of ecCodes to take its values for, whatever the file says of them: ``instant``
        takes means of a day as if they were of a moment.
    hours : int
        By which its times are too early.
    key : str
        Of the config that says so.
    """

    level: int | None = None
    variable: Named = ()
    units: Named = ()
    step: str = ""
    hours: int = 0
    key: str = "data.assume"


def assume(dataset: xr.Dataset, assumed: Assumption, path: Path) -> xr.Dataset:
    """Return a decoded NetCDF file or Zarr group that says what is assumed.

    Raises
    ------
    InputError
        It says something else, or does not have what is spoken of.
    """
    units = _by_name(dataset, assumed.units, "units", assumed, path)
    for name, unit in units.items():
        dataset = dataset.assign({name: _with_unit(dataset[name], unit, assumed, path)})
    if assumed.level is not None:
        dataset = _with_level(dataset, assumed.level, assumed, path)
    names = _by_name(dataset, assumed.variable, "variable", assumed, path)
    for name, ours in names.items():
        _check_variable(dataset, name, VARIABLES[ours], assumed, path)
    dataset = dataset.rename({name: ours for name, ours in names.items() if name != ours})
    if assumed.step:
        fields = {name: dataset[name] for name in fields_of(dataset)}
        dataset = dataset.assign(
            {n: field.assign_attrs(GRIB_stepType=assumed.step) for n, field in fields.items()}
        )
    return shift(dataset, assumed, path) if assumed.hours else dataset


def shift(dataset: xr.Dataset, assumed: Assumption, path: Path) -> xr.Dataset:
    """Return a dataset whose times are later by the hours that are assumed.

    Raises
    ------
    InputError
        It has no times, or they leave the years that times can have.
    """
    dates = {
        name: coordinate
        for name, coordinate in dataset.coords.items()
        if coordinate.dtype.kind == "M"
        and role_of(str(name), dict(coordinate.attrs)) in ("time", "init_time")
    }
    if not dates:
        raise InputError(f"{path}: it has no times that {assumed.key} could shift")
    by = as_lead(assumed.hours)
    moved = {
        name: (c.dims, later(c.values, by, f"{path}: a time"), c.attrs) for name, c in dates.items()
    }
    return dataset.assign_coords(moved)


def refuse_for_grib(assumed: Assumption, path: Path) -> None:
    """Refuse to assume of GRIB what its messages say themselves.

    Raises
    ------
    InputError
        More is assumed than a shift of times.
    """
    if assumed.level is not None or assumed.variable or assumed.units or assumed.step:
        raise InputError(
            f"{path}: GRIB says level, variable, units and step itself: of {assumed.key} it can "
            "have time_offset_hours alone"
        )


def _by_name(
    dataset: xr.Dataset, named: Named, what: str, assumed: Assumption, path: Path
) -> dict[str, str]:
    """Return by variable of the file what is assumed of it."""
    there = fields_of(dataset)
    if isinstance(named, str):
        if len(there) != 1:
            raise InputError(
                f"{path}: {assumed.key} gives one {what}, but there are {', '.join(there)}: "
                f"write {what}: {{{there[0] if there else 'name'}: ...}}"
            )
        return {there[0]: named}
    missing = [name for name, _ in named if name not in there]
    if missing:
        raise InputError(
            f"{path}: it has no {missing[0]}, but {', '.join(there)}; correct {assumed.key}"
        )
    return dict(named)


def _with_unit(array: xr.DataArray, unit: str, assumed: Assumption, path: Path) -> xr.DataArray:
    stated = array.attrs.get("units")
    if str(stated or "").strip().lower() not in _UNSAID and not same_unit(stated, unit):
        raise InputError(
            f"{path}: {array.name} has the unit {str(stated)!r}, not {unit!r} as {assumed.key} "
            "says: leave units out there"
        )
    return array.assign_attrs(units=unit)


def _with_level(dataset: xr.Dataset, level: int, assumed: Assumption, path: Path) -> xr.Dataset:
    coordinate = _levels(dataset, path)
    channels = [c for c in map(parse_channel, fields_of(dataset)) if c is not None]
    stated = [*coordinate, *(c.level for c in channels if c.level is not None)]
    if set(stated) - {level}:
        raise InputError(
            f"{path}: it is of {', '.join(map(str, stated))} hPa, not of {level} hPa as "
            f"{assumed.key} says: leave level out there"
        )
    if coordinate:
        return dataset
    # beside a name such as u100 too, which may be metres
    return dataset.assign_coords(level=xr.DataArray(np.int32(level), attrs={"units": "hPa"}))


def _levels(dataset: xr.Dataset, path: Path) -> list[int]:
    """Return the pressures that a file states, in hPa."""
    found = normalize_levels(rename_dimensions(dataset, str(path)), str(path))
    return [int(v) for v in np.atleast_1d(found["level"].values)] if "level" in found.coords else []


def _check_variable(
    dataset: xr.Dataset, name: str, ours: Variable, assumed: Assumption, path: Path
) -> None:
    """Refuse a name for what the file says is something else."""
    attributes = dataset[name].attrs
    words = (name, attributes.get("GRIB_shortName"), attributes.get("short_name"))
    known = {v for w in words if isinstance(w, str) if (v := variable_of(w)) is not None}
    channel = parse_channel(name)
    if channel is not None:
        known.add(channel.variable)
    standard = attributes.get("standard_name")
    alike = {v for v in VARIABLES.values() if standard and v.standard_name == standard}
    told = sorted(v.name for v in known - {ours} if v.standard_name != (ours.standard_name or None))
    if told or (alike and ours not in alike):
        raise InputError(
            f"{path}: {name} is {told[0] if told else standard}, not {ours.name} as {assumed.key} "
            "says: leave variable out there"
        )
    if ours.vertical != "pressure" and _levels(dataset, path):
        raise InputError(
            f"{path}: {name} stands on a pressure level, where {ours.name} cannot be: correct "
            f"variable in {assumed.key}"
        )
    if ours.name in dataset.variables and name != ours.name:
        raise InputError(f"{path}: it has {ours.name} beside {name}; correct {assumed.key}")
