"""The pages that are made from the code when the site is built, so that none of them can be old.

They are written beside the pages of hand, into folders that git ignores: a page for each command,
a page for each section of the config, the exit codes, and what stands elsewhere in the repository
(cards of models, CHANGELOG, CONTRIBUTING).
"""

from pathlib import Path
from typing import Any

import commands
import config_keys
import exit_codes
import repository
from pygments.lexers.special import TextLexer

DOCS = Path(__file__).parents[1]
MADE = "reference/made"
"""Folder of the pages, in docs."""


def make_pages() -> dict[str, str]:
    """Return the text of every page, by its path in docs."""
    parts = {
        **{f"commands/{name}": text for name, text in commands.pages().items()},
        **{f"config/{name}": text for name, text in config_keys.pages().items()},
        "exit-codes": exit_codes.page(),
        **{
            name: repository.adopt(source, f"{MADE}/{name}.md")
            for name, source in repository.sources().items()
        },
    }
    return {f"{MADE}/{name}.md": text for name, text in parts.items()}


def write_pages(docs: Path = DOCS) -> None:
    """Write every page that is new, and remove those that are no more."""
    pages = make_pages()
    for path in (docs / MADE).rglob("*.md"):
        if str(path.relative_to(docs)) not in pages:
            path.unlink()
    for name, text in pages.items():
        path = docs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # an unchanged page keeps its time, and is not read again
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _follow_links(_app: Any, page: str, source: list[str]) -> None:
    """Lead links out of docs to the pages that stand for them in the site."""
    if not page.startswith(MADE):
        source[0] = repository.lead(source[0], f"docs/{page}.md", f"{page}.md")


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("config-inited", lambda _app, _config: write_pages())
    app.connect("source-read", _follow_links)
    app.add_lexer("cron", TextLexer)  # docs/operations.md names what is no language to Pygments
    return {"parallel_read_safe": True, "parallel_write_safe": True}
