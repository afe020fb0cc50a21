"""How the files of a run are read: what its config selects of them, and what it assumes."""

from collections.abc import Mapping
from typing import Any

from smoecast.config import reading as config
from smoecast.config.data import Data
from smoecast.config.postprocess import Postprocess
from smoecast.fields.read.assumption import Assumption, Named
from smoecast.fields.read.reading import Reading
from smoecast.fields.read.selection import Condition, Selection

EVERY = "*"


def of_analyses(data: Data) -> Reading:
    """Return how files of analyses and of truth are read."""
    return reading_of(data.select, data.assume, "data")


def of_ensembles(settings: Postprocess) -> Reading:
    """Return how files of ensemble forecasts are read."""
    return reading_of(settings.select, settings.assume, "postprocess")


def reading_of(
    select: Mapping[str, Any], assumed: Mapping[str, config.Assumption], section: str
) -> Reading:
    """Return how files are read.

    Parameters
    ----------
    select : mapping
        Of a config: keys to a value or a list of values, and ``not`` to a mapping of what is left;
        or such a mapping for each of some patterns of names.
    assumed : mapping
        Patterns of names to what is assumed.
    section : str
        Of the config, for messages.
    """
    general: dict[str, Any] = {}
    by_pattern: dict[str, Mapping[str, Any]] = {}
    for key, value in select.items():
        if isinstance(value, Mapping) and key != config.NOT:
            by_pattern[key] = value
        else:
            general[key] = value
    if general:
        by_pattern = {EVERY: general, **by_pattern}
    key = f"{section}.select"
    return Reading(
        tuple((p, Selection(_conditions(values), key)) for p, values in by_pattern.items()),
        tuple((p, _assumption(said, f"{section}.assume")) for p, said in assumed.items()),
    )


def _conditions(values: Mapping[str, Any]) -> tuple[Condition, ...]:
    taken = [Condition(k, _each(v)) for k, v in values.items() if k != config.NOT]
    left = [Condition(k, _each(v), is_wanted=False) for k, v in values.get(config.NOT, {}).items()]
    return (*taken, *left)


def _each(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _assumption(said: config.Assumption, key: str) -> Assumption:
    variable, units = _named(said.variable), _named(said.units)
    return Assumption(said.level, variable, units, said.step, said.time_offset_hours, key)


def _named(said: str | Mapping[str, str]) -> Named:
    return said if isinstance(said, str) else tuple(said.items())
