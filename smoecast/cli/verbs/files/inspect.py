"""`smoecast inspect`: what is in files."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import run
from smoecast.errors import ConfigError
from smoecast.text_table import width


def inspect(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="GRIB, NetCDF and Zarr, stores and results; also folders and globs.",
            metavar="FILE",
        ),
    ],
    values: Annotated[
        bool,
        typer.Option("--values", help="Read the fields of large files too: missing values, range."),
    ] = False,
    plot: Annotated[
        str | None,
        typer.Option("--plot", help="Draw the last field of --channel.", metavar="FILE.png"),
    ] = None,
    channel: Annotated[
        str | None,
        typer.Option(
            "--channel",
            help="What to draw: z500, t2m.",
            metavar="NAME",
            autocompletion=completion.channels,
        ),
    ] = None,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show what is in files: variables, times, members, grid, and what a config may ask for.

    Headers alone are read, and the fields of small files. Ends with 3 if a file is refused, and
    says why and what to do.
    """
    found: dict[str, Any] = {}

    def task() -> dict[str, Any]:
        from smoecast.tasks.inspect.inspect import inspect as work

        if bool(plot) != bool(channel):
            raise ConfigError(
                "a map needs both a file and a channel: --plot FILE.png --channel z500"
            )
        if plot and channel:
            found["plot"] = {"file": plot, "field": _draw(paths, channel, plot)}
        found.update(work(paths, read_values=values))
        return found

    def show(s: dict[str, Any]) -> str:
        from smoecast.tasks.inspect import tables

        drawn = [f"{s['plot']['file']}: {s['plot']['field']}"] if "plot" in s else []
        return "\n\n".join([tables.show(s, width()), *drawn])

    run(task, show, verb="inspect", as_json=as_json, debug=debug)
    raise typer.Exit(found["exit_code"])


def _draw(paths: list[str], channel: str, output: str) -> str:
    """Draw a channel of the first file that has it; return what was drawn."""
    from smoecast.tasks.inspect.inspect import open_channel
    from smoecast.tasks.plot.field import plot_field

    dataset, source = open_channel(paths, channel)
    return plot_field(dataset, channel, source, Path(output).expanduser())
