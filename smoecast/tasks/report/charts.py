"""Charts of a page: scores over lead time of all runs together, ranks, reliability, training."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from smoecast.tasks.plot import score_charts
from smoecast.tasks.plot.figures import PALETTE
from smoecast.tasks.plot.records import unit_of
from smoecast.tasks.plot.score_charts import Line
from smoecast.tasks.report.drawing.svg import page_colour, svg_style, to_svg
from smoecast.tasks.report.score_tables import Scored
from smoecast.tasks.report.subjects import Subject

BASELINES = {
    "persistence": "--",
    "climatology": ":",
    "weekly_climatology": "-.",
    "linear": (0, (5, 1, 1, 1, 1, 1)),
    "raw": "--",
}
"""Of what is no forecast of a run, how it is drawn."""
MOST_CHARTS = 60
"""Of one kind on a page."""
_SIZE = (4.7, 3.3)
AXES = (0.15, 0.16, 0.83, 0.81)
"""Left, bottom, width, height of the chart in it: to seek these takes as long as to draw."""
_DASHES = {"-": "", "--": "4 2", ":": "1 2", "-.": "5 2 1 2"}
_GREY = "#555555"
_SCORES = ("rmse", "acc", "bias", "crps", "eecrps", "spread_skill_ratio")


@dataclass(frozen=True)
class Key:
    """What a line of a chart is: its name, its colour on the page, its dashes."""

    name: str
    colour: str
    dashes: str


@dataclass(frozen=True, eq=False)
class Chart:
    """A chart: what it shows, the region that it is of, the picture, and the score if of one."""

    title: str
    region: str
    svg: Markup
    simulated: bool = False
    score: str = ""
    legend: tuple[Key, ...] = ()


def draw_curves(scored: Scored) -> list[Chart]:
    """Return each score over lead time, a chart a channel and region; then skill, then spread."""
    colours = _choose_colours(scored)
    drawn = [
        chart
        for score in _SCORES
        # of one lead time a chart says no more than the table
        if score in ("rmse", "crps") or _has_several_leads(scored, score)
        for chart in _score_charts(scored, score, colours)
    ]
    drawn += _skill_charts(scored, colours)
    return [
        *drawn,
        *(_spread_charts(scored, colours) if _has_several_leads(scored, "crps") else []),
    ]


def _has_several_leads(scored: Scored, score: str) -> bool:
    leads = {r["lead_hours"] for _, results in scored for r in results.scores if _counts(r, score)}
    return len(leads) > 1


def _choose_colours(scored: Scored) -> dict[tuple[str, str], str]:
    """Return a colour for each forecast of each run; baselines have none."""
    own = [
        (subject.label, str(r["forecast"]))
        for subject, results in scored
        for r in results.scores
        if r["forecast"] not in BASELINES
    ]
    return {key: PALETTE[i % 7] for i, key in enumerate(dict.fromkeys(own))}


def _places(scored: Scored, score: str) -> list[tuple[str, str]]:
    """Return the channels and regions that have a score, region by region."""
    found = [
        (str(r["channel"]), str(r.get("region", "")))
        for _, results in scored
        for r in results.scores
        if _counts(r, score)
    ]
    regions = list(dict.fromkeys(region for _, region in found))
    return sorted(dict.fromkeys(found), key=lambda place: regions.index(place[1]))


def _counts(r: dict[str, Any], score: str) -> bool:
    """Whether a record has a score as one of its kind: RMSE of single forecasts alone."""
    return score in r and ("crps" in r) == (score in score_charts.ENSEMBLE)


def name_line(scored: Scored, subject: Subject, forecast: str) -> str:
    """Return what a forecast is called: with its run where there are several."""
    return f"{subject.label}: {forecast}" if len(scored) > 1 else forecast


def _score_charts(
    scored: Scored, score: str, colours: dict[tuple[str, str], str]
) -> Iterator[Chart]:
    for channel, region in _places(scored, score)[:MOST_CHARTS]:
        lines: list[Line] = []
        for subject, results in scored:
            mine = [
                r
                for r in results.scores
                if _counts(r, score)
                and (r["channel"], str(r.get("region", ""))) == (channel, region)
            ]
            forecasts = list(dict.fromkeys(str(r["forecast"]) for r in mine))
            own = [name for name in forecasts if name not in BASELINES]
            for forecast in forecasts:
                points = _points(mine, forecast, score)
                line = _line(scored, subject, forecast, points, colours)
                if own == [forecast]:
                    line[2]["whiskers"] = score_charts.find_whiskers(mine, score)
                if not any(known[1] == points and forecast in BASELINES for known in lines):
                    lines.append(line)
        unit = "" if score in score_charts.PURE else unit_of(channel)
        words = score_charts.WORDS[score]
        yield _draw(lines, channel, region, words, unit, scored, False)


def _points(mine: Sequence[dict[str, Any]], forecast: str, score: str) -> list[tuple[float, float]]:
    """Return a score by lead time; of several seeds the mean."""
    found: dict[float, list[float]] = {}
    for r in mine:
        if r["forecast"] == forecast:
            found.setdefault(float(r["lead_hours"]), []).append(float(r[score]))
    return sorted((lead, sum(values) / len(values)) for lead, values in found.items())


def _line(
    scored: Scored,
    subject: Subject,
    forecast: str,
    points: list[tuple[float, float]],
    colours: dict[tuple[str, str], str],
) -> Line:
    style: dict[str, Any] = {"color": colours.get((subject.label, forecast), _GREY)}
    if forecast in BASELINES:
        style |= {"linestyle": BASELINES[forecast], "markersize": 3}
    return name_line(scored, subject, forecast), points, style


def _skill_charts(scored: Scored, colours: dict[tuple[str, str], str]) -> Iterator[Chart]:
    all_ = [(subject, s) for subject, results in scored for s in results.skills()]
    regions = list(dict.fromkeys(s.region for _, s in all_))
    places = dict.fromkeys((s.channel, s.region) for _, s in all_)
    for channel, region in sorted(places, key=lambda p: regions.index(p[1]))[:MOST_CHARTS]:
        found: dict[tuple[str, str, str], list[Any]] = {}
        subjects = {subject.label: subject for subject, _ in scored}
        for subject, s in all_:
            if (s.channel, s.region) == (channel, region):
                found.setdefault((subject.label, s.forecast, s.baseline), []).append(s)
        lines: list[Line] = []
        for number, ((label, forecast, baseline), mine) in enumerate(found.items()):
            points = sorted((float(s.lead_hours), s.value) for s in mine)
            words = f"{name_line(scored, subjects[label], forecast)} against {baseline}"
            own = colours.get((label, forecast)) or PALETTE[number % 7]
            style: dict[str, Any] = {"color": own, "linestyle": BASELINES.get(baseline, "-")}
            style["whiskers"] = {s.lead_hours: (s.low, s.high) for s in mine if s.low is not None}
            lines.append((words, points, style))
        yield _draw(lines, channel, region, "skill", "", scored, True)


def _spread_charts(scored: Scored, colours: dict[tuple[str, str], str]) -> Iterator[Chart]:
    for channel, region in _places(scored, "crps")[:MOST_CHARTS]:
        lines: list[Line] = []
        for subject, results in scored:
            mine = [
                r
                for r in results.scores
                if "spread" in r
                and "rmse" in r
                and (r["channel"], str(r.get("region", ""))) == (channel, region)
            ]
            for forecast in dict.fromkeys(str(r["forecast"]) for r in mine):
                for score, dashes in (("rmse", "-"), ("spread", "--")):
                    points = _points(mine, forecast, score)
                    name, _, style = _line(scored, subject, forecast, points, colours)
                    words = "RMSE of the mean" if score == "rmse" else "spread"
                    lines.append((f"{name}: {words}", points, {**style, "linestyle": dashes}))
        if lines:
            yield _draw(lines, channel, region, "spread and RMSE", unit_of(channel), scored, False)


def _draw(
    lines: list[Line],
    channel: str,
    region: str,
    words: str,
    unit: str,
    scored: Scored,
    zero: bool,
) -> Chart:
    title = f"{words}, {channel}" + (f" [{unit}]" if unit else "")
    with svg_style():
        figure = Figure(_SIZE)
        axes = figure.add_axes(AXES)
        score_charts.draw_lines(axes, lines, zero)
        simulated = any(results.simulated for _, results in scored)
        svg = to_svg(figure, _tell(title, region, lines))
        return Chart(title, region, svg, simulated, words, tuple(_keys(lines)))


def _keys(lines: Sequence[Line]) -> Iterator[Key]:
    """Yield what the lines of a chart are."""
    for name, _, style in lines:
        colour = page_colour(style["color"])
        yield Key(name, colour, _DASHES.get(str(style.get("linestyle", "-")), "4 1.5 1 1.5"))


def _tell(title: str, region: str, lines: Sequence[Line]) -> str:
    """Return in words what lines show, for those who do not see them."""
    parts = [f"{title}{f', {region}' if region else ''}."]
    for name, points, _ in lines:
        (first, begins), (last, ends) = points[0], points[-1]
        words = f"{begins:.4g} at {first:g} h"
        parts.append(f"{name}: {words}{f' to {ends:.4g} at {last:g} h' if last > first else ''}.")
    return " ".join(parts)
