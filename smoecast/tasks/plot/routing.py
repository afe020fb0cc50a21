"""Routing maps: which expert of a model serves each point, for every term of every layer."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoecast.config.training import Sample
from smoecast.fields.grid import Grid
from smoecast.nn.smoe.inspect import rival_map
from smoecast.nn.smoe.layer import SpatialMoE2d
from smoecast.nn.smoe.model_layers import smoe_layers
from smoecast.tasks.descriptions import read_description
from smoecast.tasks.forecast_model import Model, open_model
from smoecast.tasks.plot.cartography import coast
from smoecast.tasks.plot.cartography.maps import WIDTH, sign
from smoecast.tasks.plot.cartography.sheets import sheet_of
from smoecast.tasks.plot.figures import PALETTE, Pictures, bare
from smoecast.training.model_files import FIRST, STATE

MOST_PANELS = 6
"""Maps in a picture; a layer that has more has more pictures."""


def routing(folder: Path) -> Pictures:
    """Draw a model's selected experts, for each layer whose gate is a map.

    Parameters
    ----------
    folder : Path
        Of the model.
    """
    model = open_model(folder)
    simulated = model.config.data.source == "planet"
    for layer in layers_of(model):
        names = list(layer.panels)
        pages = range(0, len(names), MOST_PANELS)
        for page in pages:
            chosen = {name: layer.panels[name] for name in names[page : page + MOST_PANELS]}
            more = f" ({page // MOST_PANELS + 1} of {len(pages)})" if len(pages) > 1 else ""
            title = f"{layer.name}: expert that serves each point{more}"
            grid, experts = model.inputs.grid, layer.experts
            figure = draw(chosen, grid, experts=experts, title=title, simulated=simulated)
            sign(figure, f"model {model.config.name}", simulated)
            yield f"layer{layer.number}" + (f"_{page // MOST_PANELS + 1}" if page else ""), figure


def find_experts(folder: Path) -> Path:
    """Return the folder of the model that has the experts: the first, where filters were freed.

    Parameters
    ----------
    folder : Path
        Of a model.
    """
    config = read_description(folder).config
    first = folder / FIRST
    return first if config.adds_experts_up and (first / STATE).exists() else folder


@dataclass(frozen=True, eq=False)
class LayerMaps:
    """Where the experts of a layer serve.

    Attributes
    ----------
    number, layers : int
        Which it is of the layers whose gate is a map, from 1, and how many there are.
    experts : int
        That compete at a point.
    panels : dict of str to NDArray
        Selected experts (H, W) of every output and term.
    """

    number: int
    layers: int
    experts: int
    panels: dict[str, NDArray[np.int64]]

    @property
    def name(self) -> str:
        """Which layer it is, in words."""
        return f"SMoE layer {self.number} of {self.layers}"


def layers_of(model: Model) -> list[LayerMaps]:
    """Return where experts serve, for each layer of a model whose gate is a map."""
    layers = [x for x in smoe_layers(model.network) if not x.gate.depends_on_input]
    last = set(model.network.backbone.get_submodule("last").modules())
    outputs = _outputs(model.config.sample, model.config.targets)
    return [
        LayerMaps(
            number,
            len(layers),
            layer.objective.how.group_size,
            _panels(layer, outputs if layer in last else []),
        )
        for number, layer in enumerate(layers, start=1)
    ]


def _outputs(sample: Sample, targets: Sequence[str]) -> list[str]:
    """Return what a network's outputs are, lead by lead; where that is an input, for any."""
    hours = sample.lead_hours
    several = len(hours) > 1 and not sample.lead_input
    ahead = [f" {hour} h" for hour in hours] if several else [""]
    return [target + when for when in ahead for target in targets]


def _panels(layer: SpatialMoE2d, outputs: Sequence[str]) -> dict[str, NDArray[np.int64]]:
    """Return the selected experts (H, W) of every output and term.

    Experts that compete in groups are numbered within theirs.
    """
    objective, chosen = layer.objective, rival_map(layer).numpy()
    terms = objective.terms
    count = len(chosen) // terms
    words = list(outputs[:count]) if outputs else []
    words += [f"output {i + 1} of {count}" for i in range(len(words), count)]
    more = [f", term {t + 1} of {terms}" if terms > 1 else "" for t in range(terms)]
    names = [word + term for word in words for term in more]
    return dict(zip(names, chosen, strict=True))


def centre(grid: Grid) -> tuple[Grid, NDArray[np.int64]]:
    """Return a grid with Greenwich in the middle if it reaches around, and the order of columns."""
    columns = np.arange(grid.shape[1])
    if not grid.periodic:
        return grid, columns
    longitude = (grid.longitude + 180) % 360 - 180
    columns = np.argsort(longitude, kind="stable")
    return Grid(grid.latitude, longitude[columns]), columns


def spread_out(numbers: NDArray[np.int64], grid: Grid) -> NDArray[np.int64]:
    """Return numbers on a coarser grid, which a layer inside a U-Net has, on that of its points."""
    tall, wide = (fine // own for fine, own in zip(grid.shape, numbers.shape, strict=True))
    return numbers.repeat(tall, axis=0).repeat(wide, axis=1)


def draw(
    chosen: dict[str, NDArray[np.int64]],
    grid: Grid,
    *,
    experts: int,
    title: str,
    simulated: bool = False,
) -> Figure:
    """Draw which of so many experts serve each point, and how many points each serves.

    A layer inside a U-Net has a coarser grid: each of its points is drawn where it stands.

    Parameters
    ----------
    chosen : dict of str to NDArray
        (H, W) of numbers of experts, by output.
    grid : Grid
    experts : int
    title : str
    simulated : bool
        Whether the grid is the simulated planet's.
    """
    grid, columns_of_map = centre(grid)
    sheet = sheet_of(grid)
    lines = coast.planet() if simulated else coast.earth(sheet.width)
    columns = min(len(chosen), 2)
    rows = -(-len(chosen) // columns)
    height = min((WIDTH - 1.6) / columns / sheet.aspect, 3.4)
    width = max(columns * (height * sheet.aspect + 0.5) + 1.2, 6.4)
    figure = Figure((width, rows * (height + 1.5) + 0.7), layout="constrained")
    figure.suptitle(title, fontsize=12, fontweight="bold")
    colours = expert_colours(experts)
    norm = BoundaryNorm(np.arange(experts + 1) - 0.5, experts)
    ratios = (height, 0.75) * rows
    grid_spec = figure.add_gridspec(2 * rows, columns, height_ratios=ratios)
    drawn = []
    for number, (output, numbers) in enumerate(chosen.items()):
        row, column = 2 * (number // columns), number % columns
        axes = figure.add_subplot(grid_spec[row, column])
        fine = spread_out(numbers, grid)[:, columns_of_map]
        mesh = axes.pcolormesh(sheet.x, sheet.y, fine, cmap=colours, norm=norm, rasterized=True)
        sheet.frame(axes, lines)
        axes.set_title(output, fontsize=10)
        drawn.append(axes)
        use = np.bincount(numbers.ravel(), minlength=experts) / numbers.size
        bars = figure.add_subplot(grid_spec[row + 1, column])
        bars.bar(range(experts), 100 * use, color=colours.colors)
        bars.set_ylabel("points, %", fontsize="small")
        bars.set_xlabel("expert", fontsize="small")
        bars.set_xticks(range(0, experts, max(1, experts // 12)))
        bars.tick_params(labelsize="small")
        bare(bars)
    step = max(1, experts // 12)
    figure.colorbar(mesh, ax=drawn, label="expert", ticks=range(0, experts, step), shrink=0.7)
    return figure


def expert_colours(experts: int) -> ListedColormap:
    """Return a colour an expert: those for the colour-blind, or of many a row of shades."""
    if experts <= len(PALETTE):
        return ListedColormap(PALETTE[:experts])
    return ListedColormap(colormaps["cividis"](np.linspace(0, 1, experts)))
