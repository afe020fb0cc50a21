"""`smoecast plot`: draw files, a run's results, or a model."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import imports, read_config, run
from smoecast.errors import ConfigError

Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A folder of a model, or the name of one in the zoo, without a run.",
        metavar="FOLDER|NAME",
        autocompletion=completion.models,
    ),
]
Kind = Annotated[
    list[str] | None,
    typer.Option(
        "--kind",
        "-k",
        help="Of a file: value, mean, spread, member, probability; with --truth: truth, error. Of "
        "a run: maps, scores, skill, spread, scorecard, ranks, reliability, training, routing; of "
        "a model the same but maps. May be given again. Default: all there is; of a file the "
        "value, or mean and spread.",
        metavar="KIND",
        autocompletion=completion.kinds,
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Folder for the pictures, or one (.png, .svg, .pdf); default: plots in the run's "
        "folder, or here.",
        metavar="NAME.png|FOLDER",
    ),
]
Channel = Annotated[
    list[str] | None,
    typer.Option(
        "--channel",
        help="What to draw: z500, t2m; may be given again.",
        metavar="NAME",
        autocompletion=completion.channels,
    ),
]
InitTime = Annotated[
    str | None,
    typer.Option(
        "--init-time",
        "-t",
        help="Start of the forecast, or time of an analysis; default: the last.",
        metavar="TIME",
    ),
]
Lead = Annotated[
    list[float] | None,
    typer.Option(
        "--lead", help="Hours ahead; may be given again. Default: up to six.", metavar="HOURS"
    ),
]
Region = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="europe, tropics, arctic ..., or north, west, south, east in degrees.",
        metavar="NAME|N,W,S,E",
        autocompletion=completion.regions,
    ),
]
Member = Annotated[
    list[int] | None,
    typer.Option(
        "--member", help="Which, for --kind member; may be given again.", metavar="NUMBER"
    ),
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--units",
        help="K, C, gpm, 'm2 s-2', hPa, Pa ... in place of the usual ones; may be given again.",
        metavar="UNIT",
        autocompletion=completion.units,
    ),
]
Truth = Annotated[
    list[str] | None,
    typer.Option(
        "--truth",
        help="Analyses (files, folders or globs) beside which the input is drawn, with its error; "
        "may be given again.",
        metavar="FILE|FOLDER",
    ),
]
Point = Annotated[
    str | None,
    typer.Option("--point", help="A meteogram of the nearest grid point.", metavar="LAT,LON"),
]


def plot(
    config: options.OptionalConfig = None,
    set_: options.Set = None,
    inputs: options.Input = None,
    model: Model = None,
    kind: Kind = None,
    channel: Channel = None,
    init_time: InitTime = None,
    lead: Lead = None,
    region: Region = None,
    member: Member = None,
    point: Point = None,
    truth: Truth = None,
    units: Units = None,
    output: Output = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    log_json: options.LogJson = False,
    debug: options.Debug = False,
) -> None:
    """Draw maps of any file of fields, a run's results, or what a model has learnt.

    Give --input FILE, --config FILE|NAME or --model FOLDER|NAME.
    """
    place = Path(output).expanduser() if output else None
    part: dict[str, Any] = {
        "channels": tuple(channel or ()),
        "region": region,
        "units": tuple(units or ()),
    }
    of_files: dict[str, Any] = {
        "init_time": init_time,
        "leads": tuple(lead or ()),
        "members": tuple(member or ()),
        "point": point,
        "truths": tuple(truth or ()),
    }

    def task() -> dict[str, Any]:
        _check_source(config, inputs, model, set_, [n for n, given in of_files.items() if given])
        with imports():
            from smoecast.tasks.plot.plot import Part, plot_model
            from smoecast.tasks.plot.plot import plot as work
            from smoecast.tasks.plot.plot_input import plot_input

        if inputs:
            return plot_input(inputs, kinds=tuple(kind or ()), output=place, **part, **of_files)
        chosen: dict[str, Any] = {"kinds": kind or (), "output": place, "part": Part(**part)}
        if model:
            return plot_model(model, **chosen)
        return work(read_config(str(config), set_), **chosen)

    run(
        task,
        lambda s: "\n".join(s["files"]),
        verb="plot",
        record=config is not None,  # beside a stranger's file a picture is all that is wanted
        as_json=as_json,
        quiet=quiet,
        debug=debug,
        log_json=log_json,
    )


def _check_source(
    config: str | None,
    inputs: list[str] | None,
    model: str | None,
    overrides: list[str] | None,
    of_files: list[str],
) -> None:
    """Refuse what does not go together; ConfigError says what does."""
    given = [
        name
        for name, value in (("--input", inputs), ("--config", config), ("--model", model))
        if value
    ]
    if not given:
        raise ConfigError("nothing to draw: give --input FILE, --config FILE|NAME or --model NAME")
    if len(given) > 1:
        raise ConfigError(f"{given[0]} and {given[1]}: each is drawn by itself: give one of them")
    names = {"leads": "lead", "members": "member", "truths": "truth", "init_time": "init-time"}
    if of_files and not inputs:
        raise ConfigError(
            f"--{names.get(of_files[0], of_files[0])} is for files: give --input FILE in place of "
            f"{given[0]}"
        )
    if overrides and not config:
        raise ConfigError("--set changes a config: give --config too, or leave it out")
