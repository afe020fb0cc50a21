"""Areas of cells, by which means over the sphere are checked."""

import numpy as np

from smoecast.fields.grid import Grid
from smoecast.fields.regrid_weights import latitude_edges, longitude_edges


def cell_areas(grid: Grid) -> np.ndarray:
    """Return the area of every cell as a share of the sphere, (H, W) float64."""
    heights = -np.diff(np.sin(np.deg2rad(latitude_edges(grid)))) / 2
    widths = np.diff(longitude_edges(grid)) / 360.0
    return np.asarray(heights[:, np.newaxis] * widths)
