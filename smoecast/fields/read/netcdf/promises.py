"""What a NetCDF file promises, looked at before anything of it is read.

xarray reads every coordinate whole on opening, and takes attributes at their word.
"""

import math
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from smoecast.errors import InputError
from smoecast.fields.canonical.dimensions import role_of

LONGEST_AXIS = 2**23
"""Points of a coordinate: hours of 950 years, or a grid of four metres."""
MOST_VARIABLES = 2000
"""NetCDF takes a time that grows with their square."""
MOST_PER_BYTE = 4096
"""Bytes of values for each byte of the file: zlib packs no more than 1032 into one."""
SMALL = 2**30
"""Bytes up to which it does not matter that a variable was never written."""
_NUMBERS = ("scale_factor", "add_offset", "_FillValue", "missing_value")
_SINGLE = ("scale_factor", "add_offset")


def check_promises(file: netCDF4.Dataset, path: Path) -> list[str]:
    """Refuse a file whose variables are beyond all reason; return those that are not to be read.

    Parameters
    ----------
    file : netCDF4.Dataset
        Open for reading; its root group alone is looked at, as nothing else is read.
    path : pathlib.Path
        To name in the message.

    Returns
    -------
    list of str
        Variables of lists of different lengths, or with a dimension twice: never fields.

    Raises
    ------
    InputError
        If there are more than `MOST_VARIABLES`, a coordinate is longer than `LONGEST_AXIS`, a
        variable far larger than what the file can hold, or an attribute of its packing no number.
    """
    if len(file.variables) > MOST_VARIABLES:
        raise InputError(
            f"{path}: it has {len(file.variables)} variables, more than {MOST_VARIABLES}: split it"
        )
    held = path.stat().st_size
    sizes = {name: len(dimension) for name, dimension in file.dimensions.items()}
    strange = []
    for name, variable in file.variables.items():
        numbers = isinstance(variable.dtype, np.dtype) and variable.dtype.kind in "iuf"
        _check_size(variable, sizes, held, path)
        for key in _NUMBERS if numbers else ():
            _check_number(variable, key, f"{path}: {name}")
        lists = isinstance(variable.datatype, netCDF4.VLType) and variable.dtype is not str
        if lists or len(set(variable.dimensions)) < variable.ndim:
            strange.append(name)
    return strange


def _check_size(
    variable: "netCDF4.Variable[Any]", sizes: dict[str, int], held: int, path: Path
) -> None:
    # a variable asks the whole file how long a dimension without end is, so it is not asked
    name, points = variable.name, math.prod(sizes[dimension] for dimension in variable.dimensions)
    if points > LONGEST_AXIS:
        named: dict[Hashable, object] = {
            key: variable.getncattr(key)
            for key in ("standard_name", "units", "axis")
            if key in variable.ncattrs()
        }
        if variable.ndim == 1 or role_of(name, named) is not None:
            raise InputError(
                f"{path}: the coordinate {name} has {points} points, more than {LONGEST_AXIS}: "
                "split the file"
            )
    promised = points * getattr(variable.dtype, "itemsize", 1)
    if promised > max(SMALL, MOST_PER_BYTE * held):
        raise InputError(
            f"{path}: {name} has {promised:.2g} bytes by its dimensions, of which a file of {held} "
            "bytes can hold next to nothing: fetch the file again"
        )


def _check_number(variable: "netCDF4.Variable[Any]", key: str, what: str) -> None:
    """Refuse an attribute that is there but is no number."""
    if key not in variable.ncattrs():
        return
    value = np.asarray(variable.getncattr(key))
    if value.dtype.kind not in "iuf" or (key in _SINGLE and value.size != 1):
        raise InputError(
            f"{what} has the {key} {str(value)[:40]!r}, which is no number: correct the attribute"
        )
