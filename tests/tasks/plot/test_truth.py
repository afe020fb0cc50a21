"""Files beside their truth: matched by the time at which they hold, and each refusal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from made_results import LATITUDE, LONGITUDE, STARTS, forecasts

from smoecast.errors import ConfigError, InputError
from smoecast.tasks.plot import meteogram
from smoecast.tasks.plot.file_maps import Choice, draw_channel
from smoecast.tasks.plot.opening import Opened
from smoecast.tasks.plot.plot_input import plot_input
from smoecast.tasks.plot.truth import open_truth


def analyses(hours: range = range(0, 97, 6), value: float = 270.0) -> xr.Dataset:
    """Return fields that are `value`, and a degree more every six hours."""
    when = STARTS[0] + np.array(hours) * np.timedelta64(1, "h")
    values = value + np.array(hours)[:, None, None] / 6 + np.zeros((1, 8, 16))
    places = {"latitude": LATITUDE, "longitude": LONGITUDE}
    field = xr.DataArray(values.astype("f4"), {"time": when, **places}, attrs={"units": "K"})
    return xr.Dataset({"t2m": field})


def draw(dataset: xr.Dataset, truth: xr.Dataset, **choice: object) -> list[str]:
    """Return the titles of panels."""
    opened = Opened(dataset, "a.nc")
    figure = draw_channel(opened, "t2m", Choice(**choice), Opened(truth, "t.nc"))
    assert "truth: t.nc" in str(figure._supxlabel)
    return [axes.get_title() for axes in figure.axes if axes.get_title()]


def test_a_forecast_stands_above_its_truth_and_its_error() -> None:
    titles = draw(forecasts("t2m"), analyses(), leads=(24.0,))
    assert titles == [
        "forecast\n+24 h: Sat 2020-01-04 00 UTC",
        "truth\n+24 h: Sat 2020-01-04 00 UTC",
        "forecast - truth\n+24 h: Sat 2020-01-04 00 UTC",
    ]


def test_the_error_is_of_the_time_at_which_the_forecast_holds() -> None:
    made = forecasts("t2m").load()
    true = analyses().sel(time=made["init_time"][-1] + made["lead_time"])["t2m"].drop_vars("time")
    off = made.assign(t2m=made["t2m"] * 0 + true + xr.DataArray([1.0, 2.0, 3.0], dims="lead_time"))
    figure = draw_channel(
        Opened(off, "a.nc"), "t2m", Choice(kinds=("error",)), Opened(analyses(), "t.nc")
    )
    for axes, error in zip(figure.axes[:3], (1, 2, 3), strict=True):
        shown = np.asarray(axes.collections[0].get_array())
        assert shown == pytest.approx(np.full(shown.shape, error), abs=1e-3)
    assert "error, K" in [axes.get_ylabel() for axes in figure.axes]


def test_an_ensemble_is_held_against_the_truth_by_its_mean() -> None:
    titles = draw(forecasts("t2m", members=(0, 1)), analyses(), leads=(6.0,))
    assert [title.split("\n")[0] for title in titles] == [
        "ensemble mean",
        "truth",
        "ensemble mean - truth",
    ]


def test_unless_asked_the_last_start_and_the_lead_times_that_have_a_truth() -> None:
    until_day_two = analyses(range(0, 49, 6))
    titles = draw(forecasts("t2m"), until_day_two, kinds=("error",))
    assert titles == ["forecast - truth\n+6 h: Thu 2020-01-02 18 UTC"]
    titles = draw(forecasts("t2m"), until_day_two, kinds=("error",), leads=(48.0,))
    assert titles == ["forecast - truth\n+48 h: Fri 2020-01-03 00 UTC"]


def test_analyses_are_held_against_others() -> None:
    titles = draw(analyses(range(0, 25, 12), value=271.0), analyses())
    assert titles[0] == "value\nThu 2020-01-02 00 UTC"
    assert titles[2] == "value - truth\nThu 2020-01-02 00 UTC"


def test_a_meteogram_has_the_truth_too() -> None:
    opened, truth = Opened(forecasts("t2m"), "a.nc"), Opened(analyses(), "t.nc")
    figure = meteogram.draw(opened, ["t2m"], Choice(), "50,0", truth)
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert len(lines["truth"].get_ydata()) == 8  # from the first lead time to the last
    short = replace(truth, dataset=analyses(range(0, 7, 6)))
    figure = meteogram.draw(opened, ["t2m"], Choice(), "50,0", short)
    assert figure.get_suptitle().startswith("forecast from Wed 2020-01-01 00 UTC")
    asked = Choice(init_time="2020-01-03")
    with pytest.raises(InputError, match=r"t\.nc: holds no time between 2020-01-03T06:00 and"):
        meteogram.draw(opened, ["t2m"], asked, "50,0", short)


def test_what_cannot_be_held_against_a_truth_is_named(tmp_path: Path) -> None:
    made = forecasts("t2m")
    with pytest.raises(ConfigError, match="--kind error: needs a truth: give analyses as --truth"):
        draw_channel(Opened(made, "a.nc"), "t2m", Choice(kinds=("error",)))
    with pytest.raises(
        InputError, match=r"t\.nc: holds no truth of a\.nc at 2020-01-05T00:00, but"
    ):
        draw(made, analyses(range(0, 73, 6)), init_time="2020-01-03T00", leads=(48.0,))
    with pytest.raises(InputError, match=r"at 2020-01-01T06:00 to 2020-01-05T00:00, but of"):
        draw(made, analyses(range(600, 613, 6)))
    with pytest.raises(InputError, match=r"t\.nc: the channel t2m is not in the data"):
        draw(made, analyses().rename(t2m="msl"))
    paths = {}
    for name, dataset in {
        "made": made,
        "members": forecasts("t2m", members=(0, 1)),
        "true": analyses(),
        "moved": analyses().assign_coords(longitude=LONGITUDE + 1),
        "other": analyses().rename(t2m="skt"),
    }.items():
        paths[name] = str(tmp_path / f"{name}.nc")
        dataset.to_netcdf(paths[name])
    opened = Opened(made, "a.nc")
    for name, words in (
        ("made", "holds forecasts and no analyses along time: give analyses as --truth"),
        ("members", "holds members and no analyses"),
        ("moved", "give a truth on the same grid"),
    ):
        with pytest.raises(InputError, match=words):
            open_truth([paths[name]], opened)
    for truth, kinds, error, words in (
        ("true", ("value",), ConfigError, "--truth: is for --kind truth and error: add one"),
        ("other", (), InputError, r"other\.nc: holds no channel of .*made\.nc: give its truth"),
    ):
        with pytest.raises(error, match=words):
            plot_input([paths["made"]], truths=[paths[truth]], output=tmp_path / "out", kinds=kinds)
    out = tmp_path / "e.png"
    assert plot_input([paths["made"]], truths=[paths["true"]], output=out)["files"] == [str(out)]
