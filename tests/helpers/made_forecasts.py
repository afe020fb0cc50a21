"""Forecasts as a model gives them."""

import numpy as np
import xarray as xr

from smoecast.fields.channels import layout
from smoecast.fields.times import as_lead

LATITUDE = np.linspace(78.75, -78.75, 8)
LONGITUDE = np.arange(16) * 22.5
STARTS = np.datetime64("2020-01-01", "ns") + np.arange(5) * np.timedelta64(12, "h")


def forecasts(members: int = 0, hours: tuple[float, ...] = (6, 24, 48)) -> xr.Dataset:
    """Forecasts of z500, z850, t850 and t2m."""
    sizes = {"init_time": 5, "lead_time": len(hours)} | ({"number": members} if members else {})
    sizes |= {"latitude": 8, "longitude": 16}
    rng = np.random.default_rng(0)
    coordinates = {"init_time": STARTS, "lead_time": as_lead(hours), "number": np.arange(members)}
    coordinates |= {"latitude": LATITUDE, "longitude": LONGITUDE}
    fields = {
        name: xr.DataArray(
            rng.normal(280, 5, tuple(sizes.values())).astype("f4"),
            dims=tuple(sizes),
            coords={key: coordinates[key] for key in sizes},
        )
        for name in ("z500", "z850", "t850", "t2m")
    }
    return layout(fields, stack=False).assign_attrs(title="made", seed=3)
