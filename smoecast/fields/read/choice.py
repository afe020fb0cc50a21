"""What is selected of a NetCDF file or a Zarr group, by its variables and coordinates."""

from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.fields.canonical.dimensions import role_of
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.selection import (
    SHOWN,
    VARIABLE,
    Condition,
    Leaving,
    NotSelectedError,
    Selection,
)
from smoecast.fields.times import as_hours
from smoecast.names import DIMENSIONS
from smoecast.text_table import name_some

IN_FILE = "smoecast_name_in_file"
"""Key of a variable's encoding: what its file calls it, where it has another name by now."""


def choose(
    dataset: xr.Dataset, selection: Selection, path: Path
) -> tuple[xr.Dataset, list[LeftOut], tuple[Leaving, ...]]:
    """Return what of a NetCDF file or a Zarr group is selected, what is left out, and why.

    A dimension of members, heights and the like of which one point is left becomes a scalar.

    Parameters
    ----------
    dataset : xarray.Dataset
        Decoded, under the names of the file.
    selection : Selection
    path : pathlib.Path
        Named in messages.

    Returns
    -------
    tuple
        The dataset, each thing that is left out, and what came of what is to be left.

    Raises
    ------
    NotSelectedError
        Nothing is selected, or there is no such variable, coordinate or attribute; the message
        says what is there.
    """
    gone: list[str] = []
    leaving = _look_for_leaving(dataset, selection)
    try:
        for asked in selection.conditions:
            name = None if asked.key == VARIABLE else _coordinate(dataset, asked.key)
            if name is None:
                dataset, others = _variables(dataset, asked)
            else:
                dataset, others = _points(dataset, name, asked)
            gone += others
    except _NoneError as problem:
        refusal = NotSelectedError(f"{path}: {problem}; correct {selection.key}")
        refusal.leaving = leaving
        raise refusal from None
    return dataset, [LeftOut(name, selection.reason) for name in gone], leaving


class _NoneError(Exception):
    """Nothing meets a condition; says why."""


def _look_for_leaving(dataset: xr.Dataset, selection: Selection) -> tuple[Leaving, ...]:
    """Return what the file has of what is to be left; nothing of a key that it does not have."""
    found = []
    for asked in selection.conditions:
        name = None if asked.key == VARIABLE else _coordinate(dataset, asked.key)
        if asked.is_wanted or (name is not None and dataset[name].ndim > 1):
            continue
        texts = _names(dataset, asked).values() if name is None else _texts(dataset[name])
        there = tuple(texts) if all(asked.admits(text) for text in texts) else ()
        found.append(Leaving(asked, selection.key, there))
    return tuple(found)


def _names(dataset: xr.Dataset, asked: Condition) -> dict[str, str]:
    """Return the variables that a condition can be asked of, with what each has."""
    every = fields_of(dataset)
    if asked.key == VARIABLE:
        return {name: str(dataset[name].encoding.get(IN_FILE, name)) for name in every}
    # cfgrib and earthkit keep keys of messages so
    attributes = {name: dataset[name].attrs.get(f"GRIB_{asked.key}") for name in every}
    return {name: str(value) for name, value in attributes.items() if value is not None}


def _variables(dataset: xr.Dataset, asked: Condition) -> tuple[xr.Dataset, list[str]]:
    """Return the variables that are selected by name or by an attribute, and the others' names."""
    every, texts = fields_of(dataset), _names(dataset, asked)
    if not texts:
        there = ", ".join(map(str, (VARIABLE, *dataset.coords)))
        raise _NoneError(f"there is no {asked.key} to select by, but {there}")
    gone = [name for name in every if not asked.admits(texts.get(name, ""))]
    if len(gone) == len(every):
        raise _NoneError(asked.refuse("variable", texts.values()))
    # a dimension of these alone would make members or levels of what has none
    kept = {dimension for name in every if name not in gone for dimension in dataset[name].dims}
    theirs = {dimension for name in gone for dimension in dataset[name].dims} - kept
    return dataset.drop_vars(gone).drop_dims(theirs), gone


def _points(dataset: xr.Dataset, name: str, asked: Condition) -> tuple[xr.Dataset, list[str]]:
    """Return the points of a coordinate that are selected, and the others in words."""
    coordinate = dataset[name]
    if coordinate.ndim > 1:
        along = " and ".join(map(str, coordinate.dims))
        raise _NoneError(f"{name} changes along {along}, so nothing can be selected by it")
    texts = _texts(coordinate)
    chosen = [i for i, text in enumerate(texts) if asked.admits(text)]
    if not chosen:
        raise _NoneError(asked.refuse("point", texts))
    others = [text for i, text in enumerate(texts) if i not in chosen]
    gone = [f"{name} {name_some(others, SHOWN)}"] if others else []
    if coordinate.ndim == 0:
        return dataset, gone
    # a start beside a single lead time would pass for the time at which it holds
    kept = set(DIMENSIONS) - {"number"}
    squeezed = len(chosen) == 1 and role_of(name, dict(coordinate.attrs)) not in kept
    return dataset.isel({coordinate.dims[0]: chosen[0] if squeezed else chosen}), gone


def fields_of(dataset: xr.Dataset) -> list[str]:
    """Return the variables of a file that are fields, not bounds, projections and the like."""
    named = set[str]()
    for array in (*dataset.data_vars.values(), *dataset.coords.values()):
        for given in (array.encoding, array.attrs):
            for key in ("grid_mapping", "bounds", "ancillary_variables"):
                named.update(str(given.get(key, "")).split())
    return [str(name) for name in dataset.data_vars if str(name) not in named]


def _coordinate(dataset: xr.Dataset, key: str) -> str | None:
    """Return the coordinate of that name, or else the one that has this part in the file."""
    if key in dataset.coords:
        return key
    wanted = role_of(key, {})
    roles = {str(n): role_of(str(n), dict(c.attrs)) for n, c in dataset.coords.items()}
    return next((n for n, role in roles.items() if role is not None and role == wanted), None)


def _texts(coordinate: xr.DataArray) -> list[str]:
    """Return the values of a coordinate as they are compared: spans of time are hours."""
    values = np.atleast_1d(coordinate.values)
    if values.dtype.kind == "m":
        values = as_hours(values)
    return [
        str(int(value))
        if isinstance(value, float) and value.is_integer()
        else value.decode(errors="replace")
        if isinstance(value, bytes)
        else str(value)
        for value in (values if values.dtype.kind == "M" else values.tolist())
    ]
