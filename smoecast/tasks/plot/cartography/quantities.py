"""How a quantity is shown: its name in words, the unit that forecasters use, its colours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from smoecast.errors import ConfigError
from smoecast.fields.canonical.units import GRAVITY
from smoecast.names import channel_of
from smoecast.variables import is_never_negative

SEQUENTIAL, FROM_ZERO, SPREAD, CHANCE, DIVERGING = "viridis", "YlGnBu", "YlOrBr", "BuPu", "RdBu_r"
"""Colour maps; each is told apart by the colour-blind, and grows darker one way."""
_SIGNED = ("u", "v", "w", "u10", "v10")
_COLOURS = 15
"""Steps of colour on a map, at most."""


@dataclass(frozen=True)
class Unit:
    """A unit on paper: ``shown = value * factor + offset``.

    Attributes
    ----------
    name : str
        As ``--units`` has it.
    factor, offset : float
    sign : str
        As it is printed; empty: its name.
    """

    name: str
    factor: float = 1.0
    offset: float = 0.0
    sign: str = ""

    @property
    def label(self) -> str:
        """The unit as it is printed."""
        return self.sign or self.name


UNITS: dict[str, tuple[Unit, ...]] = {
    "K": (Unit("C", 1.0, -273.15, "\N{DEGREE SIGN}C"), Unit("K")),
    "m2 s-2": (Unit("gpm", 1 / GRAVITY), Unit("m2 s-2", sign="m² s⁻²")),
    "Pa": (Unit("hPa", 0.01), Unit("Pa")),
    "m": (Unit("mm", 1000.0), Unit("m")),
    "kg kg-1": (Unit("g kg-1", 1000.0, sign="g kg⁻¹"), Unit("kg kg-1", sign="kg kg⁻¹")),
    "m s-1": (Unit("m s-1", sign="m s⁻¹"),),
    "kg m-2": (Unit("kg m-2", sign="kg m⁻²"),),
    "J m-2": (Unit("J m-2", sign="J m⁻²"),),
    "Pa s-1": (Unit("Pa s-1", sign="Pa s⁻¹"),),
}
"""Of each SI unit how it may be shown, first as it is unless something else is asked for."""
_SHARES = (Unit("%", 100.0), Unit("1"))
_SHARED = ("r", "tcc", "siconc", "lsm")
"""Variables in units of 1 that are shares."""


def units_of(channel: str) -> tuple[Unit, ...]:
    """Return the units in which a channel may be shown, the usual one first."""
    variable = channel_of(channel).variable
    if variable.name in _SHARED:
        return _SHARES
    return UNITS.get(variable.units, (Unit(variable.units),))


def unit_of(channel: str, asked: Sequence[str] = ()) -> Unit:
    """Return the unit of a channel: the first that is asked for and is one of it, else the usual.

    Parameters
    ----------
    channel : str
    asked : sequence of str
        Names of units.
    """
    known = units_of(channel)
    return next((unit for unit in known if unit.name in asked), known[0])


def check_units(asked: Sequence[str], channels: Sequence[str]) -> None:
    """Refuse units that none of the channels has.

    Raises
    ------
    ConfigError
        One is asked for.
    """
    known = {unit.name: None for channel in channels for unit in units_of(channel)}
    for name in asked:
        if name not in known:
            raise ConfigError(
                f"--units {name}: no unit of {', '.join(channels)}: give {' or '.join(known)}"
            )


def describe(channel: str, unit: Unit | None = None) -> str:
    """Return a channel in words: ``Geopotential height at 500 hPa (z500)``, if in this unit."""
    known = channel_of(channel)
    level = f" at {known.level} hPa" if known.level is not None else ""
    height = " height" if unit is not None and unit.name == "gpm" else ""
    words = f"{known.variable.long_name}{height}{level} ({channel})"
    return words[:1].upper() + words[1:]


Ends = Literal["neither", "both", "min", "max"]


@dataclass(frozen=True)
class Scale:
    """Colours of one or several maps.

    Attributes
    ----------
    colours : str
        A colour map of matplotlib.
    levels : NDArray
        (L,) ascending, in the unit; between two of them one colour.
    label : str
        Stands beside the colours.
    ends : str
        Where values may lie beyond: ``both``, ``max``, ``neither``.
    """

    colours: str
    levels: NDArray[np.floating[Any]]
    label: str
    ends: Ends

    @property
    def ticks(self) -> NDArray[np.floating[Any]]:
        """The levels that are named; of those about zero the same on both sides."""
        if self.colours != DIVERGING:
            every, step = -(-len(self.levels) // 10), self.levels[1] - self.levels[0]
            return np.asarray(self.levels[np.round(self.levels / step).astype(int) % every == 0])
        positive = self.levels[self.levels > 0]
        named = positive[:: -(-len(positive) // 5)]
        return np.concatenate([-named[::-1], named])


def value_scale(channel: str, fields: Sequence[NDArray[Any]], unit: Unit) -> Scale:
    """Return the scale of fields of a channel, in its unit; winds are centred on zero."""
    variable = channel_of(channel).variable.name
    if variable in _SIGNED:
        return difference_scale(fields, unit.label)
    low, high = _span(fields)
    if is_never_negative(channel):
        return Scale(FROM_ZERO, _levels(0.0, high), unit.label, "max")
    return Scale(SEQUENTIAL, _levels(low, high), unit.label, "both")


def difference_scale(fields: Sequence[NDArray[Any]], label: str) -> Scale:
    """Return a scale about zero, which is white: red for more, blue for less."""
    most = float(np.nanpercentile(np.abs(np.concatenate([f.ravel() for f in fields])), 99.5))
    step = _levels(0.0, most, 10)
    positive = step[step > 0]
    # no level at zero itself: what is nearly nothing is white, not the palest red or blue
    return Scale(DIVERGING, np.concatenate([-positive[::-1], positive]), label, "both")


def spread_scale(fields: Sequence[NDArray[Any]], label: str) -> Scale:
    """Return a scale from zero for what is never negative: spread, absolute error."""
    return Scale(SPREAD, _levels(0.0, _span(fields)[1]), label, "max")


def chance_scale() -> Scale:
    """Return the scale of probabilities, in per cent."""
    return Scale(CHANCE, np.arange(0.0, 101.0, 10.0), "probability, %", "neither")


def difference_label(unit: Unit) -> str:
    """Return the unit of a difference: of two temperatures, K whatever they are shown in."""
    return "K" if unit.offset else unit.label


def _span(fields: Sequence[NDArray[Any]]) -> tuple[float, float]:
    low, high = np.nanpercentile(np.concatenate([f.ravel() for f in fields]), [0.5, 99.5])
    return float(low), float(high)


def _levels(low: float, high: float, most: int = _COLOURS) -> NDArray[np.floating[Any]]:
    """Return round numbers from `low` to `high`, some more than two even where these are one."""
    if not high - low > 1e-9 * max(abs(low), abs(high), 1e-9):
        low, high = low - 0.5 * (low != 0), high + 0.5 * max(abs(high), 1.0)
    return np.asarray(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high))
