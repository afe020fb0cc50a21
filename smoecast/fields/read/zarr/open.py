"""A Zarr group of fields on disk, whole or a part that was fetched, as canonical dataset.

A chunk that is not there means fill values in Zarr. In a part of a group (`PART`) it may as well
never have been fetched, so there only the years and levels that were are read, and every chunk of
them must be there.

Zarr's own library is not asked: it would read other metadata than were checked, and decode chunks
before anybody knows how large they become. xarray decodes times and packing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.backends.common import AbstractDataStore
from xarray.backends.store import StoreBackendEntrypoint
from xarray.core import indexing

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.canonical.time_axes import explain_undecodable
from smoecast.fields.left_out import LeftOut, note_more
from smoecast.fields.read.reading import AS_IT_IS, Reading, note_leaving
from smoecast.fields.read.zarr.anemoi import is_anemoi, separate
from smoecast.fields.read.zarr.array import METADATA, ZarrArray
from smoecast.fields.read.zarr.metadata import arrays_of, group_attributes
from smoecast.variables import Variable, is_never_negative, variable_of

PART = "smoecast_part"
"""Group attribute: ``years`` and ``levels`` that were fetched of a larger group, and, where not all
times of them were, ``step_hours``."""

_STRANGE = (LookupError, ValueError, TypeError, AttributeError, OverflowError)
"""What xarray and numpy raise for attributes and coordinates that mean nothing together."""

_HIDDEN = "_ARRAY_DIMENSIONS"


@dataclass(frozen=True, eq=False)
class _OnDisk(BackendArray):
    """An array of a group whose chunks are read when it is indexed."""

    array: ZarrArray
    group: Path
    needed: str

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.OUTER, self._select
        )

    def _select(self, key: tuple[Any, ...]) -> NDArray[Any]:
        chosen = [_places(one, size) for one, size in zip(key, self.shape, strict=True)]
        values = self.array.read(self.group, tuple(map(np.atleast_1d, chosen)), needed=self.needed)
        return values.reshape([size for one in chosen for size in np.shape(one)])


def _places(key: Any, size: int) -> Any:
    """Return the indices that one part of a key means, none of them negative."""
    return np.arange(*key.indices(size)) if isinstance(key, slice) else np.arange(size)[key]


class _Group(AbstractDataStore):
    """A group as xarray takes it to decode."""

    __slots__ = ("_arrays", "_as_stored", "_attributes", "_folder", "_whole")

    def __init__(self, path: Path, whole: bool) -> None:
        self._arrays, self._attributes = arrays_of(path), group_attributes(path)
        self._folder, self._whole = path.parent, whole
        data = self._arrays.get("data")
        self._as_stored = data is not None and is_anemoi(self._attributes, data.dimensions)

    def get_variables(self) -> dict[str, xr.Variable]:
        return {name: self._variable(array) for name, array in self._arrays.items()}

    def get_attrs(self) -> dict[str, Any]:
        return self._attributes

    def _variable(self, array: ZarrArray) -> xr.Variable:
        attributes = {key: value for key, value in array.attributes.items() if key != _HIDDEN}
        if array.fill is not None and self._hides_fill(array) and array.dtype.kind not in "mM":
            attributes["_FillValue"] = array.fill
        stored = dict(zip(array.dimensions, array.chunks, strict=True))
        needed = self._needed(array) if self._whole else ""
        data = indexing.LazilyIndexedArray(_OnDisk(array, self._folder, needed))
        encoding = {"chunks": array.chunks, "preferred_chunks": stored}
        return xr.Variable(array.dimensions, data, attributes, encoding)

    def _hides_fill(self, array: ZarrArray) -> bool:
        return array.hides_fill and not self._as_stored

    def _needed(self, array: ZarrArray) -> str:
        """Return why no chunk of an array may be missing; nothing where one may.

        Zarr does not store chunks of nothing but the fill value. Where that is a number, which
        most writers choose to be 0, a chunk that was lost would read as 0 K.
        """
        variable = variable_of(array.name)
        training = self._as_stored and array.name == "data"
        if array.dtype.kind not in "iuf" or len(array.shape) < 2 or not (variable or training):
            return ""
        hidden = array.fill if self._hides_fill(array) else array.attributes.get("_FillValue")
        fill = array.dtype.type(0) if array.fill is None else array.fill
        missing = bool(np.isnan(fill)) or (hidden is not None and fill == array.dtype.type(hidden))
        if missing or (variable and (_may_be_zero(variable) or variable.vertical == "constant")):
            return ""
        what = variable.long_name if variable else "weather"
        return (
            f", and the store says {fill:g} for what is missing, which is no {what}: copy the "
            "store again"
        )


def _may_be_zero(variable: Variable) -> bool:
    return is_never_negative(variable.name) or variable.units == "1"


def read_group(
    folder: Path,
    chunks: dict[str, int] | None = None,
    *,
    file: str = METADATA,
    whole: bool = False,
) -> xr.Dataset:
    """Open a group by its metadata, as `xarray.open_zarr` would.

    Parameters
    ----------
    folder : pathlib.Path
        Of the group.
    chunks : dict, optional
        As for `xarray.open_zarr`: ``{}`` for dask arrays in the chunks of the store.
    file : str
        Which of its files stands for the group (`group_file`).
    whole : bool
        Whether a chunk that is not there is refused where it would be read as a number that the
        quantity cannot have.

    Raises
    ------
    InputError
        It is no Zarr group, or one that must not be read (`metadata.arrays_of`), or its
        values mean nothing.
    """
    group = _Group(folder / file, whole)
    try:
        return xr.open_dataset(
            group, engine=StoreBackendEntrypoint, chunks=chunks, decode_timedelta=True
        )
    except _STRANGE as problem:
        raise InputError(_unreadable(folder, problem)) from problem


def _unreadable(folder: Path, problem: Exception) -> str:
    if said := explain_undecodable(problem):
        return f"{folder}: {said}"
    reason = " ".join(str(problem).split())[:200]
    return f"{folder}: it cannot be read as Zarr ({reason}): write the store anew"


def open_group(path: Path, any_grid: bool = False, reading: Reading = AS_IT_IS) -> xr.Dataset:
    """Open a group as canonical dataset; its fields stay on disk.

    Parameters
    ----------
    path : pathlib.Path
        The file that stands for the group (`group_file`).
    any_grid : bool
        Whether a map projection may pass, see `fields.canonical.canonical.canonical`.
    reading : Reading
        What of it is selected, and what is assumed.

    Raises
    ------
    InputError
        If it is no Zarr group, a chunk of a part is missing, nothing is selected, or `canonical`
        refuses it.
    """
    dataset = read_group(path.parent, chunks={}, file=path.name, whole=True)
    try:
        if PART in dataset.attrs:
            dataset = _select(dataset, path)
        left_out: list[LeftOut] = []
        if "data" in dataset and is_anemoi(dataset.attrs, dataset["data"].dims):
            dataset, left_out = separate(dataset, str(path.parent))
        dataset, left, leaving = reading.prepare(dataset, path)
        found = canonical(dataset, str(path.parent), any_grid)
        return note_leaving(note_more(found, [*left_out, *left]), leaving)
    except _STRANGE as problem:
        raise InputError(_unreadable(path.parent, problem)) from problem


def _select(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """Return the years and levels of a part, all of whose chunks are there."""
    arrays, (own_years, own_levels, step) = arrays_of(path), _part(dataset.attrs[PART], path)
    wanted: dict[str, NDArray[np.intp]] = {}
    if "time" in dataset.sizes:
        wanted["time"] = part_times(dataset["time"].values, own_years, step)
    if "level" in dataset.sizes:
        wanted["level"] = np.flatnonzero(np.isin(dataset["level"].values, own_levels))
    for name in dataset.data_vars:
        _check_there(arrays[str(name)], wanted, path.parent)
    return dataset.isel(wanted)


def part_times(
    times: NDArray[np.datetime64], years: Sequence[int], step_hours: int
) -> NDArray[np.intp]:
    """Return where the times of some years stand, those at multiples of some hours; 0: all."""
    own = times.astype("datetime64[Y]").astype(np.int64) + 1970
    chosen = np.isin(own, years)
    if step_hours:
        chosen &= (times - times.astype("datetime64[D]")) % np.timedelta64(step_hours, "h") == 0
    return np.flatnonzero(chosen)


def _part(said: Any, path: Path) -> tuple[list[int], list[int], int]:
    """Return the years and levels that a part says it has, and its step; 0: every time."""
    found: list[list[int]] = []
    for key in ("years", "levels"):
        numbers = said.get(key) if isinstance(said, dict) else None
        if not isinstance(numbers, list) or not all(type(n) in (int, float) for n in numbers):
            raise InputError(
                f"{path}: {PART} is no list of years and levels: run `smoecast download`"
            )
        found.append(numbers)
    step = said.get("step_hours", 0)
    if type(step) is not int or not 0 <= step <= 100_000:
        raise InputError(f"{path}: {PART} has no step in hours: run `smoecast download`")
    return found[0], found[1], step


def _check_there(array: ZarrArray, wanted: Mapping[str, NDArray[np.intp]], group: Path) -> None:
    for index in array.chunk_indices(wanted):
        if not (group / array.key(index)).is_file():
            raise InputError(
                f"{group / array.key(index)}: the chunk is missing, which must not be read as "
                "missing values: run `smoecast download`"
            )
