"""`smoecast verify`: hold results, stores and models against their checksums."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import run


def verify(
    paths: Annotated[
        list[str],
        typer.Argument(help="Results, stores and models, in any mixture.", metavar="PATH"),
    ],
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Hold results, stores and models against the checksums that they carry, every byte.

    A line each. Ends with 0 when all are whole; else with the highest of 3 (missing, or without
    checksums of ours), 5 (a damaged or changed result or store) and 6 (a damaged model).
    """
    found: dict[str, Any] = {}

    def task() -> dict[str, Any]:
        from smoecast.tasks.verify import verify as work

        found.update(work([Path(path).expanduser() for path in paths]))
        return found

    def show(s: dict[str, Any]) -> str:
        return "\n".join(c["problem"] or f"{c['path']}: whole, a {c['kind']}" for c in s["checked"])

    run(task, show, verb="verify", as_json=as_json, debug=debug)
    raise typer.Exit(found["exit_code"])
