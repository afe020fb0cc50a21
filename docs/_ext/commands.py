"""A page for each command, from what the command line itself says in `--help`."""

import re
from collections.abc import Iterator
from typing import Any

import typer

from smoecast.cli.examples import EXAMPLES
from smoecast.cli.main import app


def walk(command: Any = None, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each command, after what is typed behind the name of the program."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{path} {name}".strip())


def pages() -> dict[str, str]:
    """Return the text of a page for each verb, by its name; `models list` stands with `models`."""
    found = dict(walk())
    verbs = {path: command for path, command in found.items() if path and " " not in path}
    return {
        verb: f"# smoecast {verb}\n\n"
        + _describe(verb, command)
        + "".join(
            f"\n## smoecast {path}\n\n{_describe(path, inner)}"
            for path, inner in found.items()
            if path.startswith(f"{verb} ")
        )
        + "\nExit codes are the same for every command: [the table](../exit-codes.md).\n"
        for verb, command in verbs.items()
    }


def _describe(path: str, command: Any) -> str:
    """Return what a command does, its examples, its arguments and its options."""
    context = command.make_context(path, [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context)).replace("{", "").replace("}", "")
    examples = "\n".join(f"$ smoecast {example}" for example in EXAMPLES[path])
    rows: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
    for param in command.get_params(context):
        if not param.hidden:
            names, _ = param.get_help_record(context)
            words = " ".join((param.help or "").split())
            rows[param.param_type_name].append((f"`{_without_types(names)}`", words))
    return "\n".join(
        [
            f"{command.help.strip()}\n",
            f"```console\n$ smoecast {path} {usage}\n```\n",
            "Examples:\n",
            f"```console\n{examples}\n```\n",
            *(line for what, found in rows.items() for line in _table(what, found)),
        ]
    )


def _without_types(names: str) -> str:
    """Return the names of a parameter and what is typed after them, without Python's types."""
    named = re.sub(r"([A-Z]) <.*>", r"\1", names)
    return re.sub(r"<.*>", lambda kind: "NUMBER" if "int" in kind[0] else "TEXT", named).strip()


def _table(what: str, rows: list[tuple[str, str]]) -> list[str]:
    if not rows:
        return []
    lines = [f"| {left.replace('|', chr(92) + '|')} | {right} |" for left, right in rows]
    return [f"| {what} | |", "|---|---|", *lines, ""]
