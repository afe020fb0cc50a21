"""GRIB files as ecCodes alone decodes them, against which the reader is held."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import eccodes
import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import left_out_of
from smoecast.fields.read.open import open_file

ON_LEVELS = {"t": "t", "u": "u", "v": "v", "q": "q", "z": "z", "gh": "z"}
ALONE = {"2t": "t2m", "10u": "u10", "msl": "msl", "tp": "tp", "sp": "sp", "lsm": "lsm"}
FACTORS = {"gh": 9.80665}


@dataclass
class PlainField:
    """One field, in the order in which the file has its points."""

    short: str
    channel: str
    start: np.datetime64
    valid: np.datetime64
    member: int
    latitudes: np.ndarray
    longitudes: np.ndarray
    values: np.ndarray


def fields(path: Path) -> list[PlainField]:
    """Return every field of a file, those of one message apart."""
    found = []
    eccodes.codes_grib_multi_support_on()
    try:
        with path.open("rb") as file:
            while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
                found.append(_field(handle))
                eccodes.codes_release(handle)
    finally:
        eccodes.codes_grib_multi_support_off()
    return found


def _field(handle: int) -> PlainField:
    short = eccodes.codes_get(handle, "shortName")
    level_type = eccodes.codes_get(handle, "typeOfLevel")
    level = eccodes.codes_get(handle, "level")
    channel = ALONE.get(short, "")
    if short in ON_LEVELS and level_type == "isobaricInhPa":
        channel = _on_level(ON_LEVELS[short], f"{level}")
    elif short in ON_LEVELS and level_type == "isobaricInPa":
        channel = _on_level(ON_LEVELS[short], f"{level / 100:g}")
    elif short == "z" and level_type == "surface":
        channel = "orography"
    eccodes.codes_set(handle, "missingValue", 1e30)
    values = eccodes.codes_get_values(handle)
    with_members = eccodes.codes_is_defined(handle, "perturbationNumber")
    return PlainField(
        short=short,
        channel=channel,
        start=_time(handle, "data"),
        valid=_time(handle, "validity"),
        member=eccodes.codes_get(handle, "perturbationNumber") if with_members else 0,
        latitudes=_points(handle, "latitudes"),
        longitudes=_points(handle, "longitudes"),
        values=np.where(values == 1e30, np.nan, values * FACTORS.get(short, 1.0)),
    )


def _on_level(name: str, level: str) -> str:
    return f"{name}_10hPa" if name in ("u", "v") and level == "10" else f"{name}{level}"


def _time(handle: int, which: str) -> np.datetime64:
    day, clock = (eccodes.codes_get_long(handle, f"{which}{part}") for part in ("Date", "Time"))
    text = f"{day // 10000:04d}-{day // 100 % 100:02d}-{day % 100:02d}"
    return np.datetime64(f"{text}T{clock // 100:02d}:{clock % 100:02d}", "ns")


def _points(handle: int, which: str) -> np.ndarray:
    try:
        return np.asarray(eccodes.codes_get_array(handle, which))
    except eccodes.CodesInternalError:
        return np.array([])  # a grid of which ecCodes knows no points, and we read none


def outcome(path: Path) -> str:
    """Return why a file is refused; empty where all of it is read right or left out by name.

    Anything but an `InputError`, a wrong value, and a field of which nothing is said fail.
    """
    try:
        dataset = open_file(path)
        left_out = [left.name for left in left_out_of(dataset)]
        dataset = dataset.load(scheduler="synchronous")
    except InputError as refusal:
        assert str(refusal).startswith(f"{path}: "), refusal
        assert "\n" not in str(refusal), refusal
        assert refusal.exit_code == 3
        return str(refusal).removeprefix(f"{path}: ")
    used: Counter[str] = Counter()
    for one in fields(path):
        array = _found(dataset, one)
        if array is None:
            assert any(name.startswith(one.short) for name in left_out), (one.short, left_out)
        else:
            _assert_equal(array, one)
            used[one.channel] += 1
    for name in channels_of(dataset):
        array = field_of(dataset, name)
        there = array.sizes.get("number", 1) * array.sizes.get("time", 1)
        there *= array.sizes.get("init_time", 1) * array.sizes.get("lead_time", 1)
        assert used[name] == there, (name, used, there)
    return ""


def _found(dataset: xr.Dataset, one: PlainField) -> xr.DataArray | None:
    """Return what was read of a field, None where nothing was."""
    if one.channel not in channels_of(dataset):
        return None
    array = field_of(dataset, one.channel)
    wanted = {"time": one.valid, "init_time": one.start, "lead_time": one.valid - one.start}
    wanted = {k: v for k, v in {**wanted, "number": one.member}.items() if k in array.dims}
    return array.sel(wanted)


def _assert_equal(array: xr.DataArray, one: PlainField) -> None:
    """Compare point by point: where ecCodes says that a value lies it must be."""
    places = (
        _places(array["latitude"].values, one.latitudes, lambda apart: apart),
        _places(array["longitude"].values, one.longitudes, lambda apart: (apart + 180) % 360 - 180),
    )
    flat = np.ravel_multi_index(places, array.shape)
    assert len(np.unique(flat)) == array.size == one.values.size
    np.testing.assert_allclose(array.values[places], one.values, rtol=2e-7, atol=1e-30)


def _places(
    mine: np.ndarray, theirs: np.ndarray, apart: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return which of our coordinates each of theirs is."""
    every, inverse = np.unique(theirs, return_inverse=True)
    distances = np.abs(apart(mine[:, None] - every))
    np.testing.assert_allclose(distances.min(axis=0), 0, atol=2e-3)
    return np.asarray(distances.argmin(axis=0)[inverse])
