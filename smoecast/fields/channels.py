"""Between channels (`z500`, `t2m`) and the variables of a dataset (`z` on `level`)."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.grid import with_projection
from smoecast.fields.left_out import describe, left_out_of
from smoecast.names import (
    COORDINATE_ATTRIBUTES,
    DIMENSIONS,
    PROJECTION,
    Channel,
    channel_at,
    explain_channel,
    parse_channel,
    parse_level,
)
from smoecast.variables import VARIABLES


def field(dataset: xr.Dataset, channel: str, source: str, key: str = "") -> xr.DataArray:
    """Return one channel of a canonical dataset.

    In messages `source` names the file, and `key` what of a config asks for the channel.

    Raises
    ------
    InputError
        The channel is not there.
    """
    try:
        return field_of(dataset, channel)
    except InputError as error:
        mend = f"; correct {key}" if key else ""
        raise InputError(f"{source}: {error}{mend}") from None


def has_field(dataset: xr.Dataset, channel: str) -> bool:
    """Tell whether a dataset holds a channel."""
    return channel in channels_of(dataset)


def pack(dataset: xr.Dataset, channels: Sequence[str], source: str, key: str = "") -> xr.DataArray:
    """Stack channels of a canonical dataset.

    Parameters
    ----------
    dataset : xr.Dataset
        Canonical fields, lazy or not.
    channels : sequence of str
        Channel names, in the order wanted (``z500``, ``t2m``).
    source : str
        Names the file in messages.
    key : str
        Names what of a config asks for the channels there.

    Returns
    -------
    xr.DataArray
        ``(..., channel, latitude, longitude)``, float32; in a projection its axes stand last, and
        it comes along.

    Raises
    ------
    InputError
        A channel is not there.
    """
    parts = [field(dataset, channel, source, key).astype("float32") for channel in channels]
    bare = [part.drop_vars([n for n in part.coords if n not in part.dims]) for part in parts]
    stacked = xr.concat(bare, dim="channel", join="exact", coords="minimal", compat="override")
    place = PROJECTION if PROJECTION[0] in stacked.dims else ("latitude", "longitude")
    stacked = stacked.assign_coords(channel=list(channels)).transpose(..., "channel", *place)
    return with_projection(stacked.rename("fields").drop_attrs(), dataset)


def unpack(stacked: xr.DataArray) -> xr.Dataset:
    """Undo `pack`: one variable a channel, with CF attributes and its own pressure beside it."""
    # as `layout` does, without aligning what is one array: results a start are many
    names, axis = [str(c) for c in stacked["channel"].values], stacked.get_axis_num("channel")
    dims = [d for d in stacked.dims if d != "channel"]
    place = (slice(None),) * axis
    fields = {
        name: xr.Variable(dims, stacked.variable.data[(*place, index)], attributes_of(name))
        for index, name in enumerate(names)
    }
    coordinates = _bare(stacked.drop_vars("channel")).coords
    return xr.Dataset(fields, coordinates).assign_coords(pressures(names))


def pressures(names: Sequence[str]) -> dict[str, xr.Variable]:
    """Return the scalar pressures of channels that stand alone, by name: ``level_500``.

    Raises
    ------
    InputError
        A name is no channel.
    """
    levels = [channel.level for channel in map(_channel, names) if channel.level is not None]
    return {f"{LEVEL_PREFIX}{level}": level_coordinate(level).variable for level in levels}


_SAID = 40
"""Channels of a file that a message names."""
LEVEL_PREFIX = "level_"
"""Name of the scalar pressure of a channel that stands alone: ``level_500``."""


def attributes_of(name: str) -> dict[str, str]:
    """Return the CF attributes of a variable (`z`) or of a channel that stands alone (`z500`).

    Raises
    ------
    InputError
        If `name` is neither.
    """
    variable = VARIABLES.get(name) or _channel(name).variable
    attributes = {"long_name": variable.long_name, "units": variable.units}
    if variable.standard_name:
        attributes["standard_name"] = variable.standard_name
    if variable.units == "K":
        attributes["units_metadata"] = "temperature: on_scale"  # CF-1.11, section 3.1.2
    return attributes


def level_coordinate(level: int) -> xr.DataArray:
    """Return the scalar pressure coordinate of a channel that stands alone."""
    attributes = {k: v for k, v in COORDINATE_ATTRIBUTES["level"].items() if k != "axis"}
    return xr.DataArray(np.int32(level), name=f"{LEVEL_PREFIX}{level}", attrs=attributes)


def layout(fields: Mapping[str, xr.DataArray], stack: bool = True) -> xr.Dataset:
    """Lay channels out as the variables of a dataset.

    Where every pressure variable has the same levels they are stacked along `level`; otherwise
    each channel stays a variable with its pressure beside it: a dataset has one `level` only.

    Parameters
    ----------
    fields : mapping of str to xarray.DataArray
        Channel name to field without level, all with the same other dimensions.
    stack : bool
        False keeps every channel a variable of its own in any case. A deterministic forecast then
        has four dimensions, which is the most that CDO reads.

    Returns
    -------
    xarray.Dataset
        With the attributes that CF asks for; `field_of` finds each channel in it again.

    Raises
    ------
    InputError
        If a name is no channel.
    """
    channels = {name: _channel(name) for name in fields}
    levels: dict[str, list[int]] = {}
    for channel in channels.values():
        if channel.level is not None:
            levels.setdefault(channel.variable.name, []).append(channel.level)
    stacked = stack and len({tuple(sorted(found)) for found in levels.values()}) == 1
    laid: dict[str, xr.DataArray] = {}
    for name, channel in channels.items():
        variable = channel.variable.name
        if channel.level is None or not stacked:
            laid[name] = _alone(fields[name], channel)
        elif variable not in laid:
            laid[variable] = _stack(fields, variable, sorted(levels[variable]))
    for name, array in laid.items():
        array.attrs = attributes_of(name)
    return xr.Dataset(laid)


def field_of(dataset: xr.Dataset, channel_name: str) -> xr.DataArray:
    """Return the field of a channel, without level, however the dataset lays it out.

    Raises
    ------
    InputError
        If the name is no channel or the dataset does not have it; the message says what is there.
    """
    channel = _channel(channel_name)
    if channel_name in dataset.data_vars:
        return _bare(dataset[channel_name])
    name = channel.variable.name
    if channel.level is not None and name in dataset.data_vars and "level" in dataset[name].dims:
        levels = dataset["level"].values.tolist()
        if channel.level in levels:
            return dataset[name].isel(level=levels.index(channel.level), drop=True)
    near = [left for left in left_out_of(dataset) if left.channel in (channel_name, name)]
    there = channels_of(dataset)
    instead = f" (left out: {describe(near)})" if near else ""
    aloft = parse_level(channel_name)
    if aloft is not None and aloft.name != channel_name and aloft.name in there:
        what = f"{aloft.variable.long_name} on {aloft.level} hPa"
        instead += f"; the {what} is called {aloft.name}"
    raise InputError(
        f"the channel {channel_name} is not in the data, which has {_say(there)}{instead}"
    )


def _say(names: Sequence[str]) -> str:
    """Return channels in words: each, or where there are many, how many levels a variable has."""
    if len(names) <= _SAID:
        return " ".join(names)
    levels: dict[str, list[int]] = {}
    for channel in map(_channel, names):
        if channel.level is not None:
            levels.setdefault(channel.variable.name, []).append(channel.level)
    said = [name for name in names if _channel(name).level is None]
    said += [f"{n} on {len(on)} levels of {min(on)} to {max(on)} hPa" for n, on in levels.items()]
    return ", ".join(said)


def channels_of(dataset: xr.Dataset) -> list[str]:
    """Return the names of all channels in a canonical dataset, sorted."""
    found = []
    for name, array in dataset.data_vars.items():
        if "level" in array.dims:
            levels = dataset["level"].values.tolist()
            found += [channel_at(str(name), level) for level in levels]
        else:
            found.append(str(name))
    return sorted(found)


def _channel(name: str) -> Channel:
    channel = parse_channel(name)
    if channel is None:
        said = f"{name!r} is no channel: write a short name, with its level in hPa: z500"
        raise InputError(explain_channel(name) or said)
    return channel


def _bare(array: xr.DataArray) -> xr.DataArray:
    """Return `array` without scalar pressures, under which fields could not be compared."""
    scalars = [n for n in array.coords if n == "level" or str(n).startswith(LEVEL_PREFIX)]
    return array.drop_vars(scalars)


def _alone(array: xr.DataArray, channel: Channel) -> xr.DataArray:
    """Return the field of a channel, with its pressure beside it if it has one."""
    if channel.level is None:
        return _bare(array)
    scalar = level_coordinate(channel.level)
    return _bare(array).assign_coords({str(scalar.name): scalar})


def _stack(fields: Mapping[str, xr.DataArray], variable: str, levels: list[int]) -> xr.DataArray:
    """Join the channels of a variable along `level`, in its place among the dimensions."""
    parts = [_bare(fields[channel_at(variable, level)]) for level in levels]
    joined = xr.concat(parts, dim="level", coords="minimal", compat="override", join="exact")
    attributes = COORDINATE_ATTRIBUTES["level"]
    joined = joined.assign_coords(
        level=xr.DataArray(np.asarray(levels, dtype=np.int32), dims="level", attrs=attributes)
    )
    order = [name for name in DIMENSIONS if name in joined.dims]
    return joined.transpose(*order, ...)
