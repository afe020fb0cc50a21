"""What of a file is to be taken: by keys of GRIB messages, by variables and coordinates of others.

The words are those of the file: `typeOfLevel`, `stepType`, `shortName` and every other key that
ecCodes knows; names of variables (`variable`) and of coordinates, with the values that they have
there. Lead times (`step`) are hours. The worker of ecCodes imports this: it needs no xarray.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from smoecast.errors import InputError
from smoecast.fields.left_out import UNSELECTED, LeftOut
from smoecast.text_table import name_some

Value = str | int | float
VARIABLE = "variable"
"""Key for the name of a variable, which of GRIB is the short name."""
SHOWN = 12
"""Values that a message names."""
_SYNONYMS = {VARIABLE: "shortName"}


@dataclass(frozen=True)
class Condition:
    """A key, and the values that it must have, or must not.

    Attributes
    ----------
    key : str
    values : tuple of str, int or float
    is_wanted : bool
        Whether it must have one of them, or none.
    """

    key: str
    values: tuple[Value, ...]
    is_wanted: bool = True

    def admits(self, text: str) -> bool:
        """Tell whether what has the key like this is selected."""
        return any(_is_same(text, value) for value in self.values) == self.is_wanted

    def refuse(self, what: str, there: Iterable[str]) -> str:
        """Return in words that no variable, message or point is admitted."""
        values = name_some(map(str, self.values), SHOWN, " or ")
        has = "is called" if self.key == VARIABLE else f"has {self.key}"
        if not self.is_wanted:
            return f"every {what} {has} {values}, which is to be left"
        return f"no {what} {has} {values}, but there is {name_some(there, SHOWN)}"


@dataclass(frozen=True)
class Selection:
    """What of one file is to be taken: what meets all conditions.

    Attributes
    ----------
    conditions : tuple of Condition
    key : str
        Of the config that says so.
    """

    conditions: tuple[Condition, ...] = ()
    key: str = "data.select"

    @property
    def reason(self) -> str:
        """Why the rest is left out."""
        return f"{UNSELECTED} {self.key}"

    @property
    def wants_starts(self) -> bool:
        """Whether only starts of forecasts are taken, which are analyses then."""
        return any(
            asked.key == "step" and asked.is_wanted and all(_is_same("0", v) for v in asked.values)
            for asked in self.conditions
        )

    @property
    def wants_one_member(self) -> bool:
        """Whether one member is asked for."""
        return any(
            asked.key in ("number", "perturbationNumber")
            and asked.is_wanted
            and len(asked.values) == 1
            for asked in self.conditions
        )


@dataclass(frozen=True)
class Leaving:
    """What came in one file of a condition that names what is to be left.

    Attributes
    ----------
    condition : Condition
    key : str
        Of the config that says so.
    there : tuple of str
        What the file has in the place of what is to be left; empty where it has that.
    """

    condition: Condition
    key: str
    there: tuple[str, ...]


class NotSelectedError(InputError):
    """Nothing in a file is selected.

    Attributes
    ----------
    leaving : tuple of Leaving
        What came of what is to be left.
    """

    leaving: tuple[Leaving, ...] = ()


def tell_idle(files: Iterable[Sequence[Leaving]]) -> list[LeftOut]:
    """Return what a selection leaves of some files, but none of them has: most likely a slip.

    Parameters
    ----------
    files : iterable of sequence of Leaving
        Of each file that was opened, or of which nothing is selected.
    """
    found: dict[tuple[Condition, str], list[tuple[str, ...]]] = {}
    for each in files:
        for one in each:
            found.setdefault((one.condition, one.key), []).append(one.there)
    idle = []
    for (condition, key), theirs in found.items():
        if all(theirs):
            values = name_some(map(str, condition.values), SHOWN, " or ")
            has = "called" if condition.key == VARIABLE else f"with {condition.key}"
            there = name_some(dict.fromkeys(text for each in theirs for text in each), SHOWN)
            reason = f"{key} has it under not, but there is {there}: correct it"
            idle.append(LeftOut(f"nothing {has} {values}", reason))
    return idle


def selection_from_plain(plain: dict[str, Any] | None) -> Selection:
    """Return the selection of which JSON has made lists, as `dataclasses.asdict` gives it."""
    if plain is None:
        return Selection()
    conditions = [
        Condition(c["key"], tuple(c["values"]), c["is_wanted"]) for c in plain["conditions"]
    ]
    return Selection(tuple(conditions), plain["key"])


@dataclass
class Tally:
    """Messages against a selection, and what was there where none is selected.

    Attributes
    ----------
    selection : Selection
    """

    selection: Selection
    _there: dict[str, dict[str, None]] = field(default_factory=dict)
    _met: set[Condition] = field(default_factory=set)
    _missed: set[Condition] = field(default_factory=set)
    _any: bool = False

    def admits(self, text_of: Callable[[str], str]) -> bool:
        """Tell whether a message is selected; `text_of` gives a key, empty where it is not."""
        admitted = True
        for asked in self.selection.conditions:
            text = text_of(_SYNONYMS.get(asked.key, asked.key))
            fits = asked.admits(text)
            if text:
                self._there.setdefault(asked.key, {})[text] = None
            (self._met if fits else self._missed).add(asked)
            admitted = admitted and fits
        self._any = self._any or admitted
        return admitted

    def list_leaving(self) -> list[list[str]]:
        """Return of each condition what was there; empty where one was missed, or all must be."""
        return [
            [] if asked.is_wanted or asked in self._missed else list(self._there.get(asked.key, {}))
            for asked in self.selection.conditions
        ]

    def refusal(self) -> str:
        """Return why no message is selected; nothing where one is."""
        for asked in self.selection.conditions:
            if asked.key not in self._there:
                return f"no message has the key {asked.key}; correct {self.selection.key}"
            if asked not in self._met:
                what = asked.refuse("message", self._there[asked.key])
                return f"{what}; correct {self.selection.key}"
        if self._any or not self.selection.conditions:
            return ""
        return f"no message meets all of {self.selection.key}; correct it"


def _is_same(text: str, value: Value) -> bool:
    """Whether a file says what is asked for: the same words, or the same number."""
    if text == str(value):
        return True
    try:
        return math.isclose(float(text), float(value), rel_tol=1e-6)
    except ValueError:
        return False
