"""Forecasts and calibrated ensembles made for tests of writers, lazy, in blocks of two starts."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import eccodes
import numpy as np
import xarray as xr

from smoecast.fields.channels import layout
from smoecast.fields.times import as_lead

LATITUDE = np.linspace(78.75, -78.75, 8)
LONGITUDE = np.arange(16) * 22.5
STARTS = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(12, "h")
PLACE = ("latitude", "longitude")


def forecasts(
    *channels: str,
    members: Sequence[int] = (),
    hours: Sequence[float] = (6, 24, 48),
    latitude: np.ndarray = LATITUDE,
    longitude: np.ndarray = LONGITUDE,
    by_member: bool = True,
    starts: int = len(STARTS),
) -> xr.Dataset:
    """Return random fields around 280, or around 0.5 for shares; each member a block."""
    sizes = {"init_time": starts, "lead_time": len(hours)}
    sizes |= {"number": len(members)} if members else {}
    sizes |= {"latitude": len(latitude), "longitude": len(longitude)}
    chunks = {"init_time": 2} | ({"number": 1} if members and by_member else {})
    coordinates: dict[str, Any] = {"init_time": STARTS[:starts], "lead_time": as_lead(hours)}
    coordinates |= {"number": np.array(members), "latitude": latitude, "longitude": longitude}
    rng = np.random.default_rng(0)
    fields = {}
    for name in channels or ("z500", "z850", "t850", "t2m"):
        share = name.startswith(("r", "tcc", "siconc"))
        values = rng.uniform(0, 1, tuple(sizes.values())) if share else 0
        values = values if share else rng.normal(280, 5, tuple(sizes.values()))
        blocks = tuple(chunks.get(key, size) for key, size in sizes.items())
        fields[name] = xr.DataArray(
            da.from_array(values.astype("f4"), chunks=blocks),
            dims=tuple(sizes),
            coords={key: coordinates[key] for key in sizes},
        )
    return layout(fields, stack=False).assign_attrs(title="made", seed=3)


def calibrated(members: Sequence[int] = (0, 1, 2), starts: int = len(STARTS)) -> xr.Dataset:
    """Return t2m as `postprocess` writes it: members, moments, quantiles, probabilities."""
    made = forecasts("t2m", members=members, by_member=False, starts=starts)
    few = made["t2m"].isel(number=slice(2))
    quantile = few.rename(number="quantile").assign_coords(quantile=[0.1, 0.5])
    above = few.rename(number="t2m_threshold_above").assign_coords(
        t2m_threshold_above=[273.15, 280.0]
    )
    below = few.isel(number=[0]).rename(number="t2m_threshold_below")
    return made.assign(
        t2m_mean=made["t2m"].mean("number"),
        t2m_std=made["t2m"].std("number"),
        t2m_quantile=quantile,
        t2m_probability_above=above / 1000,
        t2m_probability_below=below.assign_coords(t2m_threshold_below=[-1.5]) / 1000,
    )


def messages(path: Path, *keys: str) -> Iterator[dict[str, Any]]:
    """Walk the messages of a file as ecCodes alone reads them; a key that is not there is None."""
    with path.open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            found = {
                key: eccodes.codes_get(handle, key)
                if eccodes.codes_is_defined(handle, key)
                else None
                for key in keys
            }
            found["values"] = eccodes.codes_get_values(handle)
            eccodes.codes_release(handle)
            yield found
