"""Forecasts: what the command writes, and what is noted of its network."""

from pathlib import Path

import numpy as np
import xarray as xr
from quick_bench import do_all

from smoecast.tasks.bench.forecast import STORE
from smoecast.tasks.bench.measuring.case import OURS


def test_what_is_written_is_whole(tmp_path: Path) -> None:
    found = do_all("forecast", tmp_path)
    command = found["8 starts of 10 steps as NetCDF"]
    with xr.open_dataset(command[OURS]) as written:
        assert written.sizes["init_time"] == written.sizes["lead_time"] == 2
        assert np.isfinite(written["t2m"].values).all()
    assert command[STORE].is_dir()
    ours, *others = found["31 MB written as NetCDF and verified"].values()
    with xr.open_dataset(ours) as mine:
        for path in others:
            with xr.open_dataset(path) as theirs:
                np.testing.assert_array_equal(mine["t2m"].values, theirs["t2m"].values)
