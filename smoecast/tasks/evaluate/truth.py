"""The truth that results are scored against: what it is, and its fields at certain times."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.config.data import Data
from smoecast.data.sources import registry
from smoecast.errors import InputError
from smoecast.fields import channels, times
from smoecast.fields.grid import place_of, same_place
from smoecast.fields.read.results import has_products
from smoecast.fields.read.zarr.group_file import folder_of

BLOCK = 32
"""Starts scored together, at most."""

BLOCK_BYTES = 8 * 2**20
"""Of one channel of a block of starts, at most, unless one start has more.

Scoring it takes about twenty times as much: its statistics are eight fields of float64.
"""

Fields = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Truth:
    """What results of one kind, forecasts or calibrated ensembles, are scored against.

    Attributes
    ----------
    fields : xr.DataArray
        ``(time, channel, latitude, longitude)``, lazy.
    channels : tuple of str
        That are scored.
    label : str
        Of `label_of`.
    store : Path
        The run's, with its land-sea mask.
    training : xr.Dataset or None
        That store, with the mask ``train`` (time) of the times to which baselines of forecasts are
        fitted; None where there is none.
    """

    fields: xr.DataArray
    channels: tuple[str, ...]
    label: str
    store: Path
    training: xr.Dataset | None = None


def label_of(data: Data, files: Sequence[str] = ()) -> str:
    """Return in words what a run is scored against.

    Parameters
    ----------
    data : Data
        Where its analyses come from.
    files : sequence of str
        The truth of ensembles, where they have one of their own.
    """
    truth = registry.ANALYSES[data.source].about.truth if data.source in registry.ANALYSES else ""
    if files or not truth:
        found = [folder_of(Path(name)).name for name in files or data.files]
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        return f"files: {found[0]}{more}" if found else "none"
    return truth + (f", brought to grid {data.grid}" if data.grid else "")


def present(wanted: tuple[str, ...], result: xr.Dataset, source: str) -> list[str]:
    """Return the wanted channels that a result holds.

    Raises
    ------
    InputError
        It holds none of them.
    """
    there = [t for t in wanted if channels.has_field(result, t) or has_products(result, t)]
    if not there:
        raise InputError(f"{source}: holds none of {', '.join(wanted)}; nothing can be scored")
    return there


def with_truth(
    result: xr.Dataset, truth: xr.DataArray, source: str, from_start: bool = False
) -> xr.Dataset:
    """Keep the starts whose every lead time has its truth, on the truth's grid.

    Parameters
    ----------
    result : xr.Dataset
        Forecasts.
    truth : xr.DataArray
        (time, channel, latitude, longitude).
    source : str
        Names the result in messages.
    from_start : bool
        Whether the truth at the start is needed as well.

    Raises
    ------
    InputError
        The grids differ, or no start has its truth.
    """
    here, there = place_of(result), place_of(truth)
    if not same_place(here, there):
        raise InputError(
            f"{source}: is on {here.describe()}, the truth on {there.describe()}; "
            "score against a truth on the same grid"
        )
    if from_start:
        known = np.isin(result["init_time"].values, truth["time"].values)
        if not known.any():
            raise InputError(
                f"{source}: the truth holds none of the starts, from which baselines such as "
                "persistence begin; leave them out of evaluate.baselines"
            )
        result = result.isel(init_time=np.flatnonzero(known))
    axes = (result["init_time"].values, result["lead_time"].values, truth["time"].values)
    return result.isel(init_time=times.find_known(*axes))


def cut(
    result: xr.Dataset, groups: Sequence[NDArray[np.intp]] | None = None
) -> list[NDArray[np.intp]]:
    """Return the positions of starts that are scored together, group by group if there are any."""
    each = (*(result.sizes.get(d, 1) for d in ("lead_time", "number")), *place_of(result).shape)
    count = max(1, min(BLOCK, BLOCK_BYTES // (4 * int(np.prod(each)))))
    return [
        group[begin : begin + count]
        for group in groups or [np.arange(result.sizes["init_time"])]
        for begin in range(0, len(group), count)
    ]


def take(
    result: xr.Dataset, positions: NDArray[np.intp]
) -> tuple[xr.Dataset, NDArray[np.datetime64]]:
    """Return some starts of a result, and the times (I, L) at which they hold."""
    block = result.isel(init_time=positions)
    return block, times.valid_times(block["init_time"].values, block["lead_time"].values)


def generator(seed: int, starts: NDArray[np.datetime64]) -> np.random.Generator:
    """Return a generator for a block of starts, the same whatever was scored before it."""
    minutes = int(starts[0].astype("datetime64[m]").astype(np.int64))
    return np.random.default_rng([seed, minutes % 2**32])


def fields_at(truth: xr.DataArray, channel: str, valid: NDArray[np.datetime64]) -> Fields:
    """Return the truth at times of any shape: (..., H, W)."""
    column = truth.sel(channel=channel)
    wanted, where = np.unique(valid, return_inverse=True)
    fields: Fields = column.sel(time=wanted).values[where.reshape(valid.shape)]
    return fields
