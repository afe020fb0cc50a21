"""How canonical data lies in a NetCDF file: CF-1.11, one compressed field per chunk."""

from typing import Any

import netCDF4
import numpy as np
import xarray as xr

from smoecast.fields.canonical.variables import MEMBERS, SCALARS, is_moment
from smoecast.fields.channels import LEVEL_PREFIX, attributes_of
from smoecast.fields.times import valid_times
from smoecast.names import COORDINATE_ATTRIBUTES, DIMENSIONS, PROJECTION, parse_channel
from smoecast.variables import HEIGHTS

PLACE = ("latitude", "longitude", *PROJECTION)
"""Dimensions that make up one field."""

PRODUCTS = ("_mean", "_std", "_quantile", "_probability_above", "_probability_below")
"""What the name of a variable ends in that is made of a variable or channel."""

KEPT = ("long_name", "cell_methods", "grid_mapping")
"""Attributes that a field may bring; the others follow from its name."""

RECORDS = ("init_time", "time")
"""Dimensions that may grow, so that `ncrcat` joins results of several starts; CF lets them come
first."""

_INTEGERS = {"number": "i4", "level": "i4"}
_EPOCH = np.datetime64("1970-01-01", "ns")


def channel_name(name: str) -> str:
    """Return the variable or channel of which ``t2m_mean`` or ``z500_quantile`` is made."""
    for ending in PRODUCTS:
        name = name.removesuffix(ending)
    return name


def prepare(dataset: xr.Dataset) -> xr.Dataset:
    """Return `dataset` with all coordinates that the file will have, `valid_time` among them."""
    if "init_time" in dataset.sizes and "lead_time" in dataset.sizes:
        valid = valid_times(dataset["init_time"].values, dataset["lead_time"].values)
        dataset = dataset.assign_coords(valid_time=(("init_time", "lead_time"), valid))
    return dataset.drop_encoding()


def encode_coordinate(name: str, coordinate: xr.Variable) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the values and attributes with which a coordinate is stored.

    Times become whole hours since 1970 and lead times whole hours; minutes where hours do not do.
    """
    attributes: dict[str, Any] = dict(COORDINATE_ATTRIBUTES.get(name, coordinate.attrs))
    values = coordinate.values
    if np.issubdtype(values.dtype, np.datetime64):
        number, unit = _whole(values.astype("datetime64[ns]") - _EPOCH)
        attributes |= {"units": f"{unit} since 1970-01-01", "calendar": "standard"}
        attributes["units_metadata"] = "leap_seconds: none"  # CF-1.11, section 4.4
        return number.astype(np.int64), attributes
    if np.issubdtype(values.dtype, np.timedelta64):
        number, unit = _whole(values)
        return number.astype(np.int32), attributes | {"units": unit}
    return values.astype(_INTEGERS.get(name, values.dtype)), attributes


def _whole(spans: np.ndarray) -> tuple[np.ndarray, str]:
    minutes = np.round(spans / np.timedelta64(1, "m"))
    return (minutes, "minutes") if (minutes % 60).any() else (minutes // 60, "hours")


def define(file: netCDF4.Dataset, dataset: xr.Dataset, gaps: bool = False) -> None:
    """Write dimensions, coordinates and attributes of `dataset`, and define its variables.

    Parameters
    ----------
    file : netCDF4.Dataset
        Open for writing, empty.
    dataset : xarray.Dataset
        From `prepare`.
    gaps : bool
        Whether members may be missing, so that variables with members declare a fill value.
    """
    known = [name for name in (*DIMENSIONS, *PROJECTION) if name in dataset.sizes]
    for dimension in dict.fromkeys((*known, *map(str, dataset.sizes))):
        file.createDimension(dimension, None if dimension in RECORDS else dataset.sizes[dimension])
    # variables, for an array of each with its coordinates is dear: results of a start are many
    for name in dataset.coords:
        coordinate = dataset.variables[name]
        values, attributes = encode_coordinate(str(name), coordinate)
        dimensions = [str(dimension) for dimension in coordinate.dims]
        variable = file.createVariable(
            str(name),
            values.dtype.str[1:],
            dimensions,
            fill_value=False,
            chunksizes=values.shape if set(dimensions) & {*RECORDS} else None,
        )
        variable.setncatts(attributes)
        variable[...] = values
    fields = {str(name): dataset.variables[name] for name in dataset.data_vars}
    named = {channel_name(name) for name in fields}
    for height in sorted({HEIGHTS[name] for name in named if name in HEIGHTS}):
        variable = file.createVariable(f"height_{height:g}m", "f8", fill_value=False)
        variable.setncatts(
            {"standard_name": "height", "long_name": "height above ground", "units": "m"}
            | {"positive": "up"}
        )
        variable[...] = height
    if any(map(is_moment, fields.values())):
        variable = file.createVariable(MEMBERS, "i4", fill_value=False)
        variable.setncatts(
            {"standard_name": MEMBERS, "long_name": "the members as a whole", "units": "1"}
        )
        variable[...] = 0
    for name, array in fields.items():
        _define_field(file, name, array, gaps and "number" in array.dims)
    attributes = {key: value for key, value in dataset.attrs.items() if value is not None}
    times = [name for name in ("init_time", "lead_time", "valid_time") if name in dataset.coords]
    beside = [name for name in times if name not in dataset.dims]
    for variable in file.variables.values():
        beside += getattr(variable, SCALARS, "").split()
    if beside:
        # Named here, as xarray does, and not beside each field: CDO skips a field with a
        # two-dimensional time beside it.
        attributes["coordinates"] = " ".join(dict.fromkeys(beside))
    file.setncatts({"Conventions": "CF-1.11"} | attributes)


def _beside_what(dimensions: list[str]) -> str:
    """Return the attribute that names the scalar coordinates of a field.

    CDO has one vertical axis: a height beside members, quantiles or thresholds would take it from
    them, and CDO skip the field. Along ``time``, for CDO, such a field names its height elsewhere.
    """
    taken = "time" in dimensions and not set(dimensions) <= {"time", *PLACE}
    return SCALARS if taken else "coordinates"


def _define_field(file: netCDF4.Dataset, name: str, array: xr.Variable, gaps: bool) -> None:
    chunk = tuple(array.sizes[d] if d in PLACE else 1 for d in array.dims)
    dimensions = [str(dimension) for dimension in array.dims]
    fill = np.float32(np.nan) if gaps else None
    variable = file.createVariable(
        name,
        "f4",
        dimensions,
        zlib=True,
        complevel=4,
        shuffle=True,
        chunksizes=chunk,
        fill_value=fill,
    )
    attributes = attributes_of(channel_name(name))
    if name.endswith("_std") and "units_metadata" in attributes:
        attributes["units_metadata"] = "temperature: difference"
    if "_probability_" in name:  # CF has no standard name for it
        attributes = {"units": "1"}
    attributes |= {key: array.attrs[key] for key in KEPT if key in array.attrs}
    channel = parse_channel(channel_name(name))
    beside = []
    if channel is not None and channel.level is not None:
        beside.append(f"{LEVEL_PREFIX}{channel.level}")
    if channel_name(name) in HEIGHTS:
        beside.append(f"height_{HEIGHTS[channel_name(name)]:g}m")
    if is_moment(array):
        beside.append(MEMBERS)
    if beside:
        attributes[_beside_what(dimensions)] = " ".join(sorted(beside))
    variable.setncatts(attributes)
