"""What was measured, as a table for a terminal or in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from smoecast.text_table import table, width

HEADER = ["task", "peer", "smoecast", "peer's", "ratio", "smallest", "largest", "memory"]
LEGEND = (
    "time: CPU seconds, children included (of the GPU on one); ratio: smoecast's time over the "
    "peer's within a round, median, smallest and largest; memory: the same of the most that was "
    "held"
)


def show(summary: Mapping[str, Any], *, markdown: bool = False) -> str:
    """Return the machine in one line, and a row for each way of ours and each peer."""
    rows = [row for task in summary["tasks"] for row in _rows(task)]
    body = _markdown(HEADER, rows) if markdown else table(HEADER, rows, width())
    warning = (
        ["tiny data (--quick), not of the sizes named: the ratios mean nothing"]
        if summary["quick"]
        else []
    )
    return "\n".join([describe(summary["machine"]), "", *warning, body, "", LEGEND])


def describe(machine: Mapping[str, Any]) -> str:
    """Return what it was measured on, in one line."""
    threads = f"{machine['threads'] or 'default'} thread{'' if machine['threads'] == 1 else 's'}"
    gpu = [f"{machine['gpu']} in {machine['dtype']}"] if machine["gpu"] else []
    versions = [f"{n} {v}" for n, v in {**machine["versions"], **machine["peers"]}.items()]
    where = [
        machine["processor"],
        machine["system"],
        f"{machine['cores']} cores",
        threads,
        f"load {machine['load']}",
    ]
    return "; ".join([", ".join([*where, *gpu]), ", ".join(versions)])


def _rows(task: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for pair in task["pairs"]:
        variant = pair["ours"].removeprefix("smoecast")
        mine, theirs = (task["ways"][pair[who]] for who in ("ours", "peer"))
        first = [f"{task['case']}: {task['task']}{variant}", pair["peer"], say(mine["median"])]
        if "not_measured" in pair:
            rows.append([*first, f"not measured: {pair['not_measured']}", "-", "-", "-", "-"])
            continue
        ratios = [f"{pair[key]:.2f}" for key in ("median", "smallest", "largest")]
        memory = f"{pair['memory']:.2f}" if pair["memory"] else "-"
        rows.append([*first, say(theirs["median"]), *ratios, memory])
    return rows


def say(value: float) -> str:
    """Return a time with three digits."""
    if value < 1:
        return f"{1000 * value:.3g} ms"
    return f"{value:.3g} s" if value < 100 else f"{value:.0f} s"


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
