"""The grid of a GRIB message: regular, and in agreement with its own keys, or refused."""

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.polynomial import legendre

from smoecast.errors import InputError

if TYPE_CHECKING:  # it imports ecCodes, which is for the worker alone
    from smoecast.fields.read.grib.keys import Keys

POINTS = 1 << 26
"""Of one field, at most: 0.03 degrees over the whole Earth."""
_ALONG = 1 << 16  # points along one axis, at most
_PARALLELS = 2560  # of a Gaussian grid between pole and equator, at most
_EIGENVALUES = 640  # beyond that many nodes NumPy takes seconds and minutes
_ODD_ROWS = 0b11111  # of the scanning mode: every other row runs backwards, or lies between points
_ROUNDING = 1e-3  # degrees to which GRIB 1 rounds coordinates and increments


@dataclass(frozen=True)
class GribGrid:
    """How the values of a message lie on the Earth.

    Attributes
    ----------
    kind : str
        ecCodes `gridType`.
    shape : tuple of int
        (Nj, Ni): numbers of parallels and of meridians.
    corners : tuple of float
        Latitude and longitude of the first, then of the last point.
    increments : tuple of float or None
        Between meridians and between parallels; None where not given.
    parallels : int
        Between a pole and the equator, for Gaussian grids.
    westward, northward, columns_first : bool
        The scanning mode.
    """

    kind: str
    shape: tuple[int, int]
    corners: tuple[float, float, float, float]
    increments: tuple[float | None, float | None]
    parallels: int
    westward: bool
    northward: bool
    columns_first: bool

    def coordinates(self) -> tuple[np.ndarray, np.ndarray]:
        """Return latitudes (Nj,) and longitudes (Ni,) in the order of the values.

        Raises
        ------
        ValueError
            If the keys contradict each other; the words say how.
        """
        return _coordinates(self)

    def describe(self) -> str:
        """Return the grid in a few words for a message."""
        north, west, south, east = self.corners
        return (
            f"{self.shape[0]} x {self.shape[1]} points from {north:g} N {west:g} E "
            f"to {south:g} N {east:g} E"
        )


def place_of(keys: "Keys", what: str) -> GribGrid:
    """Return the grid of a message.

    Raises
    ------
    InputError
        If the grid is not regular, or its keys contradict each other; `what` names the message.
    """
    kind = keys.text("gridType")
    if kind not in ("regular_ll", "regular_gg"):
        raise InputError(
            f"{what} lies on the grid {kind}, no regular latitude-longitude grid: regrid it first"
        )
    place = GribGrid(
        kind=kind,
        shape=(keys.whole("Nj"), keys.whole("Ni")),
        corners=(
            keys.real("latitudeOfFirstGridPointInDegrees"),
            keys.real("longitudeOfFirstGridPointInDegrees"),
            keys.real("latitudeOfLastGridPointInDegrees"),
            keys.real("longitudeOfLastGridPointInDegrees"),
        ),
        increments=_increments(keys, kind),
        parallels=keys.whole("N") if kind == "regular_gg" else 0,
        westward=bool(keys.whole("iScansNegatively")),
        northward=bool(keys.whole("jScansPositively")),
        columns_first=bool(keys.whole("jPointsAreConsecutive")),
    )
    rows, columns = place.shape
    if not (0 < rows <= _ALONG and 0 < columns <= _ALONG and rows * columns <= POINTS):
        raise InputError(
            f"{what} claims to have {rows} x {columns} points, which no weather field has"
        )
    if keys.whole("scanningMode") & _ODD_ROWS or keys.whole("numberOfPoints") != rows * columns:
        raise InputError(f"{what} has rows of changing direction, place or length: regrid it first")
    if kind == "regular_gg" and place.columns_first:
        raise InputError(f"{what} has its meridians one by one on a Gaussian grid: regrid it first")
    try:
        place.coordinates()
    except ValueError as problem:
        raise InputError(f"{what} {problem}, so the place of its values is not known") from None
    return place


def _increments(keys: "Keys", kind: str) -> tuple[float | None, float | None]:
    if not keys.whole("ijDirectionIncrementGiven"):
        return None, None
    east, south = (
        None
        if keys.whole_if_there(f"{axis}DirectionIncrement") is None
        else keys.real(f"{axis}DirectionIncrementInDegrees")
        for axis in "ij"
    )
    return east, None if kind == "regular_gg" else south


@functools.lru_cache(maxsize=64)
def _coordinates(place: GribGrid) -> tuple[np.ndarray, np.ndarray]:
    north, west, south, east = place.corners
    rows, columns = place.shape
    if not np.isfinite(place.corners).all():
        raise ValueError("does not tell where its first and last point lie")
    if not (max(abs(north), abs(south)) <= 90 + _ROUNDING and max(abs(west), abs(east)) <= 720):
        raise ValueError(f"reaches from {north:g} N {west:g} E to {south:g} N {east:g} E")
    turn = (west - east) % 360.0 if place.westward else (east - west) % 360.0
    if columns > 1 and turn < _ROUNDING:
        turn = 360.0
    _agree(turn, columns, place.increments[0], "longitudes")
    longitudes = west + np.linspace(0.0, -turn if place.westward else turn, columns)
    if rows > 1 and (south > north) != place.northward:
        raise ValueError(f"scans from {north:g} N to {south:g} N against its scanning mode")
    if place.kind == "regular_gg":
        return _gaussian(place), longitudes
    _agree(abs(south - north), rows, place.increments[1], "latitudes")
    return np.linspace(north, south, rows), longitudes


def _agree(span: float, points: int, increment: float | None, name: str) -> None:
    """Refuse an increment that does not lead from the first point to the last."""
    if increment is None or points < 2:
        return
    steps = points - 1
    if not abs(span - increment * steps) <= _ROUNDING * (0.6 * steps + 2):
        raise ValueError(
            f"gives {points} {name} over {span:g} degrees, but an increment of {increment:g}"
        )


def _gaussian(place: GribGrid) -> np.ndarray:
    """Return the Gaussian latitudes from the first to the last point, (Nj,)."""
    if not 1 <= place.parallels <= _PARALLELS:
        raise ValueError(f"counts {place.parallels} Gaussian parallels from pole to equator")
    every = gaussian_latitudes(2 * place.parallels)
    if not place.northward:
        every = every[::-1]
    first = int(np.argmin(np.abs(every - place.corners[0])))
    latitudes = every[first : first + place.shape[0]]
    ends = np.array([latitudes[0], latitudes[-1]])
    if len(latitudes) != place.shape[0] or not np.allclose(
        ends, [place.corners[0], place.corners[2]], atol=2 * _ROUNDING
    ):
        raise ValueError("does not lie on the parallels of its Gaussian grid")
    return np.asarray(latitudes)


def gaussian_latitudes(rows: int) -> np.ndarray:
    """Return the latitudes of a Gaussian grid from pole to pole, (rows,), south to north."""
    return np.asarray(np.rad2deg(np.arcsin(_nodes(rows))))


def _nodes(count: int) -> np.ndarray:
    """Return the Gaussian nodes in (-1, 1), ascending."""
    if count <= _EIGENVALUES:
        return np.asarray(legendre.leggauss(count)[0])
    k = np.arange(count, 0, -1)
    nodes = (1 - (count - 1) / (8 * count**3)) * np.cos(np.pi * (4 * k - 1) / (4 * count + 2))
    polynomial = np.eye(1, count + 1, count)[0]
    slope = legendre.legder(polynomial)
    for _ in range(3):  # of Newton, from Tricomi's nodes
        nodes -= legendre.legval(nodes, polynomial) / legendre.legval(nodes, slope)
    return np.asarray((nodes - nodes[::-1]) / 2)
