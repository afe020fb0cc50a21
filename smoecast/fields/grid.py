"""The places where fields are known: a regular latitude-longitude grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from smoecast.errors import InputError, ModelError
from smoecast.names import PROJECTION

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


SPACING_TOLERANCE = 1e-3
"""Share of the spacing within which two coordinates are the same."""


@dataclass(frozen=True, eq=False)
class ProjectedGrid:
    """Points of a map projection.

    Attributes
    ----------
    y, x : numpy.ndarray
        (H,) and (W,) float64, metres.
    mapping : dict
        Attributes of the projection as CF writes them; empty where the file does not say.
    """

    y: np.ndarray
    x: np.ndarray
    mapping: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return len(self.y), len(self.x)

    def weights(self) -> np.ndarray:
        """Return ones, (H,) float64: every point of a plane counts the same."""
        return np.ones(len(self.y))

    def matches(self, other: "ProjectedGrid") -> bool:
        """Whether `other` has the same points of the same projection."""
        if self.shape != other.shape:
            return False
        same = all(_close(a, b) for a, b in ((self.y, other.y), (self.x, other.x)))
        return same and (not self.mapping or not other.mapping or self.mapping == other.mapping)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as values that JSON can carry."""
        return {"y": self.y.tolist(), "x": self.x.tolist(), "mapping": self.mapping}

    def describe(self) -> str:
        """Return one line for a person: ``200 x 200 points of lambert_azimuthal_equal_area``."""
        name = self.mapping.get("grid_mapping_name", "a projection without a name")
        span = f"y {self.y[0]:g} to {self.y[-1]:g} m, x {self.x[0]:g} to {self.x[-1]:g} m"
        return f"{self.shape[0]} x {self.shape[1]} points of {name}, {span}"


def _close(mine: np.ndarray, theirs: np.ndarray) -> bool:
    spacing = np.abs(np.diff(mine)).min() if len(mine) > 1 else 1.0
    return bool(np.abs(mine - theirs).max() <= SPACING_TOLERANCE * spacing)


def same_place(first: Grid | ProjectedGrid, second: Grid | ProjectedGrid) -> bool:
    """Whether two places are the same points, of a grid or of a projection."""
    if isinstance(first, ProjectedGrid):
        return isinstance(second, ProjectedGrid) and first.matches(second)
    return isinstance(second, Grid) and first.matches(second)


def place_of(data: xr.Dataset | xr.DataArray) -> Grid | ProjectedGrid:
    """Return where canonical fields hold: a regular grid, or points of a projection.

    Raises
    ------
    InputError
        Neither.
    """
    if not all(name in data.coords and data[name].dims == (name,) for name in PROJECTION):
        return grid_of(data)
    y, x = (np.asarray(data[name].values, np.float64) for name in PROJECTION)
    name = _grid_mapping_of(data)
    attributes = data[name].attrs if name in data.coords else {}
    return ProjectedGrid(y, x, {str(key): _plain(value) for key, value in attributes.items()})


def place_from_dict(stored: dict[str, Any]) -> Grid | ProjectedGrid:
    """Read what the `to_dict` of either gave.

    Raises
    ------
    ModelError
        It gave something else.
    """
    if "latitude" in stored:
        return Grid.from_dict(stored)
    y, x = (coordinates(stored, name) for name in ("y", "x"))
    if not all(set(np.sign(np.diff(axis))) in (set(), {1}, {-1}) for axis in (y, x)):
        raise ModelError("y or x of its grid neither rises nor falls all the way")
    mapping = stored.get("mapping")
    if not isinstance(mapping, dict):
        raise ModelError("its grid has no mapping: it is no projection")
    return ProjectedGrid(y, x, mapping)


def with_projection(fields: xr.DataArray, dataset: xr.Dataset) -> xr.DataArray:
    """Give fields back what a projection needs, as the dataset they came from has it.

    The attributes of its axes, its variable (CF's grid mapping), and the name of that in the
    attribute ``grid_mapping``. Fields on a regular grid come back as they are.
    """
    if not set(PROJECTION) <= set(fields.dims):
        return fields
    axes = {name: dataset[name].variable for name in PROJECTION}
    fields = fields.assign_coords(axes)
    name = _grid_mapping_of(dataset)
    if name not in dataset.coords:
        return fields
    mapping = xr.Variable((), np.int32(0), dataset[name].attrs)
    return fields.assign_coords({name: mapping}).assign_attrs(grid_mapping=name)


def _grid_mapping_of(data: xr.Dataset | xr.DataArray) -> str:
    arrays = [data] if isinstance(data, xr.DataArray) else list(data.data_vars.values())
    found = (array.attrs.get("grid_mapping") for array in arrays)
    return next((str(name) for name in found if name), "")


def _plain(value: object) -> object:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
