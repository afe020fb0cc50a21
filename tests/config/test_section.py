"""What every section of a config can be asked."""

from smoecast.config.section import first_difference


def test_the_first_difference_of_nested_values_is_named() -> None:
    assert first_difference({"a": {"b": [1, 2]}}, {"a": {"b": [1, 2]}}) == ""
    assert first_difference({"a": {"b": 1, "c": 2}}, {"a": {"c": 3, "b": 1}}) == "a.c (2, now 3)"
    assert first_difference({"a": 1}, {"a": 1, "b": 2}) == "b (null, now 2)"
