"""GRIB files of every kind that ecCodes can write, made from its own samples."""

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import eccodes
import findlibs
import numpy as np
from made_grib import joined

Made = Callable[[], bytes]
Case = tuple[str, Made, bool]
"""Its name, what makes it, and whether it must be read."""

GRID = {
    "Ni": 6,
    "Nj": 5,
    "latitudeOfFirstGridPointInDegrees": 60,
    "latitudeOfLastGridPointInDegrees": 20,
    "longitudeOfFirstGridPointInDegrees": 350,
    "longitudeOfLastGridPointInDegrees": 40,
    "iDirectionIncrementInDegrees": 10,
    "jDirectionIncrementInDegrees": 10,
}
PRESSURE = {"typeOfLevel": "isobaricInhPa", "level": 500, "shortName": "t"}
NO_GRIB = ("BUFR", "hdf5", "wrap", "budg", "diag")


def samples() -> list[str]:
    """Return the names of every GRIB sample that ecCodes has, in its memory or in a folder."""
    folder = Path(eccodes.codes_samples_path().split(":")[0])
    if folder.is_dir():
        names = {path.stem for path in folder.glob("*.tmpl")}
    else:
        memory = Path(findlibs.find("eccodes")).with_name("libeccodes_memfs.so")
        found = re.findall(rb"/MEMFS/samples/([\w.]+)\.tmpl", memory.read_bytes())
        names = {name.decode() for name in found}
    return sorted(name for name in names if not name.startswith(NO_GRIB))


@cache
def sample(name: str) -> bytes:
    """Return a sample as it is."""
    handle = eccodes.codes_grib_new_from_samples(name)
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


def waves(count: int) -> np.ndarray:
    """Return values no two of which are the same, but for their number of bits."""
    return 280 + 20 * np.sin(np.arange(count) / 3.1) + np.arange(count) / 100


def changed(content: bytes, gone: bool = False, fill: bool = True, **keys: Any) -> bytes:
    """Return a message with keys set in their order, and a wave, of which `gone` misses some."""
    handle = eccodes.codes_new_from_message(content)
    try:
        late = {k: keys.pop(k) for k in ("packingType", "missingValueManagementUsed") if k in keys}
        for key, value in keys.items():
            if value is None:
                eccodes.codes_set_missing(handle, key)
            else:
                eccodes.codes_set(handle, key, value)
        if fill:
            count = eccodes.codes_get_long(handle, "Ni") * eccodes.codes_get_long(handle, "Nj")
            if eccodes.codes_get_long(handle, "edition") == 2:
                eccodes.codes_set(handle, "numberOfDataPoints", count)
            values = waves(count)
            eccodes.codes_set(handle, "bitsPerValue", keys.get("bitsPerValue", 16))
            eccodes.codes_set_values(handle, values)
            for key, value in late.items():
                eccodes.codes_set(handle, key, value)
            if gone:
                values[1 : count // 3] = 9999.0
                eccodes.codes_set(handle, "missingValue", 9999.0)
                if "missingValueManagementUsed" not in late:
                    eccodes.codes_set(handle, "bitmapPresent", 1)
            eccodes.codes_set_values(handle, values)
        return bytes(eccodes.codes_get_message(handle))
    finally:
        eccodes.codes_release(handle)


@cache
def made(edition: int, grid: str = "ll", gone: bool = False, **keys: Any) -> bytes:
    """Return a temperature at 500 hPa on a small grid, with other keys."""
    base = sample(f"regular_{grid}_pl_grib{edition}")
    small = GRID if grid == "ll" else {}
    return changed(base, gone, **{**small, **PRESSURE, "dataDate": 20200101, **keys})


# ---- mutations, each a list of cases


def as_they_are() -> Iterator[Case]:
    for name in samples():
        yield f"sample {name}", lambda name=name: sample(name), False


def scanning_modes() -> Iterator[Case]:
    for edition in (1, 2):
        for mode in range(0, 256, 32):
            keys: dict[str, Any] = {"scanningMode": mode}
            if mode & 128:
                keys |= {f"longitudeOf{e}GridPointInDegrees": x for e, x in _WESTWARD}
            if mode & 64:
                keys |= {f"latitudeOf{e}GridPointInDegrees": x for e, x in _NORTHWARD}
            name = f"scanning mode {mode:08b} of GRIB {edition}"
            yield name, lambda e=edition, k=keys: made(e, **k), True
            gaussian = {"scanningMode": mode} | {
                k: GAUSSIAN[1 - i] if mode & 64 else GAUSSIAN[i]
                for i, k in enumerate(("latitudeOfFirstGridPointInDegrees", _LAST))
            }
            if mode in (0, 32, 64):
                must = not mode & 32
                name = f"scanning mode {mode:08b} of a Gaussian GRIB {edition}"
                yield name, lambda e=edition, k=gaussian: made(e, "gg", **k), must
    for mode in (16, 80, 8, 4, 2, 1):
        yield f"scanning mode {mode:08b}", lambda m=mode: made(2, scanningMode=m), False


_WESTWARD = (("First", 40), ("Last", 350))
_NORTHWARD = (("First", 20), ("Last", 60))
_LAST = "latitudeOfLastGridPointInDegrees"
GAUSSIAN = (87.8638, -87.8638)


def packings() -> Iterator[Case]:
    of = {
        1: (
            *("grid_simple", "grid_second_order", "grid_second_order_no_SPD", "grid_ieee"),
            *("grid_second_order_SPD1", "grid_second_order_SPD3", "grid_simple_matrix"),
        ),
        2: (
            *("grid_simple", "grid_ieee", "grid_ccsds", "grid_jpeg", "grid_png", "grid_complex"),
            *("grid_complex_spatial_differencing", "grid_simple_log_preprocessing"),
            "grid_second_order",
        ),
    }
    big = {"Ni": 30, "Nj": 18, "longitudeOfLastGridPointInDegrees": 280}
    big |= {_LAST: -110 + 85, "jDirectionIncrementInDegrees": 5}
    for edition, names in of.items():
        for packing in names:
            for gone in (False, True):
                bits = 12 if packing == "grid_png" else 16  # of more ecCodes makes no PNG
                name = f"{packing} of GRIB {edition}" + " with a bitmap" * gone
                keys = big | {"packingType": packing, "bitsPerValue": bits}
                yield name, lambda e=edition, g=gone, k=keys: made(e, gone=g, **k), True
    for packing in ("grid_complex", "grid_complex_spatial_differencing"):
        keys = big | {"packingType": packing, "missingValueManagementUsed": 1}
        yield f"{packing} with marks", lambda k=keys: made(2, gone=True, **k), True
    for edition in (1, 2):
        for bits in (0, 1, 8, 24):
            name = f"{bits} bits of GRIB {edition}"
            yield name, lambda e=edition, b=bits: made(e, bitsPerValue=b), True
        yield f"one value of GRIB {edition}", lambda e=edition: constant(e), True
        yield f"no value of GRIB {edition}", lambda e=edition: constant(e, gone=True), True


def constant(edition: int, gone: bool = False) -> bytes:
    """Return a message whose values are all the same, or all missing."""
    handle = eccodes.codes_new_from_message(made(edition))
    eccodes.codes_set(handle, "missingValue", 9999.0)
    eccodes.codes_set(handle, "bitmapPresent", int(gone))
    eccodes.codes_set_values(handle, np.full(30, 9999.0 if gone else 273.25))
    content = bytes(eccodes.codes_get_message(handle))
    eccodes.codes_release(handle)
    return content


LEVELS = (
    *("surface", "isobaricInhPa", "isobaricInPa", "heightAboveGround", "heightAboveSea"),
    *("meanSea", "hybrid", "potentialVorticity", "theta", "tropopause", "maxWind", "nominalTop"),
    *("depthBelowLandLayer", "isobaricLayer", "unknown", "entireAtmosphere", "sigma"),
)
STEPS = ("instant", "accum", "avg", "max", "min", "diff", "rms", "sd", "avgd", "severity")


def levels_and_steps() -> Iterator[Case]:
    for edition in (1, 2):
        base = made(edition)
        for kind in LEVELS:
            keys = {"typeOfLevel": kind}
            yield f"t on {kind} of GRIB {edition}", _or_as_it_was(base, keys), False
        for step_type in STEPS:
            for short, kind in (("2t", "heightAboveGround"), ("tp", "surface"), ("t", "")):
                keys = {"typeOfLevel": kind, "level": 2} if kind else {}
                keys |= {"shortName": short, "stepType": step_type, "stepRange": "0-6"}
                name = f"{step_type} of {short} of GRIB {edition}"
                yield name, _or_as_it_was(base, keys), False
        for level in (1, 10, 37, 1000, 1013, 0, 3000):
            keys = {"level": level}
            must = level not in (0, 3000)
            yield f"{level} hPa of GRIB {edition}", _or_as_it_was(base, keys), must
        for unit in (0, 1, 2, 3, 4, 10, 11, 12, 13, 254, 255):
            keys = {"dataType": "fc", "indicatorOfUnitOfTimeRange": unit}
            keys |= {"P1" if edition == 1 else "forecastTime": 60}
            must = unit in (0, 1, 2, 10, 11, 12) or (unit, edition) == (13, 2)
            yield f"step of unit {unit} of GRIB {edition}", _or_as_it_was(base, keys), must
    for factor, value, must in (
        (0, 85000, True),
        (-2, 700, True),
        (1, 50_000, True),
        (-4, 2, True),
        (3, 10**8, True),
    ):
        keys = {"scaleFactorOfFirstFixedSurface": factor, "scaledValueOfFirstFixedSurface": value}
        yield f"{value} / 10**{factor} Pa", _or_as_it_was(made(2), keys), must
    for factor, value in ((0, 40), (2, 1), (127, 1), (-127, 9), (0, 2**31 - 2), (3, 10)):
        keys = {"scaleFactorOfFirstFixedSurface": factor, "scaledValueOfFirstFixedSurface": value}
        yield f"{value} / 10**{factor} Pa", _or_as_it_was(made(2), keys), False


def _or_as_it_was(base: bytes, keys: dict[str, Any]) -> Made:
    """Return what sets keys one by one, those that ecCodes accepts."""

    def make() -> bytes:
        content = base
        for key, value in keys.items():
            try:
                content = changed(content, fill=False, **{key: value})
            except eccodes.CodesInternalError:
                continue
        return content

    return make


MISSING: dict[int, tuple[str, ...]] = {
    0: (
        *("scaleFactorOfFirstFixedSurface", "scaledValueOfFirstFixedSurface", "Ni", "Nj"),
        *("typeOfFirstFixedSurface", "iDirectionIncrement", "jDirectionIncrement", "forecastTime"),
        *("scaleFactorOfRadiusOfSphericalEarth", "subdivisionsOfBasicAngle", "subCentre"),
        *("typeOfProcessedData", "typeOfGeneratingProcess", "indicatorOfUnitOfTimeRange"),
        *("backgroundProcess", "generatingProcessIdentifier", "hoursAfterDataCutoff", "centre"),
        *("latitudeOfFirstGridPoint", "longitudeOfLastGridPoint"),
    ),
    1: ("perturbationNumber", "numberOfForecastsInEnsemble", "scaledValueOfFirstFixedSurface"),
    11: (
        *("lengthOfTimeRange", "indicatorOfUnitForTimeRange", "typeOfStatisticalProcessing"),
        *("yearOfEndOfOverallTimeInterval", "scaleFactorOfFirstFixedSurface"),
    ),
}
"""Keys of GRIB 2 by template of the product; ecCodes sets those missing that it can."""
TEMPLATES: dict[int, dict[str, Any]] = {
    0: {},
    1: {"dataType": "pf", "perturbationNumber": 3},
    11: {"stepRange": "0-6"},
}


def missing_keys() -> Iterator[Case]:
    for key in ("Ni", "Nj", "iDirectionIncrement", "level", "indicatorOfTypeOfLevel"):
        yield f"no {key} of GRIB 1", _or_as_it_was(made(1), {key: None}), False
    for template, keys in TEMPLATES.items():
        base = _or_as_it_was(made(2), {"productDefinitionTemplateNumber": template, **keys})()
        for key in MISSING[template]:
            name = f"no {key} of template {template}"
            yield name, _or_as_it_was(base, {key: None}), False
    for section, first, last in ((1, 5, 21), (3, 30, 72), (4, 9, 34)):
        for at in range(first, last, 2):
            name = f"bytes {at} and {at + 1} of section {section} are missing"
            yield name, lambda s=section, a=at: _with_ones(made(2), s, a), False


def _with_ones(content: bytes, section: int, at: int) -> bytes:
    place = 16
    while content[place + 4] != section:
        place += int.from_bytes(content[place : place + 4], "big")
    return content[: place + at] + b"\xff\xff" + content[place + at + 2 :]


def dates() -> Iterator[Case]:
    for edition in (1, 2):
        for date in (18000101, 19000228, 20000229, 20191231, 21001231):
            yield f"{date} of GRIB {edition}", lambda e=edition, d=date: made(e, dataDate=d), True
        for clock in (0, 1, 600, 1830, 2359):
            yield (
                f"{clock:04d} of GRIB {edition}",
                lambda e=edition, c=clock: made(e, dataTime=c),
                True,
            )
    for year in (0, 1, 1677, 2262, 9999, 65535):
        yield f"the year {year}", lambda y=year: _with_year(made(2), y), False


def _with_year(content: bytes, year: int) -> bytes:
    return content[:28] + year.to_bytes(2, "big") + content[30:]


def grids() -> Iterator[Case]:
    several: dict[str, dict[str, Any]] = {
        "one parallel": {"Nj": 1, _LAST: 60},
        "one meridian": {"Ni": 1, "longitudeOfLastGridPointInDegrees": 350},
        "the whole Earth": {"Ni": 36, "longitudeOfFirstGridPointInDegrees": 0}
        | {"longitudeOfLastGridPointInDegrees": 350},
        "half degrees": {"iDirectionIncrementInDegrees": 0.5, "jDirectionIncrementInDegrees": 0.25}
        | {"longitudeOfLastGridPointInDegrees": 352.5, _LAST: 59},
        "negative longitudes": {"longitudeOfFirstGridPointInDegrees": -20}
        | {"longitudeOfLastGridPointInDegrees": 30},
        "to the poles": {"latitudeOfFirstGridPointInDegrees": 90, _LAST: -90}
        | {"jDirectionIncrementInDegrees": 45},
    }
    for edition in (1, 2):
        for name, keys in several.items():
            yield f"{name} of GRIB {edition}", lambda e=edition, k=keys: made(e, **k), True
        keys = {"ijDirectionIncrementGiven": 0}
        yield f"no increments of GRIB {edition}", lambda e=edition, k=keys: made(e, **k), True
        yield f"Gaussian GRIB {edition}", lambda e=edition: made(e, "gg"), True
    for shape in (0, 1, 2, 4, 5, 6, 8, 9):
        yield f"Earth {shape}", lambda s=shape: made(2, shapeOfTheEarth=s), True
    odd = {"iDirectionIncrementInDegrees": 7}
    yield "an increment that leads elsewhere", lambda: made(2, **odd), False
    yield "a basic angle", lambda: made(2, basicAngleOfTheInitialProductionDomain=1), False


# ---- several messages


def mixed() -> Iterator[Case]:
    """Yield files of several messages: as forecasts, ensembles and centres have them."""
    levels = (10, 500, 850)
    for edition in (1, 2):
        fc = {"dataType": "fc"}
        several: dict[str, list[dict[str, Any]]] = {
            "levels": [{"level": level} for level in levels],
            "names": [{"shortName": name} for name in ("t", "u", "v", "q", "z", "clwc")],
            "times": [{"dataTime": clock} for clock in (1800, 0, 600)],
            "days": [{"dataDate": day} for day in (20191231, 20200101)],
            "steps": [fc | {"stepRange": step} for step in (6, 0, 12)],
            "starts": [fc | {"dataTime": t, "stepRange": s} for t in (0, 1200) for s in (6, 24)],
            "levels of winds and heights": [
                {"shortName": name, "level": level} for level in levels for name in ("u", "gh")
            ]
            + [{"shortName": "t", "level": 850}],
        }
        for name, each in several.items():
            messages = [_or_as_it_was(made(edition), keys) for keys in each]
            yield f"{name} of GRIB {edition}", _all(messages), True
        twice = [_or_as_it_was(made(edition), {"level": level}) for level in (500, 850, 500)]
        yield f"a level twice in GRIB {edition}", _all(twice), True
        kinds = [_or_as_it_was(made(edition), {"dataType": kind}) for kind in ("an", "fc")]
        yield f"analysis and forecast of GRIB {edition}", _all(kinds), False
    members = [
        _or_as_it_was(made(2), {"productDefinitionTemplateNumber": 1, "dataType": kind, **keys})
        for kind, number in (("cf", 0), ("pf", 1), ("pf", 2))
        for keys in ({"perturbationNumber": number, "numberOfForecastsInEnsemble": 3},)
    ]
    yield "members", _all(members), True
    yield "editions", _all([lambda: made(1), lambda: made(2, level=850, dataType="an")]), True
    fields = [lambda level=level: made(2, level=level) for level in levels]
    for begin in (3, 4):
        yield f"fields of one message from section {begin}", _joined(fields, begin), True
    gone = [lambda level=level: made(2, gone=level != 500, level=level) for level in levels]
    yield "fields of one message with bitmaps", _joined(gone, 4), True
    wraps = {
        "bulletins": _bulletin,
        "a file of bulletins": lambda message: b"0000012300" + _bulletin(message),
        "padding": lambda message: bytes(40) + message + b"\r\n",
    }
    for name, wrap in wraps.items():
        yield name, lambda w=wrap: b"".join(w(made(2, level=level)) for level in levels), True
    yield "junk", lambda: b"junk" + made(2) + b"junk", False


def _bulletin(message: bytes) -> bytes:
    return b"\1\r\r\n017\r\r\nHTXX50 KWBC 010000\r\r\n" + message + b"\r\r\n\3"


def _all(messages: list[Made]) -> Made:
    return lambda: b"".join(make() for make in messages)


def _joined(messages: list[Made], begin: int) -> Made:
    return lambda: joined(*(make() for make in messages), begin=begin)


def cases() -> Iterator[Case]:
    """Yield every case."""
    for kind in (
        *(as_they_are, scanning_modes, packings, levels_and_steps, missing_keys, dates, grids),
        mixed,
    ):
        yield from kind()
