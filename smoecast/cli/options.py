"""Options that several verbs share, described once."""

from typing import Annotated

import typer

Config = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        help="A YAML file, or the name of a model in the zoo (`smoecast models list`).",
        metavar="FILE|NAME",
    ),
]
OptionalConfig = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        help="A YAML file, or the name of a model in the zoo (`smoecast models list`).",
        metavar="FILE|NAME",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        help="Override one key of the config; may be given again.",
        metavar="SECTION.KEY=VALUE",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON summary on stdout instead.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no log on stderr.")]
Input = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", help="Files, folders or globs; may be given again."),
]
Output = Annotated[
    str | None, typer.Option("--output", "-o", help="File to write; default: in the run's folder.")
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="A run folder, or the name of a model in the zoo; default: the run's own.",
        metavar="FOLDER|NAME",
    ),
]
