"""Values of fields: how many are missing, and between what the others lie."""

import math
from typing import Any

import dask
import numpy as np
import xarray as xr

from smoecast.names import parse_channel

CHEAP = 100_000_000
"""Bytes of fields that are read without being asked, of all files together."""
_BLOCK = 32_000_000


def count_fields(dataset: xr.Dataset, name: str) -> int:
    """Return how many fields a variable has, of all levels; see `summarize`."""
    arrays = _arrays_of(dataset, name)
    return sum(math.prod(array.shape[:-2]) for array in arrays)


def summarize(dataset: xr.Dataset, name: str, absent: int = 0) -> dict[str, Any]:
    """Return what the values of a variable are, read block by block.

    Parameters
    ----------
    dataset : xr.Dataset
        Canonical.
    name : str
        A variable (``z``), whose levels may be variables of their own, or a channel.
    absent : int
        Fields of it that no file has: they count as nothing.

    Returns
    -------
    dict
        ``missing`` (how many), ``lowest`` and ``highest``, in SI units; None where all are missing.

    Raises
    ------
    InputError
        A field is damaged.
    """
    missing, lowest, highest = 0, math.inf, -math.inf
    for array in _arrays_of(dataset, name):
        points = math.prod(array.shape[-2:])
        for values in _blocks_of(array):
            there = values[~np.isnan(values)]
            missing += values.size - there.size
            if there.size:
                lowest = min(lowest, float(there.min()))
                highest = max(highest, float(there.max()))
    missing -= absent * points
    ends = {"lowest": lowest, "highest": highest} if lowest <= highest else {}
    return {"missing": missing, "lowest": None, "highest": None, **ends}


def _arrays_of(dataset: xr.Dataset, name: str) -> list[xr.DataArray]:
    if name in dataset.data_vars:
        return [dataset[name]]
    parsed = {other: parse_channel(str(other)) for other in dataset.data_vars}
    return [dataset[other] for other, c in parsed.items() if c and c.variable.name == name]


def _blocks_of(array: xr.DataArray) -> Any:
    along = array.dims[0]
    rows = max(1, _BLOCK // max(1, array.nbytes // array.sizes[along]))
    # in this thread: netCDF-C is not asked from several
    with dask.config.set(scheduler="synchronous"):
        for begin in range(0, array.sizes[along], rows):
            yield array.isel({along: slice(begin, begin + rows)}).values
