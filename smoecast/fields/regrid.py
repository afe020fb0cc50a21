"""From one regular grid to another: bilinear or conservative, periodic in longitude.

Two sparse products of matrices for each field, lazily where the data is lazy; no code knows of
times or levels. See `fields.regrid_weights` for the weights and docs/decisions/0009 for why they
are ours.
"""

import re
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

import numpy as np
import xarray as xr
from numpy.polynomial.legendre import leggauss

from smoecast.errors import ConfigError
from smoecast.fields.grid import Grid, grid_of
from smoecast.fields.regrid_weights import Weights, bilinear, conservative, nearest
from smoecast.names import COORDINATE_ATTRIBUTES

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Method = Literal["bilinear", "conservative"]
_Fields = TypeVar("_Fields", xr.Dataset, xr.DataArray)

_PLACE = ("latitude", "longitude")
_CENTRED = ("5.625", "2.8125", "1.40625")
_WITH_POLES = ("2.5", "2", "1.5", "1", "0.5", "0.25")
_GAUSSIAN = re.compile(r"^f(?P<rows>[1-9]\d{0,2})$")
_CODES = ("slt",)
"""Variables that are codes, whose averages mean nothing."""
_AT_ONCE = 2**21
"""Bytes of fields that are weighed together."""


def grid_by_name(name: str) -> Grid:
    """Return a global grid by name.

    Parameters
    ----------
    name : str
        Spacing in degrees: ``5.625``, ``2.8125`` or ``1.40625`` with cells that end at the poles
        (32 x 64, 64 x 128, 128 x 256 points; Rasp et al. 2020, doi:10.1029/2020MS002203), or
        ``2.5``, ``2``, ``1.5``, ``1``, ``0.5`` or ``0.25`` with points at the poles (1.5 degrees:
        121 x 240; Rasp et al. 2024, doi:10.1029/2023MS004019); or ECMWF's name of a regular
        Gaussian grid, its rows between pole and equator: ``f32``, 64 x 128 points.

    Raises
    ------
    ConfigError
        If there is no grid of that name.
    """
    gaussian = _GAUSSIAN.match(name)
    if gaussian is not None:
        rows = 2 * int(gaussian["rows"])
        nodes, _ = leggauss(rows)
        columns = np.arange(2 * rows) * (180.0 / rows)
        return Grid(np.rad2deg(np.arcsin(nodes[::-1])), columns)
    degrees = name.rstrip("0").rstrip(".") if "." in name else name  # 1.0 is 1
    if degrees not in (*_CENTRED, *_WITH_POLES):
        raise ConfigError(
            f"there is no grid {name!r}: use {' '.join((*_CENTRED, *_WITH_POLES))} (degrees) or "
            "f32 (Gaussian, with any number of rows from pole to equator)"
        )
    spacing = float(degrees)
    count = round(180.0 / spacing)
    first, rows = (90.0 - spacing / 2, count) if degrees in _CENTRED else (90.0, count + 1)
    return Grid(first - spacing * np.arange(rows), spacing * np.arange(2 * count))


def regrid(fields: _Fields, grid: Grid, method: Method = "bilinear") -> _Fields:
    """Bring canonical fields to another regular or Gaussian grid.

    ``bilinear`` samples: on a much coarser grid it takes the fields at its points and leaves out
    what lies between, so that small scales alias and means are not kept. ``conservative`` averages
    over cells, which keeps the mean over the sphere exactly; on a finer grid it makes steps. A
    target is NaN where any value that has a weight in it is NaN, in either method. Codes (`slt`)
    are never averaged: they take the value with the most weight.

    Parameters
    ----------
    fields : xarray.Dataset or xarray.DataArray
        Canonical: latitude descending, longitude ascending, global or a region. Float64 stays
        float64; all else is computed and returned in float32. Variables without latitude and
        longitude go along as they are.
    grid : Grid
        Where to, within the region of `fields`.
    method : {"bilinear", "conservative"}
        How.

    Returns
    -------
    xarray.Dataset or xarray.DataArray
        As `fields` with other places, and as lazy; the very `fields` if they are on `grid`.

    Raises
    ------
    InputError
        If `fields` have no regular grid, or do not reach as far as `grid`.
    ConfigError
        If there is no such method.
    """
    source = grid_of(fields)
    if method not in get_args(Method):
        raise ConfigError(f"regridding is bilinear or conservative, not {method!r}")
    if source.matches(grid):
        return fields
    weights = (bilinear if method == "bilinear" else conservative)(source, grid)
    if isinstance(fields, xr.DataArray):
        return _field(fields, grid, weights)
    arrays = {n: a for n, a in fields.data_vars.items() if set(_PLACE) <= set(a.dims)}
    moved = {n: _field(a, grid, weights) for n, a in arrays.items()}
    order = list(fields.data_vars)
    bare = fields.drop_vars(list(arrays)).drop_dims(_PLACE, errors="ignore")
    return bare.assign(moved)[order].assign_attrs(fields.attrs)


def _field(array: xr.DataArray, grid: Grid, weights: Weights) -> xr.DataArray:
    """Return one field on `grid`, its dimensions in their old order."""
    if array.name in _CODES:
        weights = nearest(weights)
    if array.chunks is not None:
        array = array.chunk(dict.fromkeys(_PLACE, -1))
    bare = array.drop_vars([n for n, c in array.coords.items() if set(c.dims) & set(_PLACE)])
    dtype = np.float64 if array.dtype == np.float64 else np.float32
    moved: xr.DataArray = xr.apply_ufunc(
        partial(_apply, weights=weights, dtype=dtype),
        bare,
        input_core_dims=[_PLACE],
        output_core_dims=[_PLACE],
        exclude_dims=set(_PLACE),
        dask="parallelized",
        output_dtypes=[dtype],
        dask_gufunc_kwargs={"output_sizes": dict(zip(_PLACE, grid.shape, strict=True))},
        keep_attrs=True,
    )
    places = {
        name: (name, values, dict(COORDINATE_ATTRIBUTES[name]))
        for name, values in zip(_PLACE, (grid.latitude, grid.longitude), strict=True)
    }
    return moved.assign_coords(places).transpose(*array.dims)


def _apply(block: np.ndarray, weights: Weights, dtype: type[np.floating]) -> np.ndarray:
    """Return a block, (..., H, W), on the new grid, (..., h, w)."""
    values = np.ascontiguousarray(block, dtype=dtype)
    moved = _product(values, weights)
    if not np.isnan(moved).any():  # a missing value makes one of every target it has a weight in
        return moved
    missing = np.isnan(values)
    touched = _product(missing.astype(dtype), _count_values(weights))
    moved = _product(np.where(missing, dtype(0), values), weights)
    return np.where(touched > 0.5, dtype(np.nan), moved)


def _count_values(weights: Weights) -> Weights:
    """Return weights that count the values with a weight; a mean over a row touches all of it."""
    rows, columns = weights.latitude > 1e-9, weights.longitude > 1e-9
    poles = (weights.poles > 1e-9) * len(columns)
    return Weights(rows.astype(float), columns.astype(float), poles.astype(float))


def _product(values: np.ndarray, weights: Weights) -> np.ndarray:
    """Weigh along rows and columns, first where it makes the fields smaller.

    Few weights are not zero, so the matrices are sparse: less to do than in dense products, and
    no threads of BLAS, which over many small products do little but wait for each other. Fields
    that fit into the cache together are weighed in one product.
    """
    (h, H), (W, w) = weights.latitude.shape, weights.longitude.shape
    fields = values.reshape(-1, H, W)
    moved = np.empty((len(fields), h, w), values.dtype)
    count = max(1, _AT_ONCE // (H * W * values.itemsize))
    for begin in range(0, len(fields), count):
        some = fields[begin : begin + count]
        rows, columns, poles = _make_sparse(weights, values.dtype, len(some))
        if h < H:
            across = columns @ (rows @ some.reshape(-1, W)).T
        else:
            across = (rows @ (columns @ some.reshape(-1, W).T).T).T
        moved[begin : begin + count] = across.T.reshape(-1, h, w)
        if poles.nnz:
            ends = poles @ some[:, [0, -1]].mean(axis=2).T  # (h, fields)
            moved[begin : begin + count] += ends.T[..., np.newaxis]
    return moved.reshape(*values.shape[:-2], h, w)


@lru_cache(maxsize=8)
def _make_sparse(weights: Weights, dtype: np.dtype, count: int) -> "tuple[csr_array, ...]":
    """Return the matrices of rows, columns and poles; that of rows for fields one below another."""
    from scipy.sparse import csr_array, eye_array, kron  # noqa: PLC0415  # a third of a second

    rows, columns, poles = (
        csr_array(part.astype(dtype))
        for part in (weights.latitude, weights.longitude.T, weights.poles)
    )
    return kron(eye_array(count, dtype=dtype), rows, format="csr"), columns, poles
