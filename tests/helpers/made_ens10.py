"""Files of ENS-10 in their exact layout, written with ecCodes on a small grid or on their own."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path

import eccodes
import numpy as np

ROWS, COLUMNS = 7, 12
YEARS = range(1998, 2018)
NUMBERS = range(1, 11)
STEPS = (0, 24, 48)
PARAMS = {
    "t2m": 167, "msl": 151, "sst": 34, "tp": 228, "t": 130, "z": 129, "d": 155, "skt": 235,
    "tcw": 136, "tcwv": 137, "cp": 143, "tcc": 164, "u10": 165, "v10": 166,
}  # fmt: skip
SURFACE = ("sst", "tcw", "tcwv", "cp", "msl", "tcc", "u10", "v10", "t2m", "tp", "skt")
LEVELS = {"pl": (850, 500), "sfc": (0,)}

Key = tuple[str, int, int, int, int]
"""Variable, level, year, number, step."""


def values(key: Key, month_day: str) -> np.ndarray:
    """Return a field that no other message has."""
    name, level, year, number, step = key
    seed = [PARAMS[name], level, year, number, step, int(month_day)]
    field = 280.0 + 5.0 * np.random.default_rng(seed).normal(size=ROWS * COLUMNS)
    if name == "sst":
        field[: field.size // 28] = np.nan  # land
    return field


@cache
def _hindcast(sample: str, month_day: str, rows: int, columns: int) -> int:
    """Return a message as MARS writes it, with all that the messages of a file have in common."""
    north_south, west_east = 180.0 / (rows - 1), 360.0 / columns
    handle = eccodes.codes_grib_new_from_samples(sample)
    settings = {
        "setLocalDefinition": 1,
        "localDefinitionNumber": 26,
        "class": "od",
        "type": "pf",
        "stream": "enfh",
        "expver": "0001",
        "dataTime": 0,
        "referenceDate": int(f"2018{month_day}"),
        "numberOfForecastsInEnsemble": 11,
        "Ni": columns,
        "Nj": rows,
        "latitudeOfFirstGridPointInDegrees": 90.0,
        "latitudeOfLastGridPointInDegrees": -90.0,
        "longitudeOfFirstGridPointInDegrees": 0.0,
        "longitudeOfLastGridPointInDegrees": 360.0 - west_east,
        "iDirectionIncrementInDegrees": west_east,
        "jDirectionIncrementInDegrees": north_south,
        "bitsPerValue": 16,
    }
    for setting, value in settings.items():
        eccodes.codes_set(handle, setting, value)
    return int(handle)


def message(key: Key, month_day: str, shift: int = 0) -> bytes:
    """Return one message of a hindcast as MARS writes it: GRIB 1, local section 26."""
    handle = _encode(key, month_day, shift)
    try:
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def _encode(key: Key, month_day: str, shift: int = 0) -> int:
    """Return the handle of one message; whoever asks releases it."""
    name, level, year, number, step = key
    sample = "regular_ll_pl_grib1" if level else "regular_ll_sfc_grib1"
    handle = int(eccodes.codes_clone(_hindcast(sample, month_day, ROWS, COLUMNS)))
    settings = {
        "paramId": PARAMS[name],
        "dataDate": int(f"{year}{month_day}"),
        "step": step,
        "perturbationNumber": number + shift,
    } | ({"level": level} if level else {})
    for setting, value in settings.items():
        eccodes.codes_set(handle, setting, value)
    field = values(key, month_day)
    if np.isnan(field).any():
        eccodes.codes_set(handle, "bitmapPresent", 1)
        eccodes.codes_set(handle, "missingValue", 9999.0)
        field = np.where(np.isnan(field), 9999.0, field)
    eccodes.codes_set_values(handle, field)
    return handle


def _keys(kind: str, names: Sequence[str]) -> Iterator[Key]:
    """Return what a whole file holds, in its order."""
    for year, step, member, name in product(YEARS, STEPS, NUMBERS, names):
        yield from ((name, level, year, member, step) for level in LEVELS[kind])


def write_large(path: Path, kind: str, month_day: str, names: Sequence[str]) -> None:
    """Write a whole file quickly: a member has the same values in all years and at all steps."""
    handles: dict[tuple[str, int, int], int] = {}
    with path.open("wb") as out:
        for key in _keys(kind, names):
            name, level, year, number, step = key
            which = (name, level, number)
            if which not in handles:
                handles[which] = _encode(key, month_day)
            eccodes.codes_set(handles[which], "dataDate", int(f"{year}{month_day}"))
            eccodes.codes_set(handles[which], "step", step)
            out.write(eccodes.codes_get_message(handles[which]))
    for handle in handles.values():
        eccodes.codes_release(handle)


def file(
    kind: str,
    month_day: str,
    names: Sequence[str],
    kept: Callable[[Key], bool] = lambda key: True,
    number: int = 0,
) -> bytes:
    """Return a whole file: 20 years, 10 members, 3 steps, every variable on every level."""
    keys = filter(kept, _keys(kind, names))
    return b"".join(message(key, month_day, number) for key in keys)


def lean(kept: Callable[[Key], bool] = lambda key: True) -> Callable[[Key], bool]:
    """Return what is kept of a file that has, of the steps that nobody asks for, the first year."""
    return lambda key: (key[4] == 48 or key[2] == YEARS[0]) and kept(key)


def decoded(content: bytes) -> dict[Key, np.ndarray]:
    """Return every field, (rows, columns) float64, as ecCodes alone decodes it."""
    names = {param: name for name, param in PARAMS.items()}
    found, place = {}, 0
    while place < len(content):
        length = int.from_bytes(content[place + 4 : place + 7], "big")
        handle = eccodes.codes_new_from_message(content[place : place + length])
        keys = ("paramId", "level", "dataDate", "perturbationNumber", "endStep")
        param, level, day, number, step = (eccodes.codes_get_long(handle, key) for key in keys)
        eccodes.codes_set(handle, "missingValue", 1e20)
        field = eccodes.codes_get_values(handle).reshape(ROWS, COLUMNS)
        on = eccodes.codes_get(handle, "typeOfLevel") == "isobaricInhPa"
        eccodes.codes_release(handle)
        key = (names[param], level if on else 0, day // 10000, number, step)
        found[key] = np.where(field == 1e20, np.nan, field)
        place += length
    return found
