"""Maps of any file: kinds, titles, refusals."""

import numpy as np
import pytest
import xarray as xr
from made_results import calibrated, forecasts

from smoecast.errors import ConfigError, InputError
from smoecast.tasks.plot.file_maps import Choice, channels_in, draw_channel, say_moment
from smoecast.tasks.plot.opening import Opened


def titles(dataset: xr.Dataset, channel: str = "t2m", **choice: object) -> list[str]:
    figure = draw_channel(Opened(dataset, "a.nc"), channel, Choice(**choice))
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_a_forecast_has_a_panel_a_lead_time_with_valid_times() -> None:
    assert titles(forecasts("t2m")) == [
        "+6 h: Fri 2020-01-03 06 UTC",
        "+24 h: Sat 2020-01-04 00 UTC",
        "+48 h: Sun 2020-01-05 00 UTC",
    ]


def test_the_start_and_the_unit_stand_on_it() -> None:
    figure = draw_channel(Opened(forecasts("t2m"), "a.nc"), "t2m", Choice(leads=(24.0,)))
    assert figure.get_suptitle() == "2 metre temperature (t2m)\nforecast from Fri 2020-01-03 00 UTC"
    assert "\N{DEGREE SIGN}C" in [axes.get_ylabel() for axes in figure.axes]
    mesh = figure.axes[0].collections[0]
    there = forecasts("t2m")["t2m"].isel(init_time=-1, lead_time=1).values - 273.15
    assert np.sort(np.asarray(mesh.get_array()).ravel()) == pytest.approx(
        np.sort(there.ravel()), abs=1e-4
    )
    kelvin = draw_channel(Opened(forecasts("t2m"), "a.nc"), "t2m", Choice(units=("K",)))
    assert "K" in [axes.get_ylabel() for axes in kelvin.axes]


def test_an_ensemble_has_mean_and_spread_and_its_members() -> None:
    ensemble = forecasts("t2m", members=(0, 1, 4))
    found = titles(ensemble, leads=(24.0,))
    assert [title.split("\n")[0] for title in found] == [
        "ensemble mean",
        "spread (standard deviation)",
    ]
    found = titles(ensemble, leads=(24.0,), kinds=("member",), members=(4,))
    assert [title.split("\n")[0] for title in found] == ["member 4"]
    assert len(titles(ensemble, leads=(24.0,), kinds=("member",))) == 3


def test_a_calibrated_ensemble_has_its_own_mean_and_probabilities() -> None:
    result = calibrated().drop_vars(["t2m", "t2m_quantile", "number"])
    assert channels_in(result) == ["t2m"]
    assert len(titles(result, leads=(24.0,))) == 2
    found = titles(calibrated(), leads=(24.0,), kinds=("probability",))
    assert [title.split("\n")[0] for title in found] == [
        "P(t2m > 273.15)",
        "P(t2m > 280)",
        "P(t2m < -1.5)",
    ]
    with pytest.raises(InputError, match="holds no member of t2m: ask for another kind"):
        titles(result, kinds=("member",))


def test_what_cannot_be_drawn_is_named() -> None:
    one, ensemble = forecasts("t2m"), forecasts("t2m", members=(0, 1, 4))
    with pytest.raises(ConfigError, match="--kind chart: no kind of map of a file: give value"):
        titles(one, kinds=("chart",))
    with pytest.raises(InputError, match="holds no probability of t2m: write some with"):
        titles(one, kinds=("probability",))
    with pytest.raises(InputError, match="one forecast and no members: draw --kind value"):
        titles(one, kinds=("spread",))
    with pytest.raises(InputError, match="member 7 is not in it, which has 0 to 4"):
        titles(ensemble, kinds=("member",), members=(7,))
    with pytest.raises(ConfigError, match="18 maps of t2m are more than a picture holds, 12"):
        titles(ensemble, kinds=("value", "spread", "member", "mean"))
    with pytest.raises(InputError, match=r"a\.nc: the channel z500 is not in the data"):
        titles(one, channel="z500")
    with pytest.raises(InputError, match="t2m has no value there"):
        titles(one * np.nan)


def test_moments_have_minutes_where_there_are_any() -> None:
    assert say_moment(np.datetime64("1969-12-31T23:30", "ns")) == "Wed 1969-12-31 23:30 UTC"
