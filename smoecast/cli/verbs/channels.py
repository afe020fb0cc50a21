"""`smoecast channels`: what a config may ask for, and what others call it."""

from typing import Annotated, Any

import typer

from smoecast.cli import completion, options
from smoecast.cli.run import run
from smoecast.text_table import table, width


def channels(
    word: Annotated[
        str,
        typer.Argument(
            help="A name that a file, GRIB, CF or the CDS has for it, or a part of one: slp, 2t, "
            "gust, air_temperature. Default: all.",
            metavar="WORD",
            show_default=False,
            autocompletion=completion.channels,
        ),
    ] = "",
    page: Annotated[
        bool, typer.Option("--markdown", help="Print the page docs/channels.md instead.")
    ] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show the variables that a config may ask for: names, units, levels, other names.

    Where a word finds only a few, all that is known of each is shown.
    """

    def task() -> dict[str, Any]:
        from smoecast.tasks.inspect.channels import list_variables

        return list_variables(word)

    def show(s: dict[str, Any]) -> str:
        from smoecast.tasks.inspect.channels import markdown

        if page:
            return markdown(s["variables"])
        if len(s["variables"]) <= _FEW:
            return "\n".join(map(_say_all, s["variables"]))
        return _say_table(s["variables"])

    run(task, show, verb="channels", as_json=as_json, debug=debug)


_FEW = 5
"""Variables of which everything is shown."""


def _say_all(variable: dict[str, Any]) -> str:
    """Return everything that is known of a variable."""
    from smoecast.tasks.inspect.channels import levels_in_words, parameters_of

    numbers = parameters_of(variable)
    parts = {
        "read": levels_in_words(variable),
        "CF": variable["standard_name"],
        "CDS": variable["cds_name"],
        "GRIB": f"parameter {numbers}" if numbers else "",
        "also": ", ".join(variable["aliases"]),
        "other": ", ".join(variable["elsewhere"]),
    }
    lines = [f"  {key:<7} {text}" for key, text in parts.items() if text]
    return "\n".join([f"{variable['name']}: {variable['long_name']} [{variable['units']}]", *lines])


def _say_table(variables: list[dict[str, Any]]) -> str:
    """Return a table of many variables."""
    rows = [
        [
            v["example"],
            v["place"].removeprefix("at ").removeprefix("on "),
            v["units"],
            v["long_name"],
            ", ".join(v["aliases"]),
        ]
        for v in variables
    ]
    header = ["channel", "read", "units", "what it is", "also called"]
    shown = table(header, rows, width=width())
    return f"{shown}\n\n`smoecast channels WORD` shows all names of one: GRIB, CF and CDS."
