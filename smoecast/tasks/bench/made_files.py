"""Fields that cases are measured with: waves with noise, the same each time."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import xarray as xr

    from smoecast.fields.grid import Grid
    from smoecast.variables import Variable

CHANNELS = {
    "z500": (54_000, 3_000),
    "t850": (275, 15),
    "t2m": (278, 20),
    "u250": (15, 15),
    "v250": (0, 12),
    "u750": (8, 10),
    "v750": (0, 9),
}
"""Mean and spread of each."""


def make_analyses(
    grid: "Grid",
    times: int,
    step_hours: int,
    channels: Mapping[str, tuple[float, float]] = CHANNELS,
) -> "xr.Dataset":
    """Return waves that travel east, with noise on them, as a file of analyses holds them."""
    import numpy as np
    import xarray as xr

    from smoecast.names import COORDINATE_ATTRIBUTES

    rng = np.random.default_rng(0)
    hours = np.arange(times) * np.timedelta64(step_hours, "h")
    phase = np.deg2rad(grid.longitude) - 0.2 * np.arange(times)[:, None, None]
    rows = np.cos(np.deg2rad(grid.latitude))[:, None]
    waves = (rows * (np.sin(phase) + np.sin(3 * phase) + np.sin(5 * phase))).astype(np.float32)
    dims = ("time", "latitude", "longitude")
    fields: dict[str, Any] = {}
    for name, (mean, spread) in channels.items():
        noise = rng.standard_normal(waves.shape, np.float32)
        values = np.float32(mean) + np.float32(0.4 * spread) * (waves + np.float32(0.3) * noise)
        fields[name] = (dims, values, {"units": variable_of(name).units})
    place = {
        name: (name, values, COORDINATE_ATTRIBUTES[name])
        for name, values in (("latitude", grid.latitude), ("longitude", grid.longitude))
    }
    return xr.Dataset(fields, {"time": np.datetime64("2001-01-01", "ns") + hours, **place})


def variable_of(name: str) -> "Variable":
    """Return the variable of a channel that is known."""
    from smoecast.names import parse_channel

    channel = parse_channel(name)
    assert channel is not None
    return channel.variable


def write_by_variable(analyses: "xr.Dataset", folder: Path) -> list[Path]:
    """Write a file a variable, not compressed; return them."""
    paths = []
    for name in analyses.data_vars:
        paths.append(folder / f"{name}.nc")
        analyses[[name]].to_netcdf(paths[-1])
    return paths


def describe_for_cdo(grid: "Grid") -> str:
    """Return a regular grid as cdo reads it."""
    latitude, longitude = grid.latitude, grid.longitude
    return (
        f"gridtype = lonlat\nxsize = {len(longitude)}\nysize = {len(latitude)}\n"
        f"xfirst = {longitude[0]}\nxinc = {longitude[1] - longitude[0]}\n"
        f"yfirst = {latitude[0]}\nyinc = {latitude[1] - latitude[0]}\n"
    )
