"""Variables on disk, read in blocks; whatever is complained of then is one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import xarray as xr

from smoecast.errors import InputError

BLOCK_BYTES = 32 * 2**20
"""Bytes of one block of a lazily read variable, at most, unless one field is larger."""

MOST_BLOCKS = 2**17
"""Of one variable, at most: four terabytes of small fields, some hundred of large ones."""

_COMPLAINTS = (
    *(OSError, RuntimeError, ValueError, TypeError),
    *(LookupError, AttributeError, ArithmeticError),
)
"""What netCDF-C, the decoders of xarray, and cftime raise for bytes and attributes gone wrong."""


@contextmanager
def explain_damage(what: str) -> Iterator[None]:
    """Turn whatever netCDF-C, xarray and cftime complain of into one sentence.

    Parameters
    ----------
    what : str
        Begins the sentence.

    Raises
    ------
    InputError
        The file is damaged or strange, or what it holds does not fit into the memory.
    """
    try:
        yield
    except MemoryError as problem:
        raise InputError(f"{what}: it does not fit into the memory of this machine") from problem
    except _COMPLAINTS as problem:
        reason = " ".join(str(getattr(problem, "strerror", None) or problem).split())[:200]
        said = reason or type(problem).__name__
        raise InputError(f"{what} ({said}): fetch the file again") from problem


class _Stored:
    """A variable on disk, for dask."""

    def __init__(self, variable: xr.Variable, what: str) -> None:
        self._variable = variable
        self._what = what
        self.shape, self.dtype, self.ndim = variable.shape, variable.dtype, variable.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        with explain_damage(f"{self._what} cannot be read"):
            values: np.ndarray = self._variable[key].values
            return values


def in_blocks(stored: xr.Variable, what: str) -> xr.Variable:
    """Return a variable as a dask array, in blocks along the first dimension.

    Parameters
    ----------
    stored : xarray.Variable
        On disk.
    what : str
        Names file and variable.

    Raises
    ------
    InputError
        If there are more than `MOST_BLOCKS`; when values are read, as `explain_damage`.
    """
    if stored.ndim == 0:
        with explain_damage(f"{what} cannot be read"):
            return stored.load()
    count, *rest = stored.shape
    chunk = stored.encoding.get("preferred_chunks", {}).get(stored.dims[0], 1)
    row = stored.nbytes // max(count, 1)
    # Whole stored chunks only: a block that cuts one would decompress it twice.
    rows = max(chunk, BLOCK_BYTES // max(row, 1) // chunk * chunk)
    if count > rows * MOST_BLOCKS:
        raise InputError(f"{what} has {stored.nbytes:.2g} bytes: split the file by time")
    import dask.array as da  # noqa: PLC0415  # half a second

    lazy = da.from_array(
        _Stored(stored, what),
        (min(rows, count), *rest),
        name=False,
        meta=np.empty((0,) * stored.ndim, stored.dtype),  # or dask reads nothing to see its type
    )
    return stored.copy(data=lazy)
