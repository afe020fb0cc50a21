"""From the units that files carry to SI.

One table, asked by the unit that a variable must have: foreign spelling to (factor, offset) with
SI = factor x value + offset. A spelling that is not in it is refused, never guessed.
"""

import re

from smoecast.errors import InputError
from smoecast.variables import Variable

GRAVITY = 9.80665
"""Standard gravity in m s-2: geopotential over geopotential height (WMO; ECMWF IFS)."""

_KNOT = 1852.0 / 3600.0
_LENGTH = dict.fromkeys(("m", "metre", "metres", "meter", "meters"), 1.0)
_HEIGHT = {
    **dict.fromkeys(_LENGTH, GRAVITY),
    **dict.fromkeys(("gpm", "geopotential metre", "geopotential meter"), GRAVITY),
    **dict.fromkeys(("dam", "gpdm", "gpdam", "decametre", "decameter"), 10 * GRAVITY),
}
_FACTORS: dict[str, dict[str, float]] = {
    "m2 s-2": {"m2 s-2": 1, "m2/s2": 1, "j kg-1": 1, "j/kg": 1, **_HEIGHT},
    "K": dict.fromkeys(("k", "kelvin", "degk", "deg k", "degrees k", "degree k"), 1),
    "m s-1": {
        **dict.fromkeys(("m s-1", "m/s", "metres per second", "meters per second"), 1),
        **dict.fromkeys(("km h-1", "km/h", "kmh", "kph", "km/hr", "km hr-1"), 1 / 3.6),
        **dict.fromkeys(("knot", "knots", "kt", "kts", "kn"), _KNOT),
    },
    "kg kg-1": {
        **dict.fromkeys(("kg kg-1", "kg/kg", "1"), 1),
        **dict.fromkeys(("g kg-1", "g/kg", "grams/kg", "gram/kg"), 0.001),
    },
    "1": {
        **dict.fromkeys(("1", "(0 - 1)", "(0-1)", "0-1", "0 - 1", "fraction"), 1),
        **dict.fromkeys(("dimensionless", "proportion", "~", "numeric", "(code table)"), 1),
        **dict.fromkeys(("%", "percent", "per cent"), 0.01),
        **dict.fromkeys(("okta", "oktas"), 1 / 8),
    },
    "Pa": {
        **dict.fromkeys(("pa", "pascal", "pascals", "n m-2", "n/m2"), 1),
        **dict.fromkeys(("hpa", "mb", "mbar", "millibar", "millibars", "hectopascal"), 100.0),
        **dict.fromkeys(("kpa", "kilopascal"), 1000.0),
    },
    "Pa s-1": {"pa s-1": 1, "pa/s": 1, "pascal/s": 1, "hpa s-1": 1e2, "hpa/s": 1e2},
    "m": {
        **_LENGTH,
        "m of water equivalent": 1,
        **dict.fromkeys(("mm", "kg m-2", "kg/m2", "millimetre", "millimeter"), 0.001),
    },
    "J m-2": {
        **dict.fromkeys(("j m-2", "j/m2", "w s m-2", "w m-2 s"), 1),
        **dict.fromkeys(("kj m-2", "kj/m2"), 1000.0),
        **dict.fromkeys(("w h m-2", "wh m-2", "wh/m2"), 3600),
    },
    "kg m-2": {**dict.fromkeys(("kg m-2", "kg/m2", "mm"), 1), "m of water equivalent": 1000},
    "degrees_north": {"degrees north": 1},
}
_CELSIUS = (
    *("c", "degc", "deg c", "celsius", "degree celsius", "degrees celsius", "degrees c"),
    *("degree c", "°c"),
)
_LEVEL_FACTORS = {name: factor / 100 for name, factor in _FACTORS["Pa"].items()}


def _normalize_spelling(unit: str) -> str:
    """Return `unit` in lower case, powers without signs, words apart by one blank."""
    plain = re.sub(r"\*\*|\^", "", unit.strip().lower()).replace("_", " ")
    if "code table" in plain:
        return "(code table)"
    return " ".join(re.sub(r"(?<=[a-z0-9])[*.·](?=[a-z])", " ", plain).split())


def conversion(variable: Variable, unit: object, source: str) -> tuple[float, float]:
    """Return (factor, offset) that bring values in `unit` to the SI unit of `variable`.

    Raises
    ------
    InputError
        If `unit` is missing or is not a unit of this quantity.
    """
    found = _find(variable, unit)
    if found is None:
        raise InputError(f"{source}: {variable.name} {unit_refusal(variable, unit)}")
    return found


def unit_refusal(variable: Variable, unit: object) -> str:
    """Say why values in `unit` are not read as `variable`; empty where they are."""
    if is_unit_of(variable, unit):
        return ""
    stated = f"the unit {str(unit)!r}" if unit is not None else "no unit"
    wanted = f"{variable.units!r} or a spelling of it is expected"
    return f"({variable.long_name}) has {stated}, {wanted}"


def is_unit_of(variable: Variable, unit: object) -> bool:
    """Whether values in `unit` can be the quantity of `variable`."""
    return _find(variable, unit) is not None


def _find(variable: Variable, unit: object) -> tuple[float, float] | None:
    if unit is None and variable.vertical == "constant" and variable.units == "1":
        return 1.0, 0.0  # CF: no unit means dimensionless; masks and types are never percent
    found = _normalize_spelling(str(unit)) if unit is not None else ""
    if variable.units == "K" and found in _CELSIUS:
        return 1.0, 273.15
    factor = _FACTORS[variable.units].get(found)
    return None if factor is None else (float(factor), 0.0)


def same_unit(one: object, other: object) -> bool:
    """Tell whether two spellings are of one unit."""
    return _normalize_spelling(str(one)) == _normalize_spelling(str(other))


def hectopascals(unit: object) -> float | None:
    """Return the factor from a pressure unit to hPa; None when `unit` is no pressure."""
    return None if unit is None else _LEVEL_FACTORS.get(_normalize_spelling(str(unit)))
