"""How the planet's data lies on disk: NetCDF fields that say what they are, and restart states."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import names
from smoecast.data.sources.planet import surface
from smoecast.data.sources.planet.dynamics import State
from smoecast.disk.atomic import put, stage
from smoecast.errors import OutputError

Array = NDArray[np.floating]

ATTRIBUTES = {
    "Conventions": "CF-1.11",
    "title": "Simulated weather of the smoecast planet: NOT real weather",
    "institution": "smoecast",
    "source": "smoecast.data.planet: two-layer quasi-geostrophic model, T21, invented geography",
    "references": "doi:10.1175/1520-0469(1993)050<1792:TADUOP>2.0.CO;2",
    "comment": (
        "Made by a small computer model for tests and demonstrations. It describes no place and no "
        "time on Earth. Winds called 250 and 750 hPa are those of the model's two layers."
    ),
    "license": "CC0-1.0",
}

_DATES = {"units": "hours since 1900-01-01", "calendar": "standard", "dtype": "int64"}
ENCODING: dict[str, dict[str, str]] = {
    "time": _DATES,
    "init_time": _DATES,
    "valid_time": _DATES,
    "lead_time": {"units": "hours", "dtype": "int64"},
}
"""How the axes of time are written."""


def field(name: str, values: Array, dims: tuple[str, ...]) -> xr.DataArray:
    """Dress one channel with its CF attributes and, if it has one, its level."""
    channel = names.channel_of(name)
    variable = channel.variable
    attributes = {"long_name": variable.long_name, "units": variable.units}
    if variable.standard_name:
        attributes["standard_name"] = variable.standard_name
    array = xr.DataArray(values.astype(np.float32), dims=dims, attrs=attributes, name=name)
    if channel.level is not None:
        array.attrs["long_name"] += f" at {channel.level} hPa"
        level = f"level_{channel.level}"
        array = array.assign_coords(
            {level: ((), channel.level, names.COORDINATE_ATTRIBUTES["level"])}
        )
        array.encoding["coordinates"] = level
    return array


def constants(ground: surface.Ground) -> list[xr.DataArray]:
    """Return surface geopotential and land-sea mask."""
    dims = ("latitude", "longitude")
    return [
        field("orography", surface.GRAVITY * ground.height, dims),
        field("lsm", ground.land, dims),
    ]


def dataset(
    fields: list[xr.DataArray], axes: dict[str, NDArray[np.generic]], parameters: str
) -> xr.Dataset:
    """Put fields on their axes and on the planet's grid; `parameters` is JSON."""
    coordinates = {**axes, "latitude": surface.LATITUDE, "longitude": surface.LONGITUDE}
    data = xr.Dataset({f.name: f for f in fields}, attrs=dict(ATTRIBUTES))
    data.attrs["planet_parameters"] = parameters
    for name, values in coordinates.items():
        data = data.assign_coords({name: (name, values, names.COORDINATE_ATTRIBUTES[name])})
    if "lead_time" in axes:
        valid = data.init_time.values[:, None] + data.lead_time.values
        attributes = names.COORDINATE_ATTRIBUTES["valid_time"]
        data = data.assign_coords(valid_time=(("init_time", "lead_time"), valid, attributes))
        for f in fields:
            level = f.encoding.get("coordinates", "")
            data[f.name].encoding["coordinates"] = f"valid_time {level}".strip()
    return data


def write(path: Path, data: xr.Dataset) -> None:
    """Write a data set whole or not at all, under a temporary name first.

    Raises
    ------
    OutputError
        The file could not be written.
    """
    encoding: dict[str, dict[str, object]] = {
        str(name): {"_FillValue": None, **ENCODING.get(str(name), {})} for name in data.variables
    }
    with _whole(path) as part:
        data.to_netcdf(part, engine="netcdf4", encoding=encoding)


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """Give a temporary name for `path`, made `path` only when all went well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with stage(path) as part:
            yield part
            put(part, path)
    except OSError as error:
        raise OutputError(f"{path} could not be written ({error}): make room for it") from error


def holds(path: Path, parameters: str, axis: str, times: NDArray[np.datetime64]) -> bool:
    """Say whether a file is there, readable, and made for these parameters and times."""
    try:
        with xr.open_dataset(path, engine="netcdf4") as data:
            same = data.attrs.get("planet_parameters") == parameters
            return same and axis in data and np.array_equal(data[axis].values, times)
    except (OSError, ValueError):
        return False


def save_state(path: Path, state: State, parameters: str) -> None:
    """Keep a state for going on from, whole or not at all; raises as `write` does."""
    with _whole(path) as part, part.open("wb") as stream:
        np.savez(stream, pv=state.pv, slow=state.slow, parameters=np.array(parameters))


def load_state(path: Path, parameters: str) -> State | None:
    """Return a kept state; None if there is none, it is damaged, or it is another planet's."""
    try:
        with np.load(path) as kept:
            if str(kept["parameters"]) != parameters:
                return None
            return State(kept["pv"], kept["slow"])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
