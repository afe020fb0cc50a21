"""`smoecast evaluate`: score forecasts and calibrated ensembles."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import imports, read_config, run


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
            autocompletion=completion.rivals,
        ),
    ] = None,
    truth: Annotated[
        list[str] | None,
        typer.Option(
            "--truth",
            help="Analyses (files, folders or globs) that are the truth, in the place of the run's "
            "store; may be given again.",
            metavar="FILE|FOLDER",
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
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Score forecasts and calibrated ensembles against truth, beside their baselines.

    Section `evaluate` of the config names baselines (persistence, climatology,
    weekly_climatology, linear), regions, boxes of your own, seasons, and how many resamples give
    the 95 % interval of each difference to a baseline. Results of different protocols are refused
    together.
    """

    def task() -> dict[str, Any]:
        with imports():
            from smoecast.tasks.evaluate.evaluate import evaluate as work

        given = [f"evaluate.events={json.dumps(event)}"] if event else []
        return work(
            read_config(config, [*(set_ or []), *given, *options.say_compute(workers, scheduler)]),
            inputs=input_ or (),
            output=Path(output) if output else None,
            against=against,
            truth=truth or (),
        )

    def show(s: dict[str, Any]) -> str:
        from smoecast.tasks.evaluate.tables import tables

        return tables(s)

    run(
        task,
        show,
        verb="evaluate",
        record=True,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )
