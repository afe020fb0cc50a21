"""`smoecast plot`: draw a run's maps and scores."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import imports, read_config, run


def plot(
    config: options.Config,
    set_: options.Set = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            "-k",
            help="maps, scores, routing, ranks or reliability; may be given again. Default: all "
            "there is.",
            metavar="KIND",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for the pictures; default: plots in the run's folder.",
            metavar="FOLDER",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    debug: options.Debug = False,
) -> None:
    """Draw maps, score curves, routing maps, rank histograms and reliability of a run."""

    def task() -> dict[str, Any]:
        with imports():
            from smoecast.tasks.plot.plot import plot as work

        folder = Path(output) if output else None
        return work(read_config(config, set_), kinds=kind or (), output=folder)

    run(
        task,
        lambda s: "\n".join(s["files"]),
        verb="plot",
        record=True,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
    )
