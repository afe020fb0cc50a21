"""Files as people have them: ERA5 as NetCDF, whole GFS files, single-level downloads."""

from functools import partial
from pathlib import Path

import made_grib
import numpy as np
import xarray as xr

LATITUDE, LONGITUDE = np.linspace(82.5, -82.5, 12), np.arange(24) * 15.0
DAY = np.timedelta64(1, "D")
OTHER_LEVELS = (
    *(1, 2, 3, 4, 6, 7, 8, 10, 102, 104, 106, 108, 109, 200, 204, 206, 207, 209, 210, 211),
    *(212, 213, 214, 215, 222, 223, 224, 232, 233, 234, 242, 243, 244),
)
"""Kinds of level of GRIB 2 on which GFS has fields that are not wanted."""
PRESSURES = (10, 50, 100, 250, 500, 700, 850, 925, 975)
"""A part of those of GFS, for each has six fields."""
_GRID = {
    "Ni": 24,
    "Nj": 12,
    "latitudeOfFirstGridPointInDegrees": 82.5,
    "latitudeOfLastGridPointInDegrees": -82.5,
    "longitudeOfFirstGridPointInDegrees": 0.0,
    "longitudeOfLastGridPointInDegrees": 345.0,
    "iDirectionIncrementInDegrees": 15.0,
    "jDirectionIncrementInDegrees": 15.0,
}


def write_era5(folder: Path) -> None:
    """Write two files of 40 six-hourly times each, with levels and without."""
    folder.mkdir()
    hours = np.datetime64("2001-01-01", "ns") + np.arange(40) * np.timedelta64(6, "h")
    z = _waves(hours, 54_000, 1000).expand_dims(pressure_level=[500, 850], axis=1)
    z["pressure_level"].attrs["units"] = "hPa"
    levels = xr.Dataset({"z": z.assign_attrs(units="m**2 s**-2"), "t": _kelvin(z / 200)})
    levels.to_netcdf(folder / "levels.nc")
    xr.Dataset({"t2m": _kelvin(_waves(hours, 285, 9))}).to_netcdf(folder / "surface.nc")


def write_gfs(folder: Path) -> int:
    """Write two starts with every kind of level and a forecast; return the fields of the first."""
    folder.mkdir()
    whole = _gfs(hour=0, step=0)
    (folder / "gfs.t00z.pgrb2.f000").write_bytes(b"".join(whole))
    (folder / "gfs.t06z.pgrb2.f000").write_bytes(b"".join(_gfs(hour=600, step=0)))
    (folder / "gfs.t00z.pgrb2.f006").write_bytes(b"".join(_ground(hour=0, step=6)))
    return len(whole) + len(PRESSURES) + 1


def write_interim(folder: Path) -> None:
    """Write 80 days of two fields: no level, no units, and 00 UTC for noon."""
    folder.mkdir()
    days = np.datetime64("2001-01-01", "ns") + np.arange(80) * DAY
    for name, file, mean in (("Z", "z500_ei", 54_000), ("t", "t850_ei", 280)):
        whole = xr.Dataset({name: _waves(days, mean, mean / 30)})
        whole.isel(time=slice(50)).to_netcdf(folder / f"{file}_a.nc")
        whole.isel(time=slice(50, None)).to_netcdf(folder / f"{file}_b.nc")


def _waves(times: np.ndarray, mean: float, size: float) -> xr.DataArray:
    """Return waves that travel east, (time, latitude, longitude)."""
    phase = np.deg2rad(LONGITUDE)[None, None, :] - 0.3 * np.arange(len(times))[:, None, None]
    values = mean + size * np.cos(np.deg2rad(LATITUDE))[None, :, None] * np.sin(2 * phase)
    coordinates = {"time": times, "latitude": LATITUDE, "longitude": LONGITUDE}
    return xr.DataArray(values.astype("f4"), coordinates, tuple(coordinates))


def _kelvin(array: xr.DataArray) -> xr.DataArray:
    return array.assign_attrs(units="K")


def _one(hour: int, step: int, **keys: object) -> bytes:
    common = {"centre": 7, "dataDate": 20260101, "dataTime": hour, "dataType": "fc"}
    return made_grib.message("regular_ll_pl_grib2", 250.0, **_GRID, **common, **keys, step=step)


def _gfs(hour: int, step: int) -> list[bytes]:
    """Return some 100 fields on 30 kinds of level; both winds of a level are one message."""
    one = partial(_one, hour, step)

    def aloft(name: str, level: int) -> bytes:
        return one(shortName=name, typeOfFirstFixedSurface=100, level=level)

    scalars = [aloft(name, p) for p in PRESSURES for name in ("gh", "t", "r", "w")]
    winds = [made_grib.joined(aloft("u", p), aloft("v", p)) for p in PRESSURES]
    others = [one(shortName="t", typeOfFirstFixedSurface=kind) for kind in OTHER_LEVELS]
    return [*scalars, *winds, *others, *_ground(hour, step)]


def _ground(hour: int, step: int) -> list[bytes]:
    """Return what is near the ground."""
    one = partial(_one, hour, step)
    return [
        one(shortName="2t"),
        made_grib.joined(one(shortName="10u"), one(shortName="10v")),
        one(shortName="t", typeOfFirstFixedSurface=103, level=80),
        one(shortName="prmsl", typeOfFirstFixedSurface=101),
        one(shortName="2t", productDefinitionTemplateNumber=8, stepType="max"),
    ]
