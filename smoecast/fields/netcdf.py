"""Reading NetCDF: any file of fields in canonical form, lazily.

netCDF-C is not safe under threads. xarray guards its own reads with a lock, so dask may read with
threads; whoever also writes (`write_netcdf`) must compute with the synchronous scheduler, as the
writer here does.
"""

from collections.abc import Hashable
from pathlib import Path

import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical import canonical

BLOCK_BYTES = 32 * 2**20
"""Bytes of one block of a lazily read variable, at most, unless one field is larger."""


def open_netcdf(path: Path, any_grid: bool = False) -> xr.Dataset:
    """Open a NetCDF file as a canonical dataset whose fields stay on disk.

    Parameters
    ----------
    path : pathlib.Path
        File of any NetCDF kind, packed or not.
    any_grid : bool
        Whether a map projection may pass, see `canonical`.

    Raises
    ------
    InputError
        In one sentence, if the file is missing, empty, cut, no NetCDF, or refused by `canonical`.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty: fetch it again")
    try:
        dataset = xr.open_dataset(path, engine="netcdf4", decode_timedelta=True)
    except (OSError, RuntimeError, ValueError, KeyError) as problem:
        reason = str(problem).strip().splitlines()[0] if str(problem).strip() else "no reason"
        raise InputError(
            f"{path}: it cannot be read as NetCDF ({reason}): fetch the file again"
        ) from problem
    return canonical(_in_blocks(dataset), str(path), any_grid)


def _in_blocks(dataset: xr.Dataset) -> xr.Dataset:
    """Return `dataset` with its variables as dask arrays, in blocks along the first dimension."""
    return dataset.assign({name: _blocked(array) for name, array in dataset.data_vars.items()})


def _blocked(array: xr.DataArray) -> xr.DataArray:
    if array.ndim == 0:
        return array
    first: Hashable = array.dims[0]
    stored = array.encoding.get("preferred_chunks", {}).get(first, 1)
    row = array.nbytes // max(array.sizes[first], 1)
    # Whole stored chunks only: a block that cuts one would decompress it twice.
    rows = max(stored, BLOCK_BYTES // max(row, 1) // stored * stored)
    return array.chunk(dict.fromkeys(array.dims, -1) | {first: min(rows, array.sizes[first])})
