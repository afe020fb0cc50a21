"""NetCDF: any file of fields read in canonical form, lazily; results written whole or not at all.

netCDF-C is not safe under threads. xarray guards its own reads with a lock, so dask may read with
threads; the writer here goes around that lock, therefore it computes every block in its own thread
(dask's synchronous scheduler), and nothing else may read NetCDF while it works.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from smoecast.disk.atomic import put
from smoecast.disk.explain import explain_errors
from smoecast.errors import OutputError
from smoecast.fields import checksums
from smoecast.fields.canonical.canonical import HUGE
from smoecast.fields.read.netcdf.open import CACHE_BYTES
from smoecast.fields.write.blocks import (
    blocks,
    compute,
    confirm_blindly,
    stage_result,
)
from smoecast.fields.write.cf import PLACE, define, encode_coordinate, prepare


def write_netcdf(
    dataset: xr.Dataset,
    path: Path,
    gaps: bool = False,
    *,
    confirm: Callable[[], None] = confirm_blindly,
) -> None:
    """Write a canonical dataset to `path`: whole and verified, or not at all.

    Fields may be lazy: they are computed and written one block of dask chunks after the other,
    all variables of a block together, so memory holds one block. The file grows in a folder of its
    own beside its place, gets its checksums (`fields.checksums`), is opened again and verified
    (dimensions, coordinates, every value), synced, then renamed, so that a reader never sees half
    a file.

    Parameters
    ----------
    dataset : xarray.Dataset
        Canonical; its attributes become global attributes.
    path : pathlib.Path
        The file, replaced if it is there; its folder is made if it is not.
    gaps : bool
        Whether members may be missing: fields of a variable with `number` that are NaN throughout.
    confirm : callable
        Called when the file is whole, before it takes its place; what it raises keeps it away.

    Raises
    ------
    OutputError
        If the file cannot be written (a full disk, say) or fails its verification, or what has its
        name is no regular file.
    """
    dataset = prepare(dataset.assign_attrs({checksums.MARK: checksums.IN_FILE}))
    with stage_result(path) as part:
        _fill(dataset, part, path, gaps)
        with explain_errors(path):
            checksums.seal_file(part)
            _verify(dataset, part, path, gaps)
        confirm()
        with explain_errors(path):
            put(part, path)


def _fill(dataset: xr.Dataset, part: Path, path: Path, gaps: bool) -> None:
    """Write all of `dataset` to `part`, block by block."""
    netCDF4.set_chunk_cache(CACHE_BYTES)
    with explain_errors(path):
        file = netCDF4.Dataset(part, "w", format="NETCDF4")
    try:
        with explain_errors(path):
            define(file, dataset, gaps)
        for place in blocks(dataset):
            block = compute(dataset, place)  # what goes wrong in here is not the disk's fault
            with explain_errors(path):
                for name, array in block.data_vars.items():
                    where = tuple(place.get(d, slice(None)) for d in array.dims)
                    file[str(name)][where] = array.values
        with explain_errors(path):
            file.close()
    finally:
        with suppress(RuntimeError):
            file.close()


def _verify(dataset: xr.Dataset, part: Path, path: Path, gaps: bool) -> None:
    """Open what was written and compare it with what should be there."""
    with netCDF4.Dataset(part) as file:
        file.set_auto_maskandscale(False)
        for name, coordinate in dataset.coords.items():
            stored, attributes = encode_coordinate(str(name), coordinate)
            found = file[str(name)]
            same_unit = getattr(found, "units", None) == attributes.get("units")
            if not np.array_equal(found[...], stored) or not same_unit:
                raise OutputError(f"{path}: the coordinate {name} was not stored right: run again")
        for name, array in dataset.data_vars.items():
            found = file[str(name)]
            if found.dimensions != array.dims or found.shape != array.shape:
                raise OutputError(f"{path}: {name} was stored as {found.shape}: run again")
            _verify_values(found, path, gaps and "number" in array.dims)


def _verify_values(stored: "netCDF4.Variable[Any]", path: Path, gaps: bool) -> None:
    """Refuse a stored variable with missing values, reading one field at a time.

    With gaps a field may be missing as a whole.
    """
    leading = [
        size
        for name, size in zip(stored.dimensions, stored.shape, strict=True)
        if name not in PLACE
    ]
    missing = 0
    for index in np.ndindex(*leading):
        field = stored[index]
        if not (gaps and np.isnan(field).all()):
            missing += int((~(np.abs(field) < HUGE)).sum())
    if missing:
        raise OutputError(
            f"{path}: {missing} of {stored.size} values of {stored.name} are missing or infinite, "
            "so the file was not kept: look at the input and at the model"
        )
