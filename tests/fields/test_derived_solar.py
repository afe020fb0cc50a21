"""Solar radiation at the top of the atmosphere: textbook numbers, laws, and ERA5 itself."""

from pathlib import Path

import numpy as np
import pytest
from cell_areas import cell_areas

from smoecast.fields.derived import SOLAR_CONSTANT, sun, top_radiation
from smoecast.fields.read.open import open_files
from smoecast.fields.regrid import grid_by_name

DATA = Path(__file__).parents[2] / "../shared/data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="the real data is not beside the repository, in ../shared/data"
)
HOUR = np.timedelta64(1, "h")


def day(date: str) -> np.ndarray:
    return np.datetime64(date, "ns") + np.arange(1, 25) * HOUR


def daily_mean(date: str, latitude: float) -> float:
    """W m-2."""
    joules = top_radiation(day(date), np.array([latitude]), np.array([0.0]))
    return float(joules.astype("f8").sum()) / 86_400


def test_the_sun_at_solstices_equinox_and_apsides():
    """Times from the Astronomical Almanac for 2020."""
    times = np.array(
        ["2020-06-20T21:44", "2020-12-21T10:02", "2020-03-20T03:50", "2020-01-05T07:48"], "M8[ns]"
    )
    declination, _, distance = sun(times)
    np.testing.assert_allclose(np.rad2deg(declination), [23.436, -23.436, 0.0, -22.65], atol=0.01)
    assert distance[3] == pytest.approx(0.98324, abs=1e-4)  # the Moon is not in the series


@pytest.mark.parametrize(
    ("date", "minutes"), [("2020-02-11", -14.2), ("2020-11-03", 16.4), ("2020-04-15", 0.0)]
)
def test_the_equation_of_time(date, minutes):
    """At noon by the clock the Sun stands so many minutes past (or before) its own noon."""
    _, hour_angle, _ = sun(np.array([f"{date}T12:00"], "M8[ns]"))
    turned = (np.rad2deg(hour_angle[0]) + 180.0) % 360.0 - 180.0
    assert turned * 4 == pytest.approx(minutes, abs=0.2)


def test_noon_at_the_equator_at_the_equinox():
    """The Sun is overhead in the middle of the hour: the mean of cos over +-7.5 degrees is left."""
    ends = np.array(["2020-03-20T12:37:26"], "M8[ns]")  # its noon is at 12:07:26
    _, _, distance = sun(ends)
    found = top_radiation(ends, np.array([0.0]), np.array([0.0])).item() / 3600
    within = np.sin(np.deg2rad(7.5)) / np.deg2rad(7.5)
    assert found == pytest.approx(SOLAR_CONSTANT * within / distance[0] ** 2, rel=1e-5)


@pytest.mark.parametrize(
    ("date", "latitude", "wanted"),
    [
        ("2020-06-20", 90.0, 524.0),
        ("2020-06-20", -90.0, 0.0),
        ("2020-12-21", -90.0, 559.5),
        ("2020-06-20", 0.0, 385.0),
        ("2020-03-20", 0.0, 436.6),
        ("2020-06-20", 45.0, 483.5),
    ],
)
def test_daily_means(date, latitude, wanted):
    """S0 / (pi d^2) (H sin(phi) sin(delta) + cos(phi) cos(delta) sin(H)), any textbook."""
    declination, _, distance = (part[0] for part in sun(np.array([f"{date}T12:00"], "M8[ns]")))
    phi = np.deg2rad(latitude)
    sunset = np.arccos(np.clip(-np.tan(phi) * np.tan(declination), -1, 1))
    formula = (
        SOLAR_CONSTANT
        / (np.pi * distance**2)
        * (
            sunset * np.sin(phi) * np.sin(declination)
            + np.cos(phi) * np.cos(declination) * np.sin(sunset)
        )
    )
    assert daily_mean(date, latitude) == pytest.approx(formula, rel=1e-3, abs=1e-6)
    assert daily_mean(date, latitude) == pytest.approx(wanted, abs=0.5)


def test_the_mean_of_a_year_over_the_globe_is_a_quarter_of_the_solar_constant():
    grid = grid_by_name("5.625")
    times = np.datetime64("2021-01-01", "ns") + np.arange(1, 365 * 8 + 1) * 3 * HOUR
    mean = top_radiation(times, grid.latitude, grid.longitude[::8], hours=3.0).mean(axis=0) / (
        3 * 3600
    )
    share = cell_areas(grid).sum(axis=1)
    assert (mean.mean(axis=1) * share).sum() == pytest.approx(SOLAR_CONSTANT / 4, rel=1e-3)


def test_six_hours_are_the_sum_of_their_hours():
    latitude, longitude = np.array([89.0, 50.0, 0.0, -70.0]), np.arange(0.0, 360.0, 7.0)
    hours = day("2020-05-03")
    each = top_radiation(hours, latitude, longitude).reshape(4, 6, 4, -1).sum(axis=1)
    together = top_radiation(hours[5::6], latitude, longitude, hours=6.0)
    np.testing.assert_allclose(together, each, rtol=5e-3, atol=5e4)


def test_the_whole_closed_form_against_many_small_steps():
    latitude, longitude = np.array([80.0, 35.0, -10.0]), np.arange(0.0, 360.0, 30.0)
    ends = np.array(["2020-04-01T07:00"], "M8[ns]")
    steps = ends[0] - HOUR + np.arange(1, 361) * np.timedelta64(10, "s")
    summed = top_radiation(steps, latitude, longitude, hours=1 / 360).astype("f8").sum(axis=0)
    np.testing.assert_allclose(
        top_radiation(ends, latitude, longitude)[0], summed, rtol=1e-3, atol=300.0
    )


def test_night_is_zero_and_nothing_is_negative():
    found = top_radiation(day("2020-06-20"), np.linspace(90, -90, 19), np.arange(0.0, 360.0, 30.0))
    assert found.min() == 0.0
    assert (found[:, -1] == 0.0).all()
    assert found.dtype == np.float32


def test_the_origin_of_longitude_does_not_matter():
    east = top_radiation(day("2020-08-01"), np.array([40.0]), np.array([350.0]))
    west = top_radiation(day("2020-08-01"), np.array([40.0]), np.array([-10.0]))
    np.testing.assert_allclose(east, west, rtol=1e-5, atol=1.0)


@needs_data
def test_era5_itself():
    """ERA5's `tisr` at Finse, three months, hourly: to a thousandth of its largest value."""
    truth = open_files(sorted(DATA.glob("era5-finse/*.nc")))["tisr"]
    found = top_radiation(truth["time"].values, truth["latitude"].values, truth["longitude"].values)
    off = np.abs(found - truth.values)
    assert off.max() < 1e-3 * float(truth.max())
    assert found.mean() == pytest.approx(float(truth.mean()), rel=3e-4)
