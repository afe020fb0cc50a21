"""The keys `select` and `assume`, and that a config without them is saved as before."""

import pytest

from smoecast.config.run import Config
from smoecast.config.yaml_file import dump, parse
from smoecast.data.sources.registry import request_of
from smoecast.errors import ConfigError

KINDS = ("analyses", "ensembles")


def data_of(text: str) -> Config:
    return parse(f"data: {{{text}}}\npostprocess: {{{text}}}", "f")


def test_a_config_without_them_is_saved_without_them() -> None:
    for text in (dump(Config()), dump(data_of("select: {}, assume: {}"))):
        assert "select" not in text
        assert "assume" not in text
    for kind in KINDS:
        said = request_of(Config(), kind).decisive()
        assert not {"select", "assume"} & set(next(iter(said.values())))


def test_they_are_saved_and_decide_a_store() -> None:
    config = data_of("select: {step: 0, not: {number: [1, 2]}}, assume: {'z*': {level: 500}}")
    assert parse(dump(config), "f") == config
    for kind in KINDS:
        (said,) = request_of(config, kind).decisive().values()
        assert said["select"] == {"step": 0, "not": {"number": [1, 2]}}
        assert said["assume"]["z*"]["level"] == 500


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("select: {a: []}", "data.select: a is a value or a list of values"),
        ("select: {a: yes}", "a is a value or a list of values"),
        ("select: {'*.nc': {a: {b: 1}}}", r"\*\.nc\.a is a value or a list of values"),
        ("select: {not: 3}", "not is a mapping: not: {typeOfLevel: surface}"),
        ("select: {not: {a: null}}", r"not\.a is a value or a list"),
        ("assume: {a: {level: 0}}", "data.assume.a.level"),
        ("assume: {a: {variable: z500}}", "'z500' is no variable: write its short name"),
        ("assume: {a: {variable: {x: hgt}}}", "'hgt' is no variable"),
        ("assume: {a: {pressure: 3}}", "data.assume.a.pressure: there is no such key"),
    ],
)
def test_what_means_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        data_of(text)
