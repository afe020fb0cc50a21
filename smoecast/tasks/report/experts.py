"""Routing maps of a page: which expert serves each point, and how many points each serves."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from matplotlib.colors import to_hex

from smoecast.nn.cost import count_parameters
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.plot.routing import (
    LayerMaps,
    centre,
    expert_colours,
    find_experts,
    layers_of,
    spread_out,
)
from smoecast.tasks.report.drawing.frames import Painter
from smoecast.tasks.report.subjects import Subject

MOST_MAPS = 12
"""Of one layer."""


@dataclass(frozen=True)
class Use:
    """How many points an expert serves, in per cent, and its colour."""

    expert: int
    colour: str
    percent: float


@dataclass(frozen=True, eq=False)
class ExpertMap:
    """Which expert serves each point, of one output and term."""

    name: str
    picture: str
    words: str
    use: list[Use]


@dataclass(frozen=True, eq=False)
class Layer:
    """The maps of a layer, and how many more it has."""

    name: str
    maps: list[ExpertMap]
    left_out: int


@dataclass(frozen=True, eq=False)
class Routing:
    """What the experts of a model do.

    Attributes
    ----------
    subject : Subject
    parameters : int
        Of the whole network.
    layers : list of Layer
    size : (int, int)
        Of a picture in dots.
    """

    subject: Subject
    parameters: int
    layers: list[Layer]
    size: tuple[int, int]


def draw_routing(subjects: Sequence[Subject]) -> list[Routing]:
    """Return the routing of each forecast model; calibrations have another form.

    Raises
    ------
    ModelError
        A model is damaged.
    """
    found = []
    for subject in subjects:
        if subject.model is None:
            continue
        model = open_model(subject.model)
        grid, columns = centre(model.inputs.grid)
        painter = Painter(grid, subject.is_simulated)
        layers = []
        place = find_experts(subject.model)
        trained = model if place == subject.model else open_model(place)
        for layer in layers_of(trained):
            panels = {n: spread_out(p, grid)[:, columns] for n, p in layer.panels.items()}
            layers.append(_draw_layer(replace(layer, panels=panels), painter))
        found.append(Routing(subject, count_parameters(model.network), layers, painter.size))
    return found


def _draw_layer(layer: LayerMaps, painter: Painter) -> Layer:
    colours = expert_colours(layer.experts)
    signs = [to_hex(colour) for colour in np.asarray(colours.colors)]
    maps = []
    for name, numbers in list(layer.panels.items())[:MOST_MAPS]:
        shares = 100 * np.bincount(numbers.ravel(), minlength=layer.experts) / numbers.size
        use = [Use(n, signs[n], float(share)) for n, share in enumerate(shares)]
        said = ", ".join(f"expert {u.expert} {u.percent:.0f} %" for u in use if u.percent >= 0.5)
        words = f"{layer.name}, {name}: share of the points that each expert serves: {said}"
        maps.append(ExpertMap(name, painter.paint_classes(numbers, colours), words, use))
    return Layer(layer.name, maps, len(layer.panels) - len(maps))
