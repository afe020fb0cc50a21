"""What the headers of a GRIB file say, kind by kind, in the words of ecCodes; nothing is judged.

To be imported by `fields.read.grib.server` alone: ecCodes may end the process that asks it.
"""

import os
from collections.abc import Callable
from typing import Any

import eccodes

from smoecast.fields.read.grib.keys import Keys

KIND = ("typeOfLevel", "stepType", "dataType", "stream")
"""Keys in which the fields of one kind are alike, beside the parameter."""
PARAMETER = ("shortName", "name", "units")
"""Keys that are the same for all fields of a parameter, and take ecCodes long to find."""
MOST = 10_000
"""Levels of one kind that are counted apart."""


def list_kinds(file: int, begin: Callable[[int, int], None]) -> dict[str, Any]:
    """Walk the headers of a GRIB file as far as they can be read.

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
