"""Charts of a page that are of one run each: ranks, reliability, training."""

from collections.abc import Sequence

from smoecast.tasks.plot import figures, pictures
from smoecast.tasks.report.charts import AXES, MOST_CHARTS, Chart, name_line
from smoecast.tasks.report.drawing.svg import svg_style, to_svg
from smoecast.tasks.report.score_tables import Scored
from smoecast.tasks.report.subjects import Subject


def draw_ranks(scored: Scored) -> list[Chart]:
    """Return histograms of ranks and of PIT, of the first region: a chart a source."""
    charts = []
    for subject, results in scored:
        for (channel, lead), rows in pictures.curves_by(
            results, ("rank", "pit"), "channel"
        ).items():
            bars: dict[tuple[str, str], list[float]] = {}
            for r in (r for r in rows if r["region"] == rows[0]["region"]):
                bars.setdefault((r["forecast"], r["kind"]), []).append(r["share"])
            top = 1.15 * max(max(share) for share in bars.values())
            for (forecast, kind), share in bars.items():
                what = {"channel": channel, "lead_hours": lead, "region": rows[0]["region"]}
                cases = results.starts(forecast=forecast, **what)
                title = f"{name_line(scored, subject, forecast)}, {channel} at {lead} h"
                title += f": {pictures.WORDS[kind]}{', ' + cases if cases else ''}"
                label = (
                    f"{title}. Shares from the lowest to the highest: "
                    f"{', '.join(f'{s:.3f}' for s in share)}. Flat would be {1 / len(share):.3f}."
                )
                with svg_style():
                    figure = figures.ranks({"": share}, "", top)
                    figure.set_layout_engine("none")
                    figure.axes[0].set_position(AXES)
                    charts.append(
                        Chart(title, what["region"], to_svg(figure, label), results.simulated)
                    )
    return charts[:MOST_CHARTS]


def draw_reliability(scored: Scored) -> list[Chart]:
    """Return how often an event came against its chance, of the first region: a chart an event."""
    charts = []
    for subject, results in scored:
        rows_by = pictures.curves_by(results, ("reliability",), "event")
        for (event, lead), rows in rows_by.items():
            region = rows[0]["region"]
            lines: dict[str, list[tuple[float, float, float]]] = {}
            for r in (r for r in rows if "frequency" in r and r["region"] == region):
                point = (r["probability"], r["frequency"], r["share"])
                lines.setdefault(str(r["forecast"]), []).append(point)
            if not lines:
                continue
            title = f"{name_line(scored, subject, event)}, {lead} h"
            said = "; ".join(
                f"{name}: " + ", ".join(f"{c:.2f} forecast, {f:.2f} came" for c, f, _ in points)
                for name, points in lines.items()
            )
            with svg_style():
                rate = pictures.event_rate(results.events, event, lead, region)
                svg = to_svg(figures.reliability(lines, "", rate), f"{title}. {said}.")
            charts.append(Chart(title, region, svg, results.simulated))
    return charts[:MOST_CHARTS]


def draw_training(subjects: Sequence[Subject]) -> list[Chart]:
    """Return the losses of each training that left a history.

    Raises
    ------
    InputError
        A history is damaged.
    """
    charts = []
    for subject in subjects:
        if subject.history is None:
            continue
        epochs = pictures.read_history(subject.history)
        best = min(epochs, key=lambda e: e["validation_loss"])
        label = (
            f"Training of {subject.label}: {len(epochs)} epochs, lowest validation loss "
            f"{best['validation_loss']:.4g} in epoch {best['epoch']:g}."
        )
        with svg_style():
            svg = to_svg(figures.training(epochs, ""), label)
        charts.append(Chart(subject.label, "", svg, subject.is_simulated))
    return charts
