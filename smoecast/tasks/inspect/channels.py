"""`smoecast channels`: every variable that smoecast knows, and what others call it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from smoecast.errors import ConfigError
from smoecast.names import Channel, parse_channel, suggest_channel
from smoecast.variables import VARIABLES, Variable

_NO_NAMES = ("units", "vertical", "levels", "step", "height")
"""Attributes of a variable that are none of its names."""
_PAGE = """\
# Channels

What a config may ask for in `data.channels` and the like, and what files and archives call it. A
variable on pressure levels is asked for with its level in hPa: `z500`, `u_10hPa` (which `u10` is
not: that is the wind at 10 m); a constant under `data.constants`. In a file it is known by its GRIB
parameter, by any of the names up to the last column, in any case, or by its CF standard name, and
read only from the levels and the steps that are named, in the units of the table. By a name of the
last column, most of them NCEP's, no file is read: `smoecast channels` and configs know it.

On the command line: `smoecast channels`, or `smoecast channels WORD` for those that a word of any
column finds. This page is made by `smoecast channels --markdown > docs/channels.md`.
"""


def list_variables(word: str = "") -> dict[str, Any]:
    """Return the variables of the table that a word finds.

    Parameters
    ----------
    word : str
        A name in any of the languages of the table, in any case, or a part of one, or a channel
        such as ``z500``; empty: all variables. Where it is the whole of a name, the variables of
        this name alone are found.

    Returns
    -------
    dict
        ``word`` and ``variables``, each with the attributes of `smoecast.variables.Variable`,
        ``place`` and ``when`` (where and over what time it is read, in words), and ``example`` (a
        channel of it).

    Raises
    ------
    ConfigError
        No variable has such a name.
    """
    channel = parse_channel(word)
    found = [channel.variable] if channel else _find(word.strip().lower())
    if not found:
        close = suggest_channel(word)
        hint = f"did you mean {close}? " if close else ""
        raise ConfigError(
            f"{word}: no variable that smoecast knows has such a name; {hint}`smoecast channels` "
            "shows all of them"
        )
    return {"word": word, "variables": [_describe(variable) for variable in found]}


def _describe(variable: Variable) -> dict[str, Any]:
    has_levels = variable.vertical == "pressure"
    example = Channel(variable, 500 if has_levels else None).name
    words = {"place": variable.place, "when": variable.when, "example": example}
    return {**dataclasses.asdict(variable), **words}


def _find(word: str) -> list[Variable]:
    """Return the variables that files call `word`, or else in whose names it stands."""
    said = {name: [text.lower() for text in _texts(v)] for name, v in VARIABLES.items()}
    plain = word.replace("_", " ")
    whole = [VARIABLES[name] for name, texts in said.items() if word in texts]
    return whole or [
        VARIABLES[name]
        for name, texts in said.items()
        if any(plain in text.replace("_", " ") for text in texts)
    ]


def _texts(variable: Variable) -> list[str]:
    """Return everything by which a variable is found: every name and number that it has."""
    values = dataclasses.asdict(variable)
    found = [value for key, value in values.items() if key not in _NO_NAMES]
    listed = [value if isinstance(value, tuple) else (value,) for value in found]
    return [str(text) for texts in listed for text in texts if text]


def levels_in_words(variable: dict[str, Any]) -> str:
    """Return where and when a variable of `list_variables` is known."""
    place = variable["place"]
    if variable["vertical"] == "pressure":
        place = f"{place} ({variable['example']} is at 500 hPa)"
    return ", ".join(filter(None, (place, variable["when"])))


def parameters_of(variable: dict[str, Any]) -> str:
    """Return the GRIB parameters of a variable of `list_variables`."""
    numbers = (variable["param_id"], *variable["other_params"])
    return ", ".join(str(number) for number in numbers if number)


def markdown(variables: Sequence[dict[str, Any]]) -> str:
    """Return the page ``docs/channels.md``.

    Parameters
    ----------
    variables : sequence of dict
        Of `list_variables`.
    """
    names = ("CF standard name", "CDS", "GRIB", "also", "elsewhere")
    header = ("name", "what it is", "units", "read", *names)
    rows = [header, ("---",) * len(header)]
    for variable in variables:
        rows.append(
            (
                f"`{variable['name']}`",
                variable["long_name"],
                variable["units"],
                levels_in_words(variable),
                variable["standard_name"],
                variable["cds_name"],
                parameters_of(variable),
                " ".join(f"`{alias}`" for alias in variable["aliases"]),
                " ".join(f"`{name}`" for name in variable["elsewhere"]),
            )
        )
    return "\n".join([_PAGE, *(f"| {' | '.join(row)} |" for row in rows)])
