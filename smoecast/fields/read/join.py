"""Several opened files as one dataset: along times, starts, lead times and members, then merged."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.time_axes import same_constant, starts_as_analyses
from smoecast.fields.channels import channels_of, field_of, layout
from smoecast.fields.grid import TOLERANCE
from smoecast.fields.left_out import LeftOut, left_out_of, note_left_out
from smoecast.fields.read.intervals import find_clash, in_words, intervals_of
from smoecast.fields.read.zarr.group_file import folder_of
from smoecast.fields.times import as_hours, iso
from smoecast.names import PROJECTION, parse_channel

_PLACE = ("latitude", "longitude", *PROJECTION)
LATE = np.timedelta64(24, "h")
"""By which a variable may begin after the others, where that may be at all."""
_JOINED = ("time", "init_time", "lead_time", "number")


@dataclass(frozen=True)
class _Piece:
    """What one or more files have of one variable."""

    array: xr.DataArray
    paths: tuple[Path, ...]

    def labels(self, dimension: str) -> tuple[int, ...]:
        """Return the labels along a dimension, nanoseconds for times; none without it."""
        there = dimension in self.array.dims
        return tuple(self.array[dimension].values.tolist()) if there else ()


def join(opened: Sequence[tuple[Path, xr.Dataset]], trim_start: bool = False) -> xr.Dataset:
    """Join opened files along times, starts, lead times and members, then merge variables.

    Parameters
    ----------
    opened : sequence of tuple
        File, and what `fields.read.open.open_file` returned of it.
    trim_start : bool
        See `fields.read.open.open_files`.

    Raises
    ------
    InputError
        See `fields.read.open.open_files`.
    """
    if not opened:
        raise InputError("no file to read was named")
    if len(opened) == 1:
        return opened[0][1]
    if any("time" in dataset.dims for _, dataset in opened):
        opened = [(path, starts_as_analyses(dataset)) for path, dataset in opened]
    opened = [(folder_of(path), dataset) for path, dataset in opened]  # as messages name it
    opened = [(path, _on_grid_of(opened[0], path, dataset)) for path, dataset in opened]
    split = len({_levels(dataset) for _, dataset in opened} - {((), False)}) > 1
    pieces: dict[str, list[_Piece]] = {}
    for path, dataset in opened:
        for name, array in _arrays(dataset, split).items():
            pieces.setdefault(name, []).append(_Piece(array, (path,)))
    pieces, odd = _without_odd_sums(pieces)
    joined = {name: _join(name, found) for name, found in pieces.items()}
    if trim_start:
        joined = _from_one_start(joined)
    left_out = [*(left for _, dataset in opened for left in left_out_of(dataset)), *odd]
    joined = _without(joined, left_out)
    _check_axes(joined)
    arrays = {name: piece.array for name, piece in joined.items()}
    result = layout(arrays) if split else xr.Dataset(arrays)
    result.attrs = opened[0][1].attrs
    return note_left_out(result, left_out)


def _arrays(dataset: xr.Dataset, split: bool) -> dict[str, xr.DataArray]:
    """Return the variables of a dataset, or its channels."""
    if split:
        return {name: field_of(dataset, name) for name in channels_of(dataset)}
    return {str(name): array for name, array in dataset.data_vars.items()}


def _levels(dataset: xr.Dataset) -> tuple[tuple[int, ...], bool]:
    """Return the levels on which variables are stacked, and whether channels stand alone."""
    stacked = tuple(dataset["level"].values.tolist()) if "level" in dataset.sizes else ()
    channels = (parse_channel(str(name)) for name in dataset.data_vars)
    return stacked, any(c is not None and c.level is not None for c in channels)


def _on_grid_of(first: tuple[Path, xr.Dataset], path: Path, dataset: xr.Dataset) -> xr.Dataset:
    """Return `dataset` with the very coordinates of the first file, which it must match."""
    coordinates = {}
    for name in _PLACE:
        mine, theirs = first[1].indexes.get(name), dataset.indexes.get(name)
        if mine is None and theirs is None:
            continue
        same = mine is not None and theirs is not None and len(mine) == len(theirs)
        if not same or np.abs(np.asarray(mine) - np.asarray(theirs)).max() >= TOLERANCE:
            raise InputError(
                f"{first[0]} and {path} lie on different grids: they differ in {name}; "
                "regrid one of them"
            )
        coordinates[name] = first[1][name].variable
    return dataset.assign_coords(coordinates)


def _without_odd_sums(
    pieces: dict[str, list[_Piece]],
) -> tuple[dict[str, list[_Piece]], list[LeftOut]]:
    """Leave out variables that are sums over hours that do not compare from file to file.

    Raises
    ------
    InputError
        Nothing else is there.
    """
    kept, odd = dict(pieces), []
    for name, found in pieces.items():
        holders = {one: piece for piece in reversed(found) for one in intervals_of(piece.array)}
        clash = find_clash(one for piece in found for one in intervals_of(piece.array))
        if clash is None:
            continue
        (first, one), (second, other) = ((holders[each].paths[0], each) for each in clash)
        reason = (
            f"{first} and {second} have sums of {name} over {in_words(one)} and over "
            f"{in_words(other)}, which do not compare: name files that have one kind, or take one "
            "with data.select, by stepRange"
        )
        odd.append(LeftOut(name, reason, name))
        del kept[name]
    if odd and not kept:
        raise InputError(odd[0].reason)
    return kept, odd


def _join(name: str, pieces: list[_Piece]) -> _Piece:
    """Join the pieces of one variable along every dimension in which files may differ."""
    if not any(dimension in pieces[0].array.dims for dimension in _JOINED):
        return _one_constant(name, pieces)
    given = pieces
    for dimension in _JOINED:
        groups: dict[Hashable, list[_Piece]] = {}
        for piece in pieces:
            others = [d for d in _JOINED if d != dimension]
            key = (piece.array.dims, *(piece.labels(d) for d in others))
            groups.setdefault(key, []).append(piece)
        pieces = [_along(dimension, name, group) for group in groups.values()]
    if len(pieces) > 1:
        raise InputError(
            f"{pieces[0].paths[0]} and {pieces[1].paths[0]} do not make one block of {name}"
            f"{_hole(given)}: fetch what is missing, or read them one by one{_or_starts(given)}"
        )
    return pieces[0]


def _or_starts(pieces: list[_Piece]) -> str:
    """Return the mend of forecasts that begin with analyses, of which these may be wanted."""
    leads = {label for piece in pieces for label in piece.labels("lead_time")}
    return ", or take their starts alone: data.select: {step: 0}" if 0 in leads else ""


def _hole(pieces: list[_Piece]) -> str:
    """Say which start, lead time and member no piece has, though others have each of them."""
    dims = [d for d in _JOINED if d in pieces[0].array.dims]
    if any(dims != [d for d in _JOINED if d in piece.array.dims] for piece in pieces):
        return ", for they do not differ in the same dimensions"
    there = {at for piece in pieces for at in product(*(piece.labels(d) for d in dims))}
    holders = [{label: p for p in pieces for label in p.labels(d)} for d in dims]
    for at in product(*map(sorted, holders)):
        if at not in there:
            each = zip(dims, holders, at, strict=True)
            words = [_label(d, of[label], label) for d, of, label in each]
            return f", which has nothing for {', '.join(words)}"
    return ""


def _along(dimension: str, name: str, group: list[_Piece]) -> _Piece:
    """Join pieces that differ in one dimension only."""
    if len(group) == 1:
        return group[0]
    holders: dict[int | None, _Piece] = {}
    for piece in group:
        for label in piece.labels(dimension) or (None,):
            if label in holders:
                _refuse_overlap(dimension, name, holders[label], piece)
            holders[label] = piece
    group = sorted(group, key=lambda piece: piece.array[dimension].values[0])
    array = xr.concat(
        [piece.array for piece in group],
        dim=dimension,
        coords="minimal",
        compat="override",
        join="exact",
        combine_attrs="override",
    )
    ascending = np.argsort(array[dimension].values, kind="stable")
    if not np.array_equal(ascending, np.arange(len(ascending))):
        array = array.isel({dimension: ascending})
    return _Piece(array, tuple(path for piece in group for path in piece.paths))


def _refuse_overlap(dimension: str, name: str, first: _Piece, second: _Piece) -> None:
    both = sorted(set(first.labels(dimension)) & set(second.labels(dimension)))
    at = f" for {_label(dimension, first, both[0])}" if both else ""
    other = next((p for p in second.paths if p not in first.paths), second.paths[0])
    raise InputError(
        f"{first.paths[0]} and {other} both have {name}{at}: name one of them only, or take one "
        "kind with data.select"
    )


def _label(dimension: str, piece: _Piece, label: int) -> str:
    """Return one label of a dimension in words."""
    value = piece.array[dimension].values[piece.labels(dimension).index(label)]
    if dimension == "number":
        return f"member {value}"
    return f"{as_hours(value):g} h ahead" if dimension == "lead_time" else iso(value)


def _one_constant(name: str, pieces: list[_Piece]) -> _Piece:
    """Return a field without time, which every file must have alike."""
    for piece in pieces[1:]:
        if not same_constant(pieces[0].array, piece.array):
            raise InputError(
                f"{pieces[0].paths[0]} and {piece.paths[0]} have different fields of the constant "
                f"{name}: name one of them only"
            )
    return pieces[0]


def _from_one_start(joined: dict[str, _Piece]) -> dict[str, _Piece]:
    """Leave out the first times, a day at most, that some variable lacks."""
    times = {n: p.array["time"].values for n, p in joined.items() if "time" in p.array.dims}
    begun = dict(joined)
    if not times:
        return begun
    latest = max(values[0] for values in times.values())
    for name, values in times.items():
        early = values < latest
        if early.any() and values[0] >= latest - LATE:  # the years apart might not fit a span
            array = joined[name].array.isel(time=slice(int(early.sum()), None))
            begun[name] = _Piece(array, joined[name].paths)
    return begun


def _without(joined: dict[str, _Piece], left_out: Sequence[LeftOut]) -> dict[str, _Piece]:
    """Leave out what some file leaves out, unless the others have it for all of their times."""
    channels = [channel for left in left_out if (channel := parse_channel(left.channel))]
    odd = {c.name for c in channels} | {c.variable.name for c in channels}
    axes = {n: [piece.labels(d) for d in _JOINED] for n, piece in joined.items()}
    whole = [axes[name] for name in joined if name not in odd and any(axes[name])]
    return {n: p for n, p in joined.items() if n not in odd or not whole or axes[n] == whole[0]}


def _check_axes(joined: dict[str, _Piece]) -> None:
    """Refuse variables whose times, starts, lead times or members are not the same."""
    moving = {n: p for n, p in joined.items() if any(d in p.array.dims for d in _JOINED)}
    if not moving:
        return
    first_name, first = next(iter(moving.items()))
    for name, piece in moving.items():
        for dimension in _JOINED:
            mine, theirs = first.labels(dimension), piece.labels(dimension)
            if mine == theirs:
                continue
            if not mine or not theirs:
                raise InputError(
                    f"{first.paths[0]} and {piece.paths[0]} do not fit together: only one of "
                    f"{first_name} and {name} has the dimension {dimension}"
                )
            odd = min(set(mine) ^ set(theirs))
            has, lacks = (first, piece) if odd in mine else (piece, first)
            names = (first_name, name) if has is first else (name, first_name)
            raise InputError(
                f"{lacks.paths[-1]} and its like have no {names[1]} for "
                f"{_label(dimension, has, odd)}, which {has.paths[0]} and its like have of "
                f"{names[0]}: fetch what is missing, or leave the other out with data.select"
                f"{_or_starts([first, piece])}"
            )
