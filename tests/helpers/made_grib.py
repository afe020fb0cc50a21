"""GRIB messages made for tests from the samples of ecCodes."""

from pathlib import Path
from typing import Any

import eccodes
import numpy as np
import pytest

from smoecast.errors import InputError
from smoecast.fields.read.grib.open import open_grib

ROWS, COLUMNS = 3, 4


def message(sample: str = "regular_ll_pl_grib1", value: float = 0.0, **keys: Any) -> bytes:
    """Return one message on a 3 x 4 grid whose values count up from `value`."""
    grid = {"Ni": COLUMNS, "Nj": ROWS} | {
        "latitudeOfFirstGridPointInDegrees": 60.0,
        "latitudeOfLastGridPointInDegrees": 40.0,
        "longitudeOfFirstGridPointInDegrees": 0.0,
        "longitudeOfLastGridPointInDegrees": 30.0,
        "iDirectionIncrementInDegrees": 10.0,
        "jDirectionIncrementInDegrees": 10.0,
    }
    if "gg" in sample:
        grid = {}
    handle = eccodes.codes_grib_new_from_samples(sample)
    try:
        for key, setting in (grid | keys).items():
            eccodes.codes_set(handle, key, setting)
        settings = grid | keys
        if grid:
            size = int(settings["Ni"]) * int(settings["Nj"])
        else:
            size = eccodes.codes_get_long(handle, "numberOfPoints")
        if grid and eccodes.codes_get_long(handle, "edition") == 2:
            eccodes.codes_set(handle, "numberOfDataPoints", size)
        eccodes.codes_set(handle, "bitsPerValue", 24)
        eccodes.codes_set_values(handle, value + np.arange(size, dtype=np.float64))
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


def temperature(value: float = 0.0, **keys: Any) -> bytes:
    """Return a temperature at 500 hPa, an analysis of 1 January 2020."""
    common = {"shortName": "t", "level": 500, "dataDate": 20200101, "dataTime": 0}
    return message(value=value, **(common | keys))


def member(number: int, value: float = 0.0, **keys: Any) -> bytes:
    """Return a perturbed forecast of temperature at 500 hPa."""
    ensemble = {"setLocalDefinition": 1, "localDefinitionNumber": 1, "stream": "enfo"}
    return temperature(
        value,
        **ensemble,
        **({"type": "pf", "perturbationNumber": number, "numberOfForecastsInEnsemble": 3} | keys),
    )


def plain(path: Path) -> list[dict[str, Any]]:
    """Return keys and values of every message as ecCodes alone decodes them."""
    names = ("shortName", "level", "dataDate", "dataTime", "endStep", "Ni", "Nj")
    found = []
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            keys = {name: eccodes.codes_get(handle, name) for name in names}
            keys["number"] = 0
            if eccodes.codes_is_defined(handle, "perturbationNumber"):
                keys["number"] = eccodes.codes_get(handle, "perturbationNumber")
            shape = (keys["Nj"], keys["Ni"])
            keys["values"] = eccodes.codes_get_values(handle).reshape(shape).astype(np.float32)
            eccodes.codes_release(handle)
            found.append(keys)
    return found


def write(path: Path, *messages: bytes) -> Path:
    path.write_bytes(b"".join(messages))
    return path


def refused(path: Path, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        open_grib(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def step_of_30(unit: int) -> bytes:
    """Return a GRIB 1 forecast whose step is 30 times a unit."""
    one = bytearray(temperature(dataType="fc"))
    one[8 + 17 : 8 + 19] = unit, 30  # octets 18 and 19 of section 1
    return bytes(one)


def pressure(scaled: int, factor: int = 0, value: float = 0.0) -> bytes:
    """Return a GRIB 2 temperature at `scaled` over ten to the `factor` pascals."""
    return message(
        "regular_ll_pl_grib2",
        value,
        shortName="t",
        typeOfFirstFixedSurface=100,
        scaleFactorOfFirstFixedSurface=factor,
        scaledValueOfFirstFixedSurface=scaled,
    )


def sections(content: bytes) -> dict[int, bytes]:
    """Return the sections of a GRIB 2 message of one field."""
    found, place = {}, 16
    while place < len(content) - 4:
        size = int.from_bytes(content[place : place + 4], "big")
        found[content[place + 4]] = content[place : place + size]
        place += size
    return found


def joined(*messages: bytes, begin: int = 4, same_bitmap: bool = False) -> bytes:
    """Return one GRIB 2 message of many: of those after the first the sections from `begin` on."""
    body = messages[0][16:-4]
    for one in messages[1:]:
        parts = sections(one)
        if same_bitmap:
            parts[6] = (6).to_bytes(4, "big") + b"\6\xfe"
        body += b"".join(part for number, part in sorted(parts.items()) if number >= begin)
    return messages[0][:8] + (len(body) + 20).to_bytes(8, "big") + body + b"7777"
