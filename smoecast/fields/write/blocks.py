"""Writing lazy datasets block by block, and what is said where the disk does not take them."""

import itertools
import os
from collections.abc import Hashable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dask
import xarray as xr

from smoecast.disk.atomic import refuse_special, stage
from smoecast.disk.explain import explain_errors
from smoecast.errors import OutputError
from smoecast.fields.write.cf import PLACE


def blocks(dataset: xr.Dataset) -> Iterator[dict[Hashable, slice]]:
    """Walk the dask chunks of a dataset along all dimensions but those of one field.

    Yields
    ------
    dict
        Dimension to the slice of it that the block holds.
    """
    chunks = dataset.unify_chunks().chunks
    sides = []
    for dimension, size in dataset.sizes.items():
        if dimension not in PLACE:
            ends = list(itertools.accumulate(chunks.get(dimension, (size,))))
            sides.append([(dimension, slice(a, b)) for a, b in itertools.pairwise([0, *ends])])
    return (dict(place) for place in itertools.product(*sides))


def compute(dataset: xr.Dataset, place: Mapping[Hashable, slice]) -> xr.Dataset:
    """Return one block in memory, with those variables that have not been written before.

    It is computed in this thread: netCDF-C is not asked from several.
    """
    wanted = [
        name
        for name, array in dataset.data_vars.items()
        if all(d in array.dims or part.start == 0 for d, part in place.items())
    ]
    with dask.config.set(scheduler="synchronous"):
        return dataset[wanted].isel(dict(place), missing_dims="ignore").compute()


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
    return path.name in (".zgroup", ".zattrs", ".zmetadata")


@contextmanager
def stage_result(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Give a result a place to grow in (`disk.atomic.stage`); its folder is made if missing.

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
        yield part


def confirm_blindly() -> None:
    """Confirm without looking, see `write_netcdf`."""
