"""Small archives in the very layout of WeatherBench 1."""

import io
import zipfile
from pathlib import Path

import numpy as np
import xarray as xr

LATITUDE = np.arange(-87.1875, 90, 5.625)[::8]
LONGITUDE = np.arange(0, 360, 5.625)[::8]
LEVELS = np.array([500, 850], np.int32)
SURFACE = ("2m_temperature", "total_precipitation", "toa_incident_solar_radiation")
VARIABLES = {
    "geopotential": ("z", "m**2 s**-2", "Geopotential", "geopotential"),
    "temperature": ("t", "K", "Temperature", "air_temperature"),
    "2m_temperature": ("t2m", "K", "2 metre temperature", None),
    "total_precipitation": ("tp", "m", "Total precipitation", None),
    "specific_humidity": ("q", "kg kg**-1", "Specific humidity", "specific_humidity"),
    "u_component_of_wind": ("u", "m s**-1", "U component of wind", "eastward_wind"),
    "v_component_of_wind": ("v", "m s**-1", "V component of wind", "northward_wind"),
    "toa_incident_solar_radiation": ("tisr", "J m**-2", "TOA incident solar radiation", None),
}


def field(name: str, year: int, hours: int = 24, level: int | None = None) -> xr.Dataset:
    """One yearly file: hourly, (time, [level], lat, lon), south to north, float32."""
    short, units, words, standard = VARIABLES[name]
    coords = {
        "time": np.datetime64(f"{year}-01-01", "ns") + np.arange(hours) * np.timedelta64(1, "h"),
        "lat": ("lat", LATITUDE, {"units": "degrees_north", "standard_name": "latitude"}),
        "lon": ("lon", LONGITUDE, {"units": "degrees_east", "standard_name": "longitude"}),
    }
    dims = ["time", "lat", "lon"]
    if name not in SURFACE:
        attributes = {"units": "millibars", "long_name": "pressure_level"}
        if level is None:
            coords["level"] = ("level", LEVELS, attributes)
            dims.insert(1, "level")
        else:
            coords["level"] = ((), np.int32(level), attributes)
    sizes = {"time": hours, "level": len(LEVELS), "lat": len(LATITUDE), "lon": len(LONGITUDE)}
    values = np.random.default_rng([year, *name.encode()]).normal(size=[sizes[d] for d in dims])
    values = np.abs(values) if name == "total_precipitation" else values
    attrs = {"units": units, "long_name": words} | ({"standard_name": standard} if standard else {})
    data = {short: (dims, values.astype(np.float32), attrs)}
    return xr.Dataset(data, coords, {"Conventions": "CF-1.6", "regrid_method": "bilinear"})


def constants() -> xr.Dataset:
    """Constant fields, without time, beside two-dimensional latitude and longitude."""
    shape = (len(LATITUDE), len(LONGITUDE))
    rng = np.random.default_rng(0)
    lat2d, lon2d = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    coords = {
        "lat": ("lat", LATITUDE, {"units": "degrees_north"}),
        "lon": ("lon", LONGITUDE, {"units": "degrees_east"}),
    }
    names = {
        "orography": (rng.uniform(0, 3000, shape), {"units": "m", "long_name": "Orography"}),
        "lsm": (rng.uniform(0, 1, shape), {"units": "(0 - 1)", "long_name": "Land-sea mask"}),
        "slt": (rng.integers(0, 7, shape), {"units": "~", "long_name": "Soil type"}),
        "lat2d": (lat2d, {}),
        "lon2d": (lon2d, {}),
    }
    data = {n: (("lat", "lon"), v.astype(np.float32), a) for n, (v, a) in names.items()}
    return xr.Dataset(data, coords)


def stored(dataset: xr.Dataset, folder: Path) -> bytes:
    path = folder / "made.nc"
    dataset.to_netcdf(path)
    return path.read_bytes()


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()
