"""The command line: parse, call one task, print, exit code."""

import sys
from typing import Annotated

import typer

from smoecast import console
from smoecast.cli import boundary
from smoecast.cli.examples import finish
from smoecast.cli.run import say_failure
from smoecast.cli.verbs import (
    channels,
    config,
    cycle,
    download,
    evaluate,
    forecast,
    models,
    plot,
    postprocess,
    preprocess,
    runs,
    train,
    watch,
)
from smoecast.cli.verbs.files import inspect, report, verify
from smoecast.cli.verbs.trial import bench, demo

app = typer.Typer(
    name="smoecast",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(config.app, name="config", rich_help_panel="Around them")
app.add_typer(models.app, name="models", rich_help_panel="Around them")
app.add_typer(runs.app, name="runs", rich_help_panel="Around them")
for verb in (
    download.download,
    preprocess.preprocess,
    train.train,
    forecast.forecast,
    postprocess.postprocess,
    evaluate.evaluate,
    plot.plot,
    report.report,
):
    app.command(rich_help_panel="The chain")(verb)
for other in (
    inspect.inspect,
    channels.channels,
    cycle.cycle,
    watch.watch,
    verify.verify,
    demo.demo,
    bench.bench,
):
    app.command(rich_help_panel="Around them")(other)


def _version(wanted: bool) -> None:
    if wanted:
        from smoecast import __version__

        typer.echo(f"smoecast {__version__}")
        raise typer.Exit


def call() -> None:
    """Call the command line as it was typed.

    What the parser refuses is an error like any other: one sentence, for a machine (``--json``,
    ``--log-json``) as for a person.
    """
    machine = {"--json", "--log-json"} & {*sys.argv}
    if machine:
        console.configure(quiet=False, log_json="--log-json" in machine)
    if "--json" in machine:
        boundary.configure(debug=False, close=say_failure)
    try:
        code = app(standalone_mode=False, prog_name="smoecast")
    except typer.TyperException as error:
        # a command that needs another one was called alone, and its help is shown by now
        if type(error).__name__ != "NoArgsIsHelpError":
            raise
        code = error.exit_code
    raise SystemExit(code or 0)


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Weather forecasts and calibrated ensembles with Spatial Mixture-of-Experts networks.

    The chain is download, preprocess, train, forecast, evaluate; ensembles go through postprocess.
    `smoecast demo` runs all of it on a simulated planet.
    """


finish(app)
