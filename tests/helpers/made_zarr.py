"""A small store in the very layout of WeatherBench 2: Zarr v2, consolidated, blosc, long names."""

import json
from pathlib import Path

import numcodecs
import numpy as np
import xarray as xr

LATITUDE = np.arange(-87.1875, 90, 5.625)[::8]
LONGITUDE = np.arange(0, 360, 5.625)[::8]
LEVELS = np.array([500, 850, 1000])
TIMES = np.arange("2015-12-20", "2018-01-11", 6, dtype="datetime64[h]").astype("datetime64[ns]")
UNITS = {
    "geopotential": "m**2 s**-2",
    "temperature": "K",
    "2m_temperature": "K",
    "land_sea_mask": "(0 - 1)",
    "geopotential_at_surface": "m**2 s**-2",
}


def dataset() -> xr.Dataset:
    """Dimensions time, level, longitude, latitude in this order; latitude south to north."""
    coords = {"time": TIMES, "level": LEVELS, "longitude": LONGITUDE, "latitude": LATITUDE}
    sizes = {name: len(values) for name, values in coords.items()}
    fields = {}
    for name, units in UNITS.items():
        dims = ["longitude", "latitude"]
        if name not in ("land_sea_mask", "geopotential_at_surface"):
            dims.insert(0, "time")
        if name in ("geopotential", "temperature"):
            dims.insert(1, "level")
        values = np.random.default_rng([*name.encode()]).uniform(size=[sizes[d] for d in dims])
        attributes = {"units": units, "long_name": name.replace("_", " ")}
        fields[name] = (dims, values.astype(np.float32), attributes)
    return xr.Dataset(fields, coords)


def stored(made: xr.Dataset, folder: Path, times: int = 400, **chunks: int) -> dict[str, bytes]:
    """Return every object of the store by its key; `times` of them in a chunk."""
    size = {"time": times} | chunks
    compressor = numcodecs.Blosc(cname="lz4", clevel=5, shuffle=1)
    encoding = {
        name: {
            "compressors": compressor,
            "chunks": tuple(size.get(d, made.sizes[d]) for d in made[name].dims),
        }
        for name in made.data_vars
    }
    encoding["time"] = {"units": "hours since 1959-01-01", "dtype": "int64"}
    path = folder / "made.zarr"
    made.to_zarr(path, mode="w", consolidated=True, zarr_format=2, encoding=encoding)
    return {
        str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()
    }


def described(objects: dict[str, bytes], name: str) -> dict:
    return json.loads(objects[".zmetadata"])["metadata"][f"{name}/.zarray"]
