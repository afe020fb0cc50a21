"""What the pages say that smoecast says, it says."""

import re

from doc_blocks import ROOT


def test_every_message_is_one_of_the_program() -> None:
    sources = "".join(path.read_text() for path in sorted((ROOT / "smoecast").rglob("*.py")))
    text = re.sub(r'"\s*\n\s*f?"', "", sources)
    page = (ROOT / "docs/troubleshooting.md").read_text()
    parts = re.findall(r"^## \d.*?(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    said = [
        words
        for part in parts
        for row in re.findall(r"^\| (`.*?) \|", part, re.MULTILINE)
        for words in re.findall(r"`([^`]+)`", row)
    ]
    assert len(said) >= 30
    from_elsewhere = {"No space left on device"}  # the system's own words
    assert [words for words in said if words not in text and words not in from_elsewhere] == []
