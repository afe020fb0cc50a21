"""Scores as tables for a person."""

import math
from collections.abc import Sequence
from typing import Any

from smoecast import console, names
from smoecast.scores.published import COLUMNS, MARKS, TRUTH
from smoecast.tasks import eventtables

Record = dict[str, Any]

DIFFERENCE = "forecast - it: score of the forecast (or calibrated ensemble) minus the line's, "
DIFFERENCE += "below zero it is better"
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
    parts += eventtables.tables(summary)
    if "published" in summary:
        parts.append(_published(summary))
    place = f"scores: {summary['output']}\ntruth: {summary['truth']}"
    if summary.get("protocol", "default") != "default":
        place += f"\nprotocol: {summary['protocol']}, every grid point counts the same"
    return "\n\n".join([*parts, place])


def _table(records: Sequence[Record], columns: Sequence[str], score: str) -> str:
    """Return one table; regions and seasons have a column each where there are several."""
    along = [a for a in ("region", "season") if len({r.get(a) for r in records}) > 1]
    order = {name: i for i, name in enumerate(dict.fromkeys(r["forecast"] for r in records))}
    places = {a: {n: i for i, n in enumerate(dict.fromkeys(r[a] for r in records))} for a in along}
    channels = {n: i for i, n in enumerate(dict.fromkeys(r["channel"] for r in records))}

    def place(record: Record) -> tuple[int, ...]:
        where = [places[a][record[a]] for a in along]
        return (
            channels[record["channel"]],
            *where,
            record["lead_hours"],
            order[record["forecast"]],
        )

    columns = [c for c in columns if score == "rmse" or any(c in r for r in records)]
    # where there is a skill score it says the same
    apart = [] if "crpss" in columns else [f"{score}_difference"]
    header = ["channel", *along, "lead", "forecast", *(HEADERS.get(c, c) for c in columns)]
    header += ["forecast - it [95 %]" for _ in apart] + ["starts"]
    columns = [*columns, *apart]
    digits = {name: _digits([r for r in records if r["channel"] == name]) for name in channels}
    rows = [
        [_channel(r), *(str(r[a]) for a in along), *_row(r, columns, digits[r["channel"]])]
        for r in sorted(records, key=place)
    ]
    return console.table(header, rows)


def _channel(record: Record) -> str:
    channel = names.parse_channel(record["channel"])
    return str(record["channel"]) + (f" [{channel.variable.units}]" if channel else "")


def _digits(records: Sequence[Record]) -> int:
    """Return the decimals with which the smallest RMSE has four digits."""
    smallest = min((r["rmse"] for r in records if r.get("rmse")), default=1.0)
    return max(0, 3 - math.floor(math.log10(smallest)))


def _row(record: Record, columns: Sequence[str], digits: int) -> list[str]:
    values = [_value(record, column, digits) for column in columns]
    name = NAMES.get(record["forecast"], str(record["forecast"]))
    return [f"{record['lead_hours']} h", name, *values, str(record["starts"])]


def _value(record: Record, column: str, digits: int) -> str:
    """Write a score, with its interval if it has one."""
    if column not in record:
        return "" if column.endswith("_difference") else "-"
    low, high = (_number(record.get(f"{column}_{end}"), column, digits) for end in ("low", "high"))
    value = _number(record[column], column, digits)
    return value if "-" in (low, high) else f"{value} [{low}, {high}]"


def _number(value: float | None, column: str, digits: int) -> str:
    """Write a score to so many decimals, or to three if it has no unit."""
    if value is None:
        return "-"
    decimals = 3 if column in PURE_NUMBERS else digits
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0 into 0


def _published(summary: dict[str, Any]) -> str:
    """Return what others published beside this run's own, with a line on the truths."""
    header = ["RMSE", *(f"{c} {h // 24} d" for c, h in COLUMNS), "read", "truth"]
    rows = [
        [f"this run: {NAMES.get(name, name)}", *_four(summary["scores"], name), "", "its own"]
        for name in dict.fromkeys(r["forecast"] for r in summary["scores"] if "crps" not in r)
    ]
    rows += [
        [entry["name"], *map(_short, entry["rmse"]), entry["mark"], "WeatherBench"]
        for entry in summary["published"]
    ]
    marks = "; ".join(f"{mark}: {words}" for mark, words in MARKS.items())
    lines = [console.table(header, rows), f"WeatherBench: {TRUTH}.", f"read: {marks}."]
    return "\n".join([*lines, summary["comparable"]])


def _four(records: Sequence[Record], name: str) -> list[str]:
    found = {
        (r["channel"], r["lead_hours"]): r.get("rmse")
        for r in records
        if r["forecast"] == name and (r["region"], r["season"]) == ("global", "year")
    }
    return [_short(found.get(column)) for column in COLUMNS]


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.0f}" if value >= 100 else f"{value:.2f}"
