"""Whatever stands in a config, it is read or refused in one sentence, and never hangs."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from smoecast.cli.main import app
from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.config.template import template
from smoecast.errors import ConfigError

PLAIN = Config().model_dump(mode="json")
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # the one in C where there is one
TEXT = template("mine", every_key=True)
FRAGMENTS = (
    "{", "}", "[", "]", ": ", "\n", "  ", "- ", "? ", "*a", "&a ", "<<: ", "!!int ", "!!set ", "|",
    "!!binary ", "!!float ", "!!timestamp ", "!<x> ", "'", '"', "#", "%", "@", "---\n", "...\n",
    "\t", "\ufeff", "\u2028", "é", "\x85", "0x_", "1:2:3", ".nan", "-.inf", "1e999", "2001-02-30",
    "2001-01-01 25:00:00", "9" * 50, "yes", "~", "=", "a..b", "\\x00", "\\ud800", "[" * 60,
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        [
            None, True, False, -1, 0, 1, 2, 10**9, 10**19, 10**30, -0.0, 0.5, 1e308, float("nan"),
            float("inf"), "", "x", "0", "1979-2018", "2018-1979", "2001-02-30", "0001-01-01", [],
            {}, [[]], {"x": {}}, [None], "a" * 3000, "..", "../x", "/dev/null", "~", "~nobody", "*",
            "https://user:word@host/", "t2m>nan", "quantiles=0.1:x", "\u202e", "t2m",
            ["t2m", "t2m"], ["2001-01-01", "2002-01-01"], [2001, 2002], [0, 1], [6, 12],
            list(range(2000)), {"last": 4},
        ]
    ),
    st.text(max_size=8),
    st.integers(),
    st.floats(),
    st.lists(st.one_of(st.integers(-5, 400), st.text(max_size=4)), max_size=4),
    st.dictionaries(st.text(max_size=4), st.integers(-5, 400), max_size=3),
)  # fmt: skip


def spots(values: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(values, dict):
        return [path]
    return [path] * bool(path) + [s for k, v in values.items() for s in spots(v, (*path, k))]


def change(values: dict[str, Any], path: tuple[str, ...], value: object, key: str) -> None:
    *sections, last = path
    for name in sections:
        if not isinstance(values.get(name), dict):
            return
        values = values[name]
    if key:
        values[key] = values.pop(last, None)
    else:
        values[last] = value


CHANGES = st.lists(
    st.tuples(st.sampled_from(spots(PLAIN)), VALUES, st.one_of(st.just(""), st.text(max_size=5))),
    min_size=1,
    max_size=3,
)
PIECES = st.lists(
    st.tuples(st.integers(0, len(TEXT)), st.integers(0, 30), st.sampled_from(FRAGMENTS)),
    min_size=1,
    max_size=4,
)
OVERRIDES = st.lists(
    st.one_of(
        st.text(max_size=12),
        st.tuples(st.sampled_from(spots(PLAIN)), VALUES).map(
            lambda given: f"{'.'.join(given[0])}={given[1]}"
        ),
        st.tuples(st.text(".=ab ", max_size=6), st.sampled_from(FRAGMENTS)).map("=".join),
    ),
    max_size=2,
)


def refused_or_kept(text: str, overrides: list[str]) -> None:
    try:
        config = yaml_file.parse(text, "run.yaml", overrides)
    except ConfigError as error:
        assert "\n" not in str(error)
        assert len(str(error)) < 2000
        return
    assert yaml_file.parse(yaml_file.dump(config), "again") == config


def changed(changes: list[tuple[tuple[str, ...], object, str]]) -> str:
    values = copy.deepcopy(PLAIN)
    for path, value, key in changes:
        change(values, path, value, key)
    return yaml.dump(values, Dumper=DUMPER, allow_unicode=True)


def spliced(pieces: list[tuple[int, int, str]]) -> str:
    text = TEXT
    for place, length, fragment in pieces:
        text = text[:place] + fragment + text[place + length :]
    return text


@settings(derandomize=True, deadline=None, max_examples=60)
@given(CHANGES, OVERRIDES)
def test_values(changes: list, overrides: list[str]) -> None:
    refused_or_kept(changed(changes), overrides)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(PIECES)
def test_text(pieces: list) -> None:
    refused_or_kept(spliced(pieces), [])


@pytest.mark.slow
@settings(deadline=None, max_examples=3000)
@given(CHANGES, OVERRIDES)
def test_thousands_of_values(changes: list, overrides: list[str]) -> None:
    refused_or_kept(changed(changes), overrides)


@pytest.mark.slow
@settings(deadline=None, max_examples=3000)
@given(PIECES)
def test_thousands_of_texts(pieces: list) -> None:
    refused_or_kept(spliced(pieces), [])


@settings(derandomize=True, deadline=None, max_examples=15)
@given(PIECES, OVERRIDES)
def test_the_command_line_says_so(
    tmp_path_factory: pytest.TempPathFactory, pieces: list, overrides: list[str]
) -> None:
    path: Path = tmp_path_factory.mktemp("fuzz") / "run.yaml"
    path.write_text(spliced(pieces), encoding="utf-8")
    given_ = [word for override in overrides for word in ("--set", override)]
    result = CliRunner().invoke(app, ["config", "show", "-c", str(path), *given_])
    assert result.exit_code in (0, 2), result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
