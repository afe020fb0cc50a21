"""`smoecast report`: one page that shows and compares runs and models."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import imports, run

Runs = Annotated[
    list[str],
    typer.Argument(
        help="Folders of runs, their configs, folders of models, or names in the zoo; several are "
        "compared.",
        metavar="RUN...",
        autocompletion=completion.cards,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="The page; default: report.html here, or of one run in its folder.",
        metavar="NAME.html",
    ),
]


def report(
    runs: Runs,
    output: Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    debug: options.Debug = False,
) -> None:
    """Write one page that shows what runs and models are, and compares them.

    Scores with intervals, curves, maps, routing, calibration, and where each number comes from, in
    one file that opens in any browser and loads nothing from anywhere.
    """

    def task() -> dict[str, Any]:
        with imports():
            from smoecast.tasks.report.report import report as work

        return work(runs, output=Path(output).expanduser() if output else None)

    run(
        task,
        show,
        verb="report",
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
    )


def show(summary: dict[str, Any]) -> str:
    """Return where the page is, and what is missing in it."""
    size = f"{summary['output']}: {', '.join(summary['runs'])}, {summary['bytes'] / 1e6:.1f} MB"
    return "\n".join([size, *summary["absent"]])
