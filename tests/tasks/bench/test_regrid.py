"""A file to another grid: peers make nearly the same fields."""

from pathlib import Path

import numpy as np
import xarray as xr
from quick_bench import do_all

from smoecast.tasks.bench.measuring.case import OURS


def test_peers_make_the_same_fields(tmp_path: Path) -> None:
    for ways in do_all("regrid", tmp_path).values():
        with xr.open_dataset(ways[OURS]) as mine:
            ours = mine["t2m"].transpose("time", "latitude", "longitude").values
        assert ours.shape == (3, 16, 32)
        for path in ways.values():
            with xr.open_dataset(path) as dataset:
                short = {"lat": "latitude", "lon": "longitude"}
                named = dataset["t2m"].rename({d: w for d, w in short.items() if d in dataset.dims})
                theirs = named.transpose("time", "latitude", "longitude").values
            inner = np.s_[:, 1:-1, 1:-1]
            assert np.abs(theirs - ours)[inner].mean() < 0.05 * ours.std()
