"""Reading GRIB: whole and right, or refused in one sentence.

The messages are listed and decoded in `fields.read.grib.index`; here they become arrays. A variable
must fill the whole block of its times, members and levels; only lead times may differ from variable
to variable, and a field that the file does not have is then NaN, which `check_finite` refuses when
somebody asks for it. Values are decoded when they are read.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.canonical.time_axes import first_field
from smoecast.fields.channels import LEVEL_PREFIX, layout
from smoecast.fields.left_out import describe, note_left_out
from smoecast.fields.local_section import attributes_of
from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.index import decode, index
from smoecast.fields.read.grib.message import Message
from smoecast.fields.times import as_hours, iso

MAGIC = b"GRIB"
BLOCK_BYTES = 32 * 2**20
SMALL = 2**30
"""Bytes that may be made at once of messages however short: a field of one value takes 200."""
MOST_PER_BYTE = 4096
"""Bytes of values for each byte of the messages, where they are more than that."""


def open_grib(path: Path) -> xr.Dataset:
    """Open a GRIB file as a canonical dataset whose fields stay on disk.

    Analyses have `time`; forecasts have `init_time` and `lead_time` (the end of a step range), as
    have ensembles of analyses, with a lead time of zero; the control forecast is member 0. Where
    variables stand on different levels each channel is a variable of its own (`fields.channels`).

    Parameters
    ----------
    path : pathlib.Path
        GRIB file, edition 1 or 2, on a regular latitude-longitude or Gaussian grid.

    Raises
    ------
    InputError
        In one sentence that names the file, the message and the reason, if any message is broken,
        ambiguous, on another grid, there twice, or missing among the others.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such file")
    messages, left_out = index(path)
    if not messages:
        among = describe(left_out) or "no message at all"
        raise InputError(f"{path}: no variable that smoecast knows, but {among}")
    _check_alike(messages, path)
    raw = layout(_fields(messages, path)).assign_attrs(attributes_of(path))
    for name, array in raw.data_vars.items():
        first = next(m for m in messages if name in (m.variable.name, m.channel))
        array.attrs = {"units": first.unit}
        if name != first.variable.name:
            array.encoding = {"coordinates": f"{LEVEL_PREFIX}{first.level}"}
    return note_left_out(canonical(raw, str(path)), left_out)


def _check_alike(messages: Sequence[Message], path: Path) -> None:
    """Refuse messages that cannot stand in one dataset."""
    first = messages[0]
    units = {first.variable.name: first}
    for message in messages[1:]:
        both = f"{path}: messages {first.label} and {message.label}"
        if message.place != first.place:
            raise InputError(
                f"{both} lie on different grids, {first.place.describe()} and "
                f"{message.place.describe()}: split the file by grid"
            )
        constant = "constant" in (message.variable.vertical, first.variable.vertical)
        if not constant and (message.member is None) != (first.member is None):
            raise InputError(f"{both} are one with and one without members: split the file")
        if not constant and message.analysis != first.analysis:
            raise InputError(f"{both} are an analysis and a forecast: split the file")
        other = units.setdefault(message.variable.name, message)
        if other.unit != message.unit:
            raise InputError(
                f"{path}: messages {other.label} and {message.label} give {message.channel} in "
                f"{other.unit} and in {message.unit}: split the file by unit"
            )


def _fields(messages: Sequence[Message], path: Path) -> dict[str, xr.DataArray]:
    """Return every channel as a lazy array."""
    moving = [message for message in messages if message.variable.vertical != "constant"]
    labels = _labels(moving) if moving else {}
    of_channel: dict[str, list[Message]] = {}
    of_variable: dict[str, list[Message]] = {}
    for message in messages:
        of_channel.setdefault(message.channel, []).append(message)
        of_variable.setdefault(message.variable.name, []).append(message)
    fields = {}
    for name, found in of_channel.items():
        if found[0].variable.vertical == "constant":
            fields[name] = first_field(_field(found, _labels(found), path), f"{path}: {name}")
            continue
        own = _labels(of_variable[found[0].variable.name])
        array = _field(found, labels | {k: v for k, v in own.items() if k == "lead_time"}, path)
        fields[name] = array.reindex(lead_time=labels["lead_time"]) if "lead_time" in own else array
    return fields


def _key(message: Message) -> dict[str, np.datetime64 | np.timedelta64 | int]:
    """Return where a message stands: along which axes, and at which of their labels."""
    if message.member is None and message.analysis:
        return {"time": message.init_time + message.lead_time}
    key: dict[str, np.datetime64 | np.timedelta64 | int] = {
        "init_time": message.init_time,
        "lead_time": message.lead_time,
    }
    return key if message.member is None else key | {"number": message.member}


def _labels(messages: Sequence[Message]) -> dict[str, np.ndarray]:
    """Return the axes of `messages` and all labels along each, ascending."""
    keys = [_key(message) for message in messages]
    return {name: np.unique(np.array([key[name] for key in keys])) for name in keys[0]}


def _field(messages: list[Message], labels: dict[str, np.ndarray], path: Path) -> xr.DataArray:
    """Return the messages of one channel, which must fill the block that `labels` span."""
    positions = {name: {v: i for i, v in enumerate(values)} for name, values in labels.items()}
    holders: dict[tuple[int, ...], Message] = {}
    for message in messages:
        at = tuple(positions[name][value] for name, value in _key(message).items())
        if at in holders:
            _refuse_twice(holders[at], message, path)
        holders[at] = message
    shape = tuple(len(values) for values in labels.values())
    for at in np.ndindex(shape):
        if at not in holders:
            missing = {
                name: values[i] for (name, values), i in zip(labels.items(), at, strict=True)
            }
            _refuse_hole(messages[0], missing, path)
    latitude, longitude = messages[0].place.coordinates()
    return xr.DataArray(
        _lazy(holders, shape, path),
        dims=(*labels, "latitude", "longitude"),
        coords=labels | {"latitude": latitude, "longitude": longitude},
    )


def _refuse_twice(first: Message, second: Message, path: Path) -> None:
    experiments = (first.experiment, second.experiment)
    of = f" of the experiments {' and '.join(experiments)}" if len(set(experiments)) > 1 else ""
    raise InputError(
        f"{path}: messages {first.label} and {second.label} both hold {first.channel} for "
        f"{iso(first.init_time + first.lead_time)}{of}: keep one of them"
    )


def _refuse_hole(like: Message, missing: dict[str, np.generic], path: Path) -> None:
    where = ", ".join(
        f"{name} {as_hours(v):g} h"
        if name == "lead_time"
        else f"{name} {iso(v) if isinstance(v, np.datetime64) else v}"
        for name, v in missing.items()
    )
    raise InputError(f"{path}: the message of {like.channel} at {where} is missing: fetch it again")


def _lazy(holders: dict[tuple[int, ...], Message], shape: tuple[int, ...], path: Path) -> da.Array:
    """Return the values of messages as a dask array, (*shape, latitude, longitude) float32."""
    where = np.zeros((*shape, 4, 1), dtype=np.int64)  # where each message is
    for at, message in holders.items():
        where[at][:, 0] = message.number, message.offset, message.length, message.field
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
