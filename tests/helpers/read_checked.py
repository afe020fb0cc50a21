"""Fields read whole, as the package reads stores, files and blocks: refused where values miss."""

from pathlib import Path

import dask
import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import HUGE


def read_checked(array: xr.DataArray, source: str | Path, name: str) -> xr.DataArray:
    """Read a lazy field in this thread, and refuse missing values and what cannot be read."""
    try:
        with dask.config.set(scheduler="synchronous"):
            loaded = array.compute()
    except (OSError, RuntimeError) as problem:
        raise InputError(f"{source}: {name} cannot be read ({problem})") from problem
    count = int((~(np.abs(loaded.values) <= HUGE)).sum())  # NaN compares false
    if count:
        raise InputError(f"{source}: {count} of {loaded.size} values of {name} are missing")
    return loaded
