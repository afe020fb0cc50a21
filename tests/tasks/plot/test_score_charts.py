"""Charts of scores: lines, whiskers, tables."""

import pytest
from matplotlib.figure import Figure

from smoecast.tasks.plot import score_charts
from smoecast.tasks.plot.records import Results


def record(name: str, lead: int, rmse: float, **more: object) -> dict[str, object]:
    place = {"channel": "t2m", "region": "global"}
    return {"forecast": name, "lead_hours": lead, "rmse": rmse, **place, **more}


def versus(lead: int, low: float, high: float) -> dict[str, object]:
    difference = {"rmse_difference": (low + high) / 2}
    ends = {"rmse_difference_low": low, "rmse_difference_high": high}
    return record("persistence", lead, 2.0, **difference, **ends)


def results(*records: dict[str, object]) -> Results:
    return Results(list(records), [], [], "run", False)


RUN = results(
    record("forecast", 24, 1.0), record("forecast", 48, 1.9), versus(24, -1.2, -0.8),
    versus(48, -0.3, 0.1),
)  # fmt: skip


def drawn(pictures: object) -> dict[str, Figure]:
    return dict(pictures)  # type: ignore[call-overload]


def test_scores_have_a_line_a_forecast_and_whiskers_of_the_difference() -> None:
    (axes,) = drawn(score_charts.scores(RUN))["scores_rmse"].axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["forecast"].get_ydata().tolist() == [1.0, 1.9]
    whiskers = [line.get_ydata() for name, line in lines.items() if name.startswith("_")]
    assert whiskers[0] == pytest.approx((0.8, 1.2))
    assert axes.get_ylabel() == "RMSE [K]"


def test_skill_has_its_interval_and_the_line_of_none() -> None:
    (axes,) = drawn(score_charts.skill(RUN))["skill"].axes
    first = axes.lines[0]
    assert first.get_label() == "forecast against persistence"
    assert first.get_ydata() == pytest.approx([0.5, 0.05])
    assert axes.lines[1].get_ydata() == pytest.approx((0.4, 0.6))


def test_the_scorecard_is_bold_where_it_is_certain() -> None:
    figure = drawn(score_charts.scorecard(RUN))["scorecard_persistence"]
    said = {text.get_text(): text.get_fontweight() for text in figure.axes[0].texts}
    assert said == {"+50": "bold", "+5": "normal"}


def test_spread_stands_beside_the_error() -> None:
    ensemble = results(
        record("raw", 24, 2.0, spread=1.0, crps=0.5), record("raw", 48, 3.0, spread=2.0, crps=0.9)
    )
    (axes,) = drawn(score_charts.spread(ensemble))["spread"].axes
    found = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert found == {"raw: RMSE of the mean": [2.0, 3.0], "raw: spread": [1.0, 2.0]}
    assert not list(score_charts.spread(RUN))


def test_many_channels_are_several_pictures_and_one_lead_time_has_numbers() -> None:
    many = results(*(record("forecast", 24, 1.25) | {"channel": f"t{n}00"} for n in range(1, 6)))
    pictures = drawn(score_charts.scores(many))
    assert list(pictures) == ["scores_rmse", "scores_rmse_2"]
    assert "1.25" in [text.get_text() for text in pictures["scores_rmse"].axes[0].texts]
