"""What is drawn from: files, times, regions, points; each refusal."""

from pathlib import Path

import numpy as np
import pytest
from made_results import forecasts
from small_world import analyses

from smoecast.errors import AbsentError, ConfigError, InputError
from smoecast.tasks.plot import opening

PLANET = "Forecasts of the simulated planet, no real weather"


def test_any_file_is_opened_and_says_whether_it_is_the_planet(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    analyses(2).assign_attrs(title=PLANET).to_netcdf(path)
    opened = opening.open_input([str(path)])
    assert opened.simulated
    assert opened.foot == f"{PLANET} | a.nc"
    both = tmp_path / "b.nc"
    analyses(4).isel(time=slice(8, None)).to_netcdf(both)
    assert opening.open_input([str(tmp_path / "*.nc")]).dataset.sizes["time"] == 16
    with pytest.raises(AbsentError, match=r"c\.nc: there is no such file; correct --input"):
        opening.open_input([str(tmp_path / "c.nc")])


def test_the_last_start_and_up_to_six_lead_times_are_chosen() -> None:
    many = forecasts("t2m", hours=range(6, 6 * 21, 6))
    chosen = opening.choose_times(many, "a.nc", None, ())
    assert chosen["init_time"].values == many["init_time"].values[-1]
    assert chosen.sizes["lead_time"] == 6
    assert chosen["lead_time"].values[-1] == many["lead_time"].values[-1]
    asked = opening.choose_times(many, "a.nc", "2020-01-01T12", [12.0])
    assert asked["init_time"].values == np.datetime64("2020-01-01T12")
    assert asked["lead_time"].values.tolist() == [12 * 3600 * 10**9]
    still = many.isel(init_time=0, lead_time=0, drop=True)
    assert opening.choose_times(still, "a.nc", None, ()).sizes == still.sizes


def test_times_that_are_not_there_are_named() -> None:
    few = forecasts("t2m")
    with pytest.raises(InputError, match="7 h ahead is not in it, which has 6, 24, 48: ask"):
        opening.choose_times(few, "a.nc", None, [7.0])
    with pytest.raises(InputError, match="2021-01-01T00:00 is not in it, which has 2020-01-01"):
        opening.choose_times(few, "a.nc", "2021-01-01", ())
    with pytest.raises(InputError, match=r"which has 6, 12, 18, \.\.\., 48, 54, 60"):
        opening.choose_times(forecasts("t2m", hours=range(6, 66, 6)), "a.nc", None, [7.0])
    with pytest.raises(ConfigError, match=r"--lead: a\.nc holds no forecasts"):
        opening.choose_times(analyses(2), "a.nc", None, [6.0])
    still = few.isel(init_time=0, lead_time=0, drop=True)
    with pytest.raises(ConfigError, match=r"--init-time: a\.nc has no axis of times"):
        opening.choose_times(still, "a.nc", "2020-01-01", ())


def test_a_region_is_cut_out_across_greenwich_too() -> None:
    globe = forecasts("t2m", latitude=np.arange(80.0, -81, -20), longitude=np.arange(72) * 5.0)
    europe = opening.cut(globe, "a.nc", "europe")
    assert europe["longitude"].values.min() == -10
    assert europe["longitude"].values.max() == 40
    asked = opening.cut(globe, "a.nc", "80,170,-80,190")
    assert asked["longitude"].values.tolist() == [170, 175, 180, 185, 190]
    same = globe["t2m"].sel(longitude=185).values
    assert (asked["t2m"].sel(longitude=185).values == same).all()
    whole = opening.cut(globe, "a.nc", None)
    assert whole["longitude"].values[0] == -180
    assert whole.sizes["longitude"] == 72


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("extra-tropics", "these are two maps"),
        ("evrope", "no region: give N,W,S,E in degrees, or global"),
        ("1,2,3", "no region"),
        ("30,0,60,10", "no box: north above south"),
        ("60,10,30,0", "no box"),
    ],
)
def test_what_is_no_region_is_named(region: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        opening.find_box(region)


def test_a_region_without_points_and_one_of_a_projection_are_refused() -> None:
    with pytest.raises(InputError, match="less than two rows or columns of it lie in"):
        opening.cut(forecasts("t2m"), "a.nc", "50,0,49,1")
    axes = {"projection_y_coordinate": [0.0, 1.0], "projection_x_coordinate": [0.0, 1.0]}
    plane = forecasts("t2m").isel(latitude=0, longitude=0, drop=True).expand_dims(axes)
    plane = plane.transpose(..., *axes)
    assert opening.cut(plane, "a.nc", None) is plane
    with pytest.raises(ConfigError, match=r"--region: a\.nc is on a map projection"):
        opening.cut(plane, "a.nc", "europe")
    with pytest.raises(ConfigError, match=r"--point: a\.nc is on a map projection"):
        opening.nearest_point(plane, "a.nc", "50,0")


def test_the_nearest_point_is_found_from_either_side_of_greenwich() -> None:
    globe = forecasts("t2m")
    for point in ("52,-1", "52,359"):
        found = opening.nearest_point(globe, "a.nc", point)
        assert (float(found["latitude"]), float(found["longitude"])) == (56.25, 0.0)
    for wrong in ("52", "a,b", "91,0"):
        with pytest.raises(ConfigError, match="no point: give LAT,LON"):
            opening.nearest_point(globe, "a.nc", wrong)
    part = globe.isel(longitude=slice(0, 3))
    with pytest.raises(InputError, match="lies outside its grid"):
        opening.nearest_point(part, "a.nc", "52,180")
