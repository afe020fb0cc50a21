"""Members that are missing: found, counted, left out of statistics; anything less is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from smoecast.data import statistics
from smoecast.errors import InputError
from smoecast.fields.missing import check_finite

PATHS = [Path("ens.nc")]


def ensemble(members: int = 4) -> xr.DataArray:
    values = np.random.default_rng(0).normal(280, 2, (3, 1, members, 2, 4, 5)).astype(np.float32)
    dims = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")
    starts = np.datetime64("2001-01-01", "ns") + np.arange(3) * np.timedelta64(1, "D")
    return xr.DataArray(values, dims=dims, coords={"init_time": starts, "channel": ["t2m", "z500"]})


def without(fields: xr.DataArray, *places: Any) -> xr.DataArray:
    fields = fields.copy(deep=True)
    for place in places:
        fields.values[place] = np.nan
    return fields


def test_a_missing_member_passes_where_gaps_may_be() -> None:
    assert not check_finite(ensemble(), PATHS, gaps=True)
    assert check_finite(without(ensemble(), (1, 0, 2)), PATHS, gaps=True)
    with pytest.raises(InputError, match="t2m has 40 missing values at 2001-01-02"):
        check_finite(without(ensemble(), (1, 0, 2)), PATHS)


def test_half_a_field_is_damage() -> None:
    with pytest.raises(InputError, match="z500 has 10 missing values at 2001-01-01"):
        check_finite(without(ensemble(), (0, 0, 1, 1, slice(2))), PATHS, gaps=True)
    infinite = ensemble()
    infinite.values[0, 0, 0] = np.inf
    with pytest.raises(InputError, match="missing values"):
        check_finite(infinite, PATHS, gaps=True)


def test_two_members_must_be_there() -> None:
    check_finite(without(ensemble(), (1, 0, 2), (1, 0, 3)), PATHS, gaps=True)
    with pytest.raises(InputError, match="missing values at 2001-01-02"):
        check_finite(without(ensemble(), (1, 0, slice(1, 4))), PATHS, gaps=True)


def test_statistics_leave_missing_members_out() -> None:
    fields = without(ensemble(), (1, 0, 2), (0, 0, 3, 1)).values
    mean, std = statistics.merge_moments(statistics.moments(fields[[i]]) for i in range(3))
    axes = (0, 1, 2, 4, 5)
    np.testing.assert_allclose(mean, np.nanmean(fields, axis=axes, dtype=np.float64), rtol=1e-9)
    np.testing.assert_allclose(std, np.nanstd(fields, axis=axes, dtype=np.float64), rtol=1e-6)
