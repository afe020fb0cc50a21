"""GRIB results opened with cfgrib, as their users will, and compared with what was written."""

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from cfgrib import dataset as cubes
from cfgrib.messages import FileStream
from numpy.typing import NDArray

from smoecast.errors import OutputError
from smoecast.fields.grid import TOLERANCE
from smoecast.fields.times import as_hours
from smoecast.fields.write.grib.keys import Product
from smoecast.fields.write.grib.message import CodesError

BLOCK_BYTES = 64 * 2**20
"""Of the values that are read at once, at most, unless those of one start are more."""

Sums = NDArray[np.uint32]
"""(init_time, lead_time, number): CRC-32 of every field, of one product."""


def checksum(values: NDArray[np.floating[Any]]) -> int:
    """Return the CRC-32 of a field as float32, missing values as NaN."""
    return zlib.crc32(np.ascontiguousarray(values, np.float32).data)


def verify(
    part: Path,
    path: Path,
    dataset: xr.Dataset,
    products: Sequence[Product],
    sums: Sequence[Sums],
) -> None:
    """Open what was written and compare it: names, times, members, levels, grid, every value.

    Parameters
    ----------
    part : pathlib.Path
        Where it stands.
    path : pathlib.Path
        Where it will stand, for messages.
    dataset : xarray.Dataset
        Its coordinates are wanted.
    products : sequence of Product
    sums : sequence of Sums
        Of each of them.

    Raises
    ------
    OutputError
        cfgrib does not find there what was written.
    """
    try:
        _compare(part, path, dataset, products, sums)
    except (CodesError, EOFError, ValueError, LookupError) as problem:
        raise OutputError(
            f"{path}: cfgrib cannot open what was written ({problem}): run again"
        ) from problem


def _compare(
    part: Path,
    path: Path,
    dataset: xr.Dataset,
    products: Sequence[Product],
    sums: Sequence[Sums],
) -> None:
    told = sorted({key for product in products for key in product.found_by})
    keys = [*cubes.INDEX_KEYS, "time", "step", *told]
    stream = FileStream(str(part), errors="raise")
    index = cubes.open_fileindex(stream, indexpath="", index_keys=keys)
    for product, wanted in zip(products, sums, strict=True):
        place = {"paramId": product.param_id, "level:float": float(product.level)}
        found = index.subindex(place | product.found_by)
        count = sum(len(messages) for _, messages in found.iter_index())
        if count != wanted.size:
            raise _other(path, product, f"{count} messages of {wanted.size}")
        variables = cubes.open_from_index(found, squeeze=False, errors="raise").variables
        order = _order(dataset, variables, product, path)
        _verify_values(variables, wanted[np.ix_(*order)], product, path)


def _other(path: Path, product: Product, what: str) -> OutputError:
    return OutputError(f"{path}: {product.variable} was not stored right ({what}): run again")


def _order(
    dataset: xr.Dataset, variables: dict[str, Any], product: Product, path: Path
) -> list[NDArray[np.intp]]:
    """Return the order of starts, lead times and members in which cfgrib shows them."""
    seconds = dataset["init_time"].values.astype("datetime64[s]").astype(np.int64)
    axes = {"time": seconds, "step": as_hours(dataset["lead_time"].values)}
    if product.numbered:
        axes["number"] = dataset["number"].values
    for name, values in axes.items():
        stored = np.atleast_1d(variables[name].data)
        if len(stored) != len(values) or np.abs(stored - np.sort(values)).max() > 1e-6:
            raise _other(path, product, name)
    for name in ("latitude", "longitude"):
        stored, values = variables[name].data, dataset[name].values
        # once around the Earth is nowhere else
        away = (stored - values + 180.0) % 360.0 - 180.0 if len(stored) == len(values) else stored
        if len(stored) != len(values) or np.abs(away).max() > TOLERANCE:
            raise _other(path, product, name)
    orders = [np.argsort(values) for values in axes.values()]
    return orders if product.numbered else [*orders, np.zeros(1, np.intp)]


def _verify_values(variables: dict[str, Any], wanted: Sums, product: Product, path: Path) -> None:
    """Compare the fields of one product, a block of starts at a time."""
    array = next(v.data for v in variables.values() if "GRIB_paramId" in v.attributes)
    starts = array.shape[-5]
    field = array.shape[-2:]
    rows = max(1, BLOCK_BYTES * starts // (4 * int(np.prod(array.shape))))
    for begin in range(0, starts, rows):
        some = slice(begin, min(begin + rows, starts))
        # ([number,] time, step, level, latitude, longitude) to (time, step, number, ...)
        numbers = (slice(None),) if product.numbered else ()
        block = array[(*numbers, some, *[slice(None)] * 4)]
        block = block if product.numbered else block[None]
        block = np.moveaxis(block, 0, 2).reshape(-1, *field)
        if [checksum(values) for values in block] != wanted[some].ravel().tolist():
            raise _other(path, product, "its values")
