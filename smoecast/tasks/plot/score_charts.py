"""Charts of scores: curves over lead time, skill, spread against error, and the scorecard."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from smoecast.tasks.plot.cartography.maps import sign
from smoecast.tasks.plot.figures import PALETTE, Pictures, bare
from smoecast.tasks.plot.records import Results, Skill, unit_of

SINGLE = ("rmse", "mae", "bias", "acc", "activity")
"""Scores of single forecasts that are drawn."""
ENSEMBLE = ("crps", "eecrps", "spread_skill_ratio", "flat_points")
"""Scores of ensembles that are drawn."""
PURE = ("acc", "spread_skill_ratio", "flat_points")
WORDS = {
    "rmse": "RMSE",
    "mae": "MAE",
    "bias": "bias",
    "acc": "ACC",
    "activity": "activity",
    "crps": "CRPS",
    "eecrps": "EECRPS",
    "spread_skill_ratio": "spread / RMSE",
    "flat_points": "share of points with flat ranks",
}
_COLUMNS = 3
"""Channels side by side; more are more pictures."""

Line = tuple[str, list[tuple[float, float]], dict[str, Any]]
"""Name, points and how it is drawn."""


def scores(results: Results) -> Pictures:
    """Draw each score over lead time: a column a channel, a row a region, a line a forecast.

    Where the forecast was compared with baselines, whiskers show the 95 % interval of its
    difference from the best of them.
    """
    for score in (*SINGLE, *ENSEMBLE):
        chosen = [r for r in results.scores if score in r and ("crps" in r) == (score in ENSEMBLE)]

        def lines(
            channel: str, region: str, score: str = score, chosen: list[dict[str, Any]] = chosen
        ) -> list[Line]:
            mine = [
                r for r in chosen if r["channel"] == channel and str(r.get("region", "")) == region
            ]
            return _score_lines(mine, score)

        def label(channel: str, score: str = score) -> str:
            unit = "" if score in PURE else f" [{unit_of(channel)}]"
            return f"{WORDS[score]}{unit}"

        yield from _pages(f"scores_{score}", chosen, results, lines, label, WORDS[score])


def _score_lines(mine: Sequence[dict[str, Any]], score: str) -> list[Line]:
    found: list[Line] = []
    whiskers = find_whiskers(mine, score)
    for number, name in enumerate(dict.fromkeys(r["forecast"] for r in mine)):
        points = sorted((r["lead_hours"], r[score]) for r in mine if r["forecast"] == name)
        style: dict[str, Any] = {"color": PALETTE[number % len(PALETTE)]}
        if number == 0 and whiskers:
            style["whiskers"] = whiskers
        found.append((name, points, style))
    return found


def find_whiskers(mine: Sequence[dict[str, Any]], score: str) -> dict[float, tuple[float, float]]:
    """Return by lead time where the score would be at the ends of its best comparison."""
    key, found = f"{score}_difference", {}
    for r in sorted((r for r in mine if f"{key}_low" in r), key=lambda r: -r[score]):
        found[r["lead_hours"]] = (r[score] + r[f"{key}_low"], r[score] + r[f"{key}_high"])
    return found


def skill(results: Results) -> Pictures:
    """Draw the skill against each baseline over lead time, with its 95 % interval."""
    all_ = list(results.skills())
    records = [{"channel": s.channel, "region": s.region, "lead_hours": s.lead_hours} for s in all_]

    def lines(channel: str, region: str) -> list[Line]:
        mine = [s for s in all_ if (s.channel, s.region) == (channel, region)]
        found: list[Line] = []
        for number, names in enumerate(dict.fromkeys((s.forecast, s.baseline) for s in mine)):
            one = sorted(
                (s for s in mine if (s.forecast, s.baseline) == names), key=lambda s: s.lead_hours
            )
            style: dict[str, Any] = {"color": PALETTE[number % len(PALETTE)]}
            whiskers = {s.lead_hours: (s.low, s.high) for s in one if s.low is not None}
            if whiskers:
                style["whiskers"] = whiskers
            found.append((" against ".join(names), [(s.lead_hours, s.value) for s in one], style))
        return found

    title = "skill: 1 - score / score of the baseline (RMSE, of ensembles CRPS)"
    yield from _pages("skill", records, results, lines, lambda _: "skill", title, zero=True)


def spread(results: Results) -> Pictures:
    """Draw spread and RMSE of ensembles over lead time: they should be the same."""
    chosen = [r for r in results.scores if "spread" in r and "rmse" in r]

    def lines(channel: str, region: str) -> list[Line]:
        mine = [r for r in chosen if r["channel"] == channel and str(r.get("region", "")) == region]
        found: list[Line] = []
        for number, name in enumerate(dict.fromkeys(r["forecast"] for r in mine)):
            for score, dashes in (("rmse", "-"), ("spread", "--")):
                points = sorted((r["lead_hours"], r[score]) for r in mine if r["forecast"] == name)
                words = "RMSE of the mean" if score == "rmse" else "spread"
                style = {"color": PALETTE[number % len(PALETTE)], "linestyle": dashes}
                found.append((f"{name}: {words}", points, style))
        return found

    def label(channel: str) -> str:
        return f"[{unit_of(channel)}]"

    title = "spread and error of the ensemble mean"
    yield from _pages("spread", chosen, results, lines, label, title)


def _pages(
    name: str,
    records: Sequence[dict[str, Any]],
    results: Results,
    lines: Callable[[str, str], list[Line]],
    label: Callable[[str], str],
    title: str,
    zero: bool = False,
) -> Pictures:
    """Yield pictures of up to three channels, a row a region."""
    channels = list(dict.fromkeys(str(r["channel"]) for r in records))
    regions = list(dict.fromkeys(str(r.get("region", "")) for r in records))
    for page in range(0, len(channels), _COLUMNS):
        columns = channels[page : page + _COLUMNS]
        figure = Figure(
            (0.8 + 3.5 * max(len(columns), 2), 1.0 + 2.7 * len(regions)), layout="constrained"
        )
        grid = figure.subplots(len(regions), len(columns), squeeze=False)
        for row, region in zip(grid, regions, strict=True):
            for axes, channel in zip(row, columns, strict=True):
                draw_lines(axes, lines(channel, region), zero)
                axes.set_title(f"{channel}, {region}" if region else channel, fontsize=10)
                axes.set_ylabel(label(channel))
        for axes in grid[0]:
            axes.legend(frameon=False, fontsize="x-small", loc="best")
        figure.suptitle(title, fontsize=12, fontweight="bold")
        sign(figure, results.foot, results.simulated)
        yield name if page == 0 else f"{name}_{page // _COLUMNS + 1}", figure


def draw_lines(axes: Axes, lines: Sequence[Line], zero: bool) -> None:
    """Draw lines over lead time, or where there is one lead time alone, points side by side."""
    hours = sorted({hour for _, points, _ in lines for hour, _ in points})
    single = len(hours) == 1
    for number, (name, points, style) in enumerate(lines):
        look = {"marker": "o", "markersize": 4, **style}
        whiskers = look.pop("whiskers", {})
        x = np.array([number if single else hour for hour, _ in points], dtype=float)
        y = np.array([value for _, value in points])
        axes.plot(x, y, label=name, **look)
        for place, (hour, _) in zip(x, points, strict=True):
            if hour in whiskers:
                axes.plot(
                    [place, place], whiskers[hour], color=style["color"], linewidth=3, alpha=0.4
                )
        if single:
            axes.annotate(f"{y[0]:.4g}", (x[0], y[0]), (0, 5), textcoords="offset points",
                          ha="center", fontsize="small")  # fmt: skip
    bare(axes)
    if single:
        axes.set_xticks([])
        axes.set(xlabel=f"{hours[0]:g} h ahead", xlim=(-0.6, len(lines) - 0.4))
        axes.margins(y=0.2)
    else:
        axes.set_xticks(hours if len(hours) < 8 else hours[:: len(hours) // 6])
        axes.set_xlabel("lead time, h")
    low, high = axes.get_ylim()
    if zero or low < 0 < high:
        axes.axhline(0, color="#666666", linewidth=0.8)
    elif not single and low > 0 and low < 0.7 * high:
        axes.set_ylim(bottom=0)


def scorecard(results: Results) -> Pictures:
    """Draw skill as a table, lead times by channels: a picture a baseline, a panel a region."""
    all_ = list(results.skills())
    for baseline in dict.fromkeys(s.baseline for s in all_):
        mine = [s for s in all_ if s.baseline == baseline]
        regions = list(dict.fromkeys(s.region for s in mine))[:4]
        hours = sorted({s.lead_hours for s in mine})
        channels = list(dict.fromkeys(s.channel for s in mine))
        size = (1.6 + len(regions) * max(0.62 * len(hours), 2.2), 1.7 + 0.4 * len(channels))
        figure = Figure((max(size[0], 6.0), size[1]), layout="constrained")
        most = max(0.01, *(abs(s.value) for s in mine))
        norm = TwoSlopeNorm(0.0, -min(most, 1.0), min(most, 1.0))
        places = figure.subplots(1, len(regions), squeeze=False)[0]
        for axes, region in zip(places, regions, strict=True):
            table = np.full((len(channels), len(hours)), np.nan)
            for s in (s for s in mine if s.region == region):
                row, column = channels.index(s.channel), hours.index(s.lead_hours)
                table[row, column] = s.value
                _write(axes, column, row, s, most)
            image = axes.imshow(table, cmap="RdBu", norm=norm, aspect="auto")
            axes.set_xticks(range(len(hours)), [str(hour) for hour in hours])
            axes.set_yticks(range(len(channels)), channels if axes is places[0] else [])
            axes.set(title=region, xlabel="lead time, h")
            axes.tick_params(length=0)
        figure.colorbar(image, ax=list(places), label="skill")
        figure.suptitle(
            f"skill against {baseline}, per cent\nbold: the 95 % interval leaves zero out",
            fontsize=11, fontweight="bold",
        )  # fmt: skip
        sign(figure, results.foot, results.simulated)
        yield f"scorecard_{baseline}", figure


def _write(axes: Axes, column: int, row: int, one: Skill, most: float) -> None:
    weight = "bold" if one.certain else "normal"
    colour = "white" if abs(one.value) > 0.7 * most else "black"
    axes.text(
        column, row, f"{100 * one.value:+.0f}", ha="center", va="center", fontsize="small",
        fontweight=weight, color=colour,
    )  # fmt: skip


def kinds() -> dict[str, Callable[[Results], Iterator[tuple[str, Figure]]]]:
    """Return the kinds of chart that scores give, by name."""
    return {"scores": scores, "skill": skill, "spread": spread, "scorecard": scorecard}
