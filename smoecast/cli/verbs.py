"""The verbs: each parses its options, calls its task and says what came out."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import judging, options
from smoecast.cli.judging import demo, evaluate, plot
from smoecast.cli.run import EXIT_CODES, needed, read_config, run


def register(app: typer.Typer) -> None:
    """Add every verb to the application."""
    for verb in (download, preprocess, train, forecast, postprocess, evaluate, plot):
        app.command(epilog=EXIT_CODES, rich_help_panel="The chain")(verb)
    app.command(epilog=EXIT_CODES, rich_help_panel="Around them")(judging.verify)
    app.command(epilog=EXIT_CODES, rich_help_panel="Around them")(demo)


def download(
    config: options.OptionalConfig = None,
    set_: options.Set = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Show every source: size, licence, what it needs.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be fetched, and fetch nothing.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fetch raw data from the config's source; what is there and right is skipped.

    A download that was cut or killed goes on where it ended when the same command runs again.
    """

    def task() -> dict[str, Any]:
        from smoecast.tasks import download as tasks_download

        if list_:
            return tasks_download.list_sources()
        wanted = read_config(needed(config), set_)
        return tasks_download.plan(wanted) if dry_run else tasks_download.download(wanted)

    def show(s: dict[str, Any]) -> str:
        from smoecast.cli import listing

        if list_:
            return listing.sources(s)
        return listing.plan(s) if dry_run else listing.files(s)

    run(task, show, as_json=as_json, quiet=quiet, debug=debug)


def preprocess(
    config: options.Config,
    set_: options.Set = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes on this machine.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", help="A Dask cluster in their place.", metavar="tcp://..."),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all of a store that is there, not only some.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how large the stores will be; make none.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Turn raw files into one canonical store with statistics of the training times.

    A run that was killed goes on where it ended when the same command runs again. A store that is
    there is compared with its checksums, and made again if it is damaged.
    """

    def task() -> dict[str, Any]:
        asked = {"workers": workers, "scheduler": scheduler}
        given = [f"preprocess.{key}={value}" for key, value in asked.items() if value is not None]
        wanted = read_config(config, [*(set_ or []), *given])
        if dry_run:
            from smoecast.data.store_plan import plan_stores as plan

            return plan(wanted)
        from smoecast.tasks.preprocess.preprocess import preprocess as work

        return work(wanted, verify=verify)

    def show(s: dict[str, Any]) -> str:
        from smoecast.cli import listing

        line = listing.store_plan if dry_run else listing.store
        return "\n".join(line(name, part) for name, part in s.items())

    run(task, show, as_json=as_json, quiet=quiet, debug=debug)


def train(
    config: options.Config,
    set_: options.Set = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw an earlier run away instead of resuming it.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train the network; the same command resumes where an earlier one ended."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.train import train as work

        return work(read_config(config, set_), fresh=fresh)

    def show(s: dict[str, Any]) -> str:
        state = "" if s["trained"] else "finished before, nothing to do; "
        return (
            f"{s['model']}: {state}{s['parameters']:,} parameters, best validation loss "
            f"{s['best_loss']:.5g} in epoch {s['best_epoch']} of {s['epochs']}"
        )

    run(task, show, as_json=as_json, quiet=quiet, debug=debug)


def forecast(
    config: options.Config,
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
    output: options.Output = None,
    verify: options.Verify = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Forecast from a store or from analysis files (--input), once or as an ensemble.

    Writes CF NetCDF, or a WeatherBench 2 store with --format wb2. Several models (--model again),
    forecast.members with forecast.perturbation and forecast.lags_hours make members.
    """

    def task() -> dict[str, Any]:
        from smoecast import zoo
        from smoecast.tasks.forecast.forecast import forecast as work

        given = [f"forecast.format={format_}"] if format_ else []
        return work(
            read_config(config, [*(set_ or []), *given]),
            models=[zoo.locate(name) for name in model or ()],
            inputs=input_ or (),
            init_times=init_time or (),
            output=Path(output) if output else None,
            verify=verify,
        )

    run(task, _output_line, as_json=as_json, quiet=quiet, debug=debug)


def postprocess(
    config: options.Config,
    set_: options.Set = None,
    model: options.Model = None,
    input_: options.Input = None,
    write: options.Write = None,
    any_lead: options.AnyLead = False,
    output: options.Output = None,
    verify: options.Verify = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what fitting will take; fit nothing.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Calibrate an ensemble: fit where nothing is fitted yet, then apply.

    Without --input the test part of the ensemble store is calibrated.
    """

    def task() -> dict[str, Any]:
        given = [f"postprocess.write={json.dumps(write.split(','))}"] if write else []
        given += ["postprocess.any_lead=true"] if any_lead else []
        wanted = read_config(config, [*(set_ or []), *given])
        if dry_run:
            from smoecast.tasks.postprocess.cost import plan

            return plan(wanted)
        from smoecast.tasks.postprocess.postprocess import postprocess as work

        return work(
            wanted,
            model=_folder(model),
            inputs=input_ or (),
            output=Path(output) if output else None,
            verify=verify,
        )

    def show(s: dict[str, Any]) -> str:
        from smoecast.cli import listing

        return listing.effort(s) if dry_run else _output_line(s)

    run(task, show, as_json=as_json, quiet=quiet, debug=debug)


def _folder(model: str | None) -> Path | None:
    from smoecast import zoo

    return zoo.locate(model) if model else None


def _output_line(s: dict[str, Any]) -> str:
    if not s["written"]:
        return f"{s['output']}: made before from the same model, config and input, nothing to do"
    span = f"{s['starts']} starts, {s['first']} to {s['last']}"
    return f"{s['output']}: {span if s['starts'] > 1 else s['first']}, {s['what']}"
