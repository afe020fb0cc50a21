"""Every help ends with two examples that can be typed, and shows no type beside a flag."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from smoecast.cli.examples import EXAMPLES, epilog
from smoecast.cli.main import app


def walk(command: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from walk(inner, f"{path} {name}".strip())


COMMANDS = dict(walk(typer.main.get_command(app)))


def test_every_command_has_examples_and_every_example_a_command() -> None:
    assert {*EXAMPLES} == {*COMMANDS}


@pytest.mark.parametrize("path", COMMANDS)
def test_help_ends_with_two_examples(path: str) -> None:
    shown = CliRunner().invoke(app, [*path.split(), "--help"], env={"COLUMNS": "100"}).stdout
    lines = [line.strip() for line in shown.splitlines() if line.strip()]
    assert lines[-3:] == ["Examples", *(f"smoecast {example}" for example in EXAMPLES[path])]
    assert "bool" not in shown
    assert "Exit codes" in shown


@pytest.mark.parametrize("example", [one for two in EXAMPLES.values() for one in two])
def test_every_example_can_be_typed(example: str) -> None:
    words = shlex.split(example.partition(" > ")[0])
    group = COMMANDS[""]
    context = group.make_context("smoecast", list(words), resilient_parsing=True)
    name, command, rest = group.resolve_command(context, words)
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
    assert command.make_context(name, rest, parent=context).params


def test_a_command_without_examples_has_exit_codes() -> None:
    assert "Exit codes" in epilog("of another day")
    assert "Examples" not in epilog("of another day")
