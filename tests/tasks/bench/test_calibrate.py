"""Calibration by a network."""

from pathlib import Path

import numpy as np
import xarray as xr
from quick_bench import do_all

from smoecast.tasks.bench.measuring.case import OURS


def test_a_calibrated_ensemble_is_written(tmp_path: Path) -> None:
    (ways,) = do_all("calibrate", tmp_path).values()
    with xr.open_dataset(ways[OURS]) as written:
        assert written["t2m"].shape == (1, 1, 10, 9, 16)
        assert np.isfinite(written["t2m"].values).all()
