"""Tables line up, and keep to a width; lists are cut."""

import pytest

from smoecast.text_table import name_some, table, width


def test_table_lines_up() -> None:
    rows = [["long name", "1.5", "x"], ["b", "-10.25", "why"]]
    lines = table(["a", "score", "note"], rows).splitlines()
    assert lines[0] == "a           score  note"
    assert lines[2] == "long name     1.5  x"
    assert lines[3] == "b          -10.25  why"


def test_a_table_keeps_to_a_width() -> None:
    rows = [
        ["one", "12345678901234567890", "many words that need more than one line"],
        ["b", "2", ""],
    ]
    lines = table(["a", "number", "note"], rows, width=50).splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[2] == "one  12345678901234567890  many words that need"
    assert [line.strip() for line in lines[3:5]] == [
        "more than one line",
        "b                       2",
    ]
    narrow = table(["a", "number", "note"], rows, width=5).splitlines()
    assert len(narrow[2]) > 30  # numbers stay whole


def test_lines_are_as_wide_as_the_terminal_or_as_wished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width() == 0
    monkeypatch.setenv("COLUMNS", "70")
    assert width() == 70


def test_of_many_the_first_are_named_and_the_rest_counted() -> None:
    assert name_some("aab", 2, " or ") == "a or b"
    assert name_some("abcd", 2) == "a, b and 2 more"
