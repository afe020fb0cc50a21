"""Times and levels that have no value anywhere, as a store says itself or found by chunk."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoecast.errors import InputError
from smoecast.fields.read.zarr.array import ZarrArray
from smoecast.names import Channel
from smoecast.variables import variable_of

HORIZONTAL = ("latitude", "longitude")
"""Dimensions of one field; every other one counts fields."""


def empty_places(array: ZarrArray, block: NDArray[Any], index: tuple[int, ...]) -> list[list[int]]:
    """Return the fields of which a chunk has no value.

    Parameters
    ----------
    array : ZarrArray
        The variable.
    block : (*chunks) floating
        Values of one chunk, filled up to its full size at the ends of the array.
    index : tuple of int
        Which chunk.

    Returns
    -------
    list of list of int
        For each its indices along the dimensions that are not horizontal.
    """
    begins = [i * n for i, n in zip(index, array.chunks, strict=True)]
    inside = tuple(slice(0, n - b) for n, b in zip(array.shape, begins, strict=True))
    outer = [axis for axis, d in enumerate(array.dimensions) if d not in HORIZONTAL]
    flat = tuple(axis for axis in range(block.ndim) if axis not in outer)
    empty = _is_fill(block[inside], array.described.get("fill_value")).all(axis=flat)
    places = np.argwhere(empty) + np.array([begins[axis] for axis in outer], dtype=np.intp)
    found: list[list[int]] = places.tolist()
    return found


def _is_fill(values: NDArray[Any], fill: object) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = np.isnan(values)
    if isinstance(fill, int | float):
        missing |= values == fill
    return missing


def everywhere(array: ZarrArray, counts: Counter[tuple[int, ...]]) -> list[dict[str, int]]:
    """Return the fields that are empty in every chunk that covers the Earth.

    Parameters
    ----------
    array : ZarrArray
        The variable.
    counts : Counter
        For each place of `empty_places`, in how many chunks.
    """
    outer = [d for d in array.dimensions if d not in HORIZONTAL]
    sides = zip(array.dimensions, array.shape, array.chunks, strict=True)
    tiles = np.prod([-(-size // chunk) for d, size, chunk in sides if d in HORIZONTAL])
    return [dict(zip(outer, place, strict=True)) for place, n in counts.items() if n == tiles]


def refuse_empty_days(
    store: str,
    name: str,
    empty: Sequence[dict[str, int]],
    times: NDArray[np.datetime64],
    levels: NDArray[Any],
    fetched: NDArray[np.intp],
    wanted: Sequence[int],
) -> None:
    """Refuse a day on which every field of a wanted level is empty.

    Parameters
    ----------
    store, name : str
        Of the group and of the variable in it.
    empty : sequence of dict
        Fields without a value, by their indices, from `everywhere`.
    times, levels : (T,) datetime64, (L,)
        Axes of the group.
    fetched : (N,) int
        Times that were fetched; others do not matter.
    wanted : sequence of int
        Levels in hPa; none for a variable without levels.

    Raises
    ------
    InputError
        It names the channel and the day; a constant without any value is refused as well.
    """
    variable = variable_of(name)
    if any(not place for place in empty):
        short = variable.name if variable else name
        raise InputError(f"{store}: {short} has no value anywhere: leave it out")
    days, day_of = np.unique(times[fetched].astype("datetime64[D]"), return_inverse=True)
    for level in wanted or (None,):
        there = np.ones(len(times), dtype=bool)
        there[[p["time"] for p in empty if level is None or levels[p["level"]] == level]] = False
        bad = days[np.bincount(day_of, weights=there[fetched], minlength=len(days)) == 0]
        if len(bad):
            channel = Channel(variable, level).name if variable else name
            more = f" (and {len(bad) - 1} more days)" if len(bad) > 1 else ""
            raise InputError(
                f"{store}: {channel} has no value anywhere on {bad[0]}{more}: leave the "
                "year or the channel out, or remove the folder once the store has been mended"
            )


def check_period(store: str, attributes: Mapping[str, Any], times: NDArray[np.datetime64]) -> None:
    """Refuse times that a store has axes for and, as its attributes say, no values yet.

    Parameters
    ----------
    store : str
        Its name.
    attributes : mapping
        Of the group: ``valid_time_start`` and ``valid_time_stop``, days that have values.
    times : (N,) datetime64
        That are wanted.

    Raises
    ------
    InputError
        It names the limit and the first year beyond it.
    """
    days = times.astype("datetime64[D]")
    begin, end = (_day(attributes.get(f"valid_time_{key}")) for key in ("start", "stop"))
    for limit, word, outside in (
        (begin, "before", days[days < begin]),
        (end, "after", days[days > end]),
    ):
        if len(outside):
            raise InputError(
                f"{store}: the store has no values {word} {limit} (valid_time), and data.years "
                f"names {outside[0].item().year}: leave that year out"
            )


def _day(text: Any) -> np.datetime64:
    """Return a day in an attribute; NaT, before and after nothing, where it is none."""
    try:
        return np.datetime64(text[:10] if isinstance(text, str) else "NaT", "D")
    except ValueError:
        return np.datetime64("NaT", "D")
