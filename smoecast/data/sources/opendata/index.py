"""The index beside a GRIB file of ECMWF's open data: one JSON line for each message."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from smoecast.data.download.grib_filter import HEAD, LONGEST
from smoecast.disk.small_files import read_small
from smoecast.errors import InputError
from smoecast.names import channel_of

MOST_BYTES = 2**26
"""Of an index; that of a whole ensemble has 2 MB."""
_LARGEST = 2**50
"""Bytes of a file, at most."""
_WRONG = (OSError, ArithmeticError, ValueError, LookupError, TypeError, RecursionError)
_PARAMETERS = {
    "z": ("gh", "z"),  # height in IFS, geopotential in AIFS
    "t2m": ("2t",),
    "d2m": ("2d",),
    "u10": ("10u",),
    "v10": ("10v",),
    "orography": ("z",),
}


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """Walk the messages that an index names.

    Raises
    ------
    InputError
        It is no index.
    """
    try:
        for line in read_small(path, MOST_BYTES).decode().splitlines():
            found = json.loads(line)
            first, length = int(found["_offset"]), int(found["_length"])
            if not (0 <= first <= _LARGEST and HEAD <= length <= LONGEST):
                raise ValueError(f"a message of {length} bytes from byte {first} on")
            yield {**found, "_offset": first, "_length": length}
    except _WRONG as problem:
        raise InputError(f"{path}: this is no index of GRIB messages: run again") from problem


def select(path: Path, step: int, channels: Sequence[str]) -> list[tuple[int, int]]:
    """Return first byte and length of the wanted messages, in the order of the file.

    Parameters
    ----------
    path : Path
        An index.
    step : int
        Hours ahead.
    channels : sequence of str
        By our names.

    Raises
    ------
    InputError
        A channel is not there, or not for every member.
    """
    lines = [line for line in lines_of(path) if str(line.get("step")).split("-")[-1] == str(step)]
    pieces: list[tuple[int, int]] = []
    members: dict[str, set[str]] = {}
    for name in channels:
        found = _messages(lines, name)
        if not found:
            raise InputError(f"{path}: the run has no {name} at {step} h: leave it out")
        members[name] = {str(line.get("number", "control")) for line in found}
        pieces += [(line["_offset"], line["_length"]) for line in found]
    whole = set[str]().union(*members.values())
    for name, own in members.items():
        if own != whole:
            lost = min(whole - own)
            raise InputError(f"{path}: {name} of member {lost} is missing in the run: run again")
    return sorted(pieces)


def _messages(lines: Sequence[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return the lines that are messages of a channel, all of one parameter."""
    channel = channel_of(name)
    short = channel.variable.name
    level = None if channel.level is None else str(channel.level)
    there = [
        line
        for line in lines
        if line.get("levtype") == ("sfc" if level is None else "pl")
        and (level is None or str(line.get("levelist")) == level)
    ]
    each = [[x for x in there if x.get("param") == p] for p in _PARAMETERS.get(short, (short,))]
    return next(filter(None, each), [])
