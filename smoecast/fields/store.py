"""The store: canonical fields stacked by channel in one Zarr group, written whole or not at all.

An analysis store holds ``fields (time, channel, latitude, longitude)``, an ensemble store
``fields (init_time, lead_time, number, channel, latitude, longitude)``; both are float32 in SI
units. Group attributes carry what the fields cannot: schema, channels, split, manifest, config.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr
import zarr.errors

from smoecast.errors import InputError, OutputError

SCHEMA = 1
CHUNK_BYTES = 4_000_000
_DETAILS = "smoecast"


def write_store(
    dataset: xr.Dataset,
    path: Path,
    details: dict[str, Any],
    summarise: Callable[[xr.Dataset], dict[str, xr.DataArray]],
) -> None:
    """Write a dataset with a variable ``fields`` as a store, then put it in place in one step.

    Parameters
    ----------
    dataset : xr.Dataset
        ``fields`` as above, lazy or not, and small variables beside it.
    path : Path
        Folder of the store, ending in ``.zarr``; an older store there is replaced.
    details : dict
        JSON values: what the store was made from. Read back by `details_of`.
    summarise : callable
        Reads the fields once more as written, checks them, and returns small variables to add
        (statistics); what it raises leaves no store behind.

    Raises
    ------
    OutputError
        The disk is full or the store does not read back as it was written.
    """
    part = path.with_name(f".{path.name}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(part, ignore_errors=True)
    described = _chunked(dataset).assign_attrs(
        {_DETAILS: json.dumps({"schema": SCHEMA, **details})}
    )
    try:
        # one thread: the blocks come from netCDF-C, which crashes under threads
        with dask.config.set(scheduler="synchronous"):
            described.to_zarr(
                part, mode="w", consolidated=True, zarr_format=2, encoding=_encoding(described)
            )
        with xr.open_zarr(part, chunks=None, decode_timedelta=True) as written:
            _verify(written, dataset, path)
            # appending replaces the group's attributes, so they go along
            summary = xr.Dataset(summarise(written), attrs=described.attrs)
        summary.to_zarr(part, mode="a", consolidated=True, zarr_format=2)
        _swap(part, path)
    except OSError as error:
        raise OutputError(
            f"{path}: the store could not be written ({error.strerror or error}); "
            "free space or choose another folder, then run the same command again"
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _chunked(dataset: xr.Dataset) -> xr.Dataset:
    """Chunk `fields` along its first dimension by about 4 MB; drop what files said of chunks."""
    fields = dataset["fields"]
    each = 4 * int(np.prod(fields.shape[1:]))
    sizes = dict.fromkeys(fields.dims, -1) | {fields.dims[0]: max(1, CHUNK_BYTES // each)}
    return dataset.assign(fields=fields.chunk(sizes)).drop_encoding()


def _encoding(dataset: xr.Dataset) -> dict[str, dict[str, Any]]:
    hours = {"dtype": "int64", "units": "hours since 1970-01-01"}
    times = [n for n, c in dataset.coords.items() if np.issubdtype(c.dtype, np.datetime64)]
    return {**{str(name): hours for name in times}, "fields": {"dtype": "float32"}}


def _verify(written: xr.Dataset, dataset: xr.Dataset, path: Path) -> None:
    for name, variable in dataset.variables.items():
        if name not in written.variables or written[name].shape != variable.shape:
            raise OutputError(f"{path}: '{name}' did not read back as written; run it again")


def _swap(part: Path, path: Path) -> None:
    old = path.with_name(f".{path.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if path.exists():
        path.rename(old)
    part.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def open_store(path: Path) -> xr.Dataset:
    """Open a store lazily.

    Raises
    ------
    InputError
        There is no store, it is damaged, or another version of smoecast wrote it.
    """
    if not path.is_dir():
        raise InputError(f"{path}: there is no store; run `smoecast preprocess` first")
    try:
        dataset: xr.Dataset = xr.open_zarr(path, chunks=None, decode_timedelta=True)
    except (zarr.errors.BaseZarrError, FileNotFoundError, KeyError, ValueError) as error:
        raise InputError(
            f"{path}: this is no readable store ({type(error).__name__}); "
            "delete it and run `smoecast preprocess` again"
        ) from error
    if details_of(dataset).get("schema") != SCHEMA or "fields" not in dataset:
        raise InputError(
            f"{path}: another version of smoecast wrote this store; delete it and run "
            "`smoecast preprocess` again"
        )
    return dataset


def details_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return what `write_store` was told about the store; empty when it holds nothing."""
    details: dict[str, Any] = json.loads(dataset.attrs.get(_DETAILS, "{}"))
    return details
