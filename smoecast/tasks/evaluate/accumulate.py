"""A result summed up block by block of starts: what scores, curves and intervals are made of."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from smoecast import names
from smoecast.config.evaluate import Evaluate
from smoecast.config.postprocess import DEFAULT
from smoecast.errors import InputError
from smoecast.fields import times
from smoecast.fields.grid import Grid, ProjectedGrid, grid_of, same_place
from smoecast.fields.store import store
from smoecast.scores.aggregate import Partial, partial
from smoecast.scores.by_start import Sums, by_start
from smoecast.scores.histograms import Places, RankCounts, count_places, shares_by_start
from smoecast.scores.pointwise import Values, squared_error
from smoecast.scores.regions import inside, region_weights
from smoecast.scores.reliability import table_by_start

WHOLE_PLANE = "all points"
"""The only region of a map projection."""

LAND = "constant_lsm"
"""The land-sea mask of a store."""

Key = tuple[str, str, str]
"""Channel, name of a forecast, and an event in words or nothing."""

Chances = Mapping[str, tuple[Values, Values]]
"""Event in words to its probability and whether it came, (I, L, H, W) each."""


@dataclass(frozen=True, eq=False)
class Case:
    """What one forecast of one channel has at a block of starts, point by point.

    Attributes
    ----------
    starts : (I,) datetime64
    channel, name : str
    statistics : dict of ndarray (I, L, H, W)
    places : tuple or None
        ``rank`` or ``pit``, the number of bins, and in which the truth fell (I, L, H, W).
    chances : dict
    """

    starts: NDArray[np.datetime64]
    channel: str
    name: str
    statistics: Mapping[str, Values]
    places: tuple[str, int, Places] | None = None
    chances: Chances = field(default_factory=dict)

    def sums(self, weights: Values) -> Iterator[tuple[Key, Sums]]:
        """Yield the sums over regions of weights (R, H, W): of the forecast and of its events."""
        if self.statistics:
            sums = {name: by_start(values, weights) for name, values in self.statistics.items()}
            kind, count, places = self.places or ("", 0, None)
            bins = None if places is None else shares_by_start(places, count, weights)
            yield (self.channel, self.name, ""), Sums(self.starts, sums, kind, bins)
        for event, (probability, came) in self.chances.items():
            brier = {"brier": by_start(squared_error(probability, came), weights)}
            table = table_by_start(probability, came, weights)
            yield (self.channel, self.name, event), Sums(self.starts, brier, "reliability", table)


@dataclass(frozen=True, eq=False)
class ResultSums:
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
        Of every forecast and of every event.
    flat : dict
        Share of points whose histogram is flat, (L, R).
    """

    own: tuple[str, ...]
    truth: str
    protocol: str
    reference: str
    starts: NDArray[np.datetime64]
    lead_hours: NDArray[np.float64]
    regions: list[str]
    sums: Mapping[Key, Sums]
    flat: Mapping[Key, Partial]


@dataclass(frozen=True, eq=False)
class BlockSums:
    """Sums of the cases of some starts; those of other starts add up.

    Attributes
    ----------
    sums : dict
        Of every forecast and of every event.
    counts : dict
        Histograms point by point, of those that have any.
    """

    sums: Mapping[Key, Sums]
    counts: Mapping[Key, RankCounts]

    def __add__(self, other: "BlockSums") -> "BlockSums":
        """Return the sums of both."""
        return BlockSums(_add(self.sums, other.sums), _add(self.counts, other.counts))


def _add(one: Mapping[Key, Any], other: Mapping[Key, Any]) -> dict[Key, Any]:
    both = {key: value + other[key] for key, value in one.items() if key in other}
    return {**one, **other, **both}


def sum_cases(cases: Iterable[Case], weights: Values, starts: int) -> BlockSums:
    """Add up the cases of a block.

    Parameters
    ----------
    cases : iterable of Case
    weights : (R, H, W)
        Of `weigh_regions`.
    starts : int
        How many the whole result has.
    """
    found = BlockSums({}, {})
    # the same to the last digit however many threads there are
    with threadpool_limits(1, user_api="blas"):
        for case in cases:
            counts = {}
            if case.places is not None:
                _, bins, places = case.places
                counted = count_places(places, bins, starts)
                counts = {} if counted is None else {(case.channel, case.name, ""): counted}
            found += BlockSums(dict(case.sums(weights)), counts)
    return found


def finish(
    result: xr.Dataset,
    total: BlockSums,
    weighed: tuple[list[str], Values],
    *,
    own: tuple[str, ...],
    truth: str,
    protocol: str = DEFAULT,
    reference: str = "",
) -> ResultSums:
    """Return the sums of a result from those of all its blocks.

    Parameters
    ----------
    result : xr.Dataset
        On the truth's grid, at times that it has.
    total : BlockSums
    weighed : tuple of list of str and ndarray (R, H, W)
        Of `weigh_regions`.
    own, truth, protocol, reference
        As `ResultSums` has them.
    """
    regions, weights = weighed
    flat = {}
    for key, counted in total.counts.items():
        # (L, H, W) and (R, H, W) to (L, R, H, W)
        pair = np.broadcast_arrays(counted.flat()[:, None], weights[None])
        flat[key] = partial(pair[0], pair[1], axes=(2, 3))
    hours = times.as_hours(result["lead_time"].values)
    starts = result["init_time"].values
    return ResultSums(own, truth, protocol, reference, starts, hours, regions, total.sums, flat)


def weigh_regions(
    asked: Evaluate, store_path: Path, place: Grid | ProjectedGrid, plain: bool
) -> tuple[list[str], Values]:
    """Return the names of the regions that are asked for, and their weights (R, H, W).

    Parameters
    ----------
    asked : Evaluate
        Names regions and boxes.
    store_path : Path
        Of the store with the land-sea mask.
    place : Grid or ProjectedGrid
        Of the result.
    plain : bool
        Whether all points count the same.

    Raises
    ------
    InputError
        A region holds no point, the points of a map projection have no regions, or there is no
        land-sea mask.
    """
    if isinstance(place, ProjectedGrid):
        if set(asked.regions) != {"global"} or asked.boxes:
            raise InputError(
                f"{place.describe()} have no latitudes for evaluate.regions and evaluate.boxes: "
                "leave both as they are by default, and all points are scored together"
            )
        return [WHOLE_PLANE], np.ones((1, *place.shape))
    axes = place.latitude, place.longitude
    points = {
        name: _surface(store_path, place, name)
        if name in names.SURFACES
        else inside(names.REGIONS[name], *axes)
        for name in asked.regions
        if name in names.AREAS
    }
    points |= {name: inside((box,), *axes) for name, box in asked.boxes.items()}
    return list(points), region_weights(points, place.latitude, plain)


def _surface(path: Path, place: Grid, name: str) -> NDArray[np.bool_]:
    """Return which points are land, or sea, by the constant of the run's store."""
    if path.exists():
        with store.open_store(path) as dataset:
            if LAND in dataset and same_place(grid_of(dataset), place):
                land: NDArray[np.bool_] = dataset[LAND].values > 0.5
                return land if name == "land" else ~land
    raise InputError(
        f"{path}: holds no land-sea mask of this grid for the region {name}: name lsm in "
        "data.constants and run `smoecast preprocess`, or leave it out of evaluate.regions"
    )
