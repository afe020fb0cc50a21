"""The store: canonical fields stacked by channel in one Zarr group.

An analysis store holds ``fields (time, channel, latitude, longitude)``, an ensemble store ``fields
(init_time, lead_time, number, channel, latitude, longitude)``, in chunks of plain bytes along the
first dimension: any Zarr reader opens it, and `fields.store.rows` takes single times from it
without reading a chunk. Values are float32 in SI units, or float16 of (value - offset) / scale with
``offset`` and ``scale (channel)`` beside them; smoecast always gives SI units. Group attributes
carry what the fields cannot: schema, channels, split, manifest, config. A hidden file keeps the
checksums of all others (`fields.checksums`).
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.read.zarr.array import METADATA, ZarrArray
from smoecast.fields.read.zarr.codecs import Codecs
from smoecast.fields.read.zarr.metadata import arrays_of
from smoecast.fields.read.zarr.open import read_group
from smoecast.fields.store import checksums
from smoecast.fields.store.checksums import Sum
from smoecast.fields.store.rows import Rows, variable

SCHEMA = 2
DETAILS = "smoecast"
FIELDS = "fields"
_CHUNK = re.compile(FIELDS + r"/\d+(\.\d+)*")


def open_store(path: Path) -> xr.Dataset:
    """Open a store lazily: float32 fields in SI units.

    Raises
    ------
    InputError
        There is no store, it is damaged, or another version of smoecast wrote it.
    """
    if not path.is_dir():
        raise InputError(f"{path}: there is no store; run `smoecast preprocess` first")
    try:
        dataset = read_group(path)
        details = details_of(dataset)
    except (InputError, ValueError, TypeError, RecursionError) as error:
        raise InputError(
            f"{path}: this is no readable store; delete it and run `smoecast preprocess` again "
            f"({error})"
        ) from error
    if not isinstance(details, dict) or details.get("schema") != SCHEMA or FIELDS not in dataset:
        raise InputError(
            f"{path}: another version of smoecast wrote this store; delete it and run "
            "`smoecast preprocess` again"
        )
    dims = tuple(map(str, dataset[FIELDS].dims))
    fields = variable(rows_of(path), dims)
    fields.attrs = dataset[FIELDS].attrs
    return dataset.assign({FIELDS: fields})


def verify_store(path: Path, *, whole: bool) -> None:
    """Compare a store with the checksums that it keeps.

    Of a store that an earlier version made, without checksums, the sizes of the chunks are all
    there is to compare.

    Parameters
    ----------
    path : Path
        Of the store.
    whole : bool
        Whether every file is read. Otherwise all sizes are compared, and the content of all small
        files and of some chunks, 64 MiB of them: each time others.

    Raises
    ------
    InputError
        There is no store, a file of it is missing or damaged; or all of it should be compared, and
        it keeps no checksums.
    """
    sums = sums_of(path)
    if sums is not None:  # before anything is decoded
        checksums.verify(path, sums, [name for name in sums if _CHUNK.fullmatch(name)], whole=whole)
    open_store(path).close()
    rows = rows_of(path)
    for number in range(-(-rows.shape[0] // rows.chunk_rows)):
        chunk = rows.chunk_file(number)
        known = sums is None or chunk.relative_to(path).as_posix() in sums
        if not known or not chunk.is_file() or chunk.stat().st_size != rows.chunk_bytes:
            raise InputError(
                f"{chunk}: a part of the store is missing or cut; delete the store and run "
                "`smoecast preprocess` again"
            )
    if sums is None and whole:
        raise InputError(
            f"{path}: keeps no checksums, for an earlier version made it; run `smoecast "
            "preprocess` again, which adds them"
        )


def sums_of(path: Path) -> dict[str, Sum] | None:
    """Return the checksum of every file of a store by its name; None if it keeps none."""
    return checksums.read(path, FIELDS)


def add_checksums(path: Path) -> None:
    """Write the checksums of a store that an earlier version made, taking it as it is.

    Raises
    ------
    OSError
        The disk is full or refuses.
    """
    checksums.write(path, FIELDS, {})


def rows_of(path: Path) -> Rows:
    """Return the fields of a store, to be read row by row.

    Raises
    ------
    InputError
        There are none, or not as a store has them: one file a chunk of rows, plain bytes.
    """
    arrays = arrays_of(path / METADATA)
    fields, packing = arrays.get(FIELDS), [arrays.get(name) for name in ("offset", "scale")]
    if fields is None or not _is_plain(fields) or not _fits(packing, fields):
        raise InputError(
            f"{path}: the fields of this store are not stored as smoecast stores them; delete it "
            "and run `smoecast preprocess` again"
        )
    read = [one.read(path).astype(np.float32)[:, None, None] for one in packing if one is not None]
    pair = (read[0], read[1]) if read else None
    return Rows(path / FIELDS, fields.shape, fields.chunks[0], fields.dtype, pair)


def _is_plain(fields: ZarrArray) -> bool:
    """Whether a chunk is a file of whole rows as they are in memory."""
    codecs = fields.codecs
    stored = isinstance(codecs, Codecs) and not codecs.compressor and not codecs.filters
    laid_out = (fields.order, fields.separator, fields.chunks[1:]) == ("C", ".", fields.shape[1:])
    return stored and laid_out and fields.dtype.str in ("<f4", "<f2") and len(fields.shape) >= 4


def _fits(packing: list[ZarrArray | None], fields: ZarrArray) -> bool:
    """Whether every channel has an offset and a scale, or none has."""
    shapes = [one.shape if one is not None else None for one in packing]
    return shapes in ([None, None], [fields.shape[-3:-2]] * 2)


def details_of(dataset: xr.Dataset) -> dict[str, Any]:
    """Return what the store was made from; empty when it does not say."""
    details: dict[str, Any] = json.loads(dataset.attrs.get(DETAILS, "{}"))
    return details
