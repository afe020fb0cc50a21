"""Periods, years, start dates; the run of the truth."""

from datetime import date

import numpy as np
import pytest

from smoecast.data.sources.planet import dynamics, nature, periods
from smoecast.data.sources.planet.climate import Climate
from smoecast.errors import ConfigError


@pytest.mark.parametrize(
    ("start", "years", "end"),
    [
        (date(2001, 1, 1), 3.0, "2004-01-01"),
        (date(2004, 1, 1), 1.0, "2005-01-01"),  # a leap year is a day longer
        (date(2004, 2, 29), 1.0, "2005-03-01"),
        (date(2001, 1, 1), 0.5, "2001-07-03"),  # 182.625 days are 183
        (date(2001, 1, 1), 1.1, "2002-02-07"),
    ],
)
def test_period(start, years, end):
    assert periods.period(start, years) == (np.datetime64(start, "s"), np.datetime64(end, "s"))


def test_less_than_a_day_is_refused():
    with pytest.raises(ConfigError, match="less than a day"):
        periods.period(date(2001, 1, 1), 0.001)


def test_years_cut_at_new_year():
    parts = periods.by_year(np.datetime64("2003-12-20", "s"), np.datetime64("2005-01-01", "s"))
    assert [year for year, _, _ in parts] == [2003, 2004]
    assert parts[0][2] == parts[1][1] == np.datetime64("2004-01-01", "s")
    assert parts[1][2] == np.datetime64("2005-01-01", "s")


def test_moments_keep_their_spacing_over_new_year():
    origin, new_year = np.datetime64("2003-12-31", "s"), np.datetime64("2004-01-01", "s")
    first = periods.moments(origin, origin, new_year, 10)
    second = periods.moments(origin, new_year, np.datetime64("2004-01-02", "s"), 10)
    assert np.all(np.diff(np.concatenate([first, second])) == np.timedelta64(10, "h"))
    assert second[0] == np.datetime64("2004-01-01T06")


def test_two_starts_a_week():
    starts = periods.twice_a_week(np.datetime64("2001-01-01"), np.datetime64("2001-01-16"))
    assert [str(s)[:10] for s in starts] == [
        "2001-01-01", "2001-01-04", "2001-01-08", "2001-01-11", "2001-01-15",
    ]  # fmt: skip


def test_the_run_passes_through_a_leap_day():
    flow = dynamics.build(Climate())
    state = nature.first_state(flow, 0, 0.5)
    start, stop = np.datetime64("2004-02-28", "s"), np.datetime64("2004-03-01", "s")
    wanted = np.array(["2004-02-29T00", "2004-02-29T12"], "M8[s]")
    told: list[np.datetime64] = []
    kept, last = nature.collect(flow, state, start, stop, wanted=wanted, tell=told.append)
    assert kept.pv.shape == (2, *state.pv.shape)
    assert told == [start]
    again, _ = nature.collect(
        flow, dynamics.State(kept.pv[0], kept.slow[0]), wanted[0], stop, wanted=wanted, tell=print
    )
    np.testing.assert_array_equal(again.pv[1], kept.pv[1])
    assert np.isfinite(last.pv).all()


def test_seeds_differ():
    flow = dynamics.build(Climate())
    one, two = nature.first_state(flow, 0, 0.0), nature.first_state(flow, 1, 0.0)
    assert not np.array_equal(one.pv, two.pv)
    np.testing.assert_array_equal(one.pv, nature.first_state(flow, 0, 0.0).pv)


@pytest.mark.parametrize("years", [1e4, 1e300, float("inf")])
def test_a_planet_without_end(years):
    with pytest.raises(ConfigError, match="from 2001-01-01 never end"):
        periods.period(date(2001, 1, 1), years)


@pytest.mark.parametrize(("start", "years"), [(date(1, 1, 1), 1.0), (date(2001, 1, 1), 300.0)])
def test_a_planet_beyond_the_years_of_nanoseconds(start, years):
    with pytest.raises(ConfigError, match="reaches outside the years 1678 to 2261"):
        periods.period(start, years)
