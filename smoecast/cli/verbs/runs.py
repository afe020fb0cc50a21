"""`smoecast runs`: list, show and verify the records of runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import run
from smoecast.console import volume
from smoecast.text_table import table

app = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="List, show and verify the records that every run leaves in the folder of its results.",
)

Folder = Annotated[Path, typer.Argument(help="Folder of the results, such as runs/NAME.")]


@app.command("list")
def list_(
    folder: Folder = Path(),
    failed: Annotated[
        bool, typer.Option("--failed", help="Those alone that did not end with 0.")
    ] = False,
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="So many of the newest.")
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """List the runs into a folder, newest last: when, what, how they ended, what they made."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.runs import list_runs

        return list_runs(folder.expanduser(), failed=failed, last=last)

    run(task, _say_runs, verb="runs", as_json=as_json, debug=debug)


@app.command()
def show(
    record: Annotated[
        Path, typer.Argument(help="A record, or a folder of results: its newest.", metavar="RECORD")
    ],
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show one record: inputs, outputs, versions, seconds by stage, memory, error."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.runs import show_run

        return show_run(record.expanduser())

    run(task, _say_record, verb="runs", as_json=as_json, debug=debug)


@app.command()
def verify(
    place: Annotated[
        Path, typer.Argument(help="Folder of the results, or a record.", metavar="FOLDER|RECORD")
    ] = Path(),
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Hold results, and what they were made from, against the records of the runs.

    Every byte is read again, and results are opened. Ends with 5 if one is not as its newest record
    says. What a later run replaced or what is gone is told and is no error, nor are inputs that
    have changed since.
    """
    found: dict[str, Any] = {}

    def task() -> dict[str, Any]:
        from smoecast.tasks.runs import verify_runs

        found.update(verify_runs(place.expanduser()))
        return found

    def say(s: dict[str, Any]) -> str:
        lines = [f"{c['path']}: {c['kind']}, {c['words']} ({c['record']})" for c in s["checked"]]
        return "\n".join(map(_clean, [*lines, *s["damaged"]]))

    run(task, say, verb="runs", as_json=as_json, debug=debug)
    raise typer.Exit(found["exit_code"])


def _say_runs(s: dict[str, Any]) -> str:
    from smoecast.config.yaml_text import one_line  # brings YAML

    header = ["start", "verb", "exit", "seconds", "outputs", "error"]
    rows = [
        [
            f"{r['start'][:19]}Z",
            r["verb"],
            str(r["exit_code"]),
            f"{r['seconds']:.1f}",
            str(len(r["outputs"])),
            one_line(r["error"] or "", 100),
        ]
        for r in s["runs"]
    ]
    lines = [table(header, [[_clean(cell) for cell in row] for row in rows])]
    said = lines if rows else ["no records here: name the folder of the results"]
    return "\n".join([*said, *map(_clean, s["damaged"])])


def _say_record(r: dict[str, Any]) -> str:
    from smoecast.config.yaml_text import one_line

    versions = ", ".join(f"{name} {version}" for name, version in r["versions"].items())
    spent = f"{r['seconds']:.1f} s, {r['cpu_seconds']:.1f} s of CPU"
    lines = [
        f"{r['verb']} {r['run']}: {r['start']}, {spent}, {volume(r['peak_memory_bytes'])}",
        f"  exit code {r['exit_code']}{': ' if r['error'] else ''}{r['error'] or ''}",
        f"  {' '.join(map(str, r['command']))}",
        f"  in {r['folder']} on {r['host']}, process {r['pid']}; {versions}",
    ]
    for name, stage in r["stages"].items():
        lines.append(
            f"  stage   {name}: {stage.get('seconds')} s, CPU {stage.get('cpu_seconds')} s"
        )
    for name, value in r["notes"].items():
        lines.append(f"  {name}: {one_line(str(value), 100)}")
    for kind in ("inputs", "outputs"):
        for entry in r[kind]:
            what = entry.get("path", entry.get("file"))
            state = entry.get("sha256") or "" if entry.get("made", True) else "was there"
            lines.append(f"  {kind[:-1]:<7} {what} {state}".rstrip())
    return "\n".join([*map(_clean, lines), f"  {r['record']}"])


def _clean(text: str) -> str:
    """Return words of a record without what could command a terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
