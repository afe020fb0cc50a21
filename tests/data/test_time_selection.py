"""Splits by fraction and by date; statistics of the training times only."""

from datetime import date

import numpy as np
import pytest
import xarray as xr

from smoecast.config.data import Split
from smoecast.data.statistics import RELATIVE_FLOOR, floor_spread, mean_and_std
from smoecast.data.time_selection import HOUR, is_on_step, offset_of, on_step, split_times
from smoecast.errors import ConfigError, InputError

TIMES = np.arange("2001-01-01", "2001-01-11", dtype="datetime64[D]").astype("datetime64[ns]")


def test_fractions_follow_the_order_of_time() -> None:
    masks = split_times(TIMES, Split(), "f")
    assert [int(masks[p].sum()) for p in ("train", "validation", "test")] == [7, 1, 2]
    assert np.flatnonzero(masks["test"]).tolist() == [8, 9]


def test_dates_include_the_last_day_whole() -> None:
    days = [(date(2001, 1, 1), date(2001, 1, 3)), (date(2001, 1, 4), date(2001, 1, 4))]
    split = Split(train=days[0], validation=days[1], test=(date(2001, 1, 8), date(2001, 1, 9)))
    hourly = np.arange("2001-01-01", "2001-01-11", np.timedelta64(6, "h"), dtype="datetime64[ns]")
    masks = split_times(hourly, split, "f")
    assert [int(masks[p].sum()) for p in ("train", "validation", "test")] == [12, 4, 8]


def test_a_part_without_times_is_refused() -> None:
    period = (date(1990, 1, 1), date(1990, 12, 31))
    years = [(date(2001, 1, 1), date(2001, 1, 5)), (date(2001, 1, 6), date(2001, 1, 9))]
    split = Split(train=years[0], validation=years[1], test=period)
    with pytest.raises(
        InputError,
        match=r"f\.nc: the test split \(1990-01-01 to 1990-12-31\) holds none of the 10 times",
    ):
        split_times(TIMES, split, "f.nc")


def test_statistics_equal_numpy_and_ignore_the_other_times() -> None:
    rng = np.random.default_rng(0)
    offset = np.array([5e4, 280.0])[:, None, None]
    fields = (rng.normal(size=(600, 2, 3, 4)) + offset).astype(np.float32)
    chosen = np.arange(600) < 500
    fields[550:] = 1e9
    mean, std = mean_and_std(fields, chosen)
    expected = fields[:500].astype(np.float64)
    np.testing.assert_allclose(mean, expected.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, expected.std(axis=(0, 2, 3)), rtol=1e-9)


def test_statistics_of_an_ensemble_store() -> None:
    fields = np.random.default_rng(1).normal(size=(5, 2, 3, 2, 4, 4)).astype(np.float32)
    mean, std = mean_and_std(fields, np.ones(5, bool))
    axes = (0, 1, 2, 4, 5)
    np.testing.assert_allclose(mean, fields.mean(axis=axes, dtype=np.float64), atol=1e-12)
    np.testing.assert_allclose(std, fields.astype(float).std(axis=axes), rtol=1e-9)


def test_a_field_that_never_varies_divides_by_no_zero() -> None:
    std = floor_spread(np.array([0.0, 0.0, 2.0]), np.array([100.0, 0.0, 1.0]))
    np.testing.assert_allclose(std, [100.0 * RELATIVE_FLOOR, 1.0, 2.0])


def test_parts_beyond_the_years_of_nanoseconds() -> None:
    """The comparison with numpy's dates wraps around: the year 3000 would lie before 2001."""
    periods = [(date(2001, 1, 1), date(2001, 1, 9)), (date(2001, 1, 10), date(3000, 1, 1))]
    split = Split.model_construct(train=periods[0], validation=periods[1], test=0.0)
    with pytest.raises(ConfigError, match="the validation split reaches outside the years 1678"):
        split_times(TIMES, split, "f.nc")


def test_the_step_counts_from_midnight_or_from_the_earliest_hour_of_the_data() -> None:
    noon = TIMES + 12 * HOUR
    assert offset_of(noon, 24) == 12 * HOUR
    assert offset_of(np.sort([*noon, *TIMES]), 24) == 0 * HOUR
    assert offset_of(TIMES + 6 * HOUR, 6) == 0 * HOUR
    assert is_on_step(np.sort([*noon, *TIMES]), 24, 12 * HOUR).sum() == len(TIMES)
    assert not is_on_step(noon, 24).any()


def test_a_model_of_noon_starts_at_noon_from_hourly_analyses() -> None:
    hours = np.arange("2001-01-01", "2001-01-03", dtype="datetime64[h]").astype("datetime64[ns]")
    hourly = xr.Dataset({"t2m": ("time", np.arange(48.0))}, {"time": hours})
    assert on_step(hourly, 24, "f", 12 * HOUR)["t2m"].values.tolist() == [12, 36]
    assert on_step(hourly, 24, "f")["t2m"].values.tolist() == [0, 24]
    with pytest.raises(InputError, match=r"of 24 h from midnight, .* but 2001-01-01T12:00: bring"):
        on_step(hourly.isel(time=[12, 36]), 24, "f")
