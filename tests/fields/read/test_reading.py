"""Selections and assumptions by patterns of names."""

from pathlib import Path

import pytest

from smoecast.config.reading import Assumption
from smoecast.data.readings import reading_of
from smoecast.errors import ConfigError
from smoecast.fields.left_out import UNSELECTED
from smoecast.fields.read.reading import AS_IT_IS
from smoecast.fields.read.selection import Condition


def test_what_is_selected_of_every_file_and_of_some() -> None:
    reading = reading_of({"step": 0, "*.nc": {"not": {"number": [1, 2]}}}, {}, "postprocess")
    every, some = Condition("step", (0,)), Condition("number", (1, 2), is_wanted=False)
    assert reading.selection_of(Path("a.grib")).conditions == (every,)
    assert reading.selection_of(Path("x/a.nc")).conditions == (every, some)
    assert reading.selection_of(Path("x/a.nc")).reason == "not selected by postprocess.select"
    assert reading.selection_of(Path("a")).reason.startswith(UNSELECTED)
    assert AS_IT_IS.selection_of(Path("a.nc")) is None


def test_a_zarr_group_is_called_as_its_folder() -> None:
    reading = reading_of({}, {"era*": Assumption(level=500)}, "data")
    for name in (".zmetadata", "zarr.json", ".zgroup"):
        assert reading.assumption_of(Path("/x/era5.zarr") / name).level == 500
    assert reading.assumption_of(Path("/era/x.nc")) is None


def test_two_patterns_that_mean_one_file_are_refused() -> None:
    said = {"z*": Assumption(level=500), "*.nc": Assumption(units="K")}
    reading = reading_of({}, said, "data")
    with pytest.raises(ConfigError, match=r"data\.assume: both z\* and \*\.nc mean z\.nc: let one"):
        reading.assumption_of(Path("z.nc"))


def test_a_pattern_that_means_no_file_is_refused() -> None:
    reading = reading_of({"*.grib": {"step": 0}}, {"z5*": Assumption(level=500)}, "data")
    reading.check_patterns([Path("a.grib"), Path("z500.nc")])
    with pytest.raises(ConfigError, match=r"data\.assume: no file is called z5\*, but a\.grib"):
        reading.check_patterns([Path("a.grib")])
    with pytest.raises(ConfigError, match=r"data\.select: no file is called \*\.grib, but z500"):
        reading.check_patterns([Path("z500.nc")])
