"""Content checks on a store as it was written."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xarray as xr

from smoecast.errors import InputError


def check_finite(fields: xr.DataArray, paths: Sequence[Path], gaps: bool = False) -> bool:
    """Refuse missing or infinite values anywhere in a store's fields.

    Parameters
    ----------
    fields : xr.DataArray
        ``(time or init_time, ..., channel, latitude, longitude)``, read in blocks.
    paths : sequence of Path
        The files they came from, for the message.
    gaps : bool
        Whether members may be missing: a field of a channel that is NaN throughout, as long as
        two members of that start and lead time have it.

    Returns
    -------
    bool
        Whether a member is missing somewhere.

    Raises
    ------
    InputError
        Names the channel, the first time affected and the files.
    """
    gaps = gaps and "number" in fields.dims
    found = False
    along = str(fields.dims[0])
    size = max(1, int(6.4e7) // int(np.prod(fields.shape[1:])))
    for begin in range(0, fields.sizes[along], size):
        block = fields.isel({along: slice(begin, begin + size)}).load()
        bad = block.copy(data=~np.isfinite(block.values))
        if gaps and bool(bad.any()):
            gone = block.isnull().all(block.dims[-2:])
            found = found or bool(gone.any())
            bad = bad & ~(gone & ((~gone).sum("number") >= 2))
        if bool(bad.any()):
            first = bad.any([d for d in bad.dims if d != along]).values.argmax()
            here = bad.isel({along: int(first)})
            channel = here.any([d for d in here.dims if d != "channel"]).idxmax("channel")
            when = np.datetime_as_string(block[along].values[first], unit="h")
            raise InputError(
                f"{named(paths)}: {channel.item()} has {int(here.sum())} missing values at {when}; "
                "fill them or leave the channel or the time out"
            )
    return found


def named(paths: Sequence[Path]) -> str:
    """Return the files as a message names them: one by name, more as first, last and count."""
    if len(paths) == 1:
        return str(paths[0])
    return f"{paths[0]} ... {paths[-1].name} ({len(paths)} files)"
