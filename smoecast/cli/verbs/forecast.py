"""`smoecast forecast`: forecast from a store or from analysis files."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from smoecast.cli import options, waiting
from smoecast.cli.run import imports, read_config, read_config_of_model, run, say_output
from smoecast.errors import ConfigError

if TYPE_CHECKING:
    from smoecast.config.run import Config


def forecast(
    config: options.OptionalConfig = None,
    set_: options.Set = None,
    model: options.Models = None,
    input_: options.Input = None,
    init_time: Annotated[
        list[str] | None,
        typer.Option(
            "--init-time",
            "-t",
            help="Start of forecast: ISO time, A/B for a range, latest, or a split such as test; "
            "may be given again.",
            metavar="TIME",
        ),
    ] = None,
    format_: options.Format = None,
    layout: options.Layout = None,
    output: options.Output = None,
    verify: options.Verify = False,
    wait: options.Wait = None,
    max_age: options.MaxAge = None,
    keep: options.Keep = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Forecast from a store or from analysis files (--input), once or as an ensemble.

    Without --config, --model and --input forecast from the newest analysis.
    Writes CF NetCDF, a WeatherBench 2 store with --format wb2 or wb2-v3, or GRIB 2 with --format
    grib.
    Several models (--model again), forecast.members with forecast.perturbation and
    forecast.lags_hours make members.
    """

    def task() -> dict[str, Any]:
        with imports():
            from smoecast import zoo
            from smoecast.tasks.forecast.forecast import forecast as work

        given = [f"forecast.format={format_}"] if format_ else []
        given += [f"forecast.layout={layout}"] if layout else []
        overrides = [*(set_ or []), *given, *options.say_compute(workers, scheduler)]
        return work(
            _read(config, model, input_, overrides),
            models=[zoo.locate(name) for name in model or ()],
            inputs=input_ or (),
            init_times=init_time or (),
            output=Path(output) if output else None,
            verify=verify,
            oldest=waiting.oldest(max_age),
            keep=waiting.parse_keep(keep),
        )

    run(
        lambda: waiting.wait_for_input(task, wait, time.sleep),
        say_output,
        verb="forecast",
        record=True,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )


def _read(
    config: str | None, models: list[str] | None, inputs: list[str] | None, overrides: list[str]
) -> "Config":
    """Return the config that was named, or that of the model where files are given with it."""
    if config is not None:
        return read_config(config, overrides)
    if not models or not inputs:
        raise ConfigError(
            "no config was named: give --config FILE|NAME, or --model FOLDER|NAME and --input FILE "
            "to forecast from the newest analysis in it"
        )
    return read_config_of_model(models[0], overrides)
