"""What a result says of itself."""

import json
from pathlib import Path
from typing import Any

import netCDF4

from smoecast.errors import InputError
from smoecast.fields.headers import check_file
from smoecast.fields.watchdog import watched


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the global attributes of a NetCDF file or of a Zarr v2 group; empty when it is none.

    Parameters
    ----------
    path : pathlib.Path
        A file, or the folder of a group.
    """
    described = path / ".zattrs" if path.is_dir() else path
    try:
        if not described.is_file():
            return {}
        if path.is_dir():
            found = json.loads(described.read_bytes())
            return found if isinstance(found, dict) else {}
        check_file(path)
        with watched(path), netCDF4.Dataset(path) as file:
            return {name: file.getncattr(name) for name in file.ncattrs()}
    except (OSError, RuntimeError, AttributeError, ValueError, RecursionError, InputError):
        return {}
