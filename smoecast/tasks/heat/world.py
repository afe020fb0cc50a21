"""Location-dependent heat diffusion: a made-up world whose right experts are known.

Dryden & Hoefler 2022 (arXiv 2211.13491, section 3.1). A fixed map gives every grid point one of
three diffusivities; runs of the heat equation start from noise and a few hot points; the task is
the next step. How the map is grown in detail is ours: the paper says only that it is grown point by
point from already assigned neighbours.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smoecast.errors import ConfigError

DIFFUSIVITIES = (0.0025, 0.025, 0.25)
"""Diffusivity of each region, in grid spacings squared per step."""
BACKGROUND = 0.1
"""The initial field is uniform between 0 and this."""
SOURCE = 1.0
"""Value of an initial hot point."""
MOST_SOURCES = 3
"""Each region has 1 to this many hot points."""
PULL = 8.0
"""Each neighbour of a type adds this to the type's weight of 1 (ours)."""
BLOCK = 64
"""So many runs are stepped together: they fit the processor's cache."""


@dataclass(frozen=True, eq=False)
class Heat:
    """Runs of one world.

    Attributes
    ----------
    regions : (H, W) int64
        Index into `DIFFUSIVITIES` of each point.
    fields : (R, T + 1, H, W) float32
        R runs of T steps; step 0 is the initial field.
    """

    regions: NDArray[np.int64]
    fields: NDArray[np.float32]

    def __len__(self) -> int:
        """Return the number of pairs of neighbouring steps, R T."""
        runs, states, _, _ = self.fields.shape
        return int(runs * (states - 1))

    def batch(self, indices: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return fields and the fields one step later, each (B, 1, H, W)."""
        run, step = np.divmod(indices, self.fields.shape[1] - 1)
        now, later = self.fields[run, step], self.fields[run, step + 1]
        return torch.from_numpy(now[:, None]), torch.from_numpy(later[:, None])


def grow_regions(grid: tuple[int, int], seed: int) -> NDArray[np.int64]:
    """Grow a map of regions point by point.

    Row by row, each point draws its type; a type's weight is 1 plus `PULL` for each already
    assigned neighbour (west, north-west, north, north-east) of that type.

    Parameters
    ----------
    grid : tuple of int
        (H, W).
    seed : int
        The same seed gives the same map.

    Returns
    -------
    (H, W) int64
        Index into `DIFFUSIVITIES`; every type occurs.

    Raises
    ------
    ConfigError
        If the grid is too small to hold all types.
    """
    types = len(DIFFUSIVITIES)
    if min(grid) < types:
        raise ConfigError(f"a heat map needs at least {types} x {types} points, not {grid}")
    generator = np.random.default_rng([seed, 0])
    regions = _grow(grid, generator)
    while len(np.unique(regions)) < types:
        regions = _grow(grid, generator)
    return regions


def _grow(grid: tuple[int, int], generator: np.random.Generator) -> NDArray[np.int64]:
    height, width = grid
    regions = np.full((height + 1, width + 2), -1)  # A frame of unassigned points.
    chance = generator.random(grid)
    for row in range(1, height + 1):
        for column in range(1, width + 1):
            near = [regions[row, column - 1], *regions[row - 1, column - 1 : column + 2]]
            weight = 1.0 + PULL * np.array([near.count(t) for t in range(len(DIFFUSIVITIES))])
            upto = np.cumsum(weight) / weight.sum()
            regions[row, column] = np.searchsorted(upto, chance[row - 1, column - 1], "right")
    return regions[1:, 1:-1].astype(np.int64)


def simulate(regions: NDArray[np.int64], runs: int, steps: int, seed: int, part: int) -> Heat:
    """Make runs of the heat equation on a map.

    Parameters
    ----------
    regions : (H, W) int64
        From `grow_regions`.
    runs, steps : int
        How many runs, and how many steps each.
    seed, part : int
        Together they fix the initial fields; parts of one seed (to train, validate, test) are
        independent. The first runs of a part do not depend on how many follow.

    Raises
    ------
    ConfigError
        If runs or steps are below 1.
    """
    if runs < 1 or steps < 1:
        raise ConfigError(f"a heat experiment needs runs and steps, not {runs} and {steps}")
    fields = np.empty((runs, steps + 1, *regions.shape), np.float32)
    for run in range(runs):
        fields[run, 0] = _initial(regions, np.random.default_rng([seed, 1 + part, run]))
    diffusivity = np.array(DIFFUSIVITIES, np.float32)[regions]
    for start in range(0, runs, BLOCK):
        block = fields[start : start + BLOCK]
        for step in range(steps):
            block[:, step + 1] = diffuse(block[:, step], diffusivity)
    return Heat(regions, fields)


def diffuse(field: NDArray[np.float32], diffusivity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Make one explicit step of the heat equation: five points, zero outside.

    Parameters
    ----------
    field : (..., H, W)
        Any unit.
    diffusivity : (H, W)
        Of the point that receives the heat, in grid spacings squared per step; at most 0.25.

    Returns
    -------
    (..., H, W)
        ``field + diffusivity * (sum of the four neighbours - 4 * field)``.
    """
    flow = -4.0 * field
    flow[..., 1:, :] += field[..., :-1, :]
    flow[..., :-1, :] += field[..., 1:, :]
    flow[..., :, 1:] += field[..., :, :-1]
    flow[..., :, :-1] += field[..., :, 1:]
    flow *= diffusivity
    flow += field
    return flow


def _initial(regions: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.floating]:
    """Noise everywhere, and a few hot points in every region: (H, W)."""
    field = generator.uniform(0.0, BACKGROUND, regions.shape)
    for region in range(len(DIFFUSIVITIES)):
        places = np.flatnonzero(regions == region)
        count = min(int(generator.integers(1, MOST_SOURCES + 1)), len(places))
        field.flat[generator.choice(places, count, replace=False)] = SOURCE
    return field


def within(output: torch.Tensor, target: torch.Tensor, share: float = 0.01) -> torch.Tensor:
    """Return where values agree: abs(x - y) <= 1e-8 + share abs(y), the paper's measure."""
    return (output - target).abs() <= 1e-8 + share * target.abs()
