"""Published scores beside those of the runs, as a table of the page."""

from collections.abc import Mapping
from typing import Any

from smoecast import zoo
from smoecast.tasks.evaluate.published import COLUMNS
from smoecast.tasks.report.score_tables import Cell, Column, Scored, Table
from smoecast.tasks.report.sources import as_list


def compare_with_published(
    scored: Scored, sources: Mapping[str, int]
) -> tuple[Table | None, list[str]]:
    """Return the table, and of each run whether its scores may stand beside the published ones.

    Parameters
    ----------
    scored : sequence of (Subject, Results)
        Whose files of scores may hold what ``--against weatherbench`` adds.
    sources : mapping of str to int
        By label: the number of the source of its scores.

    Returns
    -------
    (Table or None, list of str)
        None where no file has published scores.

    Raises
    ------
    ModelError
        A file of scores is damaged.
    """
    own: list[list[Cell]] = []
    others: dict[str, list[Cell]] = {}
    comparable = []
    for subject, results in scored:
        said = zoo.scores(subject.folder)
        entries = [e for e in as_list(said.get("published")) if _is_entry(e)]
        if not entries:
            continue
        comparable.append(f"{subject.label}: {said.get('comparable', '')}")
        records = [r for r in results.scores if "crps" not in r and r.get("region") == "global"]
        for forecast in dict.fromkeys(str(r["forecast"]) for r in records):
            for score, mark in (("rmse", ""), ("rmse_mean_of_roots", "*")):
                found = {
                    (r["channel"], r["lead_hours"]): r.get(score)
                    for r in records
                    if r["forecast"] == forecast
                }
                values = [_number(found.get(column)) for column in COLUMNS]
                name = f"{subject.label}: {forecast}"
                about = [Cell(name, name), Cell(str(said.get("grid", ""))), _size(None)]
                number = sources[subject.label]
                source = Cell(f"[{number}]", f"[{number}]", source=number)
                own.append([*about, *values, Cell(mark, mark), source])
        for e in entries:
            mark = f"{e.get('mark', '')}{'*' if e.get('mean_of_roots') else ''}"
            about = [Cell(str(e["name"]), str(e["name"])), Cell(str(e.get("grid", "")))]
            about += [_size(e.get("parameters")), *map(_number, e["rmse"])]
            source = Cell(str(e.get("source", "")), str(e.get("source", "")))
            others[str(e["name"])] = [*about, Cell(mark, mark), source]
    if not others:
        return None, []
    columns = [
        Column("name", "RMSE of"),
        Column("grid", "points"),
        Column("size", "size", "millions of parameters", number=True),
        *(Column(f"{c}{h}", f"{c} {h // 24} d", number=True) for c, h in COLUMNS),
        Column("read", "read", "how the numbers are known"),
        Column("source", "source"),
    ]
    caption = "RMSE of the runs and as published on WeatherBench"
    return Table("published", caption, columns, [*own, *others.values()]), comparable


def _is_entry(entry: Any) -> bool:
    """Whether something in a file is a published line: a name, and a number a column."""
    if not isinstance(entry, Mapping) or "name" not in entry:
        return False
    values = as_list(entry.get("rmse"))
    known = all(v is None or isinstance(v, int | float) for v in values)
    return known and len(values) == len(COLUMNS)


def _size(millions: Any) -> Cell:
    known = isinstance(millions, int | float)
    return Cell(f"{millions:.2f}", float(millions)) if known else Cell("\N{EN DASH}")


def _number(value: float | None) -> Cell:
    if value is None:
        return Cell("\N{EN DASH}")
    return Cell(f"{value:.0f}" if value >= 100 else f"{value:.2f}", float(value))
