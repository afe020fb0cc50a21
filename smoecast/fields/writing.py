"""Writing lazy datasets block by block, and what is said where the disk does not take them."""

import itertools
import shutil
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dask
import xarray as xr

from smoecast.errors import OutputError
from smoecast.fields.encoding import PLACE


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


def computed(dataset: xr.Dataset, place: Mapping[Hashable, slice]) -> xr.Dataset:
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


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what the file system and netCDF-C complain of into an OutputError for `path`.

    Raises
    ------
    OutputError
        The disk is full or refuses.
    """
    try:
        yield
    except (OSError, RuntimeError) as problem:
        there = next(folder for folder in path.absolute().parents if folder.is_dir())
        free = shutil.disk_usage(there).free / 2**20
        raise OutputError(
            f"{path}: it cannot be written ({problem}; {free:.0f} MiB are free there): "
            "make room or choose another folder, then run again"
        ) from problem
