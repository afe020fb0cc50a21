"""`smoecast channels`: every variable that smoecast knows, and what others call it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from smoecast.errors import ConfigError
from smoecast.names import VARIABLES, Variable, parse_channel

LEVELS = {
    "pressure": "pressure levels: {name}500 is 500 hPa",
    "surface": "one field a time",
    "constant": "one field without time",
}
"""What `Variable.vertical` means, in words."""
_NO_NAMES = ("units", "vertical", "levels", "step", "height")
"""Attributes of a variable that are none of its names."""
_PAGE = """\
# Channels

What a config may ask for in `data.channels` and the like, and what files and archives call it. A
variable on pressure levels is asked for with its level in hPa: `z500`; a constant under
`data.constants`. In a file it is known by any of these names, in any case, by its GRIB parameter or
by its CF standard name, and brought to the units of the table.

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
        ``word`` and ``variables``, each with the attributes of `names.Variable`.

    Raises
    ------
    ConfigError
        No variable has such a name.
    """
    channel = parse_channel(word)
    found = [channel.variable] if channel else _find(word.strip().lower())
    if not found:
        raise ConfigError(
            f"{word}: no variable that smoecast knows has such a name; `smoecast channels` "
            "shows all of them"
        )
    return {"word": word, "variables": [dataclasses.asdict(variable) for variable in found]}


def _find(word: str) -> list[Variable]:
    """Return the variables of which a name is `word`, or else in whose names it stands."""
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
    """Return on which levels a variable is known."""
    return LEVELS[variable["vertical"]].format(name=variable["name"])


def markdown(variables: Sequence[dict[str, Any]]) -> str:
    """Return the page ``docs/channels.md``.

    Parameters
    ----------
    variables : sequence of dict
        Of `list_variables`.
    """
    header = ("name", "what it is", "units", "levels", "CF standard name", "CDS", "GRIB", "also")
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
                str(variable["param_id"] or ""),
                " ".join(f"`{alias}`" for alias in variable["aliases"]),
            )
        )
    return "\n".join([_PAGE, *(f"| {' | '.join(row)} |" for row in rows)])
