"""A part of a remote Zarr v2 group on this disk: variables, levels and years of it, no more.

The folder is a Zarr group by itself, with the chunks of the remote one under their own names, so a
year that is added later brings only its own chunks. Its metadata come last, once every chunk is
there and looked at; they name the years and levels (`fields.read.zarr.open`), and a digest of all
chunks, so that they stand for the whole content. An absent chunk, which Zarr takes for missing
values, is refused, as is a day without any value: public stores have had both by mistake.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.download.collect import Hooks, collect
from smoecast.data.download.manifest import Manifest
from smoecast.data.download.remote_file import RemoteFile
from smoecast.data.download.retry import Limits
from smoecast.data.sources.zarr_stores.empty_days import (
    HORIZONTAL,
    check_period,
    empty_places,
    everywhere,
    refuse_empty_days,
)
from smoecast.disk.atomic import write_atomic
from smoecast.disk.confine import confine
from smoecast.errors import InputError
from smoecast.fields.read.zarr.array import METADATA, ZarrArray
from smoecast.fields.read.zarr.metadata import arrays_of, group_attributes
from smoecast.fields.read.zarr.open import PART, part_times
from smoecast.fields.times import as_ns

_NEEDED = ": run `smoecast download`"
_COMPRESSED = 0.7
"""Of the size in memory, about."""


@dataclass(frozen=True)
class Request:
    """What is wanted of a group.

    Attributes
    ----------
    store : str
        Its name, and that of the folder here.
    url : str
        Where it is.
    years : tuple of int
    levels : dict
        Variable, by its name in the group, to pressures in hPa; none for one without levels.
    step_hours : int
        Of each day the times at multiples of this alone; 0: all of them.
    """

    store: str
    url: str
    years: tuple[int, ...]
    levels: dict[str, tuple[int, ...]]
    step_hours: int = 0

    @property
    def theirs(self) -> str:
        """File beside the folder with the metadata of the whole group, wrong for the part."""
        return f"{self.store}.json"

    @property
    def all_levels(self) -> tuple[int, ...]:
        """Every level that is fetched, of all variables that have levels."""
        return tuple(sorted({level for own in self.levels.values() for level in own}))


@dataclass(frozen=True)
class _Axes:
    """Times and levels of the remote group, and which are wanted."""

    time: NDArray[np.datetime64]
    level: NDArray[Any]
    wanted: dict[str, NDArray[np.intp]]


def discover(request: Request, folder: Path, limits: Limits) -> None:
    """Fetch the metadata of the group and its coordinates.

    Raises
    ------
    InputError
        The group lacks a variable or a level, or is none.
    """
    theirs = RemoteFile(request.theirs, f"{request.url}/{METADATA}")
    collect([theirs], folder, limits, Hooks(inspect=lambda path, remote: _check_metadata(path)))
    _check_has(_arrays(folder, request), request)
    look = partial(inspect, folder=folder, request=request)
    collect(_coordinates(folder, request), folder, limits, Hooks(inspect=look))
    lacks = set(request.all_levels) - set(_axes(folder, request).level.tolist())
    if lacks:
        raise InputError(f"{request.store}: the store has no level {min(lacks)} hPa any more")
    axes, metadata = _axes(folder, request), folder / request.theirs
    try:
        check_period(request.store, group_attributes(metadata), axes.time[axes.wanted["time"]])
    except InputError:
        metadata.unlink()  # the next run asks whether there are values by then
        raise


def _check_metadata(path: Path) -> dict[str, Any]:
    arrays_of(path)
    return {}


def _check_has(arrays: dict[str, ZarrArray], request: Request) -> None:
    for name in request.levels:
        if name not in arrays:
            raise InputError(
                f"{request.store}: the store has no {name}: leave it out of data.channels; it has "
                f"{' '.join(sorted(arrays))}"
            )
        dimensions = set(arrays[name].dimensions)
        others = ({"time", "level"},) if request.levels[name] else ({"time"}, set())
        placed = dimensions | {"time"} <= set(arrays) and set(HORIZONTAL) <= dimensions
        if not placed or dimensions - set(HORIZONTAL) not in others:
            raise InputError(
                f"{request.store}: {name} has the dimensions {' '.join(arrays[name].dimensions)}, "
                "not all of which are places, times or levels"
            )


def _arrays(folder: Path, request: Request) -> dict[str, ZarrArray]:
    path = folder / request.theirs
    return _read_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _read_once(path: Path, mtime_ns: int) -> dict[str, ZarrArray]:
    return arrays_of(path)


def can_list(folder: Path, request: Request) -> bool:
    """Whether the files of the group can be listed without asking the network."""
    if not (folder / request.theirs).is_file():
        return False
    _check_has(_arrays(folder, request), request)
    return all((folder / remote.name).is_file() for remote in _coordinates(folder, request))


def _coordinates(folder: Path, request: Request) -> list[RemoteFile]:
    arrays = _arrays(folder, request)
    names = dict.fromkeys(d for name in request.levels for d in arrays[name].dimensions)
    names.setdefault("time")
    return [
        _remote(request, arrays[name], index, "coordinates")
        for name in names
        for index in arrays[name].chunk_indices({})
    ]


def _remote(
    request: Request, array: ZarrArray, index: tuple[int, ...], series: str = ""
) -> RemoteFile:
    key = array.key(index)
    size = int(np.prod(array.chunks)) * array.dtype.itemsize
    return RemoteFile(
        name=f"{request.store}/{key}",
        url=f"{request.url}/{key}",
        about=int(_COMPRESSED * size),
        absent=f"which in Zarr means that every value of {array.name} there is missing: leave the "
        "year or the channel out, or use another mirror (download.url)",
        series=f"{request.store}/{series or array.name}",
    )


def _axes(folder: Path, request: Request) -> _Axes:
    arrays, group = _arrays(folder, request), folder / request.store
    times = _times(arrays["time"], group)
    wanted = {"time": part_times(times, request.years, request.step_hours)}
    levels: NDArray[Any] = np.array([])
    if request.all_levels:
        levels = arrays["level"].read(group, needed=_NEEDED)
        wanted["level"] = np.flatnonzero(np.isin(levels, request.all_levels))
    return _Axes(times, levels, wanted)


def _times(array: ZarrArray, group: Path) -> NDArray[np.datetime64]:
    raw = array.read(group, needed=_NEEDED)
    try:
        times = xr.decode_cf(xr.Dataset({"time": ("time", raw, array.attributes)}))["time"].values
        if times.dtype.kind != "M":
            raise ValueError(f"{array.attributes.get('units')!r}")
        return as_ns(times, f"{group}: its time axis")
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise InputError(
            f"{group}: its times cannot be read ({reason}): use another mirror (download.url)"
        ) from problem


def remotes(folder: Path, request: Request) -> list[RemoteFile]:
    """Return every object that a group, once discovered, must have here."""
    return [*_coordinates(folder, request), *(remote for _, remote in _chunks(folder, request))]


def _chunks(folder: Path, request: Request) -> Iterator[tuple[ZarrArray, RemoteFile]]:
    arrays, wanted = _arrays(folder, request), _axes(folder, request).wanted
    for name in request.levels:
        for index in arrays[name].chunk_indices(wanted):
            yield arrays[name], _remote(request, arrays[name], index)


def inspect(path: Path, remote: RemoteFile, folder: Path, request: Request) -> dict[str, Any]:
    """Decode a chunk; note the times and levels of it that have no value at all.

    Raises
    ------
    InputError
        What came is no chunk of this array.
    """
    name, _, key = remote.name.removeprefix(f"{request.store}/").partition("/")
    array = _arrays(folder, request)[name]
    block = array.decode(path, remote.name)
    if block.dtype.kind != "f" or name in array.dimensions:
        return {}
    index = tuple(int(part) for part in key.replace("/", ".").split("."))
    places = empty_places(array, block, index)
    return {"empty": places} if places else {}


def finish_group(folder: Path, request: Request) -> Path:
    """Look at all chunks together and give the part its metadata; return their file.

    Raises
    ------
    InputError
        A variable has no value anywhere on a day that is wanted.
    """
    manifest, axes, group = Manifest(folder), _axes(folder, request), folder / request.store
    empty: dict[str, Counter[tuple[int, ...]]] = {name: Counter() for name in request.levels}
    digest = hashlib.sha256()
    for array, remote in _chunks(folder, request):
        entry = manifest.get(remote.name)
        if entry is not None:
            empty[array.name].update(tuple(place) for place in entry.notes.get("empty", ()))
            digest.update(f"{remote.name} {entry.sha256}\n".encode())
    for name, counts in empty.items():
        whole = everywhere(_arrays(folder, request)[name], counts)
        refuse_empty_days(
            request.store,
            name,
            whole,
            axes.time,
            axes.level,
            axes.wanted["time"],
            request.levels[name],
        )
    for key, content in _metadata(folder, request, digest.hexdigest()).items():
        name, _, file = key.rpartition("/")
        place = confine(group, name) if name else group
        place.mkdir(parents=True, exist_ok=True)  # of an array without points nothing has come
        _put(place / file, json.dumps(content, indent=1).encode())
    return group / METADATA


def _metadata(folder: Path, request: Request, digest: str) -> dict[str, Any]:
    """Return every metadata file of the part by its name, the consolidated one last."""
    arrays, theirs = _arrays(folder, request), folder / request.theirs
    part: dict[str, Any] = {
        "years": list(request.years),
        "levels": list(request.all_levels),
        "sha256": digest,
    }
    if request.step_hours:
        part["step_hours"] = request.step_hours
    files: dict[str, Any] = {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {**group_attributes(theirs), PART: part},
    }
    names = dict.fromkeys(d for name in request.levels for d in arrays[name].dimensions)
    for name in (*names, "time", *request.levels):
        described = arrays[name].described
        if arrays[name].dtype.kind == "f" and described.get("fill_value") is None:
            described = {**described, "fill_value": "NaN"}  # what was not fetched is never zero
        files[f"{name}/.zarray"] = described
        files[f"{name}/.zattrs"] = arrays[name].attributes
    return {**files, METADATA: {"zarr_consolidated_format": 1, "metadata": files}}


def _put(path: Path, content: bytes) -> None:
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    write_atomic(path, content)
