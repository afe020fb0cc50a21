"""What the headers of a GRIB file say, kind by kind, in the words of ecCodes; nothing is judged.

To be imported by `fields.read.grib.server` alone: ecCodes may end the process that asks it.
"""

import os
from collections.abc import Callable
from typing import Any

import eccodes

from smoecast.fields.read.grib.keys import Keys

KIND = ("typeOfLevel", "stepType", "dataType", "gridType")
"""Keys in which the fields of one kind are alike, beside the parameter."""
PARAMETER = ("shortName", "name", "units")
"""Keys that are the same for all fields of a parameter, and take ecCodes long to find."""
MOST = 10_000
"""Levels, steps, times and members of one kind that are counted apart."""


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
        ``messages`` (fields in all), ``editions``, ``stopped`` (why it was not read to its end;
        empty where it was), and ``kinds`` in the order of the file: each with the keys of
        `PARAMETER` and `KIND`, ``paramId``, ``fields`` (how many), ``points``, and how many fields
        have each text of ``levels``, ``steps``, ``times`` and ``members``.
    """
    kinds: dict[tuple[str, ...], dict[str, Any]] = {}
    editions: set[int] = set()
    number, stopped = 0, ""
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
    except eccodes.CodesInternalError as problem:
        stopped = f"message {number + 1}: {problem}"
    finally:
        eccodes.codes_grib_multi_support_off()
    told = {"messages": number, "editions": sorted(editions), "stopped": stopped}
    return {**told, "kinds": list(kinds.values())}


def _add(keys: Keys, kinds: dict[tuple[str, ...], dict[str, Any]]) -> None:
    """Count one field towards its kind."""
    parameter = keys.whole("paramId")
    alike = {key: keys.text(key) for key in KIND}
    # the grid of a spectral or reduced field has no rows of one length
    points = keys.whole("numberOfPoints") or keys.whole("numberOfValues")
    which = (str(parameter), *alike.values(), str(points))
    if which not in kinds:
        named = {key: keys.text(key) for key in PARAMETER}
        axes: dict[str, Any] = {axis: {} for axis in ("levels", "steps", "times", "members")}
        count = {"fields": 0, "points": points}
        kinds[which] = {**named, "paramId": parameter, **alike, **count, **axes}
    kind = kinds[which]
    kind["fields"] += 1
    day, clock = keys.whole("dataDate"), keys.whole("dataTime")
    said = {
        "levels": keys.text("level"),
        "steps": keys.text("stepRange"),
        "times": f"{day // 10000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
        f"T{clock // 100:02d}:{clock % 100:02d}",
        "members": keys.text("perturbationNumber"),
    }
    for axis, text in said.items():
        if text and (text in kind[axis] or len(kind[axis]) < MOST):
            kind[axis][text] = kind[axis].get(text, 0) + 1
