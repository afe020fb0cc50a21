"""Between datasets of variables and stacks of channels."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.axes import PROJECTION
from smoecast.fields.layout import channels_of, field_of, layout
from smoecast.fields.plane import with_projection


def field(dataset: xr.Dataset, channel: str, source: str) -> xr.DataArray:
    """Return one channel of a canonical dataset; `source` names the file in messages.

    Raises
    ------
    InputError
        The channel is not there.
    """
    try:
        return field_of(dataset, channel)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None


def has_field(dataset: xr.Dataset, channel: str) -> bool:
    """Tell whether a dataset holds a channel."""
    return channel in channels_of(dataset)


def pack(dataset: xr.Dataset, channels: Sequence[str], source: str) -> xr.DataArray:
    """Stack channels of a canonical dataset.

    Parameters
    ----------
    dataset : xr.Dataset
        Canonical fields, lazy or not.
    channels : sequence of str
        Channel names, in the order wanted (``z500``, ``t2m``).
    source : str
        Names the file in messages.

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
    parts = [field(dataset, channel, source).astype("float32") for channel in channels]
    bare = [part.drop_vars([n for n in part.coords if n not in part.dims]) for part in parts]
    stacked = xr.concat(bare, dim="channel", join="exact", coords="minimal", compat="override")
    place = PROJECTION if PROJECTION[0] in stacked.dims else ("latitude", "longitude")
    stacked = stacked.assign_coords(channel=list(channels)).transpose(..., "channel", *place)
    return with_projection(stacked.rename("fields").drop_attrs(), dataset)


def unpack(stacked: xr.DataArray) -> xr.Dataset:
    """Undo `pack`: one variable a channel, with CF attributes and its own pressure beside it."""
    fields = {str(c): stacked.sel(channel=c, drop=True) for c in np.asarray(stacked.channel)}
    return layout(fields, stack=False)
