"""What results are called: one file for all starts, or one a start by a pattern of its time."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import ConfigError

_FIELD = re.compile(r"\{init_time(?::([^{}]*))?\}")
_PLAIN = "%Y%m%d%H"
_DIGITS = {"Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "M": 2, "j": 3}
"""Codes of `datetime.strftime` that a name may hold, and their digits."""


@dataclass(frozen=True)
class OutputName:
    """The name of a result, or the pattern of the names of several.

    Attributes
    ----------
    text : str
        A path; ``{init_time:%Y%m%d%H}`` in it stands for the start of a forecast.
    """

    text: str

    def __post_init__(self) -> None:
        """Refuse a pattern that does not name files by their start.

        Raises
        ------
        ConfigError
            It has other fields than ``init_time``, or codes that are no part of a time.
        """
        rest = _FIELD.sub("", self.text)
        codes = [code for field in _FIELD.findall(self.text) for code in re.findall("%(.?)", field)]
        strange = [f"%{code}" for code in codes if code not in _DIGITS]
        if strange or set(rest) & set("{}"):
            what = strange[0] if strange else "it"
            raise ConfigError(
                f"{self.text}: {what} is no part of the name of a result: name it as "
                "fc_{init_time:%Y%m%d%H}.nc, with the codes " + " ".join(f"%{c}" for c in _DIGITS)
            )

    @property
    def is_pattern(self) -> bool:
        """Whether each start has a file of its own."""
        return _FIELD.search(self.text) is not None

    @property
    def suffix(self) -> str:
        """The ending of the name, which tells its format."""
        return Path(_FIELD.sub("x", self.text)).suffix

    @property
    def folder(self) -> Path:
        """The folder that holds all of them, or the folders of them."""
        return Path(_FIELD.sub("{", self.text).partition("{")[0] + "x").parent

    def path_of(self, start: np.datetime64) -> Path:
        """Return the file of a start."""
        when: datetime = start.astype("datetime64[s]").item()
        return Path(_FIELD.sub(lambda field: when.strftime(field[1] or _PLAIN), self.text))

    def split(self, starts: NDArray[np.datetime64]) -> dict[Path, NDArray[np.datetime64]]:
        """Return which file holds which starts.

        Parameters
        ----------
        starts : (I,) datetime64

        Raises
        ------
        ConfigError
            Two starts would have one file.
        """
        if not self.is_pattern:
            return {Path(self.text): starts}
        made: dict[Path, NDArray[np.datetime64]] = {}
        for start in starts:
            path = self.path_of(start)
            if path in made:
                raise ConfigError(
                    f"{self.text}: the starts {made[path][0].astype('datetime64[m]')} and "
                    f"{start.astype('datetime64[m]')} would have one file: add the hour (%H) or "
                    "what tells them apart"
                )
            made[path] = np.array([start])
        return made

    def find(self) -> Iterator[tuple[Path, np.datetime64]]:
        """Walk the files that are there under such a name, each with the start that it names."""
        if not self.is_pattern:
            return
        depth = len(Path(self.text).parts) - len(self.folder.parts)
        for path in sorted(self.folder.glob("/".join(["*"] * depth))):
            start = self.start_of(path)
            if start is not None:
                yield path, start

    def start_of(self, path: Path) -> np.datetime64 | None:
        """Return the start that a path names under such a pattern; None where it is no such name.

        Parameters
        ----------
        path : Path
            Absolute or relative as the pattern is.
        """
        codes = [code for form in self._formats() for code in re.findall("%(.)", form)]
        match = re.fullmatch("".join(self._expression()), str(path))
        if match is None or not codes:
            return None
        said = dict(zip(codes, match.groups(), strict=True))
        try:
            when = datetime.strptime(" ".join(said.values()), " ".join(f"%{c}" for c in said))
        except ValueError:
            return None  # digits that are no time
        start = np.datetime64(when, "ns")
        return start if self.path_of(start) == path else None

    def _formats(self) -> list[str]:
        return [found or _PLAIN for found in _FIELD.findall(self.text)]

    def _expression(self) -> Iterator[str]:
        """Return the parts of a regular expression for the names, each code a group."""
        rest = iter(_FIELD.split(self.text)[::2])
        yield re.escape(next(rest))
        for form, after in zip(self._formats(), rest, strict=True):
            for part in re.split("(%.)", form):
                code = part[1:] if part.startswith("%") else ""
                yield rf"(\d{{{_DIGITS[code]}}})" if code else re.escape(part)
            yield re.escape(after)
