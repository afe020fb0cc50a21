"""What a result file says of itself."""

from pathlib import Path
from typing import Any

import netCDF4


def read_attributes(path: Path) -> dict[str, Any]:
    """Return the global attributes of a NetCDF file; empty when it is none."""
    try:
        with netCDF4.Dataset(path) as file:
            return {name: file.getncattr(name) for name in file.ncattrs()}
    except OSError:
        return {}
