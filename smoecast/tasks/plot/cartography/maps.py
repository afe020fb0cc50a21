"""Maps of fields: groups of panels, each with colours of its own, on one kind of paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.tasks.plot.cartography import coast
from smoecast.tasks.plot.cartography.quantities import Scale
from smoecast.tasks.plot.cartography.sheets import sheet_of

MOST_PANELS = 12
"""Panels in a picture, at most."""
WIDTH = 10.0
"""Inches; a picture of one tall map is narrower."""
_SIGNS, _BOLD_SIGNS = 15, 11
"""Letters of a foot that an inch holds."""
STAMP = "SIMULATED PLANET: no real weather"
_SIMULATED = ("simulated planet", "smoecast planet", "no real weather")
_BAR, _LEFT, _TITLE, _DEGREES, _HEAD, _FOOT, _MOST_HEIGHT = 1.0, 0.5, 0.26, 0.26, 0.4, 0.25, 5.2
"""Inches right and left of maps, above and under them, at head and foot; height of a map."""


@dataclass(frozen=True, eq=False)
class Group:
    """Panels that share one scale.

    Attributes
    ----------
    panels : sequence of (str, NDArray)
        Title and field (H, W).
    scale : Scale
    """

    panels: Sequence[tuple[str, NDArray[Any]]]
    scale: Scale


def draw_maps(
    groups: Sequence[Group],
    place: Grid | ProjectedGrid,
    *,
    title: str,
    foot: str = "",
    simulated: bool = False,
) -> Figure:
    """Draw groups of panels under each other.

    Parameters
    ----------
    groups : sequence of Group
    place : Grid or ProjectedGrid
        Where all of them hold.
    title, foot : str
        Above and under all.
    simulated : bool
        Whether it is the planet that is shown: it says so, and has its own coasts.
    """
    sheet = sheet_of(place)
    lines = coast.planet() if simulated else coast.earth(sheet.width)
    plan = _lay_out([len(group.panels) for group in groups])
    height = min(((WIDTH - plan.bars * _BAR) / plan.columns - _LEFT) / sheet.aspect, _MOST_HEIGHT)
    width = max(plan.columns * (height * sheet.aspect + _LEFT) + plan.bars * _BAR, 6.4)
    row = height + _TITLE * (1 + max("\n" in name for g in groups for name, _ in g.panels))
    head = _HEAD * (1 + title.count("\n"))
    figure = Figure((width, plan.rows * (row + _DEGREES) + head + _FOOT), layout="constrained")
    figure.suptitle(title, fontsize=12, fontweight="bold")
    spec = figure.add_gridspec(plan.rows, plan.columns)
    for group, cells in zip(groups, plan.cells, strict=True):
        drawn = []
        for (name, field), cell in zip(group.panels, cells, strict=True):
            axes = figure.add_subplot(spec[cell])
            mesh = sheet.draw(axes, field, group.scale, lines)
            axes.set_title(name, fontsize=10)
            drawn.append(axes)
        tall = 18 * len({row for row, _ in cells})
        bar = figure.colorbar(mesh, ax=drawn, shrink=0.85, aspect=tall, pad=0.02)
        bar.set_label(group.scale.label)
        bar.set_ticks(group.scale.ticks.tolist())
        bar.minorticks_off()
    sign(figure, foot if simulated or sheet.projection is None else _join(foot), simulated)
    return figure


@dataclass(frozen=True)
class _Plan:
    """Where panels stand: row and column of each, by group; `bars` columns have a colour bar."""

    cells: list[list[tuple[int, int]]]
    rows: int
    columns: int
    bars: int


def _lay_out(counts: Sequence[int]) -> _Plan:
    """Put groups under each other; those of one panel each, or of three in all, side by side."""
    if max(counts) == 1:
        columns = min(len(counts), 2)
        places = [[(n // columns, n % columns)] for n in range(len(counts))]
        return _Plan(places, -(-len(counts) // columns), columns, columns)
    most, cells = max(counts), list[list[tuple[int, int]]]()
    if sum(counts) <= 3:
        for count in counts:
            before = sum(map(len, cells))
            cells.append([(0, before + n) for n in range(count)])
        return _Plan(cells, 1, sum(counts), len(counts))
    columns = most if most <= 3 else {4: 2, 8: 4}.get(most, 3)  # without a hole
    first = 0
    for count in counts:
        cells.append([(first + n // columns, n % columns) for n in range(count)])
        first += -(-count // columns)
    return _Plan(cells, first, columns, 1)


def sign(figure: Figure, foot: str, simulated: bool) -> None:
    """Write at the foot of a picture where it comes from, and that it is no real weather."""
    width = figure.get_figwidth()
    if simulated:
        said = _fold(f"{STAMP}  |  {foot}" if foot else STAMP, int(_BOLD_SIGNS * width))
        figure.supxlabel(said, fontsize=9, color="#B00020", fontweight="bold")
    elif foot:
        figure.supxlabel(_fold(foot, int(_SIGNS * width)), fontsize=8, color="#444444")


def _fold(foot: str, most: int) -> str:
    """Return a line, or where it is wider than a picture several, broken between its parts."""
    lines = [foot]
    while len(lines[-1]) > most and "|" in lines[-1]:
        head = lines[-1][:most].rpartition("|")[0] or lines[-1].partition("|")[0]
        lines[-1:] = [head.strip(), lines[-1][len(head) + 1 :].strip()]
    return "\n".join(lines)


def say_simulated(*words: object) -> bool:
    """Tell whether what results say of themselves is that they are of the simulated planet."""
    said = " ".join(map(str, words)).lower()
    return any(sign in said for sign in _SIMULATED)


def _join(foot: str) -> str:
    return f"{foot}  |  {coast.CREDIT}" if foot else coast.CREDIT
