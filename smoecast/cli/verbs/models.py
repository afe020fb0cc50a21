"""`smoecast models`: the zoo and run folders."""

from pathlib import Path
from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import run
from smoecast.text_table import table

app = typer.Typer(
    rich_markup_mode="markdown",
    no_args_is_help=True,
    help="List, show, verify and freeze models, and copy out fields to begin with.",
)
Output = Annotated[
    str,
    typer.Option("--output", "-o", help="Folder to make.", metavar="FOLDER", show_default=False),
]
Name = Annotated[
    str,
    typer.Argument(
        help="A name in the zoo, or a run folder.",
        metavar="MODEL",
        autocompletion=completion.cards,
    ),
]


@app.command("list")
def list_(as_json: options.Json = False, debug: options.Debug = False) -> None:
    """List the models of the zoo."""

    def task() -> dict[str, Any]:
        from smoecast import zoo

        return zoo.list_models()

    def show(summary: dict[str, Any]) -> str:
        rows = [[m["name"], m["weights"], m["title"]] for m in summary["models"]]
        return table(["model", "weights", "what it is"], rows)

    run(task, show, as_json=as_json, verb="models", debug=debug)


@app.command()
def show(model: Name, as_json: options.Json = False, debug: options.Debug = False) -> None:
    """Show a model's card: what it forecasts, how it was trained, how good it is."""

    def task() -> dict[str, Any]:
        from smoecast import zoo

        return zoo.show_model(_locate(model))

    run(
        task,
        lambda summary: str(summary["card"]).rstrip(),
        as_json=as_json,
        verb="models",
        debug=debug,
    )


@app.command()
def verify(model: Name, as_json: options.Json = False, debug: options.Debug = False) -> None:
    """Check a model's files against their checksums and each other, and that it loads."""

    def task() -> dict[str, Any]:
        from smoecast.tasks.models import verify_model

        return verify_model(_locate(model))

    run(
        task,
        lambda s: (
            f"{s['model']}: whole and right, {s['parameters']:,} parameters"
            + ("" if s["sealed"] else "; state.json is of an earlier version, without a checksum")
        ),
        as_json=as_json,
        debug=debug,
    )


@app.command()
def freeze(
    model: Name, output: Output, as_json: options.Json = False, debug: options.Debug = False
) -> None:
    """Turn a model's SMoE layers into one filter for each point.

    The new model forecasts the same but for rounding. It knows no experts and no routing any more,
    needs more space, and can be read by whoever has a locally connected layer.
    """

    def task() -> dict[str, Any]:
        from smoecast.disk.atomic import resolve
        from smoecast.tasks.models import freeze_model

        return freeze_model(_locate(model), resolve(output))

    run(
        task,
        lambda s: f"{s['output']}: {s['parameters']:,} parameters; use it with --model",
        as_json=as_json,
        verb="models",
        debug=debug,
    )


@app.command()
def example(
    model: Name,
    output: Annotated[
        str,
        typer.Option("--output", "-o", help="File to write.", metavar="FILE", show_default=False),
    ],
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Copy out real fields that come with a model, for a first forecast without a download."""

    def task() -> dict[str, Any]:
        from smoecast import zoo
        from smoecast.disk.atomic import resolve

        return zoo.copy_example(_locate(model), resolve(output))

    def show(done: dict[str, Any]) -> str:
        there = "" if done["written"] else "was there already, "
        size = f"{done['bytes'] / 1000:.0f} kB"
        return (
            f"{done['output']}: {there}input for {done['model']}, {size}; "
            f"`smoecast inspect {done['output']}` says what is in it"
        )

    run(task, show, as_json=as_json, verb="models", debug=debug)


def _locate(model: str) -> Path:
    from smoecast import zoo

    return zoo.locate(model)
