"""YAML that others wrote, as plain values: text, numbers, lists and mappings, few and shallow.

What a text may be made into is bounded before it is made: aliases count as often as they are used.
"""

import re
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from smoecast.errors import ConfigError

MOST_BYTES = 1_000_000
"""Of one text."""
MOST_VALUES = 50_000
"""Keys, values and entries of lists in all."""
DEEPEST = 20
"""Levels; a config has six."""
LONGEST_NUMBER = 40
"""Characters."""

_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + kind for kind in ("map", "seq", "str", "int", "float", "bool", "null")}
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TOO_MANY = f"it holds more than {MOST_VALUES:,} values, aliases counted where they are used"
_TOO_DEEP = f"it is nested deeper than {DEEPEST} levels"


class _Loader(yaml.SafeLoader):
    """A safe loader for what a config can hold; a day such as 2001-01-01 stays text."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._count = self._depth = 0
        self._sizes: dict[int, tuple[int, int]] = {}  # of whole nodes: values and levels within

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        is_alias = self.check_event(yaml.AliasEvent)
        start = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs leave it
        self._count += 1
        self._depth += 1
        self._bound(self._count, self._depth, start)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is None or (is_alias and id(node) not in self._sizes):
            raise _refusal("an anchor holds itself", start)
        if not is_alias:
            self._measure(node, start)
        return node

    def _measure(self, node: Node, start: yaml.Mark) -> None:
        """Note how large a node is with all its aliases, and refuse one that is too large."""
        inside: list[Node] = []
        if isinstance(node, MappingNode):
            _check_keys(node)
            inside = [part for pair in node.value for part in pair]
        elif not isinstance(node, ScalarNode):
            inside = node.value
        sizes = [self._sizes[id(part)] for part in inside]
        count = 1 + sum(size for size, _ in sizes)
        depth = 1 + max((deep for _, deep in sizes), default=0)
        self._bound(count, depth, start)
        self._sizes[id(node)] = count, depth

    def _bound(self, count: int, depth: int, start: yaml.Mark) -> None:
        if count > MOST_VALUES:
            raise _refusal(_TOO_MANY, start)
        if depth > DEEPEST:
            raise _refusal(_TOO_DEEP, start)

    def construct_object(self, node: Node, deep: bool = False) -> Any:
        kind = node.tag.removeprefix(_TAG)
        if kind in ("int", "float") and len(node.value) > LONGEST_NUMBER:
            raise _refusal(f"a number has {len(node.value)} digits", node.start_mark)
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError):  # of tags that do not fit, such as !!int x, and of 0x_
            raise _refusal(f"{node.value!r:.40} is no {kind}", node.start_mark) from None


_Loader.yaml_constructors = {
    tag: make
    for tag, make in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag in _PLAIN
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag in _PLAIN | {f"{_TAG}merge"}]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _check_keys(node: MappingNode) -> None:
    """Refuse a key that is no text, and one given twice: YAML itself lets the last one win."""
    known = set[str]()
    for key, _ in node.value:
        if key.tag not in (f"{_TAG}str", f"{_TAG}merge"):
            shown = f"{key.value} " if isinstance(key, ScalarNode) else ""
            raise _refusal(f"a key {shown}is no text: put it in quotation marks", key.start_mark)
        if key.value in known:
            raise _refusal(f"the key '{key.value}' is given twice", key.start_mark)
        known.add(key.value)


def _refusal(why: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=why, problem_mark=mark)


def read_yaml(text: str, source: str) -> Any:
    """Read one YAML document into plain values.

    Parameters
    ----------
    text : str
        At most `MOST_BYTES` characters.
    source : str
        What it is called in messages.

    Raises
    ------
    ConfigError
        It is no YAML, has a key twice, or holds something else than text, numbers, lists and
        mappings, or too much of it.
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(f"{source}: a config has at most {MOST_BYTES:,} characters")
    try:
        return yaml.load(text, Loader=_Loader)  # nosec B506
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: this is not valid YAML: {one_line(str(error))}") from None


def check_plain(values: object) -> None:
    """Refuse values that are too many or too deep, and text that no file or terminal can carry.

    Raises
    ------
    ValueError
        Saying which.
    """
    waiting, count = [(values, 1)], 0
    while waiting:
        value, depth = waiting.pop()
        count += 1
        if count > MOST_VALUES:
            raise ValueError(_TOO_MANY)
        if depth > DEEPEST:
            raise ValueError(_TOO_DEEP)
        if isinstance(value, str) and _UNSEEN.search(value):
            raise ValueError(f"{one_line(repr(value), 60)} holds a control character")
        if isinstance(value, dict):
            waiting += [(part, depth + 1) for pair in value.items() for part in pair]
        elif isinstance(value, list):
            waiting += [(part, depth + 1) for part in value]


def one_line(text: str, most: int = 400) -> str:
    """Return text without line breaks and control characters, cut where it is longer than `most`.

    Parameters
    ----------
    text : str
    most : int
        Characters.
    """
    line = " ".join(_UNSEEN.sub("?", text[: 4 * most]).split())
    return line if len(line) <= most else f"{line[:most]}..."
