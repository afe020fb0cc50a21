"""What is in a GRIB file, message by message, without decoding any values.

Every message is accounted for: used, deliberately left out, or an error that names the file, the
message and the reason. Other readers return what they understood and are silent about the rest.

To be imported by `fields.read.grib.server` alone: ecCodes may end the process that asks it.
"""

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import BinaryIO

import eccodes
import numpy as np

from smoecast.errors import InputError
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.grib.gaps import check_gap
from smoecast.fields.read.grib.grid import place_of
from smoecast.fields.read.grib.keys import Keys, open_message
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.grib.quantities import level_of, quantity_of
from smoecast.fields.read.grib.repeats import Repeats
from smoecast.fields.read.grib.sections import Read, fields_of, message_of, number_of
from smoecast.fields.read.selection import Selection, Tally
from smoecast.fields.times import YEARS

_TYPES = {"an", "fc", "cf", "pf", "af", ""}
_MONTHLY = {
    *("mnth", "moda", "msmm", "mnfm", "mofm", "mnfa"),
    *("edmm", "edmo", "ewmm", "ewmo", "wamo", "wamd", "wmfm"),
}
"""ECMWF's streams of means over a month; some say nothing else of it."""
_STATISTICS = {
    "derivedForecast": "mean or spread",
    "percentileValue": "percentile",
    "probabilityType": "probability",
}
_STEP_UNITS = (0, 1, 2, 10, 11, 12)  # minutes, 1, 24, 3, 6 and 12 hours; months differ in length
_SECONDS = 13  # of GRIB 2
_TIME_OF_VALIDITY = 2  # code table 1.2 of GRIB 2
_MISSING_BYTE = 255
_REANALYSES = {"ea", "l5"}  # ERA5 and ERA5-Land: their forecasts are read by valid time
_LONGEST_STEP = timedelta(days=100 * 366)
_LONGEST = 1 << 28  # bytes of a message, as far as time for it is granted before it is read


def walk(
    file: int, what: str, begin: Callable[[int, int], None], tally: Tally | None = None
) -> tuple[list[Message], list[LeftOut]]:
    """Walk a GRIB file from its first byte to its last.

    Parameters
    ----------
    file : int
        Descriptor of a GRIB file, edition 1 or 2.
    what : str
        Names it in messages.
    begin : callable
        Told the number of each message, and how many bytes there are to look at.
    tally : Tally, optional
        Says which messages are selected; none given: all.

    Returns
    -------
    tuple
        The messages to use, and each kind of message that is left out.

    Raises
    ------
    InputError
        If a message is broken or cut, if there are bytes that belong to none, or if a quantity
        that smoecast knows stands in a message that cannot be read right.
    """
    every: list[Message | LeftOut] = []
    tally = tally or Tally(Selection())
    size, end, number, stands_at = os.fstat(file).st_size, 0, 0, 0  # ecCodes stands there
    read = partial(os.pread, file)
    repeats = Repeats(read, size, tally.selection)
    stream = _open_at(file, 0)
    try:
        while True:
            begin(number + 1, min(size - end, _LONGEST))
            header = repeats.look(end)
            if header and (again := repeats.find(header, number + 1, end)):
                every.append(again)
                number, end = number + 1, end + header.length
                continue
            if end != stands_at:
                stream.close()
                stream = _open_at(file, end)
            if (handle := _next(stream, f"{what}: message {number + 1}")) is None:
                break
            number += 1
            try:
                keys = Keys(handle)
                offset, length = keys.whole("offset"), keys.whole("totalLength")
                begin(number, length)
                check_gap(read, end, offset, f"before message {number}", what)
                found = list(_messages(keys, (number, offset, length), read, what, tally))
            finally:
                eccodes.codes_release(handle)
            if header and (offset, length, len(found)) == (end, header.length, 1):
                repeats.keep(header, found[0])
            stands_at = end = offset + length
            every += found
    finally:
        stream.close()
    check_gap(read, end, size, f"after message {number}", what)
    left_out = dict.fromkeys(found for found in every if isinstance(found, LeftOut))
    return [found for found in every if isinstance(found, Message)], list(left_out)


def describe(
    message: bytes, number: int, what: str, begin: Callable[[int, int], None]
) -> Message | LeftOut:
    """Understand one message.

    Parameters
    ----------
    message : bytes
        The whole of it.
    number : int
        Its place in the file that it comes from, from 1.
    what : str
        Names it in messages.
    begin : callable
        Told 0, and how many bytes there are to look at.

    Returns
    -------
    Message or LeftOut
        At offset 0; or what it is, where smoecast has no use for it.

    Raises
    ------
    InputError
        If it is broken, or a quantity that smoecast knows stands in it and cannot be read right.
    """
    begin(0, len(message))
    fields = fields_of(lambda size, at: message[at : at + size], 0, len(message), what)
    if len(fields) > 1:
        raise InputError(f"{what} holds {len(fields)} fields, where one was asked for")
    with open_message(message, what) as handle:
        return _message(Keys(handle), (number, 0, len(message), 0), what, Tally(Selection()))


def _open_at(file: int, at: int) -> BinaryIO:
    """Return a file for ecCodes, which reads on from here."""
    os.lseek(file, at, os.SEEK_SET)
    return os.fdopen(os.dup(file), "rb")


def _next(stream: BinaryIO, what: str) -> int | None:
    try:
        handle: int | None = eccodes.codes_grib_new_from_file(stream)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} is broken or cut ({problem}): fetch the file again") from problem
    return handle


def _messages(
    keys: Keys, where: tuple[int, int, int], read: Read, what: str, tally: Tally
) -> Iterator[Message | LeftOut]:
    """Return the fields of a message, or what they are where smoecast has no use for them."""
    number, offset, length = where
    fields = fields_of(read, offset, length, f"{what}: message {number}")
    if len(fields) <= 1:
        yield _message(keys, (*where, 0), f"{what}: message {number}", tally)
        return
    for field, sections in enumerate(fields, start=1):
        name = f"{what}: message {number_of(number, field)}"
        with open_message(message_of(read, offset, sections), name) as handle:
            yield _message(Keys(handle), (*where, field), name, tally)


def _message(
    keys: Keys, where: tuple[int, int, int, int], what: str, tally: Tally
) -> Message | LeftOut:
    """Return the message, or what it is where smoecast has no use for it."""
    try:
        if not tally.admits(keys.text):
            of_level = keys.texts("shortName", "typeOfLevel")
            return LeftOut(" on ".join(of_level.values()), tally.selection.reason, keys=of_level)
        return _understand(keys, where, what)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} contradicts itself ({problem}): take it out") from problem


def _understand(keys: Keys, where: tuple[int, int, int, int], what: str) -> Message | LeftOut:
    number, offset, length, field = where
    variable, kind, short = quantity_of(keys), keys.text("dataType"), keys.text("shortName")
    if isinstance(variable, LeftOut):
        return variable
    if made := _statistic(keys):
        return LeftOut(f"{short} as {made}", keys=keys.texts("shortName", "dataType"))
    if kind not in _TYPES:
        return LeftOut(f"{short} of type {kind}", keys=keys.texts("shortName", "dataType"))
    if (stream := keys.text("stream")) in _MONTHLY:
        name, of_stream = f"{short} of stream {stream}", keys.texts("shortName", "stream")
        return LeftOut(name, "it is a mean over a month", variable.name, keys=of_stream)
    level = level_of(keys, short) if variable.vertical == "pressure" else None
    if isinstance(level, LeftOut):
        return level
    is_sum = variable.step == keys.text("stepType") == "accum"
    init_time, lead_time, since = _times(keys, what, is_sum)
    return Message(
        number=number,
        offset=offset,
        length=length,
        field=field,
        variable=variable,
        unit=keys.text("units"),
        level=level,
        member=_member(keys, kind, what),
        init_time=init_time,
        lead_time=lead_time,
        analysis=(kind == "an" and not lead_time) or keys.text("class") in _REANALYSES,
        experiment=keys.text("expver"),
        place=place_of(keys, f"{what} ({short})"),
        since=since,
    )


def _statistic(keys: Keys) -> str:
    """Return what a message has of an ensemble in the place of its values; empty for values."""
    for key, words in _STATISTICS.items():
        if value := keys.text(key):
            return f"{words} ({key} {value})"
    return ""


def _member(keys: Keys, kind: str, what: str) -> int | None:
    if kind == "cf":
        return 0
    member, size = (
        keys.whole_if_there("perturbationNumber"),
        keys.whole("numberOfForecastsInEnsemble"),
    )
    if keys.whole("edition") == 2:  # where these have one byte each, and no key says so
        member = None if member == _MISSING_BYTE else member
        size = size if size != _MISSING_BYTE else 0 if member is None else _MISSING_BYTE
    if kind != "pf" and size <= 1:
        return None
    if member is None:
        raise InputError(f"{what} is of an ensemble, but does not tell its member: take it out")
    return member


def _times(
    keys: Keys, what: str, is_sum: bool
) -> tuple[np.datetime64, np.timedelta64, np.timedelta64 | None]:
    """Return the start, the end of the step, by which a sum is known, and where a sum begins."""
    units = [keys.whole("indicatorOfUnitOfTimeRange")]
    if (of_range := keys.whole_if_there("indicatorOfUnitForTimeRange")) is not None:
        units.append(of_range)
    for unit in units:
        if unit not in _STEP_UNITS and (unit, keys.whole("edition")) != (_SECONDS, 2):
            raise InputError(
                f"{what} counts its step in the unit {unit} of GRIB: hours are expected"
            )
    word, size = ("s", 1) if _SECONDS in units else ("m", 60)
    eccodes.codes_set(keys.handle, "stepUnits", word)  # of this handle only: to answer in
    step, day, hour = keys.whole("endStep"), keys.whole("dataDate"), keys.whole("hour")
    if step and keys.whole("significanceOfReferenceTime") == _TIME_OF_VALIDITY:
        raise InputError(
            f"{what} has the time at which it holds in the place of its start, and a step as well: "
            "take it out"
        )
    # not dataTime: where the hour is missing ecCodes says noon
    minute, second = (keys.whole(key) for key in ("minute", "second"))
    minute, second = (0 if part == _MISSING_BYTE else part for part in (minute, second))
    try:
        start = datetime(day // 10000, day // 100 % 100, day % 100, hour, minute, second)
    except ValueError:
        when = f"{day} {hour:02d}{minute:02d}"
        raise InputError(f"{what} has the date {when}, which does not exist") from None
    try:
        end = start + timedelta(seconds=step * size)
    except OverflowError:
        end = datetime.max
    # nanoseconds of 64 bits hold 292 years on both sides of 1970
    years = sorted((start.year, end.year))
    if years[0] < YEARS[0] or years[1] > YEARS[1] or abs(end - start) > _LONGEST_STEP:
        raise InputError(
            f"{what} starts on {start:%Y-%m-%d} and ends {step * size // 60} minutes later: such a "
            f"forecast cannot be, and times lie in the years {YEARS[0]} to {YEARS[1]}"
        )
    begin = keys.whole("startStep") if is_sum else -1
    since = np.timedelta64(begin * size * 10**9, "ns") if 0 <= begin <= step else None
    return np.datetime64(start, "ns"), np.timedelta64(step * size * 10**9, "ns"), since
