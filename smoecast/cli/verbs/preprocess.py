"""`smoecast preprocess`: turn raw files into a store."""

from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import imports, read_config, run, say_shape
from smoecast.console import volume


def preprocess(
    config: options.Config,
    set_: options.Set = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all of a store that is there, not only some.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how large the stores will be; make none.")
    ] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    metrics: options.Metrics = None,
    debug: options.Debug = False,
) -> None:
    """Turn raw files into one canonical store with statistics of the training times.

    A run that was killed goes on where it ended when the same command runs again. A store that is
    there is compared with its checksums, and made again if it is damaged.
    """

    def task() -> dict[str, Any]:
        given = options.say_compute(workers, scheduler)
        wanted = read_config(config, [*(set_ or []), *given])
        if dry_run:
            from smoecast.data.store_plan import plan_stores as plan

            return plan(wanted)
        with imports():
            from smoecast.tasks.preprocess.preprocess import preprocess as work

        return work(wanted, verify=verify)

    def show(s: dict[str, Any]) -> str:
        line = _say_store_plan if dry_run else _say_store
        return "\n".join(line(name, part) for name, part in s.items())

    run(
        task,
        show,
        verb="preprocess",
        record=not dry_run,
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
        metrics=metrics,
    )


def _say_store(name: str, part: dict[str, Any]) -> str:
    """Return a store that was made, or found made."""
    counts = ", ".join(f"{count} {which}" for which, count in part["split"].items())
    state = "written" if part["written"] else "nothing to do"
    span = f"{part['first']} to {part['last']}"
    return f"{name}: {part['store']} ({state})\n  {say_shape(part)}\n  {span}: {counts}"


def _say_store_plan(name: str, part: dict[str, Any]) -> str:
    """Return a store that would be made."""
    basis = "from the raw files" if part["raw"] else "from the config; no raw file is there yet"
    parts = f"{part['chunks']} part{'s' if part['chunks'] > 1 else ''}"
    size = f"{volume(part['bytes'])} in {parts}"
    return f"{name}: {part['store']} (would be, {basis})\n  {say_shape(part)}\n  {size}"
