"""`smoecast cycle`: the operational chain, for cron."""

import time
from typing import Annotated, Any

import typer

from smoecast.cli import options, waiting
from smoecast.cli.run import imports, read_config, run, say_output


def cycle(
    config: options.Config,
    set_: options.Set = None,
    wait: options.Wait = None,
    max_age: options.MaxAge = None,
    keep: Annotated[
        str | None,
        typer.Option(
            "--keep",
            help="Afterwards remove what smoecast made here whose start is so much older than the "
            "newest: results of the same pattern, fetched runs of open data, records of runs.",
            metavar="30d",
        ),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Download, forecast, postprocess and score what has come since the last time, in one command.

    Each stage does what is missing and nothing else, so that the same command may run as often as
    one likes. Section `cycle` of the config says in which files analyses and ensembles arrive,
    where they are not downloaded. A stage that fails does not keep the others from what they can
    do; the exit code is that of the worst.
    """

    def task() -> dict[str, Any]:
        with imports():
            from smoecast.tasks.cycle import cycle as work

        return work(
            read_config(config, set_),
            oldest=waiting.oldest(max_age),
            keep=waiting.parse_keep(keep),
        )

    run(
        lambda: waiting.wait_for_input(task, wait, time.sleep),
        _say_stages,
        verb="cycle",
        record=True,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )


def _say_stages(summary: dict[str, Any]) -> str:
    """Return a line for each stage."""
    return "\n".join(f"{name}: {_say(name, s)}" for name, s in summary["stages"].items())


def _say(name: str, s: dict[str, Any] | None) -> str:
    if s is None:
        return "nothing to do"
    if name == "download":
        return f"{len(s['files'])} raw files in {s['folder']}"
    if name == "evaluate":
        return f"{len(s['files'])} results scored: {s['output']}"
    return say_output(s)
