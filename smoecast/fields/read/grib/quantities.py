"""Which row of the table of variables a GRIB message is.

To be imported by `fields.read.grib.server` alone: ecCodes may end the process that asks it.
"""

from smoecast.fields.canonical.rows import level_refusal, row_at, step_refusal
from smoecast.fields.canonical.units import is_unit_of
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib.keys import Keys
from smoecast.variables import Variable, variable_of, variable_of_param

_OVER_TIME = ("avg", "max", "min")
"""Before a short name: ecCodes has parameters of their own for means and extremes, as avg_2t."""
_BY_PARAMETER_ONLY = ("sf",)
"""Other centres have something else under this short name: the water of all snow that fell."""

_HIGHEST = 2000  # hPa


def quantity_of(keys: Keys) -> Variable | LeftOut:
    """Return the variable of a message, or what it is where it is none that is read.

    It is found by ECMWF's parameter id, else by the short name of ecCodes, and read only from the
    levels and step types that its row of the table names.
    """
    short, level_type = keys.text("shortName"), keys.text("typeOfLevel")
    name = f"{short or 'unknown'} on {level_type or 'unknown level'}"
    of_level = keys.texts("shortName", "typeOfLevel")
    variable = variable_of_param(keys.whole("paramId")) or _by_short_name(short, keys)
    if variable is None:
        kind, _, of = short.partition("_")
        over_time = variable_of(of) if kind in _OVER_TIME else None
        if over_time is None:
            return LeftOut(name, keys=of_level)
        return LeftOut(name, step_refusal(over_time, kind), over_time.name, keys=of_level)
    variable = row_at(variable, level_type)
    height = keys.real("level") if level_type == "heightAboveGround" else None
    if reason := level_refusal(variable, level_type, height):
        if height is None:
            return LeftOut(name, reason, variable.name, keys=of_level)
        of_level |= keys.texts("level")
        return LeftOut(f"{short} at {height:g} m", reason, variable.name, keys=of_level)
    step_type = keys.text("stepType")
    if reason := step_refusal(variable, step_type):
        of_step = keys.texts("shortName", "stepType")
        return LeftOut(f"{short} of step type {step_type}", reason, variable.name, keys=of_step)
    return variable


def level_of(keys: Keys, short: str) -> int | LeftOut:
    """Return the pressure in hPa; ecCodes' own `level` cuts 150.5 hPa of GRIB 2 down to 150."""
    if keys.whole("edition") == 2:
        factor = keys.whole_if_there("scaleFactorOfFirstFixedSurface")
        value = keys.whole_if_there("scaledValueOfFirstFixedSurface")
    else:
        in_hpa = keys.text("typeOfLevel") == "isobaricInhPa"
        factor, value = (-2 if in_hpa else 0), keys.whole_if_there("level")
    at = ("shortName", "typeOfLevel", "level")
    if factor is None or value is None:
        reason = "the message does not tell its level"
        return LeftOut(f"{short} at no pressure", reason, keys=keys.texts(*at))
    pascals = value / 10.0**factor
    level = round(pascals / 100)
    if not 1 <= level <= _HIGHEST or abs(pascals - 100 * level) > 1e-6:
        levels = f"levels are whole numbers of hPa up to {_HIGHEST}"
        return LeftOut(f"{short} at {pascals:g} Pa", levels, keys=keys.texts(*at))
    return level


def _by_short_name(short: str, keys: Keys) -> Variable | None:
    """Return the variable of a short name of another centre, if it is in a unit of it."""
    variable = variable_of(short)
    if variable is None or variable.name in _BY_PARAMETER_ONLY:
        return None
    return variable if is_unit_of(variable, keys.text("units")) else None
