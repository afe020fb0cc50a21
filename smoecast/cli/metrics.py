"""How a run went, as a text file for Prometheus (the textfile collector of node_exporter)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from smoecast import console
from smoecast.disk.atomic import resolve, write_atomic
from smoecast.disk.leftovers import sweep_beside
from smoecast.disk.small_files import read_small
from smoecast.errors import SmoecastError

MOST_BYTES = 2**22
"""Of a file that is there; a larger one is none of ours."""

_HELP = {
    "last_run_timestamp_seconds": "End of the last run, Unix time.",
    "last_success_timestamp_seconds": "End of the last run that ended with 0, Unix time.",
    "last_exit_code": "Exit code of the last run; smoecast --help has what each means.",
    "stage_seconds": "Seconds in each stage of the last run.",
    "peak_memory_bytes": "Most memory that the last run held, by itself or by one of its children.",
    "newest_analysis_timestamp_seconds": "Time of the newest analysis, Unix time; "
    "time() minus it is its age now.",
    "newest_analysis_age_seconds": "Age of the newest analysis at the end of the last run.",
    "score": "Score of the last run that had scores, in the units of its channel.",
}
_KEPT = ("last_success_timestamp_seconds", "newest_analysis_timestamp_seconds")
"""Of the run before, where this one has none of its own: alerts ask how old they are."""
_LABELS = ("channel", "lead_hours", "forecast", "region", "season", "event")
_SERIES = re.compile(r'smoecast_(\w+)\{run="((?:[^"\\\n]|\\.)*)",verb="(\w+)"\} (\S+)')

Series = tuple[str, Mapping[str, str], float]
"""Name, labels and value."""


def write(name: str, *records: Mapping[str, Any]) -> None:
    """Write a file of metrics; that it cannot be written is said, and is no failure of the run.

    Parameters
    ----------
    name : str
        Of the file; it is to end in ``.prom``. Series of the run before are kept where this one
        failed before it could know better.
    *records : mapping
        From `run_record.finish`, of verbs that differ.
    """
    path = resolve(name)
    try:
        before: list[str] = []
        with suppress(FileNotFoundError):
            before = read_small(path, MOST_BYTES).decode(errors="replace").splitlines()
        text = to_text([series for record in records for series in series_of(record, before)])
        sweep_beside(path)
        write_atomic(path, text.encode())
    except (OSError, SmoecastError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        words = f"{path}: the metrics of this run cannot be written ({reason}): choose another file"
        # a run that failed has said its one sentence
        failed = any(record["exit_code"] for record in records)
        (console.say if failed else console.warn)(words)


def series_of(record: Mapping[str, Any], before: Sequence[str] = ()) -> Iterator[Series]:
    """Yield what is said of a run.

    Parameters
    ----------
    record : mapping
        From `run_record.finish`.
    before : sequence of str
        Lines of the file that is there.
    """
    old = _read_series(before, record["verb"])
    run = record["run"] or next((run for run, _ in old), "")
    labels = {"run": run, "verb": record["verb"]}
    end, notes = _seconds(record["end"]) or 0.0, record["notes"]
    new: dict[str, float | None] = {
        "last_run_timestamp_seconds": end,
        "last_exit_code": record["exit_code"],
        "last_success_timestamp_seconds": end if record["exit_code"] == 0 else None,
        "peak_memory_bytes": max(
            record["peak_memory_bytes"], record["peak_memory_bytes_of_a_child"]
        ),
        "newest_analysis_timestamp_seconds": _seconds(notes.get("newest_analysis")),
    }
    new |= {name: old.get((run, name)) for name in _KEPT if new[name] is None}
    newest = new["newest_analysis_timestamp_seconds"]
    new["newest_analysis_age_seconds"] = None if newest is None else end - newest
    yield from ((name, labels, value) for name, value in new.items() if value is not None)
    for stage, spent in record["stages"].items():
        yield "stage_seconds", {**labels, "stage": stage}, spent["seconds"]
    for scores in notes.get("scores") or ():
        where = {key: str(scores[key]) for key in _LABELS if key in scores}
        for score, value in scores.items():
            if score not in _LABELS and isinstance(value, float):
                yield "score", {**labels, **where, "score": score}, value


def to_text(series: Sequence[Series]) -> str:
    """Return series in the text format of Prometheus, those of one name together."""
    lines = []
    for name, words in _HELP.items():
        found = [(labels, value) for other, labels, value in series if other == name]
        if found:
            lines += [f"# HELP smoecast_{name} {words}", f"# TYPE smoecast_{name} gauge"]
        for labels, value in found:
            said = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            lines.append(f"smoecast_{name}{{{said}}} {value!r}")
    return "\n".join(lines) + "\n"


def _read_series(lines: Sequence[str], verb: str) -> dict[tuple[str, str], float]:
    """Return what an older file says of a verb, by run and name; what is not ours is left out."""
    found = {}
    for match in map(_SERIES.fullmatch, lines):
        if match is not None and match[3] == verb and match[1] in _KEPT:
            with suppress(ValueError):
                found[_unescape(match[2]), match[1]] = float(match[4])
    return found


def _seconds(text: str | None) -> float | None:
    """Return an ISO time in UTC as Unix time."""
    if not text:
        return None
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)
