"""Times: reading, refusing, and which have their truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smoecast.errors import ConfigError, InputError
from smoecast.fields.times import (
    as_hours,
    as_lead,
    as_ns,
    check_axis,
    check_step,
    find_known,
    iso,
    later,
    leads_between,
    parse_time,
    parse_times,
    valid_times,
)


def hourly(start: str, count: int, step: int = 6) -> np.ndarray:
    return np.datetime64(start, "ns") + np.arange(count) * np.timedelta64(step, "h")


def test_as_ns_rounds_to_the_second_before_and_after_1970():
    times = np.array(["1959-01-01T00:00:00", "2013-01-01T06:00:00"], "datetime64[ns]")
    for noise in (-3, 0, 3):
        found = as_ns(times + np.timedelta64(noise, "ns"))
        assert found.dtype == np.dtype("datetime64[ns]")
        np.testing.assert_array_equal(found, times)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "h", "D"])
def test_as_ns_takes_every_resolution(unit):
    assert as_ns(np.array(["2013-01-01"], f"datetime64[{unit}]"))[0] == np.datetime64("2013-01-01")


@given(st.lists(st.integers(0, 10_000), min_size=1))
def test_hours_and_leads_are_inverse(hours):
    np.testing.assert_array_equal(as_hours(as_lead(hours)), hours)
    assert as_lead(hours).dtype == np.dtype("timedelta64[ns]")


def test_iso():
    assert iso(np.datetime64("2013-01-01T06", "ns")) == "2013-01-01T06:00"


def test_check_axis_passes_what_ascends():
    for count in (0, 1, 5):
        check_axis(hourly("2013-01-01", count), "a.nc")
    with pytest.raises(InputError, match="stands after a later one"):
        check_axis(hourly("2013-01-01", 5)[::-1], "a.nc")


def test_check_axis_refuses_a_repeated_time():
    times = hourly("2013-01-01", 4)[[0, 1, 1, 2]]
    with pytest.raises(InputError, match=r"a\.nc: the time 2013-01-01T06:00 is there twice"):
        check_axis(times, "a.nc")


def test_check_axis_refuses_a_descending_time():
    times = hourly("2013-01-01", 4)[[0, 2, 1, 3]]
    with pytest.raises(InputError, match=r"a\.nc: the time 2013-01-01T06:00 stands after a later"):
        check_axis(times, "a.nc")


def test_check_axis_refuses_no_time():
    times = hourly("2013-01-01", 4)
    times[2] = np.datetime64("NaT")
    with pytest.raises(InputError, match=r"a\.nc: a time is missing"):
        check_axis(times, "a.nc")


def test_check_step_names_the_missing_time():
    check_step(hourly("2013-01-01", 4), 6, "a.nc")
    with pytest.raises(InputError, match=r"a\.nc: the time 2013-01-01T12:00 is missing"):
        check_step(hourly("2013-01-01", 6)[[0, 1, 3, 5]], 6, "a.nc")


def test_check_step_refuses_a_finer_axis():
    with pytest.raises(InputError, match=r"2013-01-01T01:00 follows .* less than 6 hours"):
        check_step(hourly("2013-01-01", 4, step=1), 6, "a.nc")


@pytest.mark.parametrize(
    "text", ["2013-01-01T06", "2013-01-01T06:00", "2013-01-01 06:00:00", "2013-01-01T06:00Z"]
)
def test_parse_time(text):
    assert parse_time(text) == np.datetime64("2013-01-01T06", "ns")


@pytest.mark.parametrize("text", ["", "yesterday", "2013-02-30", "2013-01-01T25", "2013-01-01+01"])
def test_parse_time_refuses(text):
    with pytest.raises(ConfigError, match="write it as 2013-01-01T06"):
        parse_time(text)


def test_parse_times_sorts_and_drops_repeats():
    found = parse_times(["2013-01-03", "2013-01-01T06", "2013-01-03T00"], 24)
    np.testing.assert_array_equal(found, parse_times(["2013-01-01T06", "2013-01-03"], 6))
    assert found.dtype == np.dtype("datetime64[ns]")


def test_parse_times_ranges_hold_both_ends():
    assert len(parse_times(["2013-01-01/2013-01-02"], 6)) == 8  # the whole of the last day
    assert len(parse_times(["2013-01-01T00/2013-01-02T00"], 6)) == 5
    assert len(parse_times(["2013-01-01/2013-01-03"], 24)) == 3
    assert len(parse_times([], 24)) == 0


def test_parse_times_ranges_begin_where_there_are_times():
    noon = np.timedelta64(12, "h")
    found = parse_times(["2013-01-01/2013-01-03"], 24, 24, noon)
    np.testing.assert_array_equal(found, parse_times(["2013-01-01T12/2013-01-03T12"], 24))
    np.testing.assert_array_equal(parse_times(["2013-01-01T12/2013-01-03"], 24, 24, noon), found)
    of_three = parse_times(["2013-01-01T04/2013-01-01"], 6, 6, np.timedelta64(3, "h"))
    np.testing.assert_array_equal(of_three, parse_times(["2013-01-01T09/2013-01-01"], 6))
    # a single time is what it is, and so is a range from a time that is there
    assert len(parse_times(["2013-01-01"], 24, 24, noon)) == 1
    assert iso(parse_times(["2013-01-01T06/2013-01-02"], 24, 6)[0]) == "2013-01-01T06:00"
    with pytest.raises(ConfigError, match=r"holds none of .* the next is 2013-01-01T12:00: let"):
        parse_times(["2013-01-01T00/2013-01-01T11"], 24, 24, noon)


def test_parse_times_refuses_a_backward_range():
    with pytest.raises(ConfigError, match="ends before it begins"):
        parse_times(["2013-01-03/2013-01-01"], 24)


def test_starts_that_have_their_truth_at_every_lead_time():
    truth = hourly("2020-01-01", 12)
    starts = hourly("2019-12-31", 8, step=12)
    assert find_known(starts, as_lead([6, 24]), truth).tolist() == [2, 3, 4, 5]
    assert find_known(starts, as_lead([6]), truth).tolist() == [2, 3, 4, 5, 6, 7]
    assert find_known(starts, as_lead([-12]), truth).tolist() == [3, 4, 5, 6, 7]


def test_no_start_that_has_its_truth():
    with pytest.raises(InputError, match=r"hold from 2021-01-01T06:00 .* truth from 2020-01-01"):
        find_known(hourly("2021-01-01", 2), as_lead([6]), hourly("2020-01-01", 12))


# ---- what 64 bits of nanoseconds cannot hold


@pytest.mark.parametrize("year", ["0000", "0001", "1677", "2262", "2300", "9999"])
def test_years_that_would_wrap_around(year):
    with pytest.raises(ConfigError, match=f"'{year}-01-01' reaches outside the years 1678 to 2261"):
        parse_time(f"{year}-01-01")
    with pytest.raises(ConfigError, match="outside the years"):
        parse_times([f"2000-01-01/{year}-12-31" if year > "2000" else f"{year}-12-31/2000"], 24)
    with pytest.raises(InputError, match=r"a\.nc: time reaches outside the years 1678 to 2261"):
        as_ns(np.array(["2000-01-01", f"{year}-01-01"], "datetime64[s]"), "a.nc: time")


def test_the_first_and_the_last_time():
    for text in ("1678-01-01T00:00", "2261-12-31T23:00"):
        assert iso(parse_time(text)) == text
    assert len(parse_times(["2261-12-31/2261-12-31"], 12)) == 2
    assert np.isnat(as_ns(np.array(["NaT"], "datetime64[ns]"))).all()


def test_starts_that_are_centuries_apart():
    with pytest.raises(ConfigError, match="the spacing of starts is 1e\\+13 hours, and 285 years"):
        parse_times(["2000-01-01/2000-01-02"], 10**13)


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ([6.0, np.nan], "step is missing"),
        ([6.0, np.inf], "step is inf hours"),
        ([6.0, 1e30], "step is 1e\\+30 hours, and 285 years are the most"),
        (-3e6, "step is -3e\\+06 hours"),
    ],
)
def test_lead_times_that_would_wrap_around(hours, words):
    with pytest.raises(InputError, match=words):
        as_lead(hours, "step")


def test_sums_and_differences_are_checked():
    ends = np.array(["1678-01-01", "2261-12-31"], "datetime64[ns]")
    leads = np.array([400 * 24], "timedelta64[h]")
    assert later(ends[:1], leads)[0] == np.datetime64("1679-02-05", "ns")
    assert leads_between(ends[:1], later(ends[:1], leads))[0] == leads[0]
    with pytest.raises(InputError, match="f: an end reaches outside the years"):
        later(ends, leads, "f: an end")
    with pytest.raises(InputError, match=r"f: a lead is .* hours, and 285 years are the most"):
        leads_between(ends[:1], ends[1:], "f: a lead")
    with pytest.raises(InputError, match="the end of a forecast reaches outside"):
        valid_times(ends[1:], leads)


def test_axes_of_centuries_ascend():
    times = np.array(["1678-01-01", "2261-12-31"], "datetime64[ns]")
    check_axis(times, "a.nc")
    with pytest.raises(InputError, match="the time 1678-01-01T06:00 is missing"):
        check_step(times, 6, "a.nc")
