"""Scores as the tables of a page: cells with what they say, what they sort by, and their marks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from smoecast.tasks.evaluate.tables import PURE_NUMBERS, count_decimals, write_number
from smoecast.tasks.plot.records import Results, unit_of
from smoecast.tasks.report.subjects import Subject

Record = dict[str, Any]
Scored = Sequence[tuple[Subject, Results]]
"""Each run or model that has scores, with them."""

MOST_ROWS = 1500
"""Of one table; a page with more is slow. All of them stand in the files."""
LOWER, HIGHER = ("rmse", "mae", "crps", "eecrps", "brier"), ("acc", "crpss", "brier_skill")
"""Scores of which less, or more, is better."""
_EVENTS = ("brier", "brier_reliability", "brier_resolution", "event_rate", "brier_skill")
_PURE = (*PURE_NUMBERS, *_EVENTS)
"""Scores without a unit: three decimals."""
HEADERS = {
    "rmse": ("RMSE", "root mean squared error, weighted by area"),
    "mae": ("MAE", "mean absolute error"),
    "bias": ("bias", "mean of forecast minus truth"),
    "acc": ("ACC", "anomaly correlation: 1 is perfect"),
    "activity": ("activity", "standard deviation of the forecast's anomalies"),
    "rmse_difference": (
        "forecast \N{MINUS SIGN} this [95 %]",
        "RMSE of the run's forecast minus that of this line; below zero the forecast is better",
    ),
    "crps": ("CRPS", "continuous ranked probability score"),
    "spread": ("spread", "root of the mean ensemble variance"),
    "spread_skill_ratio": ("spread/RMSE", "1 where the ensemble knows how wrong it is"),
    "crpss": ("CRPSS [95 %]", "skill against the raw ensemble: 1 is perfect, 0 as good"),
    "crps_difference": (
        "forecast \N{MINUS SIGN} this [95 %]",
        "CRPS of the run's ensemble minus that of this line; below zero the ensemble is better",
    ),
    "eecrps": ("EECRPS", "CRPS weighted by how extreme the raw forecast is"),
    "flat_points": ("flat", "share of points whose histogram of ranks or PIT is flat"),
    "brier": ("Brier", "mean squared error of the probability"),
    "brier_reliability": ("reliability", "part of it: 0 is perfect"),
    "brier_resolution": ("resolution", "part of it: more is better"),
    "event_rate": ("event rate", "how often the event came"),
    "brier_skill": ("skill [95 %]", "Brier skill against the raw ensemble"),
}
_FORECASTS = ("rmse", "mae", "bias", "acc", "activity", "rmse_difference")
_ENSEMBLES = (
    *("crps", "rmse", "bias", "spread", "spread_skill_ratio", "crpss", "crps_difference"),
    *("eecrps", "flat_points"),
)
MARKS = {
    "better": "\N{BLACK UP-POINTING TRIANGLE} better",
    "worse": "\N{BLACK DOWN-POINTING TRIANGLE} worse",
    "open": "\N{WHITE CIRCLE} not certain",
}
"""What the interval of a skill, or of a difference, says of the run's forecast."""


@dataclass(frozen=True)
class Column:
    """A column: its key, header and, for those who point at it, what it is."""

    key: str
    name: str
    about: str = ""
    number: bool = False
    filter: tuple[str, ...] = ()
    """Values among which one may choose."""


@dataclass(frozen=True)
class Cell:
    """A cell: what it says, what it sorts by, whether it is the best, and what it means.

    ``mark`` is one of `MARKS`: whether the run's forecast is better or worse for sure.
    """

    text: str
    sort: str | float = ""
    best: bool = False
    mark: str = ""
    words: str = ""
    source: int = 0
    """Number of the source that it leads to."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table that sorts."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    left_out: int = 0
    marks: bool = False


def make_tables(scored: Scored, sources: dict[str, int]) -> list[Table]:
    """Return tables of forecasts, of ensembles and of events, those that have a row.

    Parameters
    ----------
    scored : sequence of (Subject, Results)
    sources : dict of str to int
        By label of a subject: the number of the source of its scores.
    """
    both = [(s, r) for s, results in scored for r in results.scores]
    events = [(s, r) for s, results in scored for r in results.events]
    single, ensembles = ([x for x in both if ("crps" in x[1]) == several] for several in (0, 1))
    of_ensembles = [s for s in _ENSEMBLES if s != "crps_difference"]
    if not any("crpss" in r for _, r in ensembles):  # which says the same
        of_ensembles = list(_ENSEMBLES)
    tables = [
        _table("forecasts", "Single forecasts", single, _FORECASTS, sources),
        _table("ensembles", "Ensembles", ensembles, of_ensembles, sources),
        _table("events", "Events", events, _EVENTS, sources),
    ]
    return [table for table in tables if table.rows]


def _table(
    name: str,
    caption: str,
    records: list[tuple[Subject, Record]],
    scores: Sequence[str],
    sources: dict[str, int],
) -> Table:
    along = [a for a in ("region", "seed") if len({r.get(a) for _, r in records}) > 1]
    scores = [s for s in scores if any(s in r for _, r in records)]
    first = "event" if name == "events" else "channel"
    decimals = {
        channel: count_decimals([r for _, r in records if r["channel"] == channel])
        for channel in dict.fromkeys(str(r["channel"]) for _, r in records if "channel" in r)
    }
    kept = _order(records)[:MOST_ROWS]
    best = _find_best([r for _, r in records])
    rows = []
    for subject, r in kept:
        where = str(r[first])
        unit = unit_of(where) if first == "channel" else ""
        row = [Cell(subject.label, subject.label)] if len(sources) > 1 else []
        row += [Cell(str(r["forecast"]), str(r["forecast"]))]
        row += [Cell(f"{where} [{unit}]" if unit else where, where)]
        row += [Cell(f"{r['lead_hours']} h", float(r["lead_hours"]))]
        row += [Cell(str(r.get(a, "")), str(r.get(a, ""))) for a in along]
        row += [
            _cell(r, s, 3 if s in _PURE else decimals[r["channel"]], (id(r), s) in best)
            for s in scores
        ]
        row += [Cell(str(r.get("starts", "")), float(r.get("starts", 0)))]
        number = sources[subject.label]
        rows.append([*row, Cell(f"[{number}]", float(number), source=number)])
    columns = [
        *([Column("run", "run")] if len(sources) > 1 else []),
        Column("forecast", "forecast"),
        Column(first, first),
        Column("lead", "lead", "hours from the start of the forecast", number=True),
        *(Column(a, a) for a in along),
        *(Column(s, *HEADERS[s], number=True) for s in scores),
        Column("starts", "starts", "forecasts that were scored", number=True),
        Column("source", "source", "where the numbers of the line come from", number=True),
    ]
    columns = [_with_filter(c, [row[i] for row in rows]) for i, c in enumerate(columns)]
    marks = any(cell.mark for row in rows for cell in row)
    return Table(name, caption, columns, rows, len(records) - len(kept), marks)


def _with_filter(column: Column, cells: Sequence[Cell]) -> Column:
    """Return a column of words, or lead times, with its values where there are several."""
    if column.key not in ("run", "forecast", "channel", "event", "lead", "region"):
        return column
    values = {c.text: c.sort for c in cells}
    ordered = sorted(values, key=lambda v: values[v]) if column.key == "lead" else list(values)
    filter_ = tuple(ordered) if len(ordered) > 1 else ()
    return Column(column.key, column.name, column.about, column.number, filter_)


def _order(records: list[tuple[Subject, Record]]) -> list[tuple[Subject, Record]]:
    """Put what is compared under each other: by channel, region and lead time, then as it came."""
    orders: dict[str, dict[Any, int]] = {
        axis: {v: i for i, v in enumerate(dict.fromkeys(r.get(axis) for _, r in records))}
        for axis in ("event", "channel", "region")
    }
    return sorted(
        records,
        key=lambda x: (*(order[x[1].get(a)] for a, order in orders.items()), x[1]["lead_hours"]),
    )


def comparable(r: Record) -> tuple[Any, ...]:
    """Return what two scores must have in common to be compared."""
    keys = ("event", "channel", "lead_hours", "region", "truth", "protocol", "starts")
    return tuple(r.get(key) for key in keys)


def _find_best(records: Sequence[Record]) -> set[tuple[int, str]]:
    """Return which scores are the best of those that they may be compared with."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for r in records:
        groups.setdefault(comparable(r), []).append(r)
    found = set()
    for group in groups.values():
        for score in (*LOWER, *HIGHER):
            there = sorted((r for r in group if score in r), key=lambda r: float(r[score]))
            if score in HIGHER:
                there.reverse()
            if len(there) > 1 and there[0][score] != there[1][score]:
                found.add((id(there[0]), score))
    return found


def _cell(r: Record, score: str, decimals: int, best: bool) -> Cell:
    """Return a score, of a difference with its interval and whether it is certain."""
    if score not in r:
        return Cell("\N{EN DASH}")
    text, mark = _sign(write_number(r[score], decimals)), ""
    words = ""
    if {f"{score}_low", f"{score}_high"} <= r.keys():
        ends = [float(r[f"{score}_{end}"]) for end in ("low", "high")]
        low, high = (_sign(write_number(end, decimals)) for end in ends)
        text = f"{text} [{low}, {high}]"
        between = score.endswith("_difference")  # of a difference less is better, of a skill more
        lowest, highest = sorted((-1 if between else 1) * end for end in ends)
        mark = "better" if lowest > 0 else "worse" if highest < 0 else "open"
        # a difference stands in the line of the baseline
        words = MARKS[mark].replace(" ", " forecast ", 1 if between and mark != "open" else 0)
    return Cell(text, float(r[score]), best and not mark, mark, words)


def _sign(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def find_differences(scored: Scored) -> Iterator[str]:
    """Yield in what the scores of several runs differ, so that they do not compare."""
    for key, words in (("truth", "truth"), ("protocol", "protocol"), ("starts", "starts")):
        said: dict[str, list[str]] = {}
        for subject, results in scored:
            if values := {str(r[key]) for r in results.scores if key in r}:
                said.setdefault(", ".join(sorted(values)), []).append(subject.label)
        if len(said) > 1:
            parts = "; ".join(f"{', '.join(names)}: {value}" for value, names in said.items())
            yield f"in {words} ({parts})"
