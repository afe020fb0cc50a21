"""The verbs that judge and show: evaluate, plot, verify, demo."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import read_config, run


def evaluate(
    config: options.Config,
    set_: options.Set = None,
    input_: options.Input = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="An ensemble (files) to take the CRPS skill score against, in the place of the "
            "run's raw one; or weatherbench: show published scores, with the truth of each.",
            metavar="FILE|weatherbench",
        ),
    ] = None,
    event: Annotated[
        list[str] | None,
        typer.Option(
            "--event",
            "-e",
            help="Brier score and reliability of the ensembles' chance of it, such as t2m>273.15 "
            "(SI units); may be given again. Default: evaluate.events.",
            metavar="EVENT",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write: .json (with .csv beside it), .csv or .nc; default: scores.json "
            "in the run's folder.",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Score forecasts and calibrated ensembles against truth, beside their baselines.

    Section `evaluate` of the config names baselines (persistence, climatology,
    weekly_climatology, linear), regions, boxes of your own, seasons, and how many resamples give
    the 95 % interval of each difference to a baseline. Results of different protocols are refused
    together.
    """

    def task() -> dict[str, Any]:
        from smoecast.tasks.evaluate.evaluate import evaluate as work

        given = [f"evaluate.events={json.dumps(event)}"] if event else []
        return work(
            read_config(config, [*(set_ or []), *given]),
            inputs=input_ or (),
            output=Path(output) if output else None,
            against=against,
        )

    def show(s: dict[str, Any]) -> str:
        from smoecast.tasks.evaluate.evaluate import tables

        return tables(s)

    run(task, show, as_json=as_json, quiet=quiet, debug=debug)


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
    output: options.Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Draw maps, score curves, routing maps, rank histograms and reliability of a run."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.plot.plot import plot as work

        folder = Path(output) if output else None
        return work(read_config(config, set_), kinds=kind or (), output=folder)

    run(task, lambda s: "\n".join(s["files"]), as_json=as_json, quiet=quiet, debug=debug)


def verify(
    paths: Annotated[
        list[str],
        typer.Argument(help="Results, stores and models, in any mixture.", metavar="PATH..."),
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

    run(task, show, as_json=as_json, debug=debug)
    raise typer.Exit(found["exit_code"])


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo writes.")] = Path("demo"),
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Run the whole chain on the simulated planet in a few minutes."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.demo import demo as work

        return work(folder)

    run(task, lambda s: str(s["report"]), as_json=as_json, quiet=quiet, debug=debug)
