"""Weights of regridding, one matrix in latitude and one in longitude.

On grids of rows and columns an interpolation, and an average over the cells of a sphere, is the
product of one along the columns and one along the rows (Jones 1999,
doi:10.1175/1520-0493(1999)127<2204:FASOCR>2.0.CO;2, for grids in general). A cell reaches half-way
to its neighbours; its extent in latitude counts as the sine of it, so that products are areas.
"""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.legendre import leggauss

from smoecast.errors import InputError
from smoecast.fields.grid import TOLERANCE, Grid

_POLE = 90.0


@dataclass(frozen=True, eq=False)
class Weights:
    """What takes fields from one grid, (H, W), to another, (h, w).

    Attributes
    ----------
    latitude : numpy.ndarray
        (h, H) float64; a row adds up to one, less what `poles` has of it.
    longitude : numpy.ndarray
        (W, w) float64; a column adds up to one.
    poles : numpy.ndarray
        (h, 2) float64: share of the north and of the south pole, whose value is the mean over the
        row next to it.
    """

    latitude: np.ndarray
    longitude: np.ndarray
    poles: np.ndarray


def latitude_edges(grid: Grid) -> np.ndarray:
    """Return the edges of the cells of rows, north to south.

    They lie half-way between rows, and at the poles where a grid that goes around the Earth ends
    less than one spacing from them. On a whole Gaussian grid they enclose the areas of Gauss's
    own weights, so that an average over cells is Gauss's quadrature.

    Returns
    -------
    numpy.ndarray
        (H + 1,) float64, degrees north, descending.
    """
    rows = grid.latitude
    shares = _gaussian_shares(rows)
    if shares is not None:
        sines = np.clip(1.0 - np.concatenate([[0.0], np.cumsum(shares)]), -1.0, 1.0)
        sines[-1] = -1.0
        return np.asarray(np.rad2deg(np.arcsin(sines)))
    edges = _midpoints(rows)
    if reaches_pole(grid, 0):
        edges[0] = _POLE
    if reaches_pole(grid, -1):
        edges[-1] = -_POLE
    return np.asarray(np.clip(edges, -_POLE, _POLE))


def longitude_edges(grid: Grid) -> np.ndarray:
    """Return the edges of the cells of columns, half-way between them, west to east.

    Returns
    -------
    numpy.ndarray
        (W + 1,) float64, degrees east, ascending; 360 apart where the grid goes around the Earth.
    """
    edges = _midpoints(grid.longitude)
    if grid.periodic:
        edges[0] = (grid.longitude[0] + grid.longitude[-1] - 360.0) / 2
        edges[-1] = edges[0] + 360.0
    return edges


def reaches_pole(grid: Grid, end: int) -> bool:
    """Whether the first (0) or the last (-1) row is the one next to a pole, all around it."""
    rows = grid.latitude
    if len(rows) < 2 or not grid.periodic:
        return False
    spacing = abs(rows[1] - rows[0]) if end == 0 else abs(rows[-2] - rows[-1])
    distance = _POLE - abs(rows[end])
    return bool(distance < 0.95 * spacing and (rows[end] > 0) == (end == 0))


def bilinear(source: Grid, target: Grid) -> Weights:
    """Return the weights of linear interpolation in latitude and longitude.

    Between the outermost row and a pole it goes on to the mean of that row.

    Raises
    ------
    InputError
        If a point of `target` lies beyond `source`.
    """
    rows, poles = _linear_rows(source, target)
    return Weights(rows, _linear_columns(source, target).T, poles)


def conservative(source: Grid, target: Grid) -> Weights:
    """Return the weights of an average over the cells of `source` in each cell of `target`.

    Raises
    ------
    InputError
        If a cell of `target` reaches beyond `source`.
    """
    north = np.sin(np.deg2rad(latitude_edges(source)))
    rows = _overlaps(-north, -np.sin(np.deg2rad(latitude_edges(target))))
    east, wanted = longitude_edges(source), longitude_edges(target)
    turns = 360.0 * np.arange(-2, 3)  # a cell of either grid may lie across its origin
    columns = sum(_overlaps(east, wanted + turn) for turn in turns)
    poles = np.zeros((len(target.latitude), 2))
    return Weights(
        _check_cover(rows, latitude_edges(target), source, target, "latitude"),
        _check_cover(np.asarray(columns), wanted, source, target, "longitude").T,
        poles,
    )


def nearest(weights: Weights) -> Weights:
    """Return weights that take the value that has most weight, for codes such as soil types."""
    rows = weights.latitude + weights.poles @ _ends(weights.latitude.shape[1])
    return Weights(_one(rows), _one(weights.longitude.T).T, np.zeros_like(weights.poles))


def _ends(count: int) -> np.ndarray:
    """Return (2, count): the rows in whose place the poles stand."""
    ends = np.zeros((2, count))
    ends[0, 0] = ends[1, -1] = 1.0
    return ends


def _one(matrix: np.ndarray) -> np.ndarray:
    return np.asarray(np.eye(matrix.shape[1])[matrix.argmax(axis=1)])


def _midpoints(points: np.ndarray) -> np.ndarray:
    """Return the edges between points, and one as far out at either end."""
    if len(points) < 2:
        raise InputError("a grid of one row or column has no cells: give more of it")
    between = (points[1:] + points[:-1]) / 2
    first, last = 2 * points[0] - between[0], 2 * points[-1] - between[-1]
    return np.concatenate([[first], between, [last]])


def _gaussian_shares(rows: np.ndarray) -> np.ndarray | None:
    """Return Gauss's weights, adding up to 2, if these are the rows of a whole Gaussian grid."""
    steps = np.diff(rows)
    if len(rows) < 4 or np.ptp(steps) < 2 * TOLERANCE or abs(rows[0] + rows[-1]) > TOLERANCE:
        return None
    nodes, shares = leggauss(len(rows))
    same = np.abs(np.rad2deg(np.arcsin(nodes[::-1])) - rows).max() < 2 * TOLERANCE
    return np.asarray(shares) if same else None


def _overlaps(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the share of each target interval that lies in each source interval, (t, s)."""
    low = np.maximum(target[:-1, np.newaxis], source[np.newaxis, :-1])
    high = np.minimum(target[1:, np.newaxis], source[np.newaxis, 1:])
    return np.asarray(np.clip(high - low, 0.0, None) / np.diff(target)[:, np.newaxis])


def _check_cover(
    shares: np.ndarray, edges: np.ndarray, source: Grid, target: Grid, name: str
) -> np.ndarray:
    """Return shares that add up to one; refuse cells of which a part is not covered."""
    total = shares.sum(axis=1, keepdims=True)
    beyond = (1.0 - total[:, 0]) * np.abs(np.diff(edges)) > 3 * TOLERANCE
    if beyond.any():
        _refuse(source, target, name, float(getattr(target, name)[beyond][0]), "the cell at ")
    return np.asarray(shares / total)


def _refuse(source: Grid, target: Grid, name: str, value: float, what: str) -> None:
    raise InputError(
        f"the data ({source.describe()}) does not reach {what}{name} {value:g} of the grid that "
        f"is wanted ({target.describe()}): choose a smaller grid "
        "(data.grid), or data of a larger region"
    )


def _linear_rows(source: Grid, target: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return (h, H) and (h, 2): weights of rows and of poles."""
    rows = source.latitude
    # a pole is one more row, unless the grid has a row there
    add_north = int(reaches_pole(source, 0) and rows[0] < _POLE - TOLERANCE)
    add_south = int(reaches_pole(source, -1) and rows[-1] > TOLERANCE - _POLE)
    known = np.concatenate([[_POLE] * add_north, rows, [-_POLE] * add_south])
    wanted = target.latitude
    beyond = (wanted > known[0] + TOLERANCE) | (wanted < known[-1] - TOLERANCE)
    if beyond.any():
        _refuse(source, target, "latitude", float(wanted[beyond][0]), "")
    matrix = _linear(-known, -wanted)
    poles = np.zeros((len(wanted), 2))
    if add_north:
        poles[:, 0] = matrix[:, 0]
    if add_south:
        poles[:, 1] = matrix[:, -1]
    return matrix[:, add_north : matrix.shape[1] - add_south], poles


def _linear_columns(source: Grid, target: Grid) -> np.ndarray:
    """Return (w, W)."""
    columns, wanted = source.longitude, target.longitude
    east = columns[0] + (wanted - columns[0] + TOLERANCE) % 360.0 - TOLERANCE
    if source.periodic:
        matrix = _linear(np.append(columns, columns[0] + 360.0), east)
        matrix[:, 0] += matrix[:, -1]
        return matrix[:, :-1]
    beyond = east > columns[-1] + TOLERANCE
    if beyond.any():
        _refuse(source, target, "longitude", float(wanted[beyond][0]), "")
    return _linear(columns, east)


def _linear(known: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the weights of `known`, ascending, at `wanted`; nearly the end is the end, (w, k)."""
    inside = np.clip(wanted, known[0], known[-1])
    after = np.clip(np.searchsorted(known, inside, side="right"), 1, max(1, len(known) - 1))
    matrix = np.zeros((len(wanted), len(known)))
    if len(known) == 1:
        matrix[:, 0] = 1.0
        return matrix
    share = (inside - known[after - 1]) / (known[after] - known[after - 1])
    at = np.arange(len(wanted))
    matrix[at, after - 1] = 1.0 - share
    matrix[at, after] = share
    return matrix
