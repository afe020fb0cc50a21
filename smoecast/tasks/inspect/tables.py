"""What `smoecast inspect` shows a person: a table for each file, or for files that are alike."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast.console import volume
from smoecast.text_table import name_some, table

_NARROW = 100
"""Signs of a line where the width does not matter."""
_HOURS_SHOWN = 8
_LEVELS_SHOWN = 4
_COLUMNS = ("name", "in the file", "level", "step", "units", "fields", "missing", "from", "to")


def show(summary: dict[str, Any], width: int = 0) -> str:
    """Return what files hold.

    Parameters
    ----------
    summary : dict
        Of `inspect.inspect`.
    width : int
        Of a line, at most; 0: each row of a table is one line.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in summary["files"]:
        groups.setdefault(_likeness(one), []).append(one)
    blocks = [_show_group(alike, width) for alike in groups.values()]
    if summary["together"]:
        blocks.append(_show_together(summary["together"], width))
    return "\n\n".join(blocks)


def _likeness(one: dict[str, Any]) -> str:
    """Return what files have in common that are shown as one; a refused one stands alone."""
    if one["problem"]:
        return f"refused {one['file']}"
    keys = ("name", "in_file", "level", "step", "units", "read", "reason")
    variables = [[v[key] for key in keys] for v in one["variables"]]
    return repr([one[key] for key in ("format", "holds", "grid", "lead_hours")] + variables)


def _show_group(alike: Sequence[dict[str, Any]], width: int) -> str:
    one = alike[0]
    size = volume(sum(each["bytes"] for each in alike))
    title = one["file"]
    if len(alike) > 1:
        title = f"{len(alike)} files alike, {one['file']} to {Path(alike[-1]['file']).name}"
    words = ", ".join(word for word in (one["format"], size, one["holds"]) if word)
    if len(title) + len(words) + 2 <= (width or _NARROW):
        lines = [f"{title}: {words}"]
    else:
        lines = [_wrap("", f"{title}:", width), f"  {words}"]
    lines += [_wrap("  made by ", one["made_by"], width)] if one["made_by"] else []
    lines += _say_axes(alike, width)
    variables = _sum_variables(alike)
    if variables:
        counted = all(each["values_read"] for each in alike)
        lines += ["", _table(variables, counted, width - 2 if width else 0)]
        lines += [""]
        if counted and any(v["read"] for v in variables):
            none = not any(v["missing"] for v in variables)
            lines += ["  no value is missing"] if none else []
        elif not one["problem"]:
            lines += ["  values were not read: --values counts those that are missing"]
    lines += _say_rest(one, width)
    for each in alike:
        problem = each["problem"].removeprefix(f"{each['file']}: ")
        lines += [_wrap("  refused: ", problem, width)] if problem else []
    notes = dict.fromkeys(note for each in alike for note in each["notes"])
    lines += [_wrap("  note: ", note, width) for note in notes]
    return "\n".join(lines).rstrip("\n")


def _show_together(together: dict[str, Any], width: int) -> str:
    lines = [f"{together['files']} files together: {together['holds'] or 'no one data set'}"]
    lines += _say_axes([together], width)
    lines += _say_channels(together, width)
    if together["problem"]:
        lines += [_wrap("  they do not fit: ", together["problem"], width)]
    lines += [_wrap("  note: ", note, width) for note in together["notes"]]
    return "\n".join(lines)


def _say_axes(alike: Sequence[dict[str, Any]], width: int) -> list[str]:
    """Return times, lead times, members and grid, a line each."""
    one, lines = alike[0], []
    for axis in ("times", "starts"):
        if one[axis]:
            lines.append(f"  {axis:<8} {_say_series([each[axis] for each in alike])}")
    if one["lead_hours"]:
        hours = [f"{hour:g}" for hour in one["lead_hours"]]
        if len(hours) > _HOURS_SHOWN:
            hours = [*hours[: _HOURS_SHOWN - 2], "...", hours[-1]]
        lines.append(f"  leads    {', '.join(hours)} h")
    lines += [f"  members  {one['members']}"] if one["members"] else []
    lines += [_wrap("  grid     ", one["grid"], width, indent=11)] if one["grid"] else []
    return lines


def _say_series(series: Sequence[dict[str, Any]]) -> str:
    first, last = min(s["first"] for s in series), max(s["last"] for s in series)
    count, steps = sum(s["count"] for s in series), {s["step_hours"] for s in series}
    if count == 1:
        return str(first)
    step = steps.pop() if len(steps) == 1 else None
    spacing = f"every {step:g} h, " if step else ""
    uneven = "unevenly spaced, " if len(series) == 1 and not step else ""
    return f"{first} to {last}, {spacing}{uneven}{count} in all"


def _sum_variables(alike: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the variables of files that are alike as if of one; those that are read come first."""
    rows = []
    for each in zip(*(one["variables"] for one in alike), strict=True):
        counted = [v for v in each if v["missing"] is not None]
        ends = [v for v in counted if v["lowest"] is not None]
        row = {
            **each[0],
            "fields": sum(v["fields"] for v in each),
            "missing": sum(v["missing"] for v in counted) if counted else None,
            "lowest": min((v["lowest"] for v in ends), default=None),
            "highest": max((v["highest"] for v in ends), default=None),
        }
        rows.append(row)
    return [row for row in rows if row["read"]] + _merge([row for row in rows if not row["read"]])


def _merge(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return variables that are not read, those that differ in their levels alone as one."""
    alike: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        alike.setdefault(repr([row[key] for key in ("in_file", "step", "units")]), []).append(row)
    merged = []
    for each in alike.values():
        level = name_some((row["level"] for row in each if row["level"]), _LEVELS_SHOWN)
        fields = sum(row["fields"] for row in each)
        merged.append({**each[0], "level": level, "fields": fields})
    return merged


def _table(variables: Sequence[dict[str, Any]], counted: bool, width: int) -> str:
    wanted = {
        "level": any(v["level"] for v in variables),
        "step": any(v["step"] not in ("", "instant") for v in variables),
        "missing": any(v["missing"] for v in variables),
        "from": counted,
        "to": counted,
    }
    header = [name for name in _COLUMNS if wanted.get(name, True)]
    rows = []
    for v in variables:
        into = f" > {v['converted_to']}" if v["converted_to"] else ""
        cells = {
            "name": v["name"],
            "in the file": v["in_file"],
            "level": v["level"],
            "step": v["step"],
            "units": f"{v['units'] or 'none'}{into}",
            "fields": str(v["fields"]),
            "missing": "-" if v["missing"] is None else str(v["missing"]),
            "from": _say_number(v["lowest"]),
            "to": _say_number(v["highest"]),
        }
        rows.append([cells[key] for key in header])
    return textwrap.indent(table(header, rows, width), "  ")


def _say_number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e7 else f"{value:.0f}"


def _say_rest(one: dict[str, Any], width: int) -> list[str]:
    """Return channels, and what is not read with its reasons."""
    lines = _say_channels(one, width)
    by_reason: dict[str, list[str]] = {}
    for left in sorted(one["left_out"], key=lambda left: not left["reason"]):
        reason = left["reason"] or "without a name in smoecast"
        by_reason.setdefault(reason, []).append(left["name"])
    for reason, names in by_reason.items():
        lines.append(_wrap("  left out: ", f"{', '.join(names)} ({reason})", width))
    before = [f"{e['name']} of {e['file']}" for e in one["left_out_before"]]
    if before:
        lines.append(_wrap("  left out when it was made: ", ", ".join(before), width))
    return lines


def _say_channels(one: dict[str, Any], width: int) -> list[str]:
    keys = {"forecasts": "channels", "analyses": "data.channels", "constants": "data.channels"}
    key, lines = keys.get(one["holds"], "postprocess.channels"), []
    for name, asked in (("channels", key), ("constants", "data.constants")):
        if one[name]:
            lines.append(_wrap(f"  {asked}: [", f"{', '.join(one[name])}]", width))
    return lines


def _wrap(begin: str, text: str, width: int, indent: int = 6) -> str:
    """Return a line, broken with an indent where it is long."""
    return textwrap.fill(
        text,
        width or _NARROW,
        initial_indent=begin,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
