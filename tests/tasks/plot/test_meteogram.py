"""Series at a point."""

import numpy as np
import pytest
from made_results import calibrated, forecasts
from matplotlib.figure import Figure
from small_world import analyses

from smoecast.errors import ConfigError, InputError
from smoecast.tasks.plot.file_maps import Choice
from smoecast.tasks.plot.meteogram import draw
from smoecast.tasks.plot.opening import Opened


def drawn(dataset: object, *channels: str, **choice: object) -> Figure:
    return draw(Opened(dataset, "a.nc"), channels, Choice(**choice), "56,1")  # type: ignore[arg-type]


def test_a_forecast_is_a_line_in_valid_time() -> None:
    made = forecasts("t2m", "z500")
    figure = drawn(made, "t2m", "z500")
    assert len(figure.axes) == 2
    there = made["t2m"].isel(init_time=-1, latitude=1, longitude=0).values - 273.15
    assert figure.axes[0].lines[0].get_ydata() == pytest.approx(there, abs=1e-4)
    assert figure.get_suptitle() == ("forecast from Fri 2020-01-03 00 UTC, grid point 56.25°N 0°")


def test_members_are_bands_about_their_median() -> None:
    made = forecasts("t2m", members=(0, 1, 2))
    (axes,) = drawn(made, "t2m", units=("K",)).axes
    series = made["t2m"].isel(init_time=-1, latitude=1, longitude=0).values
    assert axes.lines[0].get_ydata() == pytest.approx(np.median(series, axis=1), abs=1e-4)
    assert [band.get_label() for band in axes.collections] == ["all members", "80 %", "50 %"]


def test_a_mean_with_spread_is_bands_too() -> None:
    result = calibrated().drop_vars(["t2m", "t2m_quantile", "number"])
    (axes,) = drawn(result, "t2m").axes
    names = [band.get_label() for band in axes.collections]
    assert names == ["2 standard deviations", "1 standard deviation"]


def test_analyses_are_drawn_over_all_times() -> None:
    (axes,) = drawn(analyses(3), "t2m").axes
    assert len(axes.lines[0].get_ydata()) == 12


def test_what_is_no_series_is_refused() -> None:
    with pytest.raises(ConfigError, match="a meteogram has no --kind, --lead"):
        drawn(forecasts("t2m"), "t2m", kinds=("value",))
    with pytest.raises(ConfigError, match="9 channels are more than a meteogram holds, 8"):
        drawn(forecasts("t2m"), *["t2m"] * 9)
    with pytest.raises(ConfigError, match="analyses at a point are drawn over all times"):
        drawn(analyses(3), "t2m", init_time="2001-01-01")
    with pytest.raises(InputError, match="holds a single time"):
        drawn(forecasts("t2m", hours=(6,)), "t2m")
    chances = calibrated()[["t2m_probability_above"]]
    with pytest.raises(InputError, match="of t2m there are probabilities alone"):
        drawn(chances, "t2m")
