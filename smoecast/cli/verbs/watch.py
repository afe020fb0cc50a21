"""`smoecast watch`: a warm process that forecasts and calibrates what appears in folders."""

from functools import partial
from typing import Annotated, Any

import typer

from smoecast.cli import boundary, completion, options, waiting
from smoecast.cli.run import read_config, run


def watch(
    config: options.Config,
    analyses: Annotated[
        str | None,
        typer.Argument(
            help="The folder, or a glob, where files of analyses appear: GRIB, NetCDF or Zarr, "
            "whatever they are called.",
            metavar="DIR",
            show_default=False,
        ),
    ] = None,
    ensembles: Annotated[
        str | None,
        typer.Option(
            "--ensembles",
            "-e",
            help="The folder, or a glob, where files of ensembles appear, which are calibrated.",
            metavar="DIR",
        ),
    ] = None,
    model: options.Models = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            "--calibration",
            help="A fitted calibration: a run folder, or a name in the zoo; default: the run's "
            "own.",
            metavar="FOLDER|NAME",
            autocompletion=completion.models,
        ),
    ] = None,
    every: Annotated[
        str,
        typer.Option(
            "--every",
            help="Time between two looks. A file counts as whole when it is the same in two.",
            metavar="10s",
        ),
    ] = "10s",
    once: Annotated[bool, typer.Option("--once", help="Make what is there, then end.")] = False,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Make nothing whose start is so much older than the newest, and remove results "
            "of the same pattern and records of runs that are.",
            metavar="30d",
        ),
    ] = None,
    set_: options.Set = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Forecast each analysis, and calibrate each ensemble, that appears in a folder.

    Models stay loaded. Results are one a start, forecast_{init_time:%Y%m%d%H}.nc and
    calibrated_{init_time:%Y%m%d%H}.nc in the run's folder, or as forecast.output and
    postprocess.output name them. SIGTERM and SIGINT end it after the file in hand.
    """

    def task() -> dict[str, Any]:
        from smoecast import zoo
        from smoecast.cli.attempts import MetricsOfAll, attempt
        from smoecast.tasks.watch.watch import watch as work

        return work(
            read_config(config, set_),
            analyses=analyses,
            ensembles=ensembles,
            models=[zoo.locate(name) for name in model or ()],
            calibration=zoo.locate(calibration) if calibration else None,
            every=waiting.seconds_of(every, "--every"),
            keep=waiting.parse_keep(keep),
            once=once,
            attempt=partial(attempt, debug=boundary.is_debug()),
            publish=MetricsOfAll(metrics).publish,
        )

    def show(s: dict[str, Any]) -> str:
        from smoecast.tasks.watch.watch import WORDS

        return ", ".join(f"{WORDS[verb]}: {count}" for verb, count in s.items())

    run(
        task,
        show,
        verb="watch",
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
    )
