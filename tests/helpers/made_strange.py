"""Strange NetCDF files: well formed but absurd, or good ones with a few bytes changed."""

import copy
import random
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from hypothesis import strategies as st
from read_checked import read_checked

from smoecast.errors import InputError
from smoecast.fields.read.open import open_files
from smoecast.fields.read.results import read_attributes

CLASSIC = ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA")
FORMATS = (*CLASSIC, "NETCDF4", "NETCDF4_CLASSIC")
_READ_BYTES = 2**24

# ---- what becomes of a file


def outcome(*paths: Path) -> str:
    """Open files and read what is in them; anything but an InputError is the caller's to see."""
    for path in paths:
        read_attributes(path)
    try:
        dataset = open_files(paths)
        for name, array in dataset.data_vars.items():
            if array.nbytes <= _READ_BYTES:
                read_checked(array, paths[0], str(name))
    except InputError as refusal:
        assert "\n" not in str(refusal), refusal
        return "refused"
    return "values"


# ---- bytes


def mutated(content: bytes, seed: str) -> bytes:
    """Change a few bytes, most of them in the header, put in large numbers, or cut."""
    chance = random.Random(seed)
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        if not changed:
            break
        end = len(changed) if chance.random() < 0.5 else min(len(changed), 8000)
        at, kind = chance.randrange(end), chance.random()
        if kind < 0.4:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind < 0.7:
            changed[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif kind < 0.85:
            number, width = (
                chance.choice((0, 1, 10**9, 2**31 - 1, 2**64 - 1)),
                chance.choice((4, 8)),
            )
            order = chance.choice(("little", "big"))
            changed[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, order)
        elif kind < 0.93:
            del changed[at : at + chance.choice((1, 4, 100))]
        else:
            del changed[max(4, at) :]
    return bytes(changed)


def good(path: Path, kind: str, packed: bool = False, **options: Any) -> Path:
    """Write a small file as others write them."""
    with netCDF4.Dataset(path, "w", format=kind) as file:
        file.title = "a good file"
        for name, size in {"time": None, "latitude": 4, "longitude": 6}.items():
            file.createDimension(name, size)
            file.createVariable(name, "f8", (name,))[:] = np.arange(size or 3) * 6.0
        file["time"].setncatts({"units": "hours since 2020-01-01", "calendar": "standard"})
        file["latitude"].units, file["longitude"].units = "degrees_north", "degrees_east"
        place = ("time", "latitude", "longitude")
        fill = -32767 if packed else None
        array = file.createVariable(
            "t2m", "i2" if packed else "f4", place, fill_value=fill, **options
        )
        array.units = "K"
        if packed:
            array.setncatts({"scale_factor": 0.01, "add_offset": 280.0})
        array[:] = 280.0 + np.arange(72).reshape(3, 4, 6) / 100
    return path


# ---- contents

_TEXTS = st.sampled_from(
    [
        *("", "text", "1", "é", "latitude", "time t2m nowhere", "K", "degrees_north", "hPa", "Pa"),
        *("degrees_east", "m", "%", "hours", "days", "T", "E", "realization: mean", "x" * 5000),
        *("air_pressure", "air_temperature", "forecast_reference_time", "forecast_period"),
        *("height", "hours since 2020-01-01", "days since 0000-01-01", "days since 1-1-1"),
        *("hours since", "months since 2000-01-01", "seconds since 99999-01-01"),
        *("days since 2020-13-45", "standard", "noleap", "360_day", "julian", "none"),
        *("timedelta64[ns]", "datetime64[ns]"),
    ]
)
_NUMBERS = st.sampled_from((0, 1, 2, 5.0, -1, 0.01, np.nan, np.inf, 1e300, -9999.0, 2**31 - 1))
_VALUES = st.one_of(_TEXTS, _NUMBERS, _NUMBERS.map(lambda x: np.array([x, 1.0])))
_KEYS = ("units", "calendar", "standard_name", "long_name", "axis", "scale_factor", "add_offset")
_KEYS += ("missing_value", "coordinates", "bounds", "grid_mapping", "cell_methods", "dtype")
_KEYS += ("GRIB_paramId", "GRIB_shortName", "short_name", "_Unsigned", "valid_min", "climatology")
_ATTRIBUTES = st.dictionaries(st.sampled_from(_KEYS), _VALUES, max_size=3)
_AXES = {
    "time": ([0, 6, 12], "hours since 2020-01-01"),
    "latitude": ([0, 10, 20], "degrees_north"),
    "longitude": ([0, 10, 20], "degrees_east"),
    "level": ([500, 700, 850], "hPa"),
    "number": ([0, 1, 2], "1"),
    "forecast_reference_time": ([0, 24, 48], "hours since 2020-01-01"),
    "step": ([6, 12, 18], "hours"),
    "expver": ([1, 5, 6], "1"),
    "height": ([2, 10, 100], "m"),
    "x": ([0, 1, 2], "m"),
}
_LABELS = st.sampled_from(
    [
        *([0, 1, 2], [2, 1, 0], [1, 1, 1], [0, np.nan, 1], [np.inf, 0, 1], [1e30, 2e30, 3e30]),
        *([-9999, 0, 1], [2**31, 2**40, 2**62], [-1e10, 0, 1e10], [2.5e6, 2.6e6, 2.7e6]),
        *([90, 89.5, 91], [0, 180, 360], [1e18, 1e18, 1e18], [0.5, 1.5, 2.5]),
    ]
)
_FIELDS = {
    **{"t2m": "K", "t": "K", "2t": "K", "air": "K", "z": "m2 s-2", "z500": "m2 s-2", "msl": "Pa"},
    **{"tp": "m", "lsm": "1", "orography": "m2 s-2", "u100": "m s-1", "zust": "m s-1"},
}
_KINDS = ("f4", "f8", "i1", "i2", "i4", "S1", "u8", str)
_LATER = ([18, 24, 30], [36, 42, 48], [18, 20, 22])
_GLOBAL = st.dictionaries(st.sampled_from(("title", "history", "coordinates")), _VALUES)
_SIZES = st.sampled_from((3, 3, 3, 3, 1, 2, 0))


@st.composite
def strange(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what a file holds: mostly good, with a few things that are not."""
    dimensions = ["time", "latitude", "longitude"]
    more = st.sampled_from(
        [*["level", "number", "step"] * 3, *[n for n in _AXES if n not in dimensions]]
    )
    dimensions += draw(st.lists(more, max_size=draw(st.sampled_from((0, 1, 1, 2))), unique=True))
    axes = []
    for name in dimensions:
        labels, units = _AXES[name]
        odd = draw(st.integers(0, 7)) == 0
        axes.append(
            {
                "name": name,
                "size": draw(_SIZES) if odd else 3,
                "labels": draw(_LABELS) if odd else labels,
                "kind": draw(st.sampled_from(_KINDS)) if odd else "f8",
                "along": draw(st.sampled_from((*dimensions, "", "none"))) if odd else name,
                "attributes": {"units": units} | (draw(_ATTRIBUTES) if odd else {}),
            }
        )
    fields = [
        {
            "name": name,
            "kind": draw(st.sampled_from((*["f4"] * 16, *_KINDS))),
            "along": draw(st.permutations(dimensions))[
                : draw(st.sampled_from((*[9] * 9, 2, 1, 0)))
            ],
            "value": draw(st.one_of(st.just(1.0), st.just(1.0), _NUMBERS)),
            "attributes": {"units": _FIELDS[name]}
            | draw(st.one_of(st.just({}), st.just({}), _ATTRIBUTES)),
        }
        for name in draw(
            st.lists(st.sampled_from(list(_FIELDS)), min_size=1, max_size=2, unique=True)
        )
    ]
    odd = draw(st.integers(0, 7)) == 0
    return {
        "format": draw(st.sampled_from(FORMATS)),
        "axes": axes,
        "fields": fields,
        "attributes": draw(_GLOBAL) if odd else {},
    }


@st.composite
def alike(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw files that differ in little: they may continue each other."""
    first = draw(strange())
    others = []
    for _ in range(draw(st.integers(1, 2))):
        other = copy.deepcopy(first)
        axis = draw(st.sampled_from([*[other["axes"][0]] * 6, *other["axes"]]))
        axis["labels"] = draw(st.sampled_from(_LATER) | _LABELS)
        if draw(st.booleans()):
            other["fields"] = draw(strange())["fields"][:1]
            known = [axis["name"] for axis in other["axes"]]
            for field in other["fields"]:
                field["along"] = [name for name in known if name in field["along"]]
        others.append(other)
    return [first, *others]


def _filled(
    file: netCDF4.Dataset, name: str, kind: Any, along: tuple[str, ...], values: Any
) -> Any:
    """Define a variable and write numbers, as text where its type is text."""
    classic = file.data_model != "NETCDF4"
    kind = "i4" if classic and kind in ("u8", str) else kind
    array = file.createVariable(name, kind, along)
    array.set_auto_maskandscale(False)
    if array.size and array.ndim:
        given = np.resize(np.asarray(values, "f8"), array.shape)
        if kind is str:
            array[:] = given.astype(str).astype(object)
        elif kind == "S1":
            array[:] = np.full(array.shape, b"a")
        else:
            array[:] = np.nan_to_num(given, posinf=1e9).astype(kind) if kind[0] != "f" else given
    return array


def write(path: Path, content: dict[str, Any]) -> Path:
    """Write the file that `strange` has drawn."""
    with np.errstate(all="ignore"), netCDF4.Dataset(path, "w", format=content["format"]) as file:
        for axis in content["axes"]:
            # without a size the dimension has no end, which classic files grant to one alone
            few = 0 if content["format"] == "NETCDF4" else 1
            file.createDimension(axis["name"], max(axis["size"], few))
        for axis in content["axes"]:
            if axis["along"] != "none":
                along = (axis["along"],) if axis["along"] else ()
                array = _filled(file, axis["name"], axis["kind"], along, axis["labels"])
                array.setncatts(axis["attributes"])
        for field in content["fields"]:
            if field["name"] not in file.variables:
                along = tuple(field["along"])
                array = _filled(file, field["name"], field["kind"], along, [280.0, field["value"]])
                array.setncatts(field["attributes"])
        file.setncatts(content["attributes"])
    return path
