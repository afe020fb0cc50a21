"""Pages of the repository that stand outside of docs, and links that lead to them.

A link to a file that the site does not have, such as a test, becomes its name.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
"""A link of Markdown, or a picture: its sign, its words, where it leads."""
FENCE = re.compile(r"(^```.*?^```\s*?$)", re.MULTILINE | re.DOTALL)


def sources() -> dict[str, str]:
    """Return the file of each page, in the repository, by the name of the page."""
    cards = {f"models/{path.parent.name}": path for path in sorted(ROOT.glob("models/*/card.md"))}
    whole = {"changelog": ROOT / "CHANGELOG.md", "contributing": ROOT / "CONTRIBUTING.md"}
    return {name: str(path.relative_to(ROOT)) for name, path in {**cards, **whole}.items()}


def adopt(source: str, page: str) -> str:
    """Return a file of the repository as a page of the site.

    Parameters
    ----------
    source : str
        Path of the file in the repository.
    page : str
        Path of the page in docs.
    """
    return lead((ROOT / source).read_text(), source, page)


def lead(text: str, source: str, page: str) -> str:
    """Return text whose links lead to pages of the site.

    Parameters
    ----------
    text : str
        Of Markdown.
    source : str
        Where it stands in the repository: links are relative to it.
    page : str
        Path in docs of the page that it becomes.
    """
    parts = FENCE.split(text)  # what stands between fences has no links
    parts[::2] = [LINK.sub(lambda m: _lead_one(m, source, page), part) for part in parts[::2]]
    return "".join(parts)


def targets(text: str) -> Iterator[str]:
    """Yield where the links and pictures of a page lead."""
    for part in FENCE.split(text)[::2]:
        yield from (found[3] for found in LINK.finditer(part))


def _lead_one(found: "re.Match[str]", source: str, page: str) -> str:
    sign, words, target = found.groups()
    if re.match(r"[a-z]+:|#", target):
        return found[0]
    path, _, anchor = target.partition("#")
    at = os.path.normpath(os.path.join(os.path.dirname(source), path))  # noqa: PTH118, PTH120
    known = {file: f"docs/reference/made/{name}.md" for name, file in sources().items()}
    if at == "README.md":  # of the same kind, and without its headings
        at, anchor = "docs/first-forecast.md", ""
    at = known.get(at, at)
    if not at.startswith("docs/"):
        return words
    away = os.path.relpath(at, os.path.dirname(f"docs/{page}"))  # noqa: PTH120
    return f"{sign}[{words}]({away}{'#' + anchor if anchor else ''})"
