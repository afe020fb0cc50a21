"""Reading GRIB: whole and right, or refused in one sentence.

The messages are listed and decoded in `fields.read.grib.index`, and sorted into blocks in
`fields.read.grib.blocks`; here these become arrays. Only lead times may differ from variable to
variable, and a field that the file does not have is then NaN, which `check_finite` refuses when
somebody asks for it. Values are decoded when they are read.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.canonical.time_axes import first_field
from smoecast.fields.channels import LEVEL_PREFIX, layout
from smoecast.fields.left_out import describe, note_left_out
from smoecast.fields.local_section import attributes_of
from smoecast.fields.read.assumption import refuse_for_grib, shift
from smoecast.fields.read.grib.blocks import OF_GRIDS, OF_KINDS, Block, blocks_of, select_one
from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.index import decode, index_selected
from smoecast.fields.read.grib.message import Message
from smoecast.fields.read.intervals import note_intervals
from smoecast.fields.read.reading import AS_IT_IS, Reading, note_leaving
from smoecast.fields.read.selection import Selection

if TYPE_CHECKING:
    import dask.array as da

BLOCK_BYTES = 32 * 2**20
SMALL = 2**30
"""Bytes that may be made at once of messages however short: a field of one value takes 200."""
MOST_PER_BYTE = 4096
"""Bytes of values for each byte of the messages, where they are more than that."""


def open_grib(path: Path, reading: Reading = AS_IT_IS) -> xr.Dataset:
    """Open a GRIB file as a canonical dataset whose fields stay on disk.

    Analyses have `time`; forecasts have `init_time` and `lead_time` (the end of a step range), as
    have ensembles of analyses, with a lead time of zero; the control forecast is member 0. Where
    variables stand on different levels each channel is a variable of its own (`fields.channels`).

    Parameters
    ----------
    path : pathlib.Path
        GRIB file, edition 1 or 2, on a regular latitude-longitude or Gaussian grid.
    reading : Reading
        Which messages are selected, and what is assumed.

    Raises
    ------
    InputError
        In one sentence that names the file, the message and the reason, if any message is broken,
        ambiguous, or on another grid, or if no channel is there once for each of its times,
        members and levels; one that is not so among others that are is left out. Or if nothing is
        selected.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    selection, assumed = reading.selection_of(path), reading.assumption_of(path)
    if assumed is not None:
        refuse_for_grib(assumed, path)
    messages, left_out, leaving = index_selected(path, selection or Selection())
    if not messages:
        among = describe(left_out) or "no message at all"
        raise InputError(f"{path}: no variable that smoecast knows, but {among}")
    if selection is not None:
        messages = [_as_selected(message, selection) for message in messages]
    _check_alike(messages, path)
    blocks, odd = blocks_of(messages, path)
    if not blocks:
        raise InputError(f"{path}: {odd[0].reason}")
    firsts = [block.first for block in blocks.values()]
    units = {(message.variable.name, message.unit) for message in firsts}
    is_one_unit = len(units) == len({name for name, _ in units})
    raw = layout(_arrays(blocks, path), stack=is_one_unit).assign_attrs(attributes_of(path))
    for name, array in raw.data_vars.items():
        first = next(m for m in firsts if name in (m.variable.name, m.channel))
        array.attrs = {"units": first.unit}
        if name != first.variable.name:
            array.encoding = {"coordinates": f"{LEVEL_PREFIX}{first.level}"}
    found = note_left_out(canonical(raw, str(path)), [*left_out, *odd])
    for name, block in blocks.items():
        if block.intervals:
            note_intervals(found[name], block.intervals)
    found = note_leaving(found, leaving)
    return shift(found, assumed, path) if assumed is not None else found


def _as_selected(message: Message, selection: Selection) -> Message:
    """Return a message as no member, or as an analysis, where it was selected to be one."""
    member = None if selection.wants_one_member else message.member
    starts = selection.wants_starts and member is None and not message.lead_time
    return replace(message, member=member, analysis=message.analysis or starts)


def _check_alike(messages: Sequence[Message], path: Path) -> None:
    """Refuse messages that cannot stand in one dataset."""
    for first, message in itertools.product(messages[:1], messages[1:]):
        if message.place != first.place:
            raise InputError(
                f"{path}: messages {first.label} and {message.label} lie on different grids, "
                f"{first.place.describe()} and {message.place.describe()}: split the file by grid, "
                f"or take one"
                f"{select_one(first, message, path, OF_GRIDS)}"
            )
    moving = [message for message in messages if message.variable.vertical != "constant"]
    for first, message in itertools.product(moving[:1], moving[1:]):
        both = f"{path}: messages {first.label} and {message.label}"
        if (message.member is None) != (first.member is None):
            raise InputError(
                f"{both} are one with and one without members: split the file, or take one kind"
                f"{select_one(first, message, path, OF_KINDS)}"
            )
        if message.analysis != first.analysis:
            raise InputError(
                f"{both} are an analysis and a forecast: split the file, or take one kind"
                f"{select_one(first, message, path, OF_KINDS)}"
            )


def _arrays(blocks: dict[str, Block], path: Path) -> dict[str, xr.DataArray]:
    """Return every channel as a lazy array; they share their lead times."""
    arrays = {}
    leads = [block.labels["lead_time"] for block in blocks.values() if _has_leads(block)]
    every = np.unique(np.concatenate(leads)) if leads else None
    for name, block in blocks.items():
        array = _array(block, path)
        if block.first.variable.vertical == "constant":
            array = first_field(array, f"{path}: {name}")
        elif _has_leads(block):
            array = array.reindex(lead_time=every)
        arrays[name] = array
    return arrays


def _has_leads(block: Block) -> bool:
    return "lead_time" in block.labels and block.first.variable.vertical != "constant"


def _array(block: Block, path: Path) -> xr.DataArray:
    """Return the messages of one channel as a lazy array."""
    shape = tuple(len(values) for values in block.labels.values())
    latitude, longitude = block.first.place.coordinates()
    return xr.DataArray(
        _lazy(block.holders, shape, path),
        dims=(*block.labels, "latitude", "longitude"),
        coords=block.labels | {"latitude": latitude, "longitude": longitude},
    )


def _lazy(
    holders: dict[tuple[int, ...], Message], shape: tuple[int, ...], path: Path
) -> "da.Array":
    """Return the values of messages as a dask array, (*shape, latitude, longitude) float32."""
    import dask.array as da  # noqa: PLC0415  # half a second

    where = np.zeros((*shape, 4, 1), dtype=np.int64)  # where each message is
    for at, message in holders.items():
        where[at][:, 0] = message.where
    place = next(iter(holders.values())).place
    rows, columns = place.shape
    row_bytes = 4 * rows * columns * math.prod(shape[1:])
    held = sum(message.length for message in holders.values())
    if row_bytes > SMALL and row_bytes * shape[0] > MOST_PER_BYTE * held:
        raise InputError(
            f"{path}: {next(iter(holders.values())).channel} has {row_bytes:.2g} bytes at once, of "
            f"which {held} bytes of messages can hold next to nothing: fetch the file again"
        )
    chunks = (max(1, BLOCK_BYTES // row_bytes), *shape[1:], 4, 1)
    blocks = da.from_array(where, chunks=chunks)
    decoded: da.Array = da.map_blocks(
        _decode,
        blocks,
        path=path,
        place=place,
        chunks=(*blocks.chunks[:-2], (rows,), (columns,)),
        dtype=np.float32,
        meta=np.empty((0,) * blocks.ndim, dtype=np.float32),
    )
    return decoded


def _decode(where: np.ndarray, path: Path, place: GribGrid) -> np.ndarray:
    """Decode one block of messages, missing values as NaN."""
    return decode(path, where.reshape(-1, 4), place).reshape(*where.shape[:-2], *place.shape)
