"""Decoding the values of GRIB messages. To be imported by `fields.read.grib.server` alone."""

import os
from collections.abc import Callable
from functools import partial

import eccodes
import numpy as np

from smoecast.errors import InputError
from smoecast.fields.read.grib.grid import GribGrid
from smoecast.fields.read.grib.keys import Keys
from smoecast.fields.read.grib.sections import content_of, number_of

_MISSING = 1e20
_MASKS = ("bitmapPresent", "missingValueManagementUsed")
"""Keys that tell of missing values; complex packing marks them without a bitmap."""


def decode(
    file: int,
    where: np.ndarray,
    values: np.ndarray,
    place: GribGrid,
    what: str,
    begin: Callable[[int, int], None],
) -> None:
    """Decode messages of a file.

    Parameters
    ----------
    file : int
        Descriptor.
    where : numpy.ndarray
        Number, offset, length and field of each message, (N, 4) int64.
    values : numpy.ndarray
        For what comes of them, (N, rows, columns) float32, missing values as NaN.
    place : GribGrid
        The grid of them all.
    what : str
        Names the file in messages.
    begin : callable
        Told the number of each message, and how much there is to do in it.

    Raises
    ------
    InputError
        A message cannot be decoded.
    """
    for into, (number, offset, length, field) in zip(values, where.tolist(), strict=True):
        begin(number, length + into.size)
        name = f"{what}: message {number_of(number, field)}"
        message = content_of(partial(os.pread, file), offset, length, field, name)
        found = _values(message, place, name)
        with np.errstate(all="ignore"):  # what float32 cannot hold becomes infinite, and is refused
            into[...] = found


def _values(message: bytes, place: GribGrid, what: str) -> np.ndarray:
    """Decode one message, (latitude, longitude) float64."""
    try:
        handle = eccodes.codes_new_from_message(message)
        try:
            eccodes.codes_set(handle, "missingValue", _MISSING)
            flat = eccodes.codes_get_values(handle)
            masked = any(Keys(handle).whole(key) for key in _MASKS)
        finally:
            eccodes.codes_release(handle)
    except eccodes.CodesInternalError as problem:
        raise InputError(f"{what} cannot be decoded ({problem}): fetch the file again") from None
    if len(flat) != place.shape[0] * place.shape[1]:
        raise InputError(f"{what} has {len(flat)} values for {place.describe()}")
    if masked:
        flat[flat == _MISSING] = np.nan
    if place.columns_first:
        return np.asarray(flat).reshape(place.shape[::-1]).T  # (Ni, Nj) to (Nj, Ni)
    return np.asarray(flat).reshape(place.shape)  # (Nj, Ni)
