"""The paper under a map: its projection, edges of cells, coastlines, degrees, extent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, QuadMesh
from matplotlib.colors import BoundaryNorm
from matplotlib.path import Path as Outline
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.tasks.plot.cartography.coast import Lines
from smoecast.tasks.plot.cartography.projections import (
    AzimuthalEqualArea,
    EqualEarth,
    PlateCarree,
    Projection,
)
from smoecast.tasks.plot.cartography.quantities import Scale

Array = NDArray[np.floating[Any]]

GLOBE_WIDTH, GLOBE_HEIGHT = 300, 120
"""Degrees from which on a map is one of the globe."""
_COAST: dict[str, Any] = {"color": "#222222", "linewidth": 0.6, "zorder": 3}
_GRATICULE: dict[str, Any] = {"color": "#555555", "linewidth": 0.3, "alpha": 0.6, "zorder": 2}


@dataclass(frozen=True, eq=False)
class Sheet:
    """Where the cells of a grid lie on paper.

    Attributes
    ----------
    x, y : NDArray
        (H + 1, W + 1): corners of the cells.
    projection : Projection or None
        None: one that is not known here; x and y are kilometres.
    globe : bool
        Whether it is the whole of it.
    """

    x: Array
    y: Array
    projection: Projection | None
    globe: bool = False

    @property
    def width(self) -> float:
        """Width in degrees of longitude, or of an arc, about."""
        (west, east), _ = self._extent()
        kilometres = isinstance(self.projection, AzimuthalEqualArea)
        return 360.0 if self.globe else (east - west) / (111.0 if kilometres else 1.0)

    @property
    def aspect(self) -> float:
        """Width over height of the map on paper."""
        tall = self.projection.aspect if isinstance(self.projection, PlateCarree) else 1.0
        (west, east), (south, north) = self._extent()
        return float((east - west) / ((north - south) * tall))

    def draw(self, axes: Axes, field: NDArray[Any], scale: Scale, coast: Lines) -> QuadMesh:
        """Draw a field (H, W) and what is on the paper; what is missing stays white."""
        norm = BoundaryNorm(scale.levels, 256, extend=scale.ends)
        mesh = axes.pcolormesh(
            self.x, self.y, field, cmap=scale.colours, norm=norm, rasterized=True
        )
        self.frame(axes, coast)
        return mesh

    def frame(self, axes: Axes, coast: Lines, *, labels: bool = True) -> None:
        """Draw what is on the paper: coast, degrees, edge; on small maps without numbers."""
        tall = self.projection.aspect if isinstance(self.projection, PlateCarree) else 1.0
        axes.set_aspect(tall)
        (west, east), (south, north) = self._extent()
        axes.set(xlim=(west, east), ylim=(south, north))
        axes.tick_params(labelsize="small", length=2.5, labelbottom=labels, labelleft=labels)
        if self.projection is None:
            axes.set(**({"xlabel": "x [km]", "ylabel": "y [km]"} if labels else {}))
            return
        lines = [_project(self.projection, line) for line in coast]
        axes.add_collection(LineCollection([p for line in lines for p in line], **_COAST))
        if isinstance(self.projection, PlateCarree):
            _label_degrees(axes)
        elif self.globe:
            self._draw_globe(axes, labels)
        else:
            self._draw_graticule(axes)

    def _extent(self) -> tuple[tuple[float, float], tuple[float, float]]:
        x, y = (np.nanmin(a) for a in (self.x, self.y)), (np.nanmax(a) for a in (self.x, self.y))
        (west, south), (east, north) = x, y
        return (float(west), float(east)), (float(south), float(north))

    def _draw_globe(self, axes: Axes, labels: bool) -> None:
        """Draw meridians and parallels, name these at their ends, and cut along the edge."""
        assert self.projection is not None
        centre, up = self.projection.centre, np.linspace(-90, 90, 91)
        # meridians within half a turn of the middle, where the map has them
        meridians = {d: centre + (d - centre + 180) % 360 - 180 for d in range(-120, 181, 60)}
        lines = [self._line(np.full(91, east), up) for east in meridians.values()]
        around = centre + np.linspace(-180, 180, 91)
        lines += [self._line(around, np.full(91, float(north))) for north in (-60, -30, 0, 30, 60)]
        axes.add_collection(LineCollection(lines, **_GRATICULE))
        west, east = (self._line(np.full(91, centre + side), up) for side in (-180, 180))
        edge = np.concatenate([west, east[::-1], west[:1]])
        axes.plot(*edge.T, color="black", linewidth=0.7, zorder=4)
        for artist in axes.collections:
            artist.set_clip_path(Outline(edge), axes.transData)
        axes.set_axis_off()
        for north in (-60, -30, 0, 30, 60) if labels else ():
            x, y = self.projection.forward(np.asarray(centre - 180), np.asarray(float(north)))
            axes.annotate(
                say_latitude(north), (x, y), (-3, 0), textcoords="offset points", ha="right",
                va="center", fontsize="small",
            )  # fmt: skip
        for degrees in (-120, 0, 120) if labels else ():
            x, y = self.projection.forward(np.asarray(meridians[degrees]), np.asarray(-90.0))
            axes.annotate(
                say_longitude(degrees), (x, y), (0, -3), textcoords="offset points", ha="center",
                va="top", fontsize="small",
            )  # fmt: skip

    def _line(self, longitude: Array, latitude: Array) -> Array:
        assert self.projection is not None
        return np.stack(self.projection.forward(longitude, latitude), axis=-1)

    def _draw_graticule(self, axes: Axes) -> None:
        """Draw meridians and parallels of an azimuthal map, named where they meet its frame."""
        (west, east), (south, north) = self._extent()
        span = max(east - west, north - south) / 111
        step = next((s for s in (1, 2, 5, 10, 20, 30) if span / s < 7), 30)
        ticks: dict[str, list[tuple[float, str]]] = {"x": [], "y": []}
        polar = isinstance(self.projection, AzimuthalEqualArea) and abs(self.projection.origin) > 80
        for degrees in np.arange(-180, 180, 30 if polar else step):
            line = self._line(np.full(721, float(degrees)), np.linspace(-90, 90, 721))
            axes.plot(*line.T, **_GRATICULE)
            if (place := _find_crossing(line, 1, south, (west, east))) is not None:
                ticks["x"].append((place, say_longitude(float(degrees))))
        for degrees in np.arange(-90 + step, 90, step):
            line = self._line(np.linspace(-180, 180, 1441), np.full(1441, float(degrees)))
            axes.plot(*line.T, **_GRATICULE)
            if (place := _find_crossing(line, 0, west, (south, north))) is not None:
                ticks["y"].append((place, say_latitude(float(degrees))))
        axes.set_xticks([p for p, _ in ticks["x"]], [word for _, word in ticks["x"]])
        axes.set_yticks([p for p, _ in ticks["y"]], [word for _, word in ticks["y"]])
        axes.set(xlim=(west, east), ylim=(south, north))


def sheet_of(place: Grid | ProjectedGrid) -> Sheet:
    """Return the paper for a grid: the globe, a region, a polar cap or the grid's projection.

    A grid that reaches around the Earth and from the one half to the other is shown in Equal Earth,
    one around a pole alone in an azimuthal projection about it, any other in degrees.
    """
    if isinstance(place, ProjectedGrid):
        x, y = np.meshgrid(_edges(place.x / 1000), _edges(place.y / 1000))
        return Sheet(x, y, AzimuthalEqualArea.of(place.mapping))
    latitude = np.clip(_edges(place.latitude), -90, 90)
    longitude = _edges(place.longitude)
    width, centre = np.ptp(longitude), float((longitude[0] + longitude[-1]) / 2)
    projection: Projection
    north, south = float(latitude.max()), float(latitude.min())
    globe = bool(width >= GLOBE_WIDTH and north - south >= GLOBE_HEIGHT)
    if globe:
        projection = EqualEarth(centre)
    elif width >= GLOBE_WIDTH and ((north > 80 and south >= 0) or (south < -80 and north <= 0)):
        projection = AzimuthalEqualArea(centre, 90.0 if south >= 0 else -90.0)
    else:
        projection = PlateCarree(centre, (north + south) / 2)
    x, y = projection.forward(longitude[None, :], latitude[:, None])
    return Sheet(x, y, projection, globe)


def say_latitude(degrees: float) -> str:
    """Return ``30°N``."""
    return f"{abs(degrees):g}°{'N' if degrees > 0 else 'S' if degrees < 0 else ''}"


def say_longitude(degrees: float) -> str:
    """Return ``60°W`` for 300 and for -60."""
    wrapped = (degrees + 180) % 360 - 180
    side = "" if wrapped in (0, -180) else "E" if wrapped > 0 else "W"
    return f"{abs(wrapped):g}°{side}"


def _edges(centres: Array) -> Array:
    """Return the edges of cells around points, (N + 1,)."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    middle = (centres[1:] + centres[:-1]) / 2
    ends = centres[[0, -1]] + (centres[[0, -1]] - middle[[0, -1]])
    return np.concatenate([ends[:1], middle, ends[1:]])


def _project(projection: Projection, line: Array) -> list[Array]:
    """Return a coastline on paper, in parts where the map is cut."""
    away = (line[:, 0] - projection.centre + 180) % 360 - 180
    x, y = projection.forward(projection.centre + away, line[:, 1])
    cuts = np.flatnonzero(np.abs(np.diff(away)) > 180) + 1
    parts = np.split(np.stack([x, y], axis=-1), cuts)
    return [part for part in parts if len(part) > 1 and np.isfinite(part).all()]


def _find_crossing(line: Array, axis: int, at: float, ends: tuple[float, float]) -> float | None:
    """Return where a line crosses the line x or y (`axis`) = `at` between its ends, or None."""
    with np.errstate(invalid="ignore"):
        above = line[:, axis] > at
    found = np.flatnonzero(
        (above[1:] != above[:-1]) & np.isfinite(line[1:] + line[:-1]).all(axis=1)
    )
    places = line[found, 1 - axis]
    inside = places[(places > ends[0]) & (places < ends[1])]
    return float(inside[0]) if len(inside) else None


def _say_rounded(say: Callable[[float], str]) -> Callable[[float, float], str]:
    return lambda value, _: say(round(value, 6))


def _label_degrees(axes: Axes) -> None:
    for axis, say in ((axes.xaxis, say_longitude), (axes.yaxis, say_latitude)):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 1.5, 2, 3, 5, 6, 9, 10]))
        axis.set_major_formatter(_say_rounded(say))
    axes.grid(**_GRATICULE)
