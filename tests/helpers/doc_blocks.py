"""What documents show: blocks of code, the commands in them, and what is said before a block."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
SHELLS = ("", "sh", "bash", "console")
"""Languages of blocks that may hold commands."""
_BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```\s*?$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"<!-- (.*?) -->\s*$", re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(smoecast [^`\n]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes
    ----------
    page : str
        Path in the repository.
    line : int
        Of its first fence.
    language, text : str
    note : str
        The comment that stands right before it, or nothing.
    """

    page: str
    line: int
    language: str
    text: str
    note: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def lines(self) -> list[str]:
        """Its command lines: those after a ``$``, else, in a block without, those of smoecast."""
        text = self.text.replace("\\\n", " ")
        if self.language not in SHELLS:
            return []
        typed = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        if typed or self.language == "console":
            return typed
        if self.language == "":  # it may show anything
            return re.findall(r"^smoecast .*$", text, re.MULTILINE)
        return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]

    @property
    def is_command(self) -> bool:
        """Whether it shows a command of smoecast, or a shell's."""
        return bool(self.lines)


def pages() -> list[str]:
    """Return the pages that teach; decisions are of their day."""
    found = [*ROOT.glob("docs/*.md"), *ROOT.glob("docs/tutorials/*.md")]
    found += [*ROOT.glob("docs/reference/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return sorted(str(path.relative_to(ROOT)) for path in found)


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    text = (ROOT / page).read_text()
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        note = _COMMENT.search(before[before.rfind("<!--") :] if "<!--" in before else "")
        line = before.count("\n") + 1
        found.append(Block(page, line, match[1], match[2], note[1] if note else ""))
    return found


def calls(line: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of smoecast in a command line."""
    words: list[str] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split, lexer.commenters = True, "#"
    for word in [*lexer, ";"]:
        if word in (";", "&", "&&", "|", "||", ">", ">>", "2>", ";;", ")", "(", "<"):
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words and words[0].rpartition("/")[2] == "smoecast":
                yield words[1:]
            words = []
        else:
            words.append(word)


def inline_commands(page: str) -> list[str]:
    """Return the commands of smoecast that stand within sentences."""
    text = _BLOCK.sub("", (ROOT / page).read_text())
    return [" ".join(found.split()) for found in _INLINE.findall(text)]
