"""The keys of GRIB messages, where a key that is not there, or missing, is no error.

To be imported by `fields.read.grib.server` alone: ecCodes may end the process that asks it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import eccodes
import numpy as np

from smoecast.errors import InputError
from smoecast.fields.read.grib.sections import content_of, number_of

KIND = ("typeOfLevel", "stepType", "dataType", "stream")
"""Keys in which the fields of one kind are alike, beside the parameter."""
PARAMETER = ("shortName", "name", "units")
"""Keys that are the same for all fields of a parameter, and take ecCodes long to find."""
MOST = 10_000
"""Levels of one kind that are counted apart."""


@dataclass(frozen=True)
class Keys:
    """Read-only access to an open ecCodes handle.

    Attributes
    ----------
    handle : int
        As ecCodes gives it.
    """

    handle: int
    _texts: dict[str, str] = field(default_factory=dict, compare=False)
    """Those that were asked for: a short name takes ecCodes as long as all other keys together."""

    def text(self, key: str) -> str:
        """Return a key as text of one line, empty when it is not there."""
        if key not in self._texts:
            self._texts[key] = self._read_text(key)
        return self._texts[key]

    def texts(self, *keys: str) -> dict[str, str]:
        """Return keys as text, by name."""
        return {key: self.text(key) for key in keys}

    def _read_text(self, key: str) -> str:
        try:
            text = str(eccodes.codes_get_string(self.handle, key))
        except eccodes.KeyValueNotFoundError:
            return ""
        return text if text.isprintable() else ascii(text)

    def whole(self, key: str) -> int:
        """Return a key as a whole number, 0 when it is not there or missing."""
        return self.whole_if_there(key) or 0

    def whole_if_there(self, key: str) -> int | None:
        """Return a key as a whole number, None when it is not there or all of its bits are set."""
        try:
            value = int(eccodes.codes_get_long(self.handle, key))
            is_missing = value == eccodes.CODES_MISSING_LONG
            return None if is_missing and eccodes.codes_is_missing(self.handle, key) else value
        except eccodes.KeyValueNotFoundError:
            return None

    def real(self, key: str) -> float:
        """Return a key as a real number, NaN when it is not there or missing."""
        try:
            value = float(eccodes.codes_get_double(self.handle, key))
        except eccodes.KeyValueNotFoundError:
            return float("nan")
        is_missing = value in (eccodes.CODES_MISSING_DOUBLE, eccodes.CODES_MISSING_LONG)
        return float("nan") if is_missing else value


@contextmanager
def open_message(message: bytes, what: str) -> Iterator[int]:
    """Give the ecCodes handle of a message, and release it.

    Parameters
    ----------
    message : bytes
        The whole of it.
    what : str
        Names it in messages.

    Raises
    ------
    InputError
        It is broken or cut.
    """
    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} is broken or cut ({problem}): fetch the file again") from problem
    try:
        yield handle
    finally:
        eccodes.codes_release(handle)


def texts(
    file: int,
    where: np.ndarray,
    keys: Sequence[str],
    what: str,
    begin: Callable[[int, int], None],
) -> list[list[str]]:
    """Return keys of messages of a file, each as text.

    Parameters
    ----------
    file : int
        Descriptor.
    where : numpy.ndarray
        Number, offset, length and field of each message, (N, 4) int64.
    keys : sequence of str
        As ecCodes calls them.
    what : str
        Names the file in messages.
    begin : callable
        Told the number of each message, and how much there is to do in it.

    Raises
    ------
    InputError
        A message is not there any more.
    """
    found = []
    for number, offset, length, place in where.tolist():
        begin(number, length)
        name = f"{what}: message {number_of(number, place)}"
        message = content_of(partial(os.pread, file), offset, length, place, name)
        with open_message(message, name) as handle:
            found.append([Keys(handle).text(key) for key in keys])
    return found


def list_kinds(file: int, begin: Callable[[int, int], None]) -> dict[str, Any]:
    """Return what the headers of a GRIB file say, kind by kind; nothing is judged.

    They are walked as far as they can be read.

    Parameters
    ----------
    file : int
        Descriptor of a GRIB file.
    begin : callable
        Told the number of each message, and how many bytes there are to look at.

    Returns
    -------
    dict
        ``editions``, and ``kinds`` in the order of the file: each with the keys of `PARAMETER` and
        `KIND`, ``paramId``, ``fields`` (how many) and ``levels``, how many fields have each.
    """
    kinds: dict[tuple[str, ...], dict[str, Any]] = {}
    editions: set[int] = set()
    number = 0
    eccodes.codes_grib_multi_support_on()  # a message of several fields gives each of them
    try:
        os.lseek(file, 0, os.SEEK_SET)
        with os.fdopen(os.dup(file), "rb") as stream:
            while True:
                begin(number + 1, 1 << 24)
                handle = eccodes.codes_grib_new_from_file(stream, headers_only=True)
                if handle is None:
                    break
                number += 1
                try:
                    keys = Keys(handle)
                    editions.add(keys.whole("edition"))
                    _add(keys, kinds)
                finally:
                    eccodes.codes_release(handle)
    except eccodes.CodesInternalError:
        pass  # what is wrong with the file, its reader says
    finally:
        eccodes.codes_grib_multi_support_off()
    return {"editions": sorted(editions), "kinds": list(kinds.values())}


def _add(keys: Keys, kinds: dict[tuple[str, ...], dict[str, Any]]) -> None:
    """Count one field towards its kind."""
    parameter = keys.whole("paramId")
    alike = {key: keys.text(key) for key in KIND}
    which = (str(parameter), *alike.values())
    if which not in kinds:
        named = {key: keys.text(key) for key in PARAMETER}
        kinds[which] = {**named, "paramId": parameter, **alike, "fields": 0, "levels": {}}
    kind = kinds[which]
    kind["fields"] += 1
    level, levels = keys.text("level"), kind["levels"]
    if level and (level in levels or len(levels) < MOST):
        levels[level] = levels.get(level, 0) + 1
