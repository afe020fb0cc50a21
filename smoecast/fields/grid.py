"""The places where fields are known: a regular latitude-longitude grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from smoecast.errors import InputError, ModelError

TOLERANCE = 1e-3
"""Degrees within which two coordinates are the same (GRIB 1 stores thousandths)."""
MOST = 100_000
"""Rows or columns of a grid: 0.01 degrees has 36,000."""


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular grid, north to south and west to east.

    Attributes
    ----------
    latitude : numpy.ndarray
        (H,) float64, degrees north, descending.
    longitude : numpy.ndarray
        (W,) float64, degrees east, ascending.
    """

    latitude: np.ndarray
    longitude: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return len(self.latitude), len(self.longitude)

    @property
    def periodic(self) -> bool:
        """Whether the longitudes are evenly spaced and go once around the Earth."""
        if len(self.longitude) < 3:
            return False
        steps = np.diff(self.longitude)
        step = float(steps.mean())
        even = bool(np.all(np.abs(steps - step) < 2 * TOLERANCE))
        return even and abs(step * len(self.longitude) - 360.0) < 0.05 * step

    def weights(self) -> np.ndarray:
        """Return cos(latitude) over its mean, (H,) float64, never negative (the poles round)."""
        cosine = np.clip(np.cos(np.deg2rad(self.latitude)), 0.0, None)
        return np.asarray(cosine / cosine.mean())

    def matches(self, other: "Grid") -> bool:
        """Whether `other` has the same points within `TOLERANCE`."""
        return self.shape == other.shape and all(
            bool(np.all(np.abs(mine - theirs) < TOLERANCE))
            for mine, theirs in (
                (self.latitude, other.latitude),
                (self.longitude, other.longitude),
            )
        )

    def to_dict(self) -> dict[str, list[float]]:
        """Return the coordinates as lists that JSON can carry."""
        return {"latitude": self.latitude.tolist(), "longitude": self.longitude.tolist()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> "Grid":
        """Read what `to_dict` gave.

        Raises
        ------
        ModelError
            These are no latitudes from north to south, or no longitudes from west to east.
        """
        latitude, longitude = (coordinates(stored, name) for name in ("latitude", "longitude"))
        if np.any(np.diff(latitude) >= 0) or np.any(np.abs(latitude) > 90 + TOLERANCE):
            raise ModelError("the latitudes of its grid do not run from north to south")
        east = longitude[-1] - longitude[0]
        if np.any(np.diff(longitude) <= 0) or east >= 360 or abs(longitude[0]) > 360:
            raise ModelError("the longitudes of its grid do not run once from west to east")
        return cls(latitude, longitude)

    def describe(self) -> str:
        """Return one line for a person: ``32 x 64 points, 87.2 to -87.2 N, 0 to 354.4 E``."""
        north, south, west, east = (
            f"{round(float(value), 1) + 0.0:g}"
            for value in (
                self.latitude[0],
                self.latitude[-1],
                self.longitude[0],
                self.longitude[-1],
            )
        )
        return f"{self.shape[0]} x {self.shape[1]} points, {north} to {south} N, {west} to {east} E"


def coordinates(stored: dict[str, Any], name: str) -> np.ndarray:
    """Return one list of coordinates that JSON carried, as float64.

    Raises
    ------
    ModelError
        There is none, or it is no list of 1 to `MOST` finite numbers.
    """
    values: Any = stored.get(name)
    listed = isinstance(values, list) and 0 < len(values) <= MOST
    if not listed or not all(type(v) in (int, float) and abs(v) < 1e9 for v in values):
        raise ModelError(f"{name} of its grid is no list of finite numbers")
    return np.asarray(values, dtype=np.float64)


def grid_of(dataset: xr.Dataset | xr.DataArray) -> Grid:
    """Return the grid of a canonical dataset or of one of its fields.

    Raises
    ------
    InputError
        If `dataset` has no latitude and longitude of its own (a projection grid).
    """
    for name in ("latitude", "longitude"):
        if name not in dataset.coords or dataset[name].dims != (name,):
            raise InputError(
                f"the data has no dimension {name}, but {sorted(map(str, dataset.sizes))}: "
                "bring it to a regular latitude-longitude grid first"
            )
    return Grid(
        np.asarray(dataset["latitude"].values, dtype=np.float64),
        np.asarray(dataset["longitude"].values, dtype=np.float64),
    )
