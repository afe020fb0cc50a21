"""Made fields are the same each time, and files that anybody reads."""

import numpy as np
import xarray as xr

from smoecast.fields.regrid import grid_by_name
from smoecast.tasks.bench.made_files import describe_for_cdo, make_analyses, variable_of


def test_fields_are_the_same_each_time() -> None:
    grid = grid_by_name("f4")
    made = make_analyses(grid, 3, 6)
    xr.testing.assert_identical(made, make_analyses(grid, 3, 6))
    assert made["t2m"].dtype == np.float32
    assert made["t2m"].attrs["units"] == variable_of("t2m").units == "K"
    assert made["latitude"].attrs["units"] == "degrees_north"


def test_a_grid_as_cdo_reads_it() -> None:
    text = describe_for_cdo(grid_by_name("5.625"))
    assert "xsize = 64\nysize = 32\n" in text
    assert "yfirst = 87.1875\nyinc = -5.625\n" in text
