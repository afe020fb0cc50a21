"""Draw the pictures of docs/smoe.md from the tables of docs/smoe-tables.md.

Run ``python tests/benchmarks/draw_claims.py`` after a table has changed: no number stands in a
picture that does not stand in a table.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt

DOCS = Path(__file__).parents[2] / "docs"
SMOE, OTHER = "#D55E00", "#0072B2"
"""Of a palette that colour-blind readers can tell apart (Okabe and Ito)."""

Row = dict[str, str]


def table(page: str, heading: str) -> list[Row]:
    """Return the rows of the first table under a heading of a Markdown page."""
    lines = page[page.index(f"\n{heading}\n") :].splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("*") for cell in line.strip("|").split("|")])
    return [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]


def number(cell: str) -> tuple[float, float]:
    """Return what a cell says, and half the range of its seeds."""
    mean, _, spread = cell.partition("±")
    return float(mean), float(spread or 0.0)


@dataclass(frozen=True)
class Panel:
    """One panel: the rows that it shows, the column that it shows of them, and what that is."""

    title: str
    rows: list[Row]
    column: str
    axis: str


def draw(name: str, title: str, panels: list[Panel], label: Callable[[Row], str]) -> None:
    """Draw a dot for each row, SMoE's in another colour, with the range of its seeds."""
    figure, axes = plt.subplots(
        1, len(panels), figsize=(11, 3.8), layout="constrained", sharey=True
    )
    for ax, panel in zip(axes, panels, strict=True):
        rows = panel.rows[::-1]
        for place, row in enumerate(rows):
            score, spread = number(row[panel.column])
            ours = label(row).startswith(("SMoE", "4 terms: SMoE"))
            colour = SMOE if ours else OTHER
            ax.errorbar(score, place, xerr=spread, fmt="o", color=colour, capsize=3)
        ax.set_yticks(range(len(rows)), [label(row) for row in rows])
        ax.set(title=panel.title, xlabel=f"{panel.axis} (lower is better)")
        ax.grid(axis="y", alpha=0.3)
    figure.suptitle(title)
    figure.savefig(DOCS / "images" / f"{name}.png", dpi=130)


def unit(channel: str) -> str:
    """Return the unit of a channel, as it is written."""
    return {"z500": "m² s⁻²", "msl": "Pa"}.get(channel, "K")


def forecasts(page: str, heading: str, channels: tuple[str, ...], hours: int) -> list[Panel]:
    """Return a panel a channel of a table of forecasts."""
    rows = table(page, heading)
    return [
        Panel(f"{c}, {hours} h ahead", rows, f"{c} {hours} h", f"RMSE, {unit(c)}") for c in channels
    ]


def calibrations(page: str, heading: str, channels: tuple[str, ...]) -> list[Panel]:
    """Return a panel a variable of a table of calibrations."""
    rows = table(page, heading)
    return [
        Panel(c, [row for row in rows if row["variable"] == c], "CRPS", f"CRPS, {unit(c)}")
        for c in channels
    ]


def with_minutes(row: Row) -> str:
    """Name a network and what its training took."""
    minutes = row["CPU minutes"]
    return f"{row['network']} ({float(minutes):.3g} min)" if minutes else row["network"]


def main() -> None:
    """Draw all of them."""
    page, three = (DOCS / "smoe-tables.md").read_text(), ("z500", "t850", "t2m")
    draw(
        "claim_iberia",
        "Iberia, real data (NCEP/NCAR Reanalysis 1), test years 2001 to 2010",
        forecasts(page, "## Iberia, real data", ("z500", "t850", "t2m"), 24),
        with_minutes,
    )
    draw(
        "claim_gcm",
        "A circulation model of others (no real weather), test years; CPU minutes in brackets",
        forecasts(page, "## A circulation model of others", three, 72),
        with_minutes,
    )
    draw(
        "claim_planet",
        "A simulated planet of another seed (no real weather), test years; CPU minutes in brackets",
        forecasts(page, "## A planet of another seed", three, 72),
        with_minutes,
    )
    draw(
        "claim_grown",
        "Experts that join a plain U-Net (simulated planet, no real weather), test years",
        forecasts(page, "## Experts that join a U-Net which has learned", three, 72),
        with_minutes,
    )
    draw(
        "claim_forecasts",
        "Simulated planet (no real weather), by steps; CPU minutes of training in brackets",
        forecasts(page, "## Simulated planet, by steps", three, 72),
        with_minutes,
    )
    draw(
        "claim_calibration",
        "Calibrated ensembles of the simulated planet (no real weather), 48 h ahead",
        calibrations(page, "## Calibration of the simulated planet's ensembles", three),
        lambda row: row["method"],
    )


if __name__ == "__main__":
    main()
