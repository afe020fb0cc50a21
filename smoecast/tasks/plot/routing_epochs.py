"""Routing over the epochs of a training: maps side by side, and how many points each serves."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from smoecast.disk.small_files import read_small
from smoecast.errors import InputError, ModelError
from smoecast.fields.grid import Grid
from smoecast.tasks.forecast_model import open_model
from smoecast.tasks.plot.cartography import coast
from smoecast.tasks.plot.cartography.maps import WIDTH, sign
from smoecast.tasks.plot.cartography.sheets import sheet_of
from smoecast.tasks.plot.figures import Pictures
from smoecast.tasks.plot.routing import LayerMaps, centre, expert_colours, layers_of, spread_out
from smoecast.training.model_files import decode
from smoecast.training.records.routing_record import ROUTING
from smoecast.training.tensors_header import is_whole

Maps = NDArray[np.int64]
_MOST_BYTES = 10**9
_COLUMNS, _ROWS = 4, 5
"""Maps of a row, and rows of a picture."""


def draw_training(folder: Path) -> Pictures:
    """Draw how the routing of a model came about, for each layer whose gate is a map.

    Parameters
    ----------
    folder : Path
        Of the model, with the record of its training.

    Raises
    ------
    InputError
        The record is damaged, or of another model.
    """
    path, model = folder / ROUTING, open_model(folder)
    kept = read_routing(path)
    best = int(model.state.get("training", {}).get("best_epoch", 0))
    simulated = model.config.data.source == "planet"
    for layer in layers_of(model):
        series = _join(kept.get(layer.number, {}), layer, best, path)
        names = list(layer.panels)[: len(next(iter(series.values())))]
        pages = range(0, len(names), _ROWS)
        for page in pages:
            rows = {
                name: {when: maps[place] for when, maps in series.items()}
                for place, name in enumerate(names)
                if page <= place < page + _ROWS
            }
            more = f" ({page // _ROWS + 1} of {len(pages)})" if len(pages) > 1 else ""
            title = f"{layer.name}: expert that serves each point, over the training{more}"
            said: dict[str, Any] = {
                "experts": layer.experts,
                "title": title,
                "simulated": simulated,
            }
            figure = draw_epochs(rows, model.inputs.grid, **said)
            sign(figure, f"model {model.config.name}", simulated)
            yield f"layer{layer.number}_epochs" + (f"_{page // _ROWS + 1}" if page else ""), figure


def _join(kept: Mapping[int, Maps], layer: LayerMaps, best: int, path: Path) -> dict[str, Maps]:
    """Return the maps of a layer by epoch, in words, with those of the model at its own."""
    final = np.stack(list(layer.panels.values()))
    count = min([len(maps) for maps in kept.values()], default=0)
    fits = count and all(
        maps.shape[1:] == final.shape[1:]
        and len(maps) <= len(final)
        and 0 <= maps.min() <= maps.max() < layer.experts
        for maps in kept.values()
    )
    if not fits:
        raise InputError(f"{path}: is of another model than the one beside it: train again")
    series = {epoch: maps[:count] for epoch, maps in kept.items()} | {best: final[:count]}
    words = {0: "before training", best: f"epoch {best}, the model"}
    return {words.get(epoch, f"epoch {epoch}"): series[epoch] for epoch in sorted(series)}


def read_routing(path: Path) -> dict[int, dict[int, Maps]]:
    """Read which expert served each point: by layer and epoch, (K, H, W).

    Parameters
    ----------
    path : Path
        Of `training.routing_record.write_routing`.

    Raises
    ------
    InputError
        It cannot be read, or is damaged.
    """
    damaged = InputError(f"{path}: the record of the routing is damaged: train again with --fresh")
    if not is_whole(path):
        raise damaged
    try:
        tensors = decode(read_small(path, _MOST_BYTES), path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ModelError, ValueError):
        raise damaged from None
    found: dict[int, dict[int, Maps]] = {}
    for name, values in tensors.items():
        parts = re.fullmatch(r"(0|[1-9][0-9]{0,8})\.layer([1-9][0-9]{0,4})", name)
        if parts is None or values.is_floating_point() or values.dim() != 3:
            raise damaged
        maps = values.numpy().astype(np.int64)
        found.setdefault(int(parts[2]), {})[int(parts[1])] = maps
    return {layer: dict(sorted(epochs.items())) for layer, epochs in found.items()}


def draw_epochs(
    rows: Mapping[str, Mapping[str, Maps]],
    grid: Grid,
    *,
    experts: int,
    title: str,
    simulated: bool = False,
) -> Figure:
    """Draw a row for each output: maps at some epochs, and the share of points of each expert.

    Parameters
    ----------
    rows : mapping of str to mapping of str to NDArray
        By output and by words for the epoch: (H, W) of numbers of experts; at least two epochs.
    grid : Grid
    experts : int
    title : str
    simulated : bool
        Whether the grid is the simulated planet's.
    """
    grid, order = centre(grid)
    sheet = sheet_of(grid)
    lines = coast.planet() if simulated else coast.earth(sheet.width)
    whens = list(next(iter(rows.values())))
    shown = [whens[n] for n in _choose(whens)]
    wide = (WIDTH - 1.4) / (_COLUMNS + 1)
    height = min(wide / sheet.aspect, 2.4)
    figure = Figure((WIDTH, len(rows) * (height + 0.4) + 1.1), layout="constrained")
    figure.suptitle(title, fontsize=12, fontweight="bold")
    spec = figure.add_gridspec(len(rows), len(shown) + 1)
    colours = expert_colours(experts)
    norm = BoundaryNorm(np.arange(experts + 1) - 0.5, experts)
    drawn: list[Axes] = []
    for row, (output, maps) in enumerate(rows.items()):
        for column, when in enumerate(shown):
            axes = figure.add_subplot(spec[row, column])
            fine = spread_out(maps[when], grid)[:, order]
            mesh = axes.pcolormesh(sheet.x, sheet.y, fine, cmap=colours, norm=norm, rasterized=True)
            sheet.frame(axes, lines, labels=False)
            axes.set_title(when if row == 0 else "", fontsize=9)
            drawn.append(axes)
        left: dict[str, Any] = {"xy": (-0.05, 0.5), "xycoords": "axes fraction", "rotation": 90}
        drawn[-len(shown)].annotate(output, **left, ha="right", va="center", fontsize=9)
        use = figure.add_subplot(spec[row, len(shown)])
        _stack_use(use, maps, experts, colours)
        use.set_title("share of points, %" if row == 0 else "", fontsize=9)
        use.set_xlabel("epoch" if row == len(rows) - 1 else "", fontsize=8)
        drawn.append(use)
    step = max(1, experts // 12)
    ticks = range(0, experts, step)
    figure.colorbar(mesh, ax=drawn, label="expert", ticks=ticks, shrink=0.7, aspect=25, pad=0.01)
    return figure


def _stack_use(axes: Axes, maps: Mapping[str, Maps], experts: int, colours: ListedColormap) -> None:
    """Draw a bar an epoch, of as many parts as there are experts."""
    shares = [np.bincount(m.ravel(), minlength=experts) / m.size * 100 for m in maps.values()]
    below = np.zeros(len(maps))
    for expert, share in enumerate(np.transpose(shares)):
        axes.bar(range(len(maps)), share, 0.85, bottom=below, color=colours(expert))
        below += share
    epochs = [re.sub(r"\D", "", when) or "0" for when in maps]
    axes.set_xticks(range(len(maps)), epochs, fontsize=7)
    axes.set(ylim=(0, 100))
    axes.tick_params(axis="y", labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)


def _choose(whens: list[str]) -> list[int]:
    """Return the places of up to four epochs: the first, and that of the model, among them."""
    chosen = {int(n) for n in np.round(np.linspace(0, len(whens) - 1, min(len(whens), _COLUMNS)))}
    for place, when in enumerate(whens):
        if when.endswith("the model") and place not in chosen:
            chosen.remove(min(chosen - {0}, key=lambda n: abs(n - place)))
            chosen.add(place)
    return sorted(chosen)
