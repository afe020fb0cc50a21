"""Another library as reference: cfgrib, on files that it reads right."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from smoecast.fields.read.open import open_file

SHARED = Path(__file__).parents[5] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the shared data folder does not stand beside the repository"
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("ecmwf-zt/test4_zt_1deg_20070101.grib", ("z", "t")),
        ("era5-members/era5-levels-members.grib", ("z", "t")),
    ],
)
def test_fields_equal_those_of_cfgrib(file: str, names: tuple[str, ...]) -> None:
    path = SHARED / file
    theirs = xr.open_dataset(path, engine="cfgrib", backend_kwargs={"indexpath": ""})
    theirs = theirs.sortby("isobaricInhPa").sortby("latitude", ascending=False)
    ours = open_file(path)
    for name in names:
        mine = ours[name].transpose("level", "latitude", "longitude", ...).values.squeeze()
        rest = [d for d in ("time", "number") if d in theirs[name].dims]
        other = theirs[name].transpose("isobaricInhPa", "latitude", "longitude", *rest).values
        np.testing.assert_array_equal(mine, other.squeeze())
