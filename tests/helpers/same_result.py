"""What Python returns against what a command writes."""

import numpy as np
import xarray as xr

SAID = ("smoecast_identity", "inputs_manifest", "model_sha256", "smoecast_left_out", "protocol")


def check_same(made: xr.Dataset, written: xr.Dataset) -> None:
    """Compare values to the bit, coordinates, and what both say of themselves."""
    assert set(made.data_vars) == set(written.data_vars)
    for name in (*made.data_vars, *made.coords):
        assert made[name].dims == written[name].dims
        assert made[name].dtype.kind == written[name].dtype.kind
        np.testing.assert_array_equal(made[name].values, written[name].values)
    for name in made.data_vars:
        assert made[name].attrs["units"] == written[name].attrs["units"]
    for key in SAID:
        assert made.attrs.get(key) == written.attrs.get(key), key
