"""`smoecast train`: train the network."""

from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import imports, read_config, run


def train(
    config: options.Config,
    set_: options.Set = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Throw an earlier run away instead of resuming it.")
    ] = False,
    profile: Annotated[
        bool,
        typer.Option("--profile", help="Say where the time of a step went, in a table at the end."),
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Train the network; the same command resumes where an earlier one ended."""

    def task() -> dict[str, Any]:
        with imports():
            from smoecast.tasks.train import train as work

        return work(read_config(config, set_), fresh=fresh, profile=profile)

    def show(s: dict[str, Any]) -> str:
        state = "" if s["trained"] else "finished before, nothing to do; "
        line = (
            f"{s['model']}: {state}{s['parameters']:,} parameters, best validation loss "
            f"{s['best_loss']:.5g} in epoch {s['best_epoch']} of {s['epochs']}"
        )
        if not profile:
            return line
        from smoecast.training.records.profile import to_text

        return f"{line}\n\n{to_text(s['profile'])}"

    run(
        task,
        show,
        verb="train",
        record=True,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )
