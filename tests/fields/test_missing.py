"""Values that are missing: a day without any is refused by name, and by the file that has it."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_zarr import dataset, stored

from smoecast.errors import InputError
from smoecast.fields.channels import pack
from smoecast.fields.missing import check_finite, trim_leading
from smoecast.fields.read.open import open_files

SIX = np.arange("2016-02-01", "2016-02-07", 6, dtype="datetime64[h]").astype("datetime64[ns]")
PATHS = [Path("a.nc")]


def fields(*empty, times=SIX, along="time"):
    """Two channels; t850 has no value at the times named."""
    values = np.ones((len(times), 2, 3, 4), np.float32)
    made = xr.DataArray(
        values,
        dims=(along, "channel", "latitude", "longitude"),
        coords={along: times, "channel": ["z500", "t850"]},
    )
    for when in empty:
        made.loc[{along: when, "channel": "t850"}] = np.nan
    return made


def stores(folder, *names, empty=slice("2016-02-03", "2016-02-03T18")):
    """Write a store of each variable; the temperature has no value on a day."""
    made = dataset().isel(time=slice(0, 400))
    made["temperature"].loc[{"time": empty}] = np.nan
    paths = []
    for name in names:
        place = folder / name
        place.mkdir()
        stored(made[[name]], place, times=100)
        paths.append(place / "made.zarr" / ".zmetadata")
    return paths


def test_a_day_without_values_is_named():
    with pytest.raises(InputError) as caught:
        check_finite(fields("2016-02-03"), PATHS)
    assert str(caught.value) == (
        "a.nc: t850 has no value anywhere on 2016-02-03 (00 to 18 UTC): leave the channel or the "
        "day out, or bring the file anew once it has been mended"
    )


@pytest.mark.parametrize("empty", ["2016-02-03T06", slice("2016-02-03", "2016-02-03T12")])
def test_a_day_with_some_values_is_none_without(empty):
    with pytest.raises(InputError, match=r"t850 has 12 missing values at 2016-02-03T0[06]; fill"):
        check_finite(fields(empty), PATHS)


def test_a_day_with_a_value_somewhere_is_none_without():
    made = fields("2016-02-03")
    made.loc[{"time": "2016-02-03T18", "channel": "t850"}][0, 0] = 1.0
    with pytest.raises(InputError, match="has 12 missing values at 2016-02-03T00"):
        check_finite(made, PATHS)


@pytest.mark.parametrize("cut", [1, 2, 3])
def test_a_day_goes_on_in_the_next_block(cut):
    """Whether it has a value is asked of the whole series."""
    series = fields("2016-02-03")
    block = series.isel(time=slice(0, 8 + cut))
    with pytest.raises(InputError, match=r"anywhere on 2016-02-03 \(00 to 18 UTC\)"):
        check_finite(block, PATHS, series=series)
    series = fields(slice("2016-02-03", "2016-02-03T12"))
    block = series.isel(time=slice(0, 8 + cut)).copy(deep=True)
    with pytest.raises(InputError, match="missing values at 2016-02-03T00"):
        check_finite(block, PATHS, series=series)


def test_one_field_a_day():
    daily = SIX[::4]
    with pytest.raises(InputError, match=r"anywhere on 2016-02-03 \(00 UTC\): leave"):
        check_finite(fields("2016-02-03", times=daily), PATHS)


def test_starts_of_forecasts():
    made = fields("2016-02-03", along="init_time").expand_dims(number=2, axis=1)
    with pytest.raises(InputError, match="t850 has no value anywhere on 2016-02-03"):
        check_finite(made, PATHS, gaps=True)


def test_infinite_is_not_empty():
    made = fields()
    made.loc[{"time": "2016-02-03", "channel": "t850"}] = np.inf
    with pytest.raises(InputError, match="has 12 missing values at 2016-02-03T00"):
        check_finite(made, PATHS)


@pytest.mark.parametrize("names", [("temperature",), ("geopotential", "temperature")])
def test_the_store_that_has_the_day_is_named(tmp_path, names):
    paths = stores(tmp_path, *names)
    channels = [{"temperature": "t850", "geopotential": "z500"}[name] for name in names]
    with pytest.raises(InputError, match=rf"^{tmp_path}/temperature/made\.zarr: t850 has no value"):
        check_finite(pack(open_files(paths), channels, "x"), paths)


def test_a_channel_that_no_file_has_is_of_all(tmp_path):
    paths = stores(tmp_path, "temperature", "2m_temperature")
    made = pack(open_files(paths), ["t850"], "x").assign_coords(channel=["ws10"])
    first = paths[0].parent
    with pytest.raises(InputError, match=rf"^{first} \.\.\. made\.zarr \(2 files\): ws10 has no"):
        check_finite(made, paths)


# ---- first times


@pytest.mark.parametrize(("count", "refused"), [(0, False), (3, False), (4, True), (9, True)])
def test_no_whole_day_is_left_out_at_the_beginning(count, refused):
    made = fields(SIX[:count]).sel(channel="t850", drop=True).to_dataset(name="t2m")
    if refused:
        with pytest.raises(InputError, match=r"f: t2m has no value anywhere on 2016-02-01 .00 to"):
            trim_leading(made, ["t2m"], "f")
    else:
        assert trim_leading(made, ["t2m"], "f").sizes["time"] == len(SIX) - count


@pytest.mark.parametrize(("count", "step", "refused"), [(1, 4, False), (2, 4, True), (3, 1, False)])
def test_an_accumulation_may_lack_its_first_field(count, step, refused):
    times = SIX[::step]
    made = fields(times[:count], times=times).sel(channel="t850", drop=True)
    if refused:
        with pytest.raises(InputError, match=r"f: tp has no value anywhere on 2016-02-01 .00 UTC"):
            trim_leading(made.to_dataset(name="tp"), ["tp"], "f")
    else:
        found = trim_leading(made.to_dataset(name="tp"), ["tp"], "f")
        assert found.sizes["time"] == len(times) - count
