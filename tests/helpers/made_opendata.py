"""Runs in the very layout of ECMWF's open data: GRIB 2 with an index of JSON lines beside it."""

import json
from datetime import datetime

import eccodes
import numpy as np

from smoecast.fields.grid import Grid

ROWS, COLUMNS = 7, 12
LEVELS = (500, 850)
GRID = Grid(np.linspace(90.0, -90.0, ROWS), np.arange(COLUMNS) * 30.0)
"""As it is read: the archive begins at 180 degrees east."""
ON_LEVELS = {"gh": "gpm", "t": "K"}
SINGLE = ("2t", "msl", "lsm", "z", "tp")


def value_of(param: str, level: int, start: datetime, step: int, number: int) -> float:
    """A number of its own for every message."""
    base = {"gh": 5000.0, "t": 250.0, "2t": 280.0, "msl": 1e5, "lsm": 0.0, "z": 10.0, "tp": 0.01}
    if param in ("lsm", "z") and not level:
        return base[param]
    return base[param] + level / 100 + start.hour / 10 + step / 8 + number / 4


def field(value: float) -> np.ndarray:
    """The values of a message, (latitude, longitude)."""
    counted = np.arange(ROWS * COLUMNS, dtype=np.float64).reshape(ROWS, COLUMNS)
    return value + counted / 64  # exact in 24 bits


def message(param: str, level: int, start: datetime, step: int, number: int | None) -> bytes:
    """One GRIB 2 message as the archive has it."""
    sample = "regular_ll_pl_grib2" if level else "regular_ll_sfc_grib2"
    handle = eccodes.codes_grib_new_from_samples(sample)
    keys = {
        "dataDate": int(f"{start:%Y%m%d}"),
        "dataTime": start.hour * 100,
        "Ni": COLUMNS,
        "Nj": ROWS,
        "latitudeOfFirstGridPointInDegrees": 90.0,
        "latitudeOfLastGridPointInDegrees": -90.0,
        "longitudeOfFirstGridPointInDegrees": 180.0,
        "longitudeOfLastGridPointInDegrees": 150.0,
        "iDirectionIncrementInDegrees": 30.0,
        "jDirectionIncrementInDegrees": 30.0,
    }
    if number is None:
        keys |= {"dataType": "fc", "shortName": param}
    else:
        keys |= {"setLocalDefinition": 1, "localDefinitionNumber": 1, "stream": "enfo"}
        keys |= {"productDefinitionTemplateNumber": 11 if param == "tp" else 1}
        keys |= {"type": "pf" if number else "cf", "shortName": param}
        keys |= {"perturbationNumber": number, "numberOfForecastsInEnsemble": 51}
    if level:
        keys |= {"level": level}
    keys |= {"stepRange": f"0-{step}" if param == "tp" else step}
    for key, value in keys.items():
        eccodes.codes_set(handle, key, value)
    size = ROWS * COLUMNS
    eccodes.codes_set(handle, "numberOfDataPoints", size)
    eccodes.codes_set(handle, "bitsPerValue", 24)
    value = value_of(param, level, start, step, number or 0)
    eccodes.codes_set_values(handle, field(value).ravel())
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def stem(start: datetime, stream: str, kind: str, step: int, model: str = "ifs") -> str:
    return (
        f"/{start:%Y%m%d}/{start:%H}z/{model}/0p25/{stream}/"
        f"{start:%Y%m%d%H}0000-{step}h-{stream}-{kind}"
    )


def run(
    start: datetime,
    stream: str,
    kind: str,
    step: int,
    members: tuple[int | None, ...],
    model: str = "ifs",
) -> dict[str, bytes]:
    """Return a GRIB file and its index by their paths on the server."""
    on_levels = ON_LEVELS if model == "ifs" else {"z": "m**2 s**-2", "t": "K"}
    wanted = [(p, level) for p in on_levels for level in LEVELS] + [(p, 0) for p in SINGLE]
    content, lines = b"", []
    for number in members:
        for param, level in wanted:
            if (param == "tp" and step == 0) or (
                number is not None and not level and param in ("lsm", "z")
            ):
                continue
            one = message(param, level, start, step, number)
            line = {"domain": "g", "date": f"{start:%Y%m%d}", "time": f"{start:%H}00"}
            line |= {"expver": "0001", "class": "od", "type": "fc", "stream": stream}
            line |= {"step": str(step), "levtype": "pl" if level else "sfc", "param": param}
            line |= {"levelist": str(level)} if level else {}
            if number is not None:
                line |= {"type": "pf", "number": str(number)} if number else {"type": "cf"}
            line |= {"_offset": len(content), "_length": len(one)}
            lines.append(json.dumps(line))
            content += one
    name = stem(start, stream, kind, step, model)
    return {f"{name}.grib2": content, f"{name}.index": ("\n".join(lines) + "\n").encode()}
