"""YAML is read into few plain values or refused, before it can grow."""

import pytest

from smoecast.config.yaml_text import MOST_BYTES, check_plain, one_line, read_yaml
from smoecast.errors import ConfigError

LAUGHS = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 10)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 9)
)


def test_aliases_and_merge_keys_are_understood() -> None:
    text = "base: &base {x: 1, y: 2}\nagain: *base\nmore: {<<: *base, y: 3}\nlast: {<<: [*base]}"
    base = {"x": 1, "y": 2}
    more = {"x": 1, "y": 3}
    assert read_yaml(text, "t") == {"base": base, "again": base, "more": more, "last": base}


def test_words_numbers_and_days() -> None:
    text = "[1, 0x10, 1.5, .inf, true, null, '1', 2001-02-30, =]"
    found = read_yaml(text, "t")
    assert found == [1, 16, 1.5, float("inf"), True, None, "1", "2001-02-30", "="]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LAUGHS, "more than 50,000 values"),
        (MERGES, "more than 50,000 values"),
        ("".join(f"key{i}: {i}\n" for i in range(30_000)), "more than 50,000 values"),
        ("[" * 20_000, "deeper than 20 levels"),
        ("a: &a [*a]", "holds itself"),
        ("a: &a {<<: *a}", "holds itself"),
        ("".join(f"x{i}: &x{i} [*x{i - 1}]\n" if i else "x0: &x0 1\n" for i in range(30)), "20 l"),
        ("#" * (MOST_BYTES + 1), "at most 1,000,000 characters"),
        ("a: " + "9" * 5000, "a number has 5000 digits"),
        ("a: 0x_", "'0x_' is no int"),
        ("a: !!int x", "'x' is no int"),
        ("a: !!int ''", "'' is no int"),
        ("a: !!bool x", "'x' is no bool"),
        ("a: !!timestamp x", "could not determine a constructor"),
        ("a: !!binary eA==", "could not determine a constructor"),
        ("a: !!set {x}", "could not determine a constructor"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: !!map [1]", "expected a mapping"),
        ("<<: 3", "expected a mapping"),
        ("1: 2", "a key 1 is no text: put it in quotation marks"),
        ("2001: 2", "is no text"),
        ("? [a]\n: 2", "a key is no text"),
        ("a: 1\na: 2", "'a' is given twice"),
        ("<<: {a: 1}\n<<: {b: 1}", "'<<' is given twice"),
        ("a: \x00", "special characters"),
        ("a: 1\n---\nb: 2", "single document"),
    ],
    ids=range(26),
)
def test_the_rest_is_refused_in_one_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=r"^some\.yaml: ") as caught:
        read_yaml(text, "some.yaml")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([[0] * 100] * 1000, "more than 50,000 values"),
        ({"a": "x\0"}, "control character"),
        ({"\x1b[2J": 1}, "control character"),
        ("\ud800", "control character"),
    ],
)
def test_values_that_no_config_holds(values: object, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_plain(values)


def test_values_that_hold_themselves_are_too_deep() -> None:
    values: list[object] = []
    values.append(values)
    with pytest.raises(ValueError, match="deeper than 20"):
        check_plain(values)


def test_plain_values_pass() -> None:
    check_plain({"title": "two\nlines\tand é", "list": [1, 2.0, None, True, {"a": "b"}]})


def test_one_line_has_no_breaks_and_an_end() -> None:
    assert one_line("a\n b\x00c") == "a b?c"
    assert one_line("x" * 500, 10) == "x" * 10 + "..."
