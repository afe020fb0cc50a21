"""An archive to a store: the command makes the same as the function, and cdo the same fields."""

from pathlib import Path

import numpy as np
import xarray as xr
from quick_bench import do_all

from smoecast.fields.store.store import open_store
from smoecast.tasks.bench.measuring.case import OURS


def test_all_make_the_same_fields(tmp_path: Path) -> None:
    (ways,) = do_all("preprocess", tmp_path).values()
    with open_store(ways[OURS]) as dataset:
        ours = dataset["fields"].isel(channel=0).values
    with open_store(ways[f"{OURS}, the command with its start"]) as dataset:
        np.testing.assert_array_equal(dataset["fields"].isel(channel=0).values, ours)
    if "cdo remapcon" in ways:
        with xr.open_dataset(ways["cdo remapcon"] / "z500.nc") as theirs:
            assert np.abs(theirs["z500"].values - ours).mean() < 0.05 * ours.std()
