"""Extremes, Brier scores and reliability as tables for a person."""

from typing import Any

from smoecast import console
from smoecast.tasks.curves import chance_of

Record = dict[str, Any]

EXTREMES = {"efi": "EFI", "efi_abs": "abs EFI", "sot10": "SOT 10", "sot90": "SOT 90"}
EVENTS = {
    "brier": "Brier",
    "brier_reliability": "reliability",
    "brier_resolution": "resolution",
    "event_rate": "event rate",
}


def tables(summary: dict[str, Any]) -> list[str]:
    """Return the tables that a summary of ensembles has beside its scores; none of a forecast."""
    scores = [r for r in summary["scores"] if "efi" in r]
    found = [_extremes(scores)] if scores else []
    if summary.get("events"):
        found += [_events(summary["events"]), _reliability(summary["curves"])]
    return found


def _along(records: list[Record]) -> list[str]:
    """Return which of region and season differ, and have a column each."""
    return [axis for axis in ("region", "season") if len({r[axis] for r in records}) > 1]


def _extremes(records: list[Record]) -> str:
    along = _along(records)
    rows = []
    for r in records:
        where = [r["channel"], f"{r['lead_hours']} h", *(r[axis] for axis in along), r["forecast"]]
        rows.append([*where, *(_three(r.get(name)) for name in EXTREMES)])
    header = ["channel", "lead", *along, "against its climate", *EXTREMES.values()]
    return console.table(header, rows)


def _events(records: list[Record]) -> str:
    along = _along(records)
    order = {name: i for i, name in enumerate(dict.fromkeys(r["event"] for r in records))}
    rows = []
    for r in sorted(records, key=lambda r: (order[r["event"]], r["lead_hours"])):
        where = [r["event"], f"{r['lead_hours']} h", *(r[axis] for axis in along), r["forecast"]]
        rows.append([*where, *(_three(r.get(name)) for name in EVENTS), _skill(r)])
    header = ["event", "lead", *along, "forecast", *EVENTS.values(), "skill [95 %]"]
    return console.table(header, rows)


def _skill(record: Record) -> str:
    value, low, high = (_three(record.get(f"brier_skill{end}")) for end in ("", "_low", "_high"))
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
    rows = []
    for (event, lead, number), found in lines.items():
        row = [event, f"{lead} h", chance_of(number)]
        for name in names:
            one = found.get(name, {})
            row += [_three(one.get("frequency")), _three(one.get("share"))]
        rows.append(row)
    header = ["event", "lead", "chance"]
    for name in names:
        header += [f"{name}: came", "share"]
    return console.table(header, rows)


def _three(value: float | None) -> str:
    return "-" if value is None else f"{round(value, 3) + 0.0:.3f}"
