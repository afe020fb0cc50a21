"""Small pictures of fields without a word on them, for a page that says the rest."""

import base64
import io
from typing import Any

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm, Colormap
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.tasks.plot.cartography import coast
from smoecast.tasks.plot.cartography.quantities import Scale
from smoecast.tasks.plot.cartography.sheets import sheet_of
from smoecast.tasks.report.drawing.svg import svg_style, to_svg

WIDTH, DPI = 4.4, 130
"""Inches of a picture, and dots in one."""
_GREY = "#7a7a7a"
"""Can be read on white and on black."""
_INK: dict[Any, Any] = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), _GREY)
_INK |= {"xtick.color": _GREY, "ytick.color": _GREY, "font.size": 9.0}


class Painter:
    """Draws one field after another on the same paper.

    Matplotlib draws the paper twice, once with a colour for each cell that says which it is, and
    once without cells; each picture is then a choice of colours between the two.

    Parameters
    ----------
    place : Grid or ProjectedGrid
        Of the fields.
    simulated : bool
        Whether the planet's coasts are drawn, and not the Earth's.
    """

    def __init__(self, place: Grid | ProjectedGrid, simulated: bool) -> None:
        sheet = sheet_of(place)
        left, under = (0.07, 0.09) if sheet.globe else (0.11, 0.1)
        height = WIDTH * (0.97 - left) / sheet.aspect / (0.97 - under)
        with mpl.rc_context(_INK):
            figure = Figure((WIDTH, min(height, 1.6 * WIDTH)), dpi=DPI)
            axes = figure.add_axes((left, under, 0.97 - left, 0.97 - under))
            numbers = np.arange(1, np.prod(place.shape) + 1).reshape(place.shape)
            digits = np.stack([numbers // 256**n % 256 for n in range(3)], axis=-1)
            mesh = axes.pcolormesh(sheet.x, sheet.y, digits / 255, antialiased=False)
            others = {*axes.get_children()}
            sheet.frame(axes, coast.planet() if simulated else coast.earth(sheet.width))
            mesh.set_visible(False)
            self._over = _draw(figure)
            mesh.set(visible=True, clip_path=None)
            for artist in {*axes.get_children()} - others:
                artist.set_visible(False)
            axes.set_axis_off()
            drawn = np.asarray(_draw(figure)).astype(np.int64)
        found = drawn[..., 0] + 256 * drawn[..., 1] + 256**2 * drawn[..., 2]
        self._cells = np.where(drawn[..., 3] == 255, found, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a picture in dots."""
        return self._over.size

    def paint(self, field: NDArray[np.floating], scale: Scale) -> str:
        """Return a field (H, W) in the colours of a scale, as an address that holds the picture."""
        norm = BoundaryNorm(scale.levels, 256, extend=scale.ends)
        shown = np.ma.masked_invalid(field)
        return self._paint(colormaps[scale.colours](norm(shown), bytes=True))

    def paint_classes(self, numbers: NDArray[np.integer], colours: Colormap) -> str:
        """Return numbers (H, W) from 0 as a picture, a colour each."""
        return self._paint(colours(numbers, bytes=True))

    def _paint(self, colours: NDArray[np.uint8]) -> str:
        """Return a picture of a colour (H, W, 4) for each cell."""
        nothing = np.zeros((1, 4), np.uint8)
        of_cells = np.concatenate([nothing, colours.reshape(-1, 4)])
        image = Image.alpha_composite(Image.fromarray(of_cells[self._cells]), self._over)
        few = image.quantize(48, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        packed = io.BytesIO()
        few.save(packed, format="PNG", optimize=True)
        return f"data:image/png;base64,{base64.b64encode(packed.getvalue()).decode()}"


def _draw(figure: Figure) -> Image.Image:
    """Return a figure as a picture of red, green, blue and opacity."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="rgba", dpi=DPI, transparent=True)
    size = int(figure.bbox.width), int(figure.bbox.height)
    return Image.frombytes("RGBA", size, drawn.getvalue())


def draw_scale(scale: Scale, place: str) -> Markup:
    """Return the colours of a scale with its numbers, lying; `place` is where on the page."""
    with svg_style():
        figure = Figure((4.4, 0.66))
        axes = figure.add_axes((0.04, 0.66, 0.92, 0.3))
        norm = BoundaryNorm(scale.levels, 256, extend=scale.ends)
        colours = ScalarMappable(norm, colormaps[scale.colours])
        bar = figure.colorbar(colours, cax=axes, orientation="horizontal")
        bar.set_ticks(scale.ticks.tolist())
        bar.minorticks_off()
        bar.ax.tick_params(labelsize=9)
        bar.set_label(scale.label)
        low, high = scale.levels[[0, -1]]
        return to_svg(figure, f"Colours from {low:g} to {high:g}, {scale.label}", place)
