"""Between datasets of variables and stacks of channels."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from smoecast.fields.layout import field_of, layout


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
        ``(..., channel, latitude, longitude)``, float32.

    Raises
    ------
    InputError
        A channel is not there.
    """
    parts = [field_of(dataset, channel, source).astype("float32") for channel in channels]
    bare = [part.drop_vars([n for n in part.coords if n not in part.dims]) for part in parts]
    stacked = xr.concat(bare, dim="channel", join="exact", coords="minimal", compat="override")
    stacked = stacked.assign_coords(channel=list(channels)).transpose(
        ..., "channel", "latitude", "longitude"
    )
    return stacked.rename("fields").drop_attrs()


def unpack(stacked: xr.DataArray) -> xr.Dataset:
    """Undo `pack`: ``(..., channel, latitude, longitude)`` to variables with CF attributes."""
    return layout({str(c): stacked.sel(channel=c, drop=True) for c in np.asarray(stacked.channel)})
