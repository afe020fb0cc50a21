"""Blocks of fields on their way to a result, and what is said where the disk does not take them.

A writer is opened with a template, which has everything of the result but values, and takes block
after block of these, in memory; what makes the blocks knows nothing of files.
"""

import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.disk.atomic import refuse_special, stage
from smoecast.disk.explain import explain_errors
from smoecast.errors import OutputError
from smoecast.fields.canonical.canonical import HUGE
from smoecast.fields.write.cf import PLACE

Append = Callable[[xr.Dataset], None]
"""Writes one block: variables of the template, along part of a dimension or all of it."""


def blank(shape: Sequence[int]) -> NDArray[np.float32]:
    """Return values that stand for those of a template and take no memory, (*shape)."""
    return np.broadcast_to(np.float32(np.nan), tuple(shape))


def locate(template: xr.Dataset, block: xr.Dataset) -> dict[Hashable, slice]:
    """Return, by its coordinates, where a block stands among all fields.

    Parameters
    ----------
    template : xarray.Dataset
        All of the result.
    block : xarray.Dataset
        In the order of the template along every dimension.

    Returns
    -------
    dict
        Slice of each dimension that the block does not hold whole.
    """
    place = {}
    for dimension, size in block.sizes.items():
        if dimension not in PLACE and size != template.sizes[dimension]:
            first = template.get_index(dimension).get_loc(block[dimension].values[0])
            place[dimension] = slice(first, first + size)
    return place


def count_missing(values: NDArray[np.float32]) -> int:
    """Return how many values are missing, infinite, or the fill values of netCDF and GRIB."""
    return int((~(np.abs(values) < HUGE)).sum())


def check_place(path: Path, *, folder: bool = False) -> None:
    """Refuse a place that no result can take; best before anything is computed.

    Parameters
    ----------
    path : Path
        Where a result will stand.
    folder : bool
        Whether it is a store, which may replace a store or an empty folder.

    Raises
    ------
    OutputError
        Something else is there, or nothing can be written there.
    """
    refuse_special(path, folder=folder)
    if folder and path.is_dir() and any(path.iterdir()) and not any(map(_of_store, path.iterdir())):
        raise OutputError(
            f"{path}: is a folder of other things, which is not replaced: choose another name"
        )
    there = next(place for place in path.absolute().parents if os.path.lexists(place))
    if not there.is_dir():
        raise OutputError(f"{path}: it cannot be written, {there} is no folder: choose another")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(
            f"{path}: it cannot be written, {there} takes no new files: allow it, or "
            "choose another folder"
        )


def _of_store(path: Path) -> bool:
    return path.name in (".zgroup", ".zattrs", ".zmetadata", "zarr.json")


@contextmanager
def stage_result(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Give a result a place to grow in (`disk.atomic.stage`); its folder is made if missing.

    Meanwhile dask computes in the thread that asks: netCDF-C is not asked from several.

    Raises
    ------
    OutputError
        See `check_place`; or the disk refuses.
    """
    with ExitStack() as held:
        with explain_errors(path):
            check_place(path, folder=folder)
            path.parent.mkdir(parents=True, exist_ok=True)
            part = held.enter_context(stage(path))
            held.enter_context(dask.config.set(scheduler="synchronous"))
        yield part
