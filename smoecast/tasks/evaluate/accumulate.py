"""A result summed up block by block of starts: what scores, curves and intervals are made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import names
from smoecast.config.run import Config
from smoecast.errors import InputError
from smoecast.fields import times
from smoecast.fields.grid import Grid, ProjectedGrid, grid_of, place_of, same_place
from smoecast.fields.store import store
from smoecast.scores.aggregate import Partial, partial
from smoecast.scores.by_start import Sums, by_start, concatenate
from smoecast.scores.histograms import Places, RankCounts, shares_by_start
from smoecast.scores.pointwise import Values, squared_error
from smoecast.scores.regions import inside, region_weights
from smoecast.scores.reliability import table_by_start
from smoecast.tasks.evaluate import truth as evaluate_truth

PLAIN = "ens10-paper"
"""The protocol whose means are plain: every grid point counts the same."""

WHOLE_PLANE = "all points"
"""The only region of a map projection."""

LAND = "constant_lsm"
"""The land-sea mask of a store."""

Key = tuple[str, str]
"""Channel and name of a forecast."""


@dataclass(frozen=True, eq=False)
class Case:
    """What one forecast of one channel has at a block of starts, point by point.

    Attributes
    ----------
    key : tuple of str
    statistics : dict of ndarray (I, L, H, W)
    places : tuple or None
        ``rank`` or ``pit``, the number of bins, and in which the truth fell (I, L, H, W).
    events : dict of tuple of ndarray (I, L, H, W)
        Event in words to its probability and whether it came.
    """

    key: Key
    statistics: Mapping[str, Values]
    places: tuple[str, int, Places] | None = None
    events: Mapping[str, tuple[Values, Values]] = field(default_factory=dict)


Cases = Callable[[xr.Dataset, NDArray[np.datetime64]], Iterator[Case]]
"""From a block of a result and the times at which it holds to its cases, one at a time."""


@dataclass(eq=False)
class Collected:
    """Sums over space of every forecast of a result, start by start.

    Attributes
    ----------
    own : tuple of str
        What the result itself is called among them: ``forecast``, or ``calibrated`` (``ensemble``
        where it came from elsewhere) and ``calibrated normal``.
    truth : str
        What it was scored against.
    protocol : str
        Under which it was calibrated.
    reference : str
        The forecast that its own are compared with for skill; empty where there is none.
    starts : (I,) datetime64
    lead_hours : (L,) float
    regions : list of str
    sums : dict
        Channel and name of a forecast to its sums (I, L, R) by statistic.
    bins : dict
        The same to ``rank`` or ``pit`` and the weight in each bin, (I, L, R, K).
    flat : dict
        The same to the share of points whose histogram is flat, (L, R).
    events : dict
        The same and the event to the Brier sums (I, L, R) and the table (I, L, R, 3, bins).
    """

    own: tuple[str, ...]
    truth: str
    protocol: str
    reference: str
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    regions: list[str]
    sums: dict[Key, Sums] = field(default_factory=dict)
    bins: dict[Key, tuple[str, Values]] = field(default_factory=dict)
    flat: dict[Key, Partial] = field(default_factory=dict)
    events: dict[tuple[str, str, str], tuple[Partial, Values]] = field(default_factory=dict)


class Walk:
    """Adds up cases over the regions, in any order of the starts.

    Parameters
    ----------
    config : Config
        Names the regions.
    result : xr.Dataset
        What is scored.
    plain : bool
        Whether all points count the same.
    """

    def __init__(self, config: Config, result: xr.Dataset, plain: bool) -> None:
        self.result = result
        self.regions, self.weights = _regions(config, result, plain)
        self.sums: dict[Key, list[Sums]] = {}
        self.bins: dict[Key, list[tuple[str, Values]]] = {}
        self.counts: dict[Key, RankCounts] = {}
        self.events: dict[tuple[str, str, str], list[tuple[Sums, Values]]] = {}

    def add(self, case: Case) -> None:
        """Add what one forecast has at a block of starts."""
        sums = {name: by_start(values, self.weights) for name, values in case.statistics.items()}
        if sums:
            self.sums.setdefault(case.key, []).append(sums)
        if case.places is not None:
            kind, count, places = case.places
            shares = shares_by_start(places, count, self.weights)
            self.bins.setdefault(case.key, []).append((kind, shares))
            cases = self.result.sizes["init_time"]
            self.counts.setdefault(case.key, RankCounts(count, cases)).add(places)
        for event, (probability, came) in case.events.items():
            brier = {"brier": by_start(squared_error(probability, came), self.weights)}
            table = table_by_start(probability, came, self.weights)
            self.events.setdefault((*case.key, event), []).append((brier, table))

    def into(self, collected: Collected, order: NDArray[np.intp]) -> Collected:
        """Put all of it into `collected`; `order` are the starts as they were added."""
        back = np.argsort(order)
        for key, parts in self.sums.items():
            collected.sums[key] = {name: _order(p, back) for name, p in concatenate(parts).items()}
        for key, found in self.bins.items():
            collected.bins[key] = found[0][0], np.concatenate([v for _, v in found])[back]
        for key, counts in self.counts.items():
            flat = counts.flat()
            if flat is not None:
                # (L, H, W) and (R, H, W) to (L, R, H, W)
                pair = np.broadcast_arrays(flat[:, None], self.weights[None])
                collected.flat[key] = partial(pair[0], pair[1], axes=(2, 3))
        for event, pairs in self.events.items():
            brier = concatenate([sums for sums, _ in pairs])["brier"]
            table = np.concatenate([table for _, table in pairs])
            collected.events[event] = _order(brier, back), table[back]
        return collected


def _order(part: Partial, order: NDArray[np.intp]) -> Partial:
    return Partial(part.total[order], part.weight[order])


def _regions(config: Config, result: xr.Dataset, plain: bool) -> tuple[list[str], Values]:
    """Return the names of the regions and their weights (R, H, W)."""
    place = place_of(result)
    if isinstance(place, ProjectedGrid):
        if set(config.evaluate.regions) != {"global"} or config.evaluate.boxes:
            raise InputError(
                f"{place.describe()} have no latitudes for evaluate.regions and evaluate.boxes: "
                "leave both as they are by default, and all points are scored together"
            )
        return [WHOLE_PLANE], np.ones((1, *place.shape))
    axes = place.latitude, place.longitude
    points = {
        name: _surface(config, place, name)
        if name in names.SURFACES
        else inside(names.REGIONS[name], *axes)
        for name in config.evaluate.regions
        if name in names.AREAS
    }
    points |= {name: inside((box,), *axes) for name, box in config.evaluate.boxes.items()}
    return list(points), region_weights(points, place.latitude, plain)


def _surface(config: Config, place: Grid, name: str) -> NDArray[np.bool_]:
    """Return which points are land, or sea, by the constant of the run's store."""
    if config.store.exists():
        with store.open_store(config.store) as dataset:
            if LAND in dataset and same_place(grid_of(dataset), place):
                land: NDArray[np.bool_] = dataset[LAND].values > 0.5
                return land if name == "land" else ~land
    raise InputError(
        f"{config.store}: holds no land-sea mask of this grid for the region {name}: name lsm in "
        "data.constants and run `smoecast preprocess`, or leave it out of evaluate.regions"
    )


def accumulate(
    config: Config,
    collected: Collected,
    result: xr.Dataset,
    cases: Cases,
    groups: Sequence[NDArray[np.intp]] | None = None,
) -> Collected:
    """Walk the blocks of a result and keep the sums over each region.

    Parameters
    ----------
    config : Config
        Names the regions.
    collected : Collected
        Is filled.
    result : xr.Dataset
        On the truth's grid, at times that it has.
    cases : callable
        See `Cases`.
    groups : sequence of ndarray of int, optional
        Starts that are taken one group after the other; none: in order.

    Raises
    ------
    InputError
        A region holds no point, or the points of a map projection have no regions.
    """
    total = Walk(config, result, collected.protocol == PLAIN)
    collected.regions = total.regions
    order = []
    for some in evaluate_truth.blocks(result, groups):
        block = result.isel(init_time=some)
        valid = times.valid_times(block["init_time"].values, block["lead_time"].values)
        for case in cases(block, valid):
            total.add(case)
        order.append(some)
    return total.into(collected, np.concatenate(order))
