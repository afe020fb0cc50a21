"""A page of HTML, read with the standard library: its elements, and whether they are closed."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

_VOID = {"meta", "link", "img", "input", "br", "hr"}


@dataclass(repr=False, eq=False)
class Element:
    """An element with its attributes, what it stands in, and its text."""

    name: str
    attributes: dict[str, str]
    parents: tuple["Element", ...]
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.parts)


@dataclass(repr=False, eq=False)
class Page(HTMLParser):
    """All elements in order; AssertionError where one is closed that is not open."""

    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = Element(tag, {k: v or "" for k, v in attrs}, tuple(self.open))
        self.elements.append(found)
        if tag not in _VOID:
            self.open.append(found)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(Element(tag, {k: v or "" for k, v in attrs}, tuple(self.open)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1].name == tag, f"</{tag}> closes <{self.open[-1].name}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for one in self.open:
            one.parts.append(data)

    def find(self, name: str, **attributes: str) -> list[Element]:
        """Return elements of a name with some attributes (``class_`` for class)."""
        wanted = {k.rstrip("_").replace("_", "-"): v for k, v in attributes.items()}
        return [
            e for e in self.elements if e.name == name and wanted.items() <= e.attributes.items()
        ]


def read_page(path: Path) -> Page:
    """Read a page; AssertionError where an element is not closed."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()
    assert not page.open, page.open[-1].name
    return page
