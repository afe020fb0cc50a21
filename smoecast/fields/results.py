"""What a result says of itself."""

import json
from pathlib import Path
from typing import Any

import netCDF4


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the global attributes of a NetCDF file or of a Zarr v2 group; empty when it is none.

    Parameters
    ----------
    path : pathlib.Path
        A file, or the folder of a group.
    """
    try:
        if path.is_dir():
            found: dict[str, Any] = json.loads((path / ".zattrs").read_bytes())
            return found
        with netCDF4.Dataset(path) as file:
            return {name: file.getncattr(name) for name in file.ncattrs()}
    except (OSError, ValueError):
        return {}
