"""NetCDF: results written whole or not at all.

netCDF-C is not safe under threads. xarray guards its own reads with a lock; the writer here goes
around that lock, so nothing may read NetCDF in another thread while it takes a block.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from smoecast.disk.atomic import put
from smoecast.disk.explain import explain_errors
from smoecast.errors import OutputError
from smoecast.fields import checksums, header_digest
from smoecast.fields.read.netcdf.open import CACHE_BYTES
from smoecast.fields.write.blocks import (
    Append,
    count_missing,
    locate,
    stage_result,
)
from smoecast.fields.write.cf import PLACE, define, encode_coordinate, prepare
from smoecast.fields.write.layouts import Layout, along_valid_time

SMALL = 2**20
"""Values of a variable that are read at once to be verified."""


@contextmanager
def netcdf_writer(
    template: xr.Dataset,
    path: Path,
    gaps: bool = False,
    *,
    layout: Layout = "default",
    confirm: Callable[[], None] = lambda: None,
) -> Iterator[Append]:
    """Write a canonical dataset to `path` block by block: whole and verified, or not at all.

    The file grows in a folder of its own beside its place. When the last block is written, it is
    opened again and verified (dimensions, coordinates, every value), gets its checksums
    (`fields.checksums`), is synced, then renamed, so that a reader never sees half a file.

    Parameters
    ----------
    template : xarray.Dataset
        Canonical; its attributes become global attributes; the values of its fields are not read.
    path : pathlib.Path
        The file, replaced if it is there; its folder is made if it is not.
    gaps : bool
        Whether members may be missing: fields of a variable with `number` that are NaN throughout.
    layout : {"default", "cdo"}
        Along ``init_time`` and ``lead_time``, or along ``time``, see `fields.write.layouts`.
    confirm : callable
        Called when the file is whole, before it takes its place; what it raises keeps it away.

    Yields
    ------
    callable
        Takes one block after the other, see `fields.write.blocks`. What is raised between them
        comes out as it is, and nothing is kept.

    Raises
    ------
    ConfigError
        If the layout cannot hold it.
    OutputError
        If the file cannot be written (a full disk, say) or fails its verification, or what has its
        name is no regular file.
    """
    lay_out = along_valid_time if layout == "cdo" else _leave
    template = prepare(lay_out(template).assign_attrs({checksums.MARK: checksums.IN_FILE}))
    with stage_result(path) as part:
        with _fill(template, part, path, gaps) as append:
            yield lambda block: append(lay_out(block))
        with explain_errors(path):
            header = _verify(template, part, path, gaps)
            checksums.seal_file(part, header)
        confirm()
        with explain_errors(path):
            put(part, path)


def _leave(dataset: xr.Dataset) -> xr.Dataset:
    return dataset


@contextmanager
def _fill(template: xr.Dataset, part: Path, path: Path, gaps: bool) -> Iterator[Append]:
    """Write `part`, block by block."""
    netCDF4.set_chunk_cache(CACHE_BYTES)
    with explain_errors(path):
        file = netCDF4.Dataset(part, "w", format="NETCDF4")
    left = {name: template.variables[name].size for name in template.data_vars}

    def append(block: xr.Dataset) -> None:
        place = locate(template, block)
        with explain_errors(path):
            for name in block.data_vars:
                array = block.variables[name]
                where = tuple(place.get(d, slice(None)) for d in array.dims)
                file[str(name)][where] = array.values
                left[name] -= array.size

    try:
        with explain_errors(path):
            define(file, template, gaps)
        yield append
        with explain_errors(path):
            file.close()
    finally:
        with suppress(RuntimeError):
            file.close()
    for name, size in left.items():  # what never came would look like a missing member
        if size:
            raise OutputError(
                f"{path}: {size} of {template[name].size} values of {name} never came, so the "
                "file was not kept: run again"
            )


def _verify(template: xr.Dataset, part: Path, path: Path, gaps: bool) -> str:
    """Open what was written and compare it with what should be there; return its digest."""
    with netCDF4.Dataset(part) as file:
        file.set_auto_maskandscale(False)
        for name in template.coords:
            stored, attributes = encode_coordinate(str(name), template.variables[name])
            found = file[str(name)]
            same_unit = getattr(found, "units", None) == attributes.get("units")
            if not np.array_equal(found[...], stored) or not same_unit:
                raise OutputError(f"{path}: the coordinate {name} was not stored right: run again")
        for name in template.data_vars:
            array = template.variables[name]
            found = file[str(name)]
            if found.dimensions != array.dims or found.shape != array.shape:
                raise OutputError(f"{path}: {name} was stored as {found.shape}: run again")
            _verify_values(found, path, gaps and "number" in array.dims)
        return header_digest.digest_opened(file, path)


def _verify_values(stored: "netCDF4.Variable[Any]", path: Path, gaps: bool) -> None:
    """Refuse a stored variable with missing values, reading one field at a time if it is large.

    With gaps a field may be missing as a whole.
    """
    leading = [
        size
        for name, size in zip(stored.dimensions, stored.shape, strict=True)
        if name not in PLACE
    ]
    # what is small is read at once
    known = stored[...] if stored.size <= SMALL else stored
    missing = 0
    for index in np.ndindex(*leading):
        field = known[index]
        if not (gaps and np.isnan(field).all()):
            missing += count_missing(field)
    if missing:
        raise OutputError(
            f"{path}: {missing} of {stored.size} values of {stored.name} are missing or infinite, "
            "so the file was not kept: look at the input and at the model"
        )
