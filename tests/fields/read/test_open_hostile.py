"""Files that real tools misread: each is refused, naming file and reason, or read whole."""

from pathlib import Path

import numpy as np
import pytest
from made_grib import plain
from read_checked import read_checked

from smoecast.errors import InputError
from smoecast.fields.channels import channels_of, field_of
from smoecast.fields.left_out import describe, left_out_of
from smoecast.fields.read.open import open_file
from smoecast.fields.times import as_lead

DATA = Path(__file__).parents[3] / "../shared/data"
HOSTILE = DATA / "hostile"
pytestmark = pytest.mark.skipif(
    not HOSTILE.is_dir(), reason="the hostile files are not in ../shared/data/hostile"
)

REFUSED_ON_OPENING = {
    "era5-levels-corrupted.grib": "message 1 is broken or cut",
    "lambert_grid.grib": "no variable that smoecast knows, but nlwrs",
    "reduced_gg.grib": r"message 1 \(10u\) lies on the grid reduced_gg",
    "regular_ll_wrong_increment.grib": "72 longitudes over 355 degrees, but an increment of 2",
    "t_n48.grib": r"message 1 \(t\) lies on the grid reduced_gg",
    "tests_zt_multi_expvers.grib": "messages 1 and 9 .* of the experiments 0001 and xxyz",
    "tp_on_different_grid_resolutions.grib": "messages 1 and 2 lie on different grids",
}
REFUSED_ON_READING = {
    "fields_with_missing_values.grib": ("t2m", "21699 of 32760 values of t2m are missing"),
    "tests_all_missing_vals.grib": ("z500", "2664 of 2664 values of z500 are missing"),
    "test_data_has_nan.nc": ("u10", "1 of 260150 values of u10 are missing"),
}
READ_WHOLE = (
    "hpa_and_pa.grib",
    "soil-surface-level-mix.grib",
    "t_on_different_level_types.grib",
    "uv_on_different_levels.grib",
)


def test_every_hostile_file_is_tested():
    files = {path.name for path in HOSTILE.iterdir() if path.suffix in (".grib", ".nc")}
    assert files == {*REFUSED_ON_OPENING, *REFUSED_ON_READING, *READ_WHOLE}


@pytest.mark.parametrize("name", REFUSED_ON_OPENING)
def test_refused_on_opening(name):
    with pytest.raises(InputError, match=REFUSED_ON_OPENING[name]) as caught:
        open_file(HOSTILE / name)
    assert str(caught.value).startswith(f"{HOSTILE / name}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", REFUSED_ON_READING)
def test_refused_on_reading(name):
    channel, words = REFUSED_ON_READING[name]
    array = field_of(open_file(HOSTILE / name), channel)
    with pytest.raises(InputError, match=words) as caught:
        read_checked(array, HOSTILE / name, channel)
    assert str(caught.value).startswith(f"{HOSTILE / name}: ")


def test_the_other_variables_of_a_file_with_one_missing_value():
    path = HOSTILE / "test_data_has_nan.nc"
    for name in ("d2m", "v10"):
        assert np.isfinite(read_checked(open_file(path)[name], path, name)).all()


def test_winds_on_different_levels_are_read_whole():
    path = HOSTILE / "uv_on_different_levels.grib"
    dataset = open_file(path)
    messages = plain(path)
    assert channels_of(dataset) == sorted({f"{m['shortName']}{m['level']}" for m in messages})
    for found in messages:
        field = field_of(dataset, f"{found['shortName']}{found['level']}")
        field = read_checked(field, path, "wind").sel(lead_time=as_lead(found["endStep"]))
        np.testing.assert_array_equal(field.values[0], found["values"])
    assert sum(field_of(dataset, name).sizes["lead_time"] for name in channels_of(dataset)) == 16


def test_levels_below_one_hectopascal_are_left_out_by_name():
    path = HOSTILE / "hpa_and_pa.grib"
    dataset = open_file(path)
    assert channels_of(dataset) == ["t1"]
    np.testing.assert_array_equal(dataset["t"].values.squeeze(), plain(path)[0]["values"])
    assert [left.name for left in left_out_of(dataset)] == ["t at 10 Pa", "t at 1 Pa"]


def test_soil_is_left_out_by_name_and_the_rest_read_whole():
    path = HOSTILE / "soil-surface-level-mix.grib"
    dataset = open_file(path)
    messages = {m["shortName"]: m["values"] for m in plain(path)}
    assert sorted(dataset.data_vars) == ["slt", "t2m"]
    np.testing.assert_array_equal(dataset["t2m"].values[0], messages["2t"])
    np.testing.assert_array_equal(dataset["slt"].values, messages["slt"])
    left_out = {label.split(" on ")[0] for label in describe(left_out_of(dataset)).split(", ")}
    assert left_out == set(messages) - {"2t", "slt"}


def test_temperature_on_model_levels_is_left_out_and_that_on_pressure_read():
    path = HOSTILE / "t_on_different_level_types.grib"
    dataset = open_file(path)
    np.testing.assert_array_equal(field_of(dataset, "t100").values[0], plain(path)[0]["values"])
    assert describe(left_out_of(dataset)) == "t on hybrid (t is read on pressure levels alone)"


@pytest.mark.parametrize(
    ("kept", "words"),
    [
        (1_100_000, "message 328 is broken or cut"),
        (3500, "message 2 is broken or cut"),
        (3363, "21 bytes after message 1 belong to no GRIB message"),
        (100, "message 1 is broken or cut"),
        (2, "is neither GRIB nor NetCDF"),
    ],
)
def test_a_file_cut_in_the_middle(tmp_path, kept, words):
    """cfgrib opens the first 1.1 MB as 327 of 744 hours without a word."""
    whole = (DATA / "era5-uk/era5-2mt-2019-03-uk.grib").read_bytes()
    path = tmp_path / "cut.grib"
    path.write_bytes(whole[:kept])
    with pytest.raises(InputError, match=rf"cut\.grib: .*{words}"):
        open_file(path)
