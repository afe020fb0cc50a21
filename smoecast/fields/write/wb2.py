"""Forecasts as a WeatherBench 2 store: what its evaluation and those of others open as it is.

Zarr v2 or v3 with consolidated metadata, float32 in SI units, ERA5's long names, dimensions
``time`` (the start), ``prediction_timedelta``, ``number``, ``level`` (hPa), ``latitude`` (south to
north, as in the published stores) and ``longitude``, one chunk over space. All pressure variables
share one ``level``: where a variable lacks one, nothing is stored and a reader sees NaN.

Format: https://weatherbench2.readthedocs.io/en/latest/init-and-valid-time.html
"""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numcodecs
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec

from smoecast.disk.atomic import put
from smoecast.disk.explain import explain_errors
from smoecast.errors import InputError, OutputError
from smoecast.fields import checksums
from smoecast.fields.channels import attributes_of, channels_of, field_of
from smoecast.fields.read.zarr.metadata import check_files
from smoecast.fields.write.blocks import (
    Append,
    count_missing,
    locate,
    stage_result,
)
from smoecast.fields.write.cf import encode_coordinate
from smoecast.names import COORDINATE_ATTRIBUTES, Channel, parse_channel

DIMENSIONS = {
    "init_time": "time",
    "lead_time": "prediction_timedelta",
    "number": "number",
    "level": "level",
    "latitude": "latitude",
    "longitude": "longitude",
}
"""What WeatherBench 2 calls our dimensions, in the order in which they stand."""

CHUNK_BYTES = 4 * 2**20
"""Of one chunk before it is compressed, at most, unless one field is larger."""


@dataclass(frozen=True)
class _Plan:
    """What goes where.

    Attributes
    ----------
    channels : dict
        Channel name to what it is.
    levels : tuple of int
        Of all pressure variables, ascending; none if there is no such variable.
    sizes : dict
        Size of every dimension in the store, by its name there.
    version : int
        Of Zarr, 2 or 3.
    """

    channels: dict[str, Channel]
    levels: tuple[int, ...]
    sizes: dict[str, int]
    version: Literal[2, 3]

    def dims(self, channel: Channel) -> tuple[str, ...]:
        """Return the dimensions of a channel's variable in the store."""
        return tuple(d for d in self.sizes if d != "level" or channel.level is not None)

    def chunks(self, channel: Channel) -> tuple[int, ...]:
        """Return one start, member and level, whole fields, and as many lead times as fit."""
        field = 4 * self.sizes["latitude"] * self.sizes["longitude"]
        leads = min(self.sizes["prediction_timedelta"], max(1, CHUNK_BYTES // field))
        whole = {name: self.sizes[name] for name in ("latitude", "longitude")}
        size = dict.fromkeys(self.sizes, 1) | whole | {"prediction_timedelta": leads}
        return tuple(size[d] for d in self.dims(channel))

    def encoding(self, channel: Channel) -> dict[str, Any]:
        """Return how xarray stores a channel's variable.

        In Zarr v3 a field is a chunk, and all lead times of a start, member and level are a shard:
        one file for each, of which a reader takes the fields that it wants.
        """
        if self.version == 3:
            one = {"latitude": self.sizes["latitude"], "longitude": self.sizes["longitude"]}
            leads = {"prediction_timedelta": self.sizes["prediction_timedelta"]}
            chunk, shard = (
                tuple((dict.fromkeys(self.sizes, 1) | sides)[d] for d in self.dims(channel))
                for sides in (one, one | leads)
            )
            packed = {"compressors": BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")}
            return {"chunks": chunk, "shards": shard, "fill_value": np.nan} | packed
        compressor = numcodecs.Blosc(cname="zstd", clevel=3, shuffle=numcodecs.Blosc.SHUFFLE)
        return {"chunks": self.chunks(channel), "compressors": compressor}

    def forecasts(self) -> Iterator[dict[str, slice]]:
        """Walk starts and members one by one."""
        for index in np.ndindex(self.sizes["time"], self.sizes.get("number", 1)):
            yield {d: slice(i, i + 1) for d, i in zip(("init_time", "number"), index, strict=True)}

    def place(self, channel: Channel, block: Mapping[Any, slice]) -> tuple[Any, ...]:
        """Return where a block of a channel stands in its variable."""
        here = {DIMENSIONS[str(dimension)]: part for dimension, part in block.items()}
        if channel.level is not None:
            here["level"] = slice(index := self.levels.index(channel.level), index + 1)
        return tuple(here.get(d, slice(None)) for d in self.dims(channel))


@contextmanager
def wb2_writer(
    template: xr.Dataset,
    path: Path,
    *,
    confirm: Callable[[], None] = lambda: None,
    version: Literal[2, 3] = 2,
) -> Iterator[Append]:
    """Write forecasts as a WeatherBench 2 store block by block: whole and verified, or not at all.

    The store grows in a folder of its own beside its place. When the last block is written, it gets
    its checksums (`fields.checksums`), is opened again and verified (coordinates under xarray's
    default decoding, every value), and changes places with an older one.

    Parameters
    ----------
    template : xarray.Dataset
        Canonical forecasts (init_time, lead_time, [number,] [level,] latitude, longitude); its
        attributes become the group's; the values of its fields are not read.
    path : pathlib.Path
        The store, replaced if it is there; its folder is made if it is not.
    confirm : callable
        Called when the store is whole, before it takes its place; what it raises keeps it away.
    version : int
        Of Zarr: 2, or 3 with shards.

    Yields
    ------
    callable
        Takes one block after the other, see `fields.write.blocks`. What is raised between them
        comes out as it is, and nothing is kept.

    Raises
    ------
    InputError
        These are no forecasts: a dimension is missing.
    OutputError
        The store cannot be written (a full disk, say) or fails its verification, or what has its
        name is no store.
    """
    for dimension in ("init_time", "lead_time"):
        if dimension not in template.dims:
            raise InputError(
                f"{path}: a WeatherBench 2 store is for forecasts, this data has no {dimension}"
            )
    template = template.assign_attrs({checksums.MARK: checksums.IN_STORE})
    plan = _plan(template, version)
    with stage_result(path, folder=True) as part:
        with explain_errors(path):
            _lay_out(template, plan, part)
            arrays = _arrays(plan, part)

        def append(block: xr.Dataset) -> None:
            place = locate(template, block)
            with explain_errors(path):
                for name, channel in plan.channels.items():
                    values = field_of(block, name).values
                    if _from_north(template):
                        values = values[..., ::-1, :]
                    if channel.level is not None:
                        values = np.expand_dims(values, -3)  # (..., H, W) -> (..., 1, H, W)
                    arrays[channel.variable.cds_name][plan.place(channel, place)] = values

        yield append
        with explain_errors(path):
            checksums.seal_store(part)
            _verify(template, plan, part, path)
        confirm()
        with explain_errors(path):
            put(part, path)


def _plan(dataset: xr.Dataset, version: Literal[2, 3]) -> _Plan:
    parsed = {name: parse_channel(name) for name in channels_of(dataset)}
    channels = {name: channel for name, channel in parsed.items() if channel is not None}
    levels = tuple(sorted({c.level for c in channels.values() if c.level is not None}))
    found = {**dataset.sizes, "level": len(levels)}
    sizes = {theirs: found[ours] for ours, theirs in DIMENSIONS.items() if found.get(ours)}
    return _Plan(channels, levels, sizes, version)


def _coordinates(dataset: xr.Dataset, plan: _Plan) -> dict[str, xr.Variable]:
    """Return the coordinates as they are stored, lead times as whole numbers of a unit.

    The attribute ``dtype`` has xarray read these as timedelta64, not as numbers.
    """
    coordinates = {}
    for ours, theirs in DIMENSIONS.items():
        if theirs not in plan.sizes:
            continue
        if ours == "level":
            described = dict(COORDINATE_ATTRIBUTES["level"])
            coordinates[theirs] = xr.Variable(theirs, np.array(plan.levels, np.int64), described)
            continue
        values, attributes = encode_coordinate(ours, dataset.variables[ours])
        if ours == "lead_time":
            values, attributes = values.astype(np.int64), attributes | {"dtype": "timedelta64[ns]"}
        if ours == "latitude" and _from_north(dataset):
            values = values[::-1]
        coordinates[theirs] = xr.Variable(theirs, values, attributes)
    return coordinates


def _from_north(dataset: xr.Dataset) -> bool:
    latitude = dataset["latitude"].values
    return bool(latitude[0] > latitude[-1])


def _lay_out(dataset: xr.Dataset, plan: _Plan, part: Path) -> None:
    """Write everything of the store but its fields."""
    import dask.array as da  # noqa: PLC0415  # half a second

    fields, encoding = {}, {}
    for channel in plan.channels.values():
        name, dims = channel.variable.cds_name, plan.dims(channel)
        shape = tuple(plan.sizes[d] for d in dims)
        attributes = attributes_of(channel.variable.name if channel.level else channel.name)
        encoding[name] = plan.encoding(channel) | {"_FillValue": np.nan}
        files = encoding[name].get("shards", encoding[name]["chunks"])
        empty = da.zeros(shape, chunks=files, dtype=np.float32)
        fields[name] = xr.Variable(dims, empty, attributes)
    attributes = {key: value for key, value in dataset.attrs.items() if value is not None}
    described = xr.Dataset(fields, _coordinates(dataset, plan), attributes)
    with warnings.catch_warnings():  # not everybody reads consolidated metadata of v3
        warnings.simplefilter("ignore", UserWarning)
        how: Any = {"consolidated": True, "zarr_format": plan.version, "encoding": encoding}
        described.to_zarr(part, mode="w", compute=False, **how)


def _arrays(plan: _Plan, part: Path) -> dict[str, Any]:
    group = zarr.open_group(part, mode="r+", zarr_format=plan.version)
    return {n: group[n] for n in {c.variable.cds_name for c in plan.channels.values()}}


def _verify(dataset: xr.Dataset, plan: _Plan, part: Path, path: Path) -> None:
    """Open the store as others do and compare it with what should be there."""
    if plan.version == 2:
        check_files(part)
    with xr.open_zarr(part, chunks=None) as found:
        for ours, theirs in DIMENSIONS.items():
            if theirs not in plan.sizes:
                continue
            wanted = np.sort(plan.levels if ours == "level" else dataset[ours].values)
            stored = np.sort(found[theirs].values)
            if stored.dtype.kind != wanted.dtype.kind or not np.array_equal(stored, wanted):
                raise OutputError(f"{path}: the coordinate {theirs} was not stored right")
    arrays = _arrays(plan, part)
    for name, channel in plan.channels.items():
        array = arrays[channel.variable.cds_name]
        places = (plan.place(channel, place) for place in plan.forecasts())
        missing = sum(count_missing(array[place]) for place in places)
        if missing:
            raise OutputError(
                f"{path}: {missing} values of {name} are missing or infinite, so the store was "
                "not kept: look at the input and at the model"
            )
