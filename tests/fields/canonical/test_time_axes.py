"""Time axes: the many ways to write an analysis and a forecast."""

import cftime
import numpy as np
import pytest
import xarray as xr

from smoecast.errors import InputError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.canonical.time_axes import explain_undecodable
from smoecast.fields.times import as_hours, as_lead

START = np.datetime64("2020-01-01", "ns")
STARTS = START + np.arange(3) * np.timedelta64(24, "h")
LEADS = as_lead([6, 12])
REFERENCE = {"standard_name": "forecast_reference_time"}
PERIOD = {"standard_name": "forecast_period"}


def dataset(coordinates: dict[str, object], *dimensions: str) -> xr.Dataset:
    """`t2m` with leading dimensions as their coordinates have them."""
    place = {"latitude": [10.0, 0.0], "longitude": [0.0, 5.0, 10.0]}
    sizes = [np.size(coordinates[name]) for name in dimensions]
    shape = (*sizes, 2, 3)
    values = 200.0 + np.arange(np.prod(shape), dtype="f4").reshape(shape)
    array = xr.DataArray(values, dims=(*dimensions, *place), attrs={"units": "K"})
    return xr.Dataset({"t2m": array}).assign_coords(place | coordinates)


def forecast(given: xr.Dataset, starts: int, leads: int) -> xr.Dataset:
    found = canonical(given, "a.nc")
    assert found["t2m"].dims == ("init_time", "lead_time", "latitude", "longitude")
    assert found["t2m"].shape[:2] == (starts, leads)
    assert found["init_time"].values[0] == START
    assert as_hours(found["lead_time"].values)[0] == 6
    assert found["lead_time"].dtype == np.dtype("timedelta64[ns]")
    assert "time" not in found.coords
    return found


def analysis(given: xr.Dataset, count: int) -> None:
    found = canonical(given, "a.nc")
    assert found["t2m"].dims == ("time", "latitude", "longitude")
    assert found.sizes["time"] == count
    assert found["time"].values[0] == START
    assert not {"init_time", "lead_time"} & set(found.coords)


def refused(given: xr.Dataset, words: str) -> None:
    with pytest.raises(InputError, match=rf"a\.nc: .*{words}"):
        canonical(given, "a.nc")


# ---- analyses


def test_analyses():
    analysis(dataset({"time": STARTS}, "time"), 3)


def test_scalar_time():
    analysis(dataset({"time": START}), 1)


def test_cfgrib_analyses_carry_a_step_of_zero():
    given = dataset({"time": ("time", STARTS, REFERENCE), "step": as_lead(0)})
    given["t2m"] = given["t2m"].expand_dims(time=given["time"])
    analysis(given.assign_coords(valid_time=("time", STARTS)), 3)


def test_analysis_written_as_a_forecast_of_no_hours():
    analysis(dataset({"time": START, "forecast_period": as_lead(0)}), 1)
    both = {"time": START, "forecast_period": as_lead(0), "forecast_reference_time": START}
    analysis(dataset(both), 1)


def test_start_alone_is_an_analysis():
    analysis(dataset({"forecast_reference_time": START}), 1)
    analysis(dataset({"init_time": STARTS}, "init_time"), 3)


def test_times_in_seconds_become_nanoseconds():
    found = canonical(dataset({"time": STARTS.astype("datetime64[s]")}, "time"), "a.nc")
    assert found["time"].dtype == np.dtype("datetime64[ns]")


# ---- forecasts


def test_our_own_names():
    given = dataset({"init_time": STARTS, "lead_time": LEADS}, "init_time", "lead_time")
    valid = STARTS[:, None] + LEADS
    forecast(given.assign_coords(valid_time=(("init_time", "lead_time"), valid)), 3, 2)


def test_climate_data_store_names():
    names = {"forecast_reference_time": STARTS, "forecast_period": LEADS}
    forecast(dataset(names, "forecast_reference_time", "forecast_period"), 3, 2)


def test_weatherbench_2_calls_the_start_time():
    forecast(
        dataset({"time": STARTS, "prediction_timedelta": LEADS}, "time", "prediction_timedelta"),
        3,
        2,
    )


def test_cfgrib_calls_the_start_time():
    names = {"time": ("time", STARTS, REFERENCE), "step": ("step", LEADS)}
    given = dataset({"time": STARTS, "step": LEADS}, "time", "step").assign_coords(names)
    valid = STARTS[:, None] + LEADS
    forecast(given.assign_coords(valid_time=(("time", "step"), valid)), 3, 2)


def test_single_start_with_many_lead_times():
    forecast(dataset({"time": START, "step": LEADS}, "step"), 1, 2)
    forecast(dataset({"init_time": START, "lead_time": LEADS}, "lead_time"), 1, 2)


def test_many_starts_with_a_single_lead_time():
    names = {"init_time": STARTS, "lead_time": LEADS[0]}
    forecast(dataset(names, "init_time"), 3, 1)


def test_iris_scalars():
    names = {"time": START + LEADS[0], "forecast_period": LEADS[0]}
    forecast(dataset(names), 1, 1)
    forecast(dataset(names | {"forecast_reference_time": START}), 1, 1)
    forecast(dataset({"forecast_reference_time": START, "forecast_period": LEADS[0]}), 1, 1)


def test_valid_times_of_one_start():
    names = {"time": START + LEADS, "forecast_reference_time": START}
    found = forecast(dataset(names, "time"), 1, 2)
    assert as_hours(found["lead_time"].values).tolist() == [6, 12]
    forecast(dataset(names, "time").assign_coords(forecast_period=("time", LEADS)), 1, 2)


def test_valid_times_of_one_lead_time():
    names = {"time": STARTS + LEADS[0], "forecast_period": LEADS[0]}
    forecast(dataset(names, "time"), 3, 1)
    given = dataset({"time": STARTS + LEADS[0]}, "time")
    forecast(given.assign_coords(forecast_reference_time=("time", STARTS)), 3, 1)


def test_valid_times_along_lead_time():
    given = dataset({"lead_time": LEADS}, "lead_time")
    forecast(given.assign_coords(time=("lead_time", START + LEADS)), 1, 2)


def test_valid_times_along_starts():
    given = dataset({"init_time": STARTS}, "init_time")
    forecast(given.assign_coords(time=("init_time", STARTS + LEADS[0])), 3, 1)


def test_an_ensemble_of_analyses_is_a_forecast_of_no_hours():
    given = dataset({"time": STARTS, "number": [0, 1]}, "time", "number")
    found = canonical(given, "a.nc")
    assert found["t2m"].dims[:3] == ("init_time", "lead_time", "number")
    assert as_hours(found["lead_time"].values).tolist() == [0]
    given = dataset({"init_time": STARTS, "number": [0, 1]}, "init_time", "number")
    assert canonical(given, "a.nc")["t2m"].dims[:3] == ("init_time", "lead_time", "number")


@pytest.mark.parametrize("unit", ["h", "hours", "Hour"])
def test_lead_times_in_plain_hours(unit):
    given = dataset({"time": START, "step": [6.0, 12.0]}, "step")
    given["step"].attrs["units"] = unit
    forecast(given, 1, 2)


# ---- refused


def test_repeated_and_descending_times():
    refused(dataset({"time": STARTS[[0, 0, 1]]}, "time"), "2020-01-01T00:00 is there twice")
    refused(dataset({"time": STARTS[[0, 2, 1]]}, "time"), "2020-01-02T00:00 stands after")
    given = dataset({"init_time": STARTS[[1, 0]], "lead_time": LEADS}, "init_time", "lead_time")
    refused(given, "2020-01-01T00:00 stands after")


def test_descending_lead_times():
    refused(dataset({"time": START, "step": LEADS[::-1]}, "step"), "lead times do not ascend")


def test_calendars():
    times = xr.date_range("2020-01-01", periods=3, calendar="360_day", use_cftime=True)
    given = dataset({"time": STARTS}, "time").assign_coords(time=times)
    given["time"].encoding["calendar"] = "360_day"
    refused(given, "time is in the calendar 360_day: convert it to the standard calendar first")


@pytest.mark.parametrize("year", [0, 1, -44, 1582, 2262])
def test_the_year_of_a_climatology_is_named(year):
    calendar = "proleptic_gregorian"
    dates = [cftime.datetime(year, 1, day, calendar=calendar, has_year_zero=True) for day in (1, 2)]
    given = dataset({"time": STARTS[:2]}, "time").assign_coords(time=np.array(dates, object))
    refused(given, f"time is in the year {year}, outside the years 1678 to 2261: a climatology")


def test_units_of_times_that_mean_nothing():
    problem = ValueError(
        "unable to decode time units 'days since 0000-01-01' with 'the default calendar'. Try ..."
    )
    said = explain_undecodable(problem)
    assert said.startswith(
        "its times, in days since 0000-01-01 with the default calendar, are no d"
    )
    assert explain_undecodable(ValueError("something else")) == ""


def test_times_that_were_not_decoded():
    refused(dataset({"time": [0.0, 1.0]}, "time"), "time is no dates but float64")
    refused(dataset({"time": [0.0, 1.0]}, "time").drop_vars("time"), "time has no values")


def test_years_beyond_nanoseconds():
    times = np.array(["1500-01-01", "1500-01-02"], "datetime64[s]")
    refused(dataset({"time": times}, "time"), "outside the years 1678 to 2261")


def test_lead_times_in_other_units():
    given = dataset({"time": START, "step": [6, 12]}, "step")
    refused(given, "the unit '': hours are expected")
    refused(given.drop_vars("step"), "lead_time has no values")
    leads = np.array([6, "NaT"], "timedelta64[h]")
    refused(dataset({"time": START, "step": leads}, "step"), "a lead time is missing")


def test_no_time_at_all():
    refused(dataset({}), "does not say when its fields hold")
    refused(dataset({"lead_time": LEADS}, "lead_time"), "does not say when its forecasts start")


def test_contradicting_times():
    given = dataset({"lead_time": LEADS}, "lead_time")
    refused(given.assign_coords(time=("lead_time", STARTS[:2])), "belong to several starts")
    given = dataset({"init_time": STARTS}, "init_time")
    refused(
        given.assign_coords(time=("init_time", STARTS + as_lead([6, 12, 18]))),
        "every start has another lead time",
    )
    given = dataset({"time": STARTS}, "time")
    odd = STARTS - as_lead([0, 6, 18])
    refused(
        given.assign_coords(forecast_reference_time=("time", odd)),
        "several starts and lead times along one dimension",
    )


@pytest.mark.parametrize("year", ["0000", "1677", "2262", "9999"])
def test_years_that_would_wrap_around(year):
    times = np.array([f"{year}-01-01", f"{year}-01-02"], "datetime64[s]")
    refused(dataset({"time": times}, "time"), "time reaches outside the years 1678 to 2261")


def test_lead_times_that_would_wrap_around():
    step = xr.Variable("step", [6.0, 1e30], {"units": "hours"})
    given = dataset({"time": START, "step": [6, 12]}, "step").assign_coords(step=step)
    refused(given, "a lead time is 1e\\+30 hours")


def test_forecasts_that_reach_past_the_last_year():
    late, lead = np.datetime64("2261-12-31", "ns"), as_lead(48)
    beside = {"init_time": ((), late, REFERENCE), "lead_time": ((), lead, PERIOD)}
    refused(dataset({}).assign_coords(beside), "the end of a forecast reaches outside the years")
    axes = {"init_time": np.array([late]), "lead_time": as_lead([6, 48])}
    refused(dataset(axes, "init_time", "lead_time"), "the end of a forecast reaches outside")
    first = np.datetime64("1678-01-01", "ns")
    leads = {"step": LEADS, "time": ("step", [first, first])}
    refused(dataset({"step": LEADS}, "step").assign_coords(leads), "the start of a forecast")


def test_starts_centuries_before_their_times():
    beside = {"forecast_reference_time": ((), np.datetime64("1678-01-01", "ns"), REFERENCE)}
    given = dataset({"time": np.array(["2261-12-31"], "datetime64[ns]")}, "time")
    refused(given.assign_coords(beside), "a lead time is .* hours, and 285 years are the most")


def test_times_that_change_with_place():
    times = ("latitude", STARTS[:2])
    refused(dataset({}).assign_coords(time=times), "time changes along latitude: select one")
    beside = {"time": START, "step": ("longitude", as_lead([6, 12, 18]))}
    refused(dataset({}).assign_coords(beside), "lead_time changes along longitude")


def test_times_and_starts_side_by_side():
    given = dataset({"forecast_reference_time": STARTS, "time": STARTS}, "time")
    given["t2m"] = given["t2m"].expand_dims(forecast_reference_time=STARTS)
    refused(given, "both time and init_time are dimensions: give lead times")
