"""Results along the time at which fields hold, which tools of four dimensions read."""

from typing import Literal

import numpy as np
import xarray as xr

from smoecast.errors import ConfigError
from smoecast.fields.times import valid_times

Layout = Literal["default", "cdo"]

START, LEAD, TIME = "init_time", "lead_time", "time"


def check_single(starts: int, leads: int) -> None:
    """Refuse fields of several starts and several lead times: they have no one time.

    Raises
    ------
    ConfigError
        They are such.
    """
    if starts > 1 and leads > 1:
        raise ConfigError(
            f"layout cdo has one start or one lead time in a file, not {starts} starts of {leads} "
            "lead times: name a file a start, as fc_{init_time:%Y%m%d%H}.nc, or leave --output out"
        )


def along_valid_time(dataset: xr.Dataset) -> xr.Dataset:
    """Return forecasts of one start, or of one lead time, along ``time``.

    Parameters
    ----------
    dataset : xarray.Dataset
        Along ``init_time`` and ``lead_time``, which come first.

    Returns
    -------
    xarray.Dataset
        Along ``time``, in the place of the two; both are coordinates: of ``time``, or a scalar.

    Raises
    ------
    ConfigError
        See `check_single`.
    """
    check_single(dataset.sizes[START], dataset.sizes[LEAD])
    single, other = (START, LEAD) if dataset.sizes[START] == 1 else (LEAD, START)
    valid = valid_times(dataset[START].values, dataset[LEAD].values)
    labels = dataset[other].values
    found = dataset.isel({single: 0}).drop_vars(other).rename({other: TIME})
    return found.assign_coords({TIME: np.ravel(valid), other: (TIME, labels)})
