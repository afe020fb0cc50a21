"""Pages that are made from the code have all that the code has."""

import inspect
import re
from pathlib import Path

import commands
import config_keys
import pages
import pytest
import repository
from doc_pages import PAGES

from smoecast import errors
from smoecast.cli import completion
from smoecast.cli.examples import EXAMPLES
from smoecast.config.run import Config


def test_every_command_has_its_options_and_examples() -> None:
    for path, command in commands.walk():
        if not path:
            continue
        page = PAGES[f"reference/made/commands/{path.split()[0]}.md"]
        part = page.partition(f"# smoecast {path}\n")[2].partition("\n## ")[0]
        for param in command.params:
            assert all(f"{name}" in part for name in param.opts if name.startswith("-")), path
        assert all(f"$ smoecast {example}\n" in part for example in EXAMPLES[path])


def test_no_page_shows_a_type_of_python() -> None:
    for name, text in PAGES.items():
        if "/commands/" in name:
            assert re.findall(r"<(str|int|bool|list|float|path)", text) == [], name


def test_every_key_of_the_config_is_there_with_its_default() -> None:
    whole = "".join(text for name, text in PAGES.items() if "/config/" in name)
    for key in completion.keys(""):
        assert f"| `{key.removesuffix('=')}` |" in whole, key
    assert "| `data.step_hours` | hours between two times of the store | `6` |" in whole


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("data.regrid", "`bilinear`, `conservative`"),
        ("data.planet.start", "a day"),
        ("data.planet.years", "number, above 0, at most 500"),
        ("training.clip", "number, at least 0"),
        ("training.ema", "number, at least 0, below 1"),
        ("training.keep_last", "true or false"),
        ("training.log", "list of: `tensorboard`, `mlflow`"),
        ("training.channel_weights", "names, each with: number, at least 0"),
        ("data.select", "names"),
        ("folder", "a path"),
    ],
)
def test_what_a_key_may_be_is_said_in_words(key: str, words: str) -> None:
    pages_of_config = config_keys.pages()
    (row,) = [
        line
        for text in pages_of_config.values()
        for line in text.splitlines()
        if line.startswith(f"| `{key}` |")
    ]
    assert row.endswith(f"| {words} |")


def test_a_kind_that_has_no_words_is_any_value() -> None:
    assert config_keys.say_kind({}, {}) == "any value"
    assert config_keys.say_kind({"type": "array"}, {}) == "an empty list"
    assert config_keys.say_kind({"type": "null"}, {}) == "nothing"


def test_every_section_has_a_page() -> None:
    sections = {name for name in Config.model_fields if name not in ("name", "folder", "seed")}
    assert {*config_keys.pages()} == sections | {"run"}


def test_every_error_stands_among_the_exit_codes() -> None:
    page = PAGES["reference/made/exit-codes.md"]
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if issubclass(kind, errors.SmoecastError):
            code = "128 + n" if kind is errors.Interrupted else kind.exit_code
            assert f"| {code} | `{name}` |" in page


def test_links_of_a_card_lead_to_pages_of_the_site() -> None:
    card = "[smoe](../../docs/smoe.md#how-it-looks) [test](../../tests/x.py) [web](https://a.org)"
    led = repository.lead(
        card, "models/planet-smoe/card.md", "reference/made/models/planet-smoe.md"
    )
    assert led == "[smoe](../../../smoe.md#how-it-looks) test [web](https://a.org)"
    text = "[card](../models/planet-smoe/card.md) and\n```\n[x](../README.md)\n```\n"
    led = repository.lead(text, "docs/smoe.md", "smoe.md")
    assert led == "[card](reference/made/models/planet-smoe.md) and\n```\n[x](../README.md)\n```\n"


def test_pages_are_written_once_and_old_ones_go(tmp_path: Path) -> None:
    pages.write_pages(tmp_path)
    path = tmp_path / "reference/made/exit-codes.md"
    before = path.stat().st_mtime_ns
    old = tmp_path / "reference/made/commands/gone.md"
    old.write_text("# smoecast gone\n")
    pages.write_pages(tmp_path)
    assert path.stat().st_mtime_ns == before
    assert not old.exists()
