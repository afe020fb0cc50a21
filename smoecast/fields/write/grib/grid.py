"""How GRIB 2 says a grid: regular in latitude and longitude, or Gaussian."""

import numpy as np

from smoecast.errors import ConfigError
from smoecast.fields.grid import TOLERANCE, Grid, ProjectedGrid
from smoecast.fields.read.grib.grid import gaussian_latitudes
from smoecast.fields.write.grib.parameters import INSTEAD

_LONGEST = 5120  # rows of a Gaussian grid, as far as ours are read again


def grid_keys(grid: Grid | ProjectedGrid) -> dict[str, int | str]:
    """Return the keys of a grid: regular, or Gaussian from pole to pole; as its rows run.

    Raises
    ------
    ConfigError
        GRIB cannot say it.
    """
    if isinstance(grid, ProjectedGrid):
        raise ConfigError(
            "GRIB results lie on a regular latitude-longitude or Gaussian grid, not on "
            f"{grid.describe()}: {INSTEAD}"
        )
    rows, columns = grid.shape
    if rows < 2 or columns < 2:
        raise ConfigError(f"GRIB has no grid of {rows} x {columns} points: {INSTEAD}")
    ends = np.array([grid.latitude[0], grid.latitude[-1], grid.longitude[0], grid.longitude[-1]])
    south, east = abs(ends[1] - ends[0]) / (rows - 1), (ends[3] - ends[2]) / (columns - 1)
    _check_even(grid.longitude, east, "longitudes")
    described: dict[str, int | str] = {"gridType": "regular_ll"}
    if _is_gaussian(grid.latitude):
        described = {"gridType": "regular_gg", "N": rows // 2}
    else:
        _check_even(grid.latitude, south, "latitudes, which are not those of a Gaussian grid,")
    described |= {
        "Ni": columns,
        "Nj": rows,
        "latitudeOfFirstGridPoint": _millionths(ends[0]),
        "latitudeOfLastGridPoint": _millionths(ends[1]),
        "longitudeOfFirstGridPoint": _millionths(ends[2] % 360.0),
        "longitudeOfLastGridPoint": _millionths(ends[3] % 360.0),
        "iDirectionIncrement": _millionths(east),
        "iScansNegatively": 0,
        "jScansPositively": int(ends[1] > ends[0]),
        "jPointsAreConsecutive": 0,
    }
    if described["gridType"] == "regular_ll":
        described["jDirectionIncrement"] = _millionths(south)
    return described


def _millionths(degrees: float) -> int:
    return round(float(degrees) * 1e6)


def _check_even(values: np.ndarray, step: float, what: str) -> None:
    """Refuse what an increment in millionths of a degree does not lead along."""
    count = len(values)
    even = np.abs(np.diff(values) - np.diff(values).mean()).max() < TOLERANCE
    drift = abs(_millionths(step) / 1e6 - step) * (count - 1)
    line = np.linspace(values[0], values[-1], count)
    if not even or drift >= TOLERANCE or np.abs(values - line).max() >= TOLERANCE:
        raise ConfigError(
            f"GRIB has evenly spaced grids in millionths of a degree, and the {what} from "
            f"{values[0]:g} to {values[-1]:g} are not: {INSTEAD}"
        )


def _is_gaussian(latitude: np.ndarray) -> bool:
    rows = len(latitude)
    if rows % 2 or rows > _LONGEST:
        return False
    wanted = gaussian_latitudes(rows)
    if latitude[0] > latitude[-1]:
        wanted = wanted[::-1]
    evenly = np.abs(np.diff(latitude, 2)).max() < TOLERANCE if rows > 2 else True
    return not evenly and bool(np.abs(latitude - wanted).max() < TOLERANCE)
