"""A Zarr v2 group of fields on disk, whole or a part that was fetched, as canonical dataset.

A chunk that is not there means fill values in Zarr. In a part of a group (`PART`) it may as well
never have been fetched, so there only the years and levels that were are read, and every chunk of
them must be there.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
import zarr.errors
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields.canonical import canonical
from smoecast.fields.zarrarray import ZarrArray, arrays_of, group_attributes

PART = "smoecast_part"
"""Group attribute: ``years`` and ``levels`` that were fetched of a larger group."""


def open_group(path: Path, any_grid: bool = False) -> xr.Dataset:
    """Open a group by its consolidated metadata; its fields stay on disk.

    Parameters
    ----------
    path : pathlib.Path
        The file ``.zmetadata`` in the folder of the group.
    any_grid : bool
        Whether a map projection may pass, see `fields.canonical.canonical`.

    Raises
    ------
    InputError
        If it is no Zarr v2 group, a chunk of a part is missing, or `canonical` refuses it.
    """
    arrays, group = arrays_of(path), path.parent
    try:
        dataset = xr.open_zarr(group, chunks={}, consolidated=True, decode_timedelta=True)
    except (zarr.errors.BaseZarrError, OSError, KeyError, ValueError, TypeError) as problem:
        reason = " ".join(str(problem).split())
        raise InputError(f"{group}: it cannot be read as Zarr ({reason})") from problem
    part = group_attributes(path).get(PART)
    if part is not None:
        dataset = _selected(dataset, part, arrays, group)
    return canonical(dataset, str(group), any_grid)


def _selected(
    dataset: xr.Dataset, part: dict[str, list[int]], arrays: dict[str, ZarrArray], group: Path
) -> xr.Dataset:
    """Return the years and levels of a part, all of whose chunks are there."""
    wanted: dict[str, NDArray[np.intp]] = {}
    if "time" in dataset.sizes:
        years = dataset["time"].values.astype("datetime64[Y]").astype(np.int64) + 1970
        wanted["time"] = np.flatnonzero(np.isin(years, part["years"]))
    if "level" in dataset.sizes:
        wanted["level"] = np.flatnonzero(np.isin(dataset["level"].values, part["levels"]))
    for name in dataset.data_vars:
        _check_there(arrays[str(name)], wanted, group)
    return dataset.isel(wanted)


def _check_there(array: ZarrArray, wanted: Mapping[str, NDArray[np.intp]], group: Path) -> None:
    for index in array.chunk_indices(wanted):
        if not (group / array.key(index)).is_file():
            raise InputError(
                f"{group / array.key(index)}: the chunk is missing, which must not be read as "
                "missing values: run `smoecast download`"
            )
