"""Links of documents lead to files that are there, and to headings that these have."""

import os
import re
from pathlib import Path

import pytest
from doc_blocks import ROOT
from doc_pages import PAGES
from repository import targets

DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (*ROOT.glob("*.md"), *ROOT.glob("models/*/card.md"), *ROOT.glob("docs/**/*.md"))
    if "_build" not in path.parts and "made" not in path.parts
)
MADE = {f"docs/{name}": text for name, text in PAGES.items()}


def anchors(text: str) -> set[str]:
    """Return what a link can lead to within a page: its headings, as GitHub and MyST name them."""
    without_blocks = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    found = set()
    for heading in re.findall(r"^#+ (.+)$", without_blocks, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        found.add(re.sub(r"[^\w\- ]", "", words).replace(" ", "-"))
    return found


def read(at: str) -> str | None:
    """Return the text of a page, nothing of other files, and None where there is no such file."""
    path = ROOT / at
    if at in MADE or not path.exists():
        return MADE.get(at)
    return path.read_text() if path.suffix == ".md" else ""


def check(text: str, page: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    lost = []
    for target in targets(text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        at = os.path.normpath(Path(page).parent / path) if path else page
        known = text if at == page else read(at)
        if known is None or (anchor and anchor not in anchors(known)):
            lost.append(target)
    return lost


@pytest.mark.parametrize("page", DOCUMENTS)
def test_links_of_a_document_lead_somewhere(page: str) -> None:
    assert check((ROOT / page).read_text(), page) == []


def test_links_of_made_pages_lead_somewhere() -> None:
    assert {page: lost for page, text in MADE.items() if (lost := check(text, page))} == {}


def test_a_link_that_leads_nowhere_is_found() -> None:
    text = "[a](nowhere.md) [b](#no-heading) ![c](images/none.png)\n\n# Here\n\n[d](#here)\n"
    assert check(text, "docs/x.md") == ["nowhere.md", "#no-heading", "images/none.png"]


def test_every_page_stands_in_a_table_of_contents() -> None:
    """As Sphinx asks; this finds it without."""
    listed: set[str] = set()
    for page in (ROOT / "docs").glob("**/*.md"):
        for block in re.findall(r"```{toctree}\n(.*?)```", page.read_text(), re.DOTALL):
            names = [line for line in block.splitlines() if line and not line.startswith(":")]
            base = page.parent
            for name in names:
                listed |= {str(p.relative_to(ROOT)) for p in base.glob(f"{name}.md")} | {
                    made
                    for made in MADE
                    if Path(made).match(str((base / f"{name}.md").relative_to(ROOT)))
                }
    pages = {page for page in DOCUMENTS if page.startswith("docs/")} | {*MADE}
    assert pages - listed - {"docs/index.md"} == set()
