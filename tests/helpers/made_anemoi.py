"""A small store in the very layout of anemoi-datasets, as its versions 0.5 (Zarr v2) and on write.

Layout read off src/anemoi/datasets/create at github.com/ecmwf/anemoi-datasets: arrays by
`create_array`, dates as datetime64[s], dimensions in `_ARRAY_DIMENSIONS`, nothing consolidated.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

DATES = np.arange("2020-01-01", "2020-01-05", np.timedelta64(6, "h"), dtype="M8[s]")
LATITUDE = np.linspace(90, -90, 7)
LONGITUDE = np.arange(0, 360, 45.0)
VARIABLES = (
    *("10u", "2t", "cos_latitude", "insolation", "lsm", "msl", "r_700", "sdor", "t_850", "tp"),
    *("z", "z_500"),
)
KEPT = ("u10", "t2m", "lsm", "msl", "r700", "t850", "tp6h", "orography", "z500")
"""Of these by our names, in this order."""


def metadata(units: bool = True) -> dict[str, Any]:
    """Return what the attribute variables_metadata says of each."""
    found: dict[str, Any] = {}
    for name in VARIABLES:
        param, _, level = name.partition("_")
        if name in ("cos_latitude", "insolation"):
            found[name] = {"computed_forcing": True, "constant_in_time": name == "cos_latitude"}
            continue
        mars = {"param": param, "levtype": "pl" if level else "sfc", "date": 20200101}
        found[name] = {"mars": mars | ({"levelist": int(level)} if level else {})}
        if units:
            found[name]["units"] = {"r": "%", "z": "m**2 s**-2"}.get(param)
    found["tp"] |= {"process": "accumulation", "period": ["0h", "6h"]}
    return found


def fields(count: int = len(LATITUDE) * len(LONGITUDE), members: int = 1) -> NDArray[Any]:
    """Return values (time, variable, ensemble, cell), each other ones; constants are constant."""
    shape = (len(DATES), len(VARIABLES), members, count)
    values = np.random.default_rng(0).normal(200, 5, shape).astype("f4")
    for name in ("lsm", "z", "sdor", "cos_latitude"):
        at = VARIABLES.index(name)
        values[:, at] = values[0, at, 0]
    return values


def grid() -> tuple[NDArray[Any], NDArray[Any]]:
    """Return latitude and longitude of every point, row by row from the north."""
    latitude, longitude = np.meshgrid(LATITUDE, LONGITUDE, indexing="ij")
    return latitude.ravel(), longitude.ravel()


def store(
    folder: Path,
    values: NDArray[Any] | None = None,
    points: tuple[NDArray[Any], NDArray[Any]] | None = None,
    version: int = 3,
    **attributes: Any,
) -> Path:
    """Write a store; return its folder."""
    values = fields() if values is None else values
    latitude, longitude = grid() if points is None else points
    with warnings.catch_warnings():  # datetime64 is no type of the specification of Zarr v3
        warnings.simplefilter("ignore")
        group = zarr.open_group(folder, mode="w", zarr_format=version)
        group.attrs.update(
            {
                "variables": list(VARIABLES),
                "variables_metadata": metadata(),
                "field_shape": [len(LATITUDE), len(LONGITUDE)],
                "resolution": "45",
                "frequency": "6h",
                "missing_dates": [],
                "allow_nans": False,
                "dimensions": ["dates", "variables", "ensembles", "values"],
                "licence": "CC-BY-4.0",
                "attribution": "ECMWF",
            }
            | attributes
        )
        chunks = (1, *values.shape[1:])
        arrays = {
            "data": (values, ("time", "variable", "ensemble", "cell"), chunks),
            "dates": (DATES, ("time",), None),
            "latitudes": (latitude, ("cell",), None),
            "longitudes": (longitude, ("cell",), None),
            **{
                name: (np.full(len(VARIABLES), 9e9), ("variable",), None)
                for name in ("mean", "stdev", "minimum", "maximum")
            },
        }
        for name, (content, dimensions, sizes) in arrays.items():
            more = {"fill_value": np.nan} if name == "data" else {}
            made = group.create_array(name, data=content, chunks=sizes or "auto", **more)
            made.attrs["_ARRAY_DIMENSIONS"] = dimensions
        flags = group.create_group("_build").create_array("flags", data=np.ones(3, bool))
        flags.attrs["_ARRAY_DIMENSIONS"] = ("group",)
    return folder
