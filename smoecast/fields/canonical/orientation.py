"""Latitude from north to south, longitude from west to east: fields laid the way we want them."""

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.grid import TOLERANCE
from smoecast.names import PROJECTION

_FARTHEST = 1080.0  # degrees


def check_regular(dataset: xr.Dataset, source: str, any_grid: bool) -> None:
    """Refuse data without one latitude per row and one longitude per column.

    Parameters
    ----------
    dataset : xarray.Dataset
        With its dimensions under our names.
    source : str
        File name for messages.
    any_grid : bool
        Whether a map projection may pass.

    Raises
    ------
    InputError
        If there is no regular latitude-longitude grid, nor a projection that may pass.
    """
    if _regular(dataset) or (any_grid and all(name in dataset.indexes for name in PROJECTION)):
        return
    raise InputError(
        f"{source}: no regular latitude-longitude grid, but the dimensions "
        f"{' '.join(map(str, dataset.sizes)) or 'of a single point'}: regrid it first"
    )


def _regular(dataset: xr.Dataset) -> bool:
    return all(name in dataset.indexes for name in ("latitude", "longitude"))


def orient(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` with latitude descending and longitude ascending; projections as they are.

    Raises
    ------
    InputError
        If a coordinate is damaged.
    """
    if not _regular(dataset):
        return dataset
    return _north_to_south(_west_to_east(dataset, source), source)


def _degrees(dataset: xr.Dataset, name: str, source: str) -> np.ndarray:
    """Return a coordinate as float64, freed of the noise of float32."""
    stored = dataset[name].values
    if stored.dtype.kind not in "iuf" or not np.isfinite(stored).all():
        raise InputError(f"{source}: {name} has missing values, so the grid has no place")
    degrees = stored.astype(np.float64)
    return np.round(degrees, 5) if stored.dtype == np.float32 else degrees


def _north_to_south(dataset: xr.Dataset, source: str) -> xr.Dataset:
    latitude = _degrees(dataset, "latitude", source)
    steps = np.diff(latitude)
    if np.abs(latitude).max(initial=0.0) > 90.0 + TOLERANCE:
        raise InputError(f"{source}: latitude reaches {np.abs(latitude).max():g}, past the pole")
    if not ((steps > 0).all() or (steps < 0).all()):
        raise InputError(f"{source}: latitude neither falls nor rises all the way")
    dataset = dataset.assign_coords(latitude=latitude)
    return dataset.isel(latitude=slice(None, None, -1)) if (steps > 0).any() else dataset


def _west_to_east(dataset: xr.Dataset, source: str) -> xr.Dataset:
    stored = _degrees(dataset, "longitude", source)
    if np.abs(stored).max() > _FARTHEST:
        raise InputError(f"{source}: longitude reaches {np.abs(stored).max():g}, past three turns")
    if len(stored) > 2 and abs(abs(stored[-1] - stored[0]) - 360.0) < TOLERANCE:
        dataset, stored = _without_last_meridian(dataset, source), stored[:-1]
    longitude = np.round(stored, 6) % 360.0
    order = np.argsort(longitude, kind="stable")
    longitude = longitude[order]
    gaps = np.diff(longitude, append=longitude[0] + 360.0)
    if len(gaps) > 1 and gaps.min() < TOLERANCE:
        east = longitude[int(np.argmin(gaps))]
        raise InputError(
            f"{source}: the longitude {east:g} is there twice, up to 360 degrees: leave one with "
            f"data.select: {{not: {{longitude: {stored[order[int(np.argmin(gaps))]]:g}}}}}"
        )
    widest = int(np.argmax(gaps))
    # A region that crosses Greenwich starts after its widest gap, in negative degrees.
    if gaps[widest] > 1.5 * np.median(gaps) and widest != len(gaps) - 1:
        order = np.roll(order, -(widest + 1))
        longitude = np.roll(longitude, -(widest + 1))
        longitude = np.where(longitude >= longitude[0], longitude - 360.0, longitude)
    dataset = dataset.assign_coords(longitude=("longitude", _unroll(longitude, order)))
    if not np.array_equal(order, np.arange(len(order))):
        dataset = dataset.isel(longitude=order)
    return dataset


def _without_last_meridian(dataset: xr.Dataset, source: str) -> xr.Dataset:
    """Return `dataset` without its last meridian, which is the first one a turn later.

    The values of the two are compared when they are read.
    """
    first, last = (f"{float(dataset['longitude'][at]):g}" for at in (0, -1))
    fields = {
        name: xr.apply_ufunc(
            _check_repeat,
            array.isel(longitude=slice(None, -1)),
            array.isel(longitude=0, drop=True),
            array.isel(longitude=-1, drop=True),
            kwargs={"what": f"{source}: {name}", "first": first, "last": last},
            dask="parallelized",
            output_dtypes=[array.dtype],
            keep_attrs="override",
        )
        for name, array in dataset.data_vars.items()
        if "longitude" in array.dims
    }
    return dataset.isel(longitude=slice(None, -1)).assign(fields)


def _check_repeat(
    values: np.ndarray,
    at_first: np.ndarray,
    at_last: np.ndarray,
    *,
    what: str,
    first: str,
    last: str,
) -> np.ndarray:
    if not np.array_equal(at_first, at_last, equal_nan=True):
        raise InputError(
            f"{what} has other values at the longitude {last} than at {first}, which is the same "
            f"meridian: leave one with data.select: {{not: {{longitude: {last}}}}}"
        )
    return values


def _unroll(longitude: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return the ordered longitudes in the places from which `order` takes them."""
    placed_back = np.empty_like(longitude)
    placed_back[order] = longitude
    return placed_back
