"""Every command in a document is one that the command line takes, and is run or says why not."""

import re
from typing import Any

import pytest
import typer
from doc_blocks import ROOT, Block, blocks, calls, inline_commands, pages
from doc_worlds import WORLDS

from smoecast.cli import completion
from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config

COMMANDS = [block for page in pages() for block in blocks(page) if block.is_command]
CONFIGS = [block for page in pages() for block in blocks(page) if block.language == "yaml"]
KEYS = {key.removesuffix("=") for key in completion.keys("")}


def is_known(key: str) -> bool:
    """Whether a config has a key, or a section, or a key above these."""
    return any(
        f"{one}.".startswith(f"{other}.") for k in KEYS for one, other in ((k, key), (key, k))
    )


def parse(words: list[str]) -> list[str]:
    """Take a command line as the program does, up to the call; return the keys that it sets."""
    group = typer.main.get_command(app)
    if not words or words[0].startswith("-"):  # one of the program, which would be done at once
        assert not words or words[0] in {name for p in group.params for name in p.opts} | {"--help"}
        return []
    context = group.make_context("smoecast", list(words))
    command: Any = group
    rest = [*context._protected_args, *context.args]
    while hasattr(command, "commands"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        rest = [*getattr(context, "_protected_args", []), *context.args]
    return [override.partition("=")[0] for override in context.params.get("set_") or ()]


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_every_line_is_one_that_the_program_takes(block: Block) -> None:
    for line in block.lines:
        for words in calls(line):
            keys = parse(words)
            if "there is no such key" not in block.text:  # a slip that is shown on purpose
                assert [key for key in keys if not is_known(key)] == []


@pytest.mark.parametrize("page", pages())
def test_commands_in_sentences_name_verbs_and_options_that_are_there(page: str) -> None:
    for line in inline_commands(page):
        for words in calls(line):
            try:
                parse(words)
            except typer.Exit:  # its help was shown
                continue
            except typer.TyperException as refusal:  # a sentence need not say everything
                assert re.search("[Mm]issing|requires an arg", str(refusal)), (line, str(refusal))


@pytest.mark.parametrize("block", COMMANDS, ids=str)
def test_every_block_is_run_or_says_why_not(block: Block) -> None:
    reason = re.fullmatch(r"not run: (.+)", block.note, re.DOTALL)
    by = re.fullmatch(r"run by (\S+)", block.note) or re.search(
        r"<!-- every block is run by (\S+) -->", (ROOT / block.page).read_text()
    )
    if by and not reason:
        assert block.page.rpartition("/")[2] in (ROOT / by[1]).read_text()
    elif not reason:
        assert block.page in WORLDS, f"{block}: nothing runs it, and nothing says why not"


@pytest.mark.parametrize("block", CONFIGS, ids=str)
def test_every_config_is_one_that_a_run_takes(block: Block) -> None:
    keys = set(re.findall(r"^(\S+):", block.text, re.MULTILINE))
    if keys and keys <= {*Config.model_fields}:
        yaml_file.parse(block.text, str(block))
