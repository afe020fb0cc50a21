"""What is in a GRIB file, message by message, without decoding any values.

Every message is accounted for: used, deliberately left out, or an error that names the file, the
message and the reason. Other readers return what they understood and are silent about the rest.
"""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import eccodes
import numpy as np

from smoecast.errors import InputError
from smoecast.fields.gribgrid import Place, place_of
from smoecast.fields.gribkeys import Keys
from smoecast.names import VARIABLES, Variable, variable_of, variable_of_param

_TYPES = {"an", "fc", "cf", "pf", "af", ""}
_STEP_UNITS = (0, 1, 2, 10, 11, 12)  # minutes, 1, 24, 3, 6 and 12 hours; months differ in length
_REANALYSES = {"ea", "l5"}  # ERA5 and ERA5-Land: their forecasts are read by valid time


@dataclass(frozen=True)
class Message:
    """One used message.

    Attributes
    ----------
    number : int
        Its place in the file, from 1.
    offset, length : int
        Where its bytes are.
    variable : Variable
        The quantity.
    unit : str
        Of its values.
    level : int or None
        Pressure in hPa; None for variables without levels.
    member : int or None
        Ensemble member, the control is 0; None outside ensembles.
    init_time : numpy.datetime64
        Start of the forecast, or time of the analysis.
    lead_time : numpy.timedelta64
        End of the step.
    analysis : bool
        Whether it is known by the time at which it holds.
    experiment : str
        ECMWF's `expver`.
    place : Place
        Its grid.
    """

    number: int
    offset: int
    length: int
    variable: Variable
    unit: str
    level: int | None
    member: int | None
    init_time: np.datetime64
    lead_time: np.timedelta64
    analysis: bool
    experiment: str
    place: Place

    @property
    def channel(self) -> str:
        """Channel name, ``z500``."""
        return self.variable.name + ("" if self.level is None else str(self.level))


def index(path: Path) -> tuple[list[Message], list[str]]:
    """Walk a GRIB file from its first byte to its last.

    Parameters
    ----------
    path : pathlib.Path
        GRIB file, edition 1 or 2.

    Returns
    -------
    tuple
        The messages to use, and a label for each kind of message that is left out.

    Raises
    ------
    InputError
        If a message is broken or cut, if there are bytes that belong to none, or if a quantity
        that smoecast knows stands in a message that cannot be read right.
    """
    used: list[Message] = []
    left_out: dict[str, int] = {}
    with path.open("rb") as file, path.open("rb") as raw:
        end = number = 0
        while (handle := _next(file, f"{path}: message {number + 1}")) is not None:
            number += 1
            try:
                keys = Keys(handle)
                offset, length = keys.whole("offset"), keys.whole("totalLength")
                _check_gap(raw, end, offset, f"before message {number}")
                end = offset + length
                found = _message(keys, number, raw, f"{path}: message {number}")
            finally:
                eccodes.codes_release(handle)
            if isinstance(found, Message):
                used.append(found)
            else:
                left_out.setdefault(found, number)
        _check_gap(raw, end, path.stat().st_size, f"after message {number}")
    _check_kinds(used, left_out, path)
    return used, list(left_out)


def describe(message: bytes, number: int, what: str) -> Message | str:
    """Understand one message in memory.

    Parameters
    ----------
    message : bytes
        The whole of it.
    number : int
        Its place in its file, from 1.
    what : str
        Names it in messages.

    Returns
    -------
    Message or str
        At offset 0; or a label where smoecast has no use for it.

    Raises
    ------
    InputError
        If it is broken, or a quantity that smoecast knows stands in it and cannot be read right.
    """
    try:
        handle = eccodes.codes_new_from_message(message)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} is broken or cut ({problem}): fetch the file again") from problem
    try:
        return _message(Keys(handle), number, BytesIO(message), what)
    finally:
        eccodes.codes_release(handle)


def _next(file: BinaryIO, what: str) -> int | None:
    try:
        handle: int | None = eccodes.codes_grib_new_from_file(file)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} is broken or cut ({problem}): fetch the file again") from problem
    return handle


def _check_gap(file: BinaryIO, begin: int, end: int, where: str) -> None:
    """Refuse bytes between messages, except the zeros with which MARS fills up its blocks."""
    file.seek(begin)
    between = file.read(max(end - begin, 0))
    if between.strip(b"\0"):
        raise InputError(
            f"{file.name}: {len(between)} bytes {where} belong to no GRIB message: "
            "fetch the file again"
        )


def _check_single(file: BinaryIO, offset: int, length: int, what: str) -> None:
    """Refuse a GRIB 2 message with several fields, of which ecCodes shows the first only."""
    file.seek(offset)
    if file.read(8)[7] != 2:
        return
    place, fields = offset + 16, 0
    while place < offset + length - 4:
        file.seek(place)
        size = int.from_bytes(file.read(4), "big")
        fields += file.read(1) == b"\x07"
        place += max(size, 5)
    if fields != 1:
        raise InputError(f"{what} holds {fields} fields at once: split it with grib_copy first")


def _message(keys: Keys, number: int, raw: BinaryIO, what: str) -> Message | str:
    """Return the message, or a label when smoecast has no use for it."""
    _check_single(raw, keys.whole("offset"), keys.whole("totalLength"), what)
    try:
        return _understood(keys, number, what)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} contradicts itself ({problem}): take it out") from problem


def _understood(keys: Keys, number: int, what: str) -> Message | str:
    short, level_type = keys.text("shortName"), keys.text("typeOfLevel")
    variable = variable_of_param(keys.whole("paramId")) or variable_of(short)
    kind = keys.text("dataType")
    if variable is not None and variable.name == "z" and level_type == "surface":
        variable = VARIABLES["orography"]
    pressures = level_type in ("isobaricInhPa", "isobaricInPa")
    if variable is None or (variable.vertical == "pressure") != pressures:
        return f"{short or 'unknown'} on {level_type or 'unknown level'}"
    if kind not in _TYPES:
        return f"{short} of type {kind}"
    lead_time = _lead_time(keys, what)
    return Message(
        number=number,
        offset=keys.whole("offset"),
        length=keys.whole("totalLength"),
        variable=variable,
        unit=keys.text("units"),
        level=_level(keys, level_type, what) if pressures else None,
        member=_member(keys, kind),
        init_time=_init_time(keys, what),
        lead_time=lead_time,
        analysis=(kind == "an" and not lead_time) or keys.text("class") in _REANALYSES,
        experiment=keys.text("expver"),
        place=place_of(keys, f"{what} ({short})"),
    )


def _level(keys: Keys, level_type: str, what: str) -> int:
    """Return the pressure in hPa; ecCodes' own `level` cuts 150.5 hPa of GRIB 2 down to 150."""
    pascals = float(keys.whole("level") * (100 if level_type == "isobaricInhPa" else 1))
    if keys.whole("edition") == 2:
        scale = 10.0 ** keys.whole("scaleFactorOfFirstFixedSurface")
        pascals = keys.whole("scaledValueOfFirstFixedSurface") / scale
    level = round(pascals / 100)
    if level < 1 or abs(pascals - 100 * level) > 1e-6:
        raise InputError(
            f"{what} lies at {pascals:g} Pa, which is no whole number of hPa: take it out"
        )
    return level


def _member(keys: Keys, kind: str) -> int | None:
    if kind == "cf":
        return 0
    if kind == "pf" or keys.whole("numberOfForecastsInEnsemble") > 1:
        return keys.whole("perturbationNumber")
    return None


def _init_time(keys: Keys, what: str) -> np.datetime64:
    day, clock = keys.whole("dataDate"), keys.whole("dataTime")
    try:
        return np.datetime64(
            f"{day // 10000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
            f"T{clock // 100:02d}:{clock % 100:02d}",
            "ns",
        )
    except ValueError:
        raise InputError(f"{what} has the date {day} {clock:04d}, which does not exist") from None


def _lead_time(keys: Keys, what: str) -> np.timedelta64:
    """Return the end of the step; an accumulation is known by when it ends."""
    unit = keys.whole("indicatorOfUnitOfTimeRange")
    if unit not in _STEP_UNITS:
        raise InputError(f"{what} counts its step in the unit {unit} of GRIB: hours are expected")
    eccodes.codes_set(keys.handle, "stepUnits", "m")  # of this handle only: what ecCodes answers in
    return np.timedelta64(keys.whole("endStep") * 60 * 10**9, "ns")


def _check_kinds(used: list[Message], left_out: dict[str, int], path: Path) -> None:
    """Refuse a quantity that is used in some messages and left out for its level in others."""
    for label, number in left_out.items():
        short, _, where = label.partition(" on ")
        variable = variable_of(short)
        same = [message for message in used if message.variable == variable and where]
        if same:
            raise InputError(
                f"{path}: message {number} has {short} on {where}, message "
                f"{same[0].number} has it elsewhere: keep one kind of level"
            )
