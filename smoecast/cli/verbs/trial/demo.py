"""`smoecast demo`: the whole chain on the simulated planet."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import options
from smoecast.cli.run import run


def demo(
    folder: Annotated[Path, typer.Option("--folder", help="Where the demo writes.")] = Path("demo"),
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    debug: options.Debug = False,
) -> None:
    """Run the whole chain on the simulated planet in a few minutes."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.demo import demo as work

        return work(folder)

    run(
        task,
        lambda s: str(s["report"]),
        verb="demo",
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
    )
