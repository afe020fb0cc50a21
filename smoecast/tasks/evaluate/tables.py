"""Scores as tables for a person."""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from smoecast import names
from smoecast.tasks.evaluate.published import compare_with_published
from smoecast.tasks.evaluate.records import chance_of
from smoecast.text_table import table

Record = dict[str, Any]


EXTREMES = {"efi": "EFI", "efi_abs": "abs EFI", "sot10": "SOT 10", "sot90": "SOT 90"}


EVENTS = {
    "brier": "Brier",
    "brier_reliability": "reliability",
    "brier_resolution": "resolution",
    "event_rate": "event rate",
}


def event_tables(summary: dict[str, Any]) -> list[str]:
    """Return the tables that a summary of ensembles has beside its scores; none of a forecast."""
    scores = [r for r in summary["scores"] if "efi" in r]
    found = []
    if scores:
        along = _along(scores)
        header = ["channel", "lead", *along, "against its climate", *EXTREMES.values()]
        rows = [[*_place(r, "channel", along), *_numbers(r, EXTREMES)] for r in scores]
        found.append(table(header, rows))
    if summary.get("events"):
        along = _along(summary["events"])
        order = _order(r["event"] for r in summary["events"])
        header = ["event", "lead", *along, "forecast", *EVENTS.values(), "skill [95 %]"]
        rows = [
            [
                *_place(r, "event", along),
                *_numbers(r, EVENTS),
                _bracket(r, "brier_skill", write_number),
            ]
            for r in sorted(summary["events"], key=lambda r: (order[r["event"]], r["lead_hours"]))
        ]
        found += [table(header, rows), _reliability(summary["curves"])]
    return found


def _along(records: Sequence[Record]) -> list[str]:
    """Return which of region and season differ, and have a column each."""
    return [axis for axis in ("region", "season") if len({r.get(axis) for r in records}) > 1]


def _order(names: Iterable[str]) -> dict[str, int]:
    """Return the place of each name among those that differ."""
    return {name: i for i, name in enumerate(dict.fromkeys(names))}


def _place(r: Record, first: str, along: Sequence[str]) -> list[str]:
    return [r[first], f"{r['lead_hours']} h", *(r[axis] for axis in along), r["forecast"]]


def _numbers(record: Record, columns: Iterable[str]) -> list[str]:
    return [write_number(record.get(name)) for name in columns]


def write_number(value: float | None, decimals: int = 3) -> str:
    """Return a number with so many decimals, a dash where there is none."""
    # + 0.0 turns -0 into 0
    return "-" if value is None else f"{round(value, decimals) + 0.0:.{decimals}f}"


def _bracket(record: Record, column: str, write: Callable[[float | None], str]) -> str:
    """Write a score, with its interval if it has one."""
    value, low, high = (write(record.get(f"{column}{end}")) for end in ("", "_low", "_high"))
    return value if "-" in (low, high) else f"{value} [{low}, {high}]"


def _reliability(curves: list[Record]) -> str:
    """Return how often an event came where it had a certain chance: of the first region, the year.

    A line a bin of the forecast probability, two columns a forecast.
    """
    chosen = [r for r in curves if r["kind"] == "reliability" and r["season"] == "year"]
    chosen = [r for r in chosen if r["region"] == chosen[0]["region"]]
    names = list(dict.fromkeys(r["forecast"] for r in chosen))
    lines: dict[tuple[str, int, int], dict[str, Record]] = {}
    for r in chosen:
        lines.setdefault((r["event"], r["lead_hours"], r["bin"]), {})[r["forecast"]] = r
    rows = [
        [event, f"{lead} h", chance_of(number)]
        + [cell for n in names for cell in _numbers(found.get(n, {}), ("frequency", "share"))]
        for (event, lead, number), found in lines.items()
    ]
    header = ["event", "lead", "chance"]
    return table(header + [c for n in names for c in (f"{n}: came", "share")], rows)


DIFFERENCE = (
    "forecast - it: score of the forecast (or calibrated ensemble) minus the line's, "
    "below zero it is better"
)


FORECAST_COLUMNS = ("rmse", "mae", "bias", "acc", "activity")


ENSEMBLE_COLUMNS = (
    "crps",
    "rmse",
    "bias",
    "spread",
    "spread_skill_ratio",
    "crpss",
    "eecrps",
    "eecrps_ens10",
    "flat_points",
)
"""Those that no line of a table has are left out."""

PURE_NUMBERS = ("acc", "crpss", "spread_skill_ratio", "flat_points")


HEADERS = {
    "spread_skill_ratio": "spread/skill",
    "crpss": "crpss [95 %]",
    "flat_points": "flat",
    "eecrps_ens10": "eecrps (ENS-10)",
}


NAMES = {"weekly_climatology": "weekly clim."}
"""Shorter, so that a table fits in 100 columns."""


def tables(summary: dict[str, Any]) -> str:
    """Return the scores as tables, what they were taken against, and where they are."""
    parts = []
    for columns, score in ((FORECAST_COLUMNS, "rmse"), (ENSEMBLE_COLUMNS, "crps")):
        records = [r for r in summary["scores"] if ("crps" in r) == (score == "crps")]
        if records:
            parts.append(_table(records, columns, score))
    if any("_difference_low" in key for r in summary["scores"] for key in r):
        parts[-1] += f"\n\n{DIFFERENCE},\nwith its 95 % interval ({summary['bootstrap']})."
    parts += event_tables(summary)
    if "published" in summary:
        parts.append(compare_with_published(summary, NAMES))
    place = f"scores: {summary['output']}\ntruth: {summary['truth']}"
    if summary.get("protocol", "default") != "default":
        place += f"\nprotocol: {summary['protocol']}, every grid point counts the same"
    return "\n\n".join([*parts, place])


def _table(records: Sequence[Record], columns: Sequence[str], score: str) -> str:
    """Return one table; regions and seasons have a column each where there are several."""
    along = _along(records)
    by = ("channel", *along, "forecast")
    orders = {axis: _order(r[axis] for r in records) for axis in by}

    def place(r: Record) -> list[int]:
        *where, last = (orders[axis][r[axis]] for axis in by)
        return [*where, r["lead_hours"], last]

    columns = [c for c in columns if score == "rmse" or any(c in r for r in records)]
    # where there is a skill score it says the same
    beside = [] if "crpss" in columns else [f"{score}_difference"]
    header = ["channel", *along, "lead", "forecast", *(HEADERS.get(c, c) for c in columns)]
    header += ["forecast - it [95 %]" for _ in beside] + ["starts"]
    rows = []
    digits = {
        n: count_decimals([r for r in records if r["channel"] == n]) for n in orders["channel"]
    }
    for r in sorted(records, key=place):
        channel = names.parse_channel(r["channel"])
        where = [r["channel"] + (f" [{channel.variable.units}]" if channel else "")]
        where += [*(r[axis] for axis in along), f"{r['lead_hours']} h"]
        name = NAMES.get(r["forecast"], r["forecast"])
        values = [_value(r, column, digits[r["channel"]]) for column in (*columns, *beside)]
        rows.append([*where, name, *values, str(r["starts"])])
    return table(header, rows)


def count_decimals(records: Sequence[Record]) -> int:
    """Return the decimals with which the smallest RMSE has four digits."""
    smallest = min((r["rmse"] for r in records if r.get("rmse")), default=1.0)
    return max(0, 3 - math.floor(math.log10(smallest)))


def _value(record: Record, column: str, digits: int) -> str:
    """Write a score to so many decimals, or to three if it has no unit."""
    if column not in record:
        return "" if column.endswith("_difference") else "-"
    decimals = 3 if column in PURE_NUMBERS else digits
    return _bracket(record, column, lambda value: write_number(value, decimals))
