"""Tables of plain text, as wide as a terminal or as they need, and lists that are cut."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from itertools import zip_longest

_NARROWEST = 8
"""Signs of a column of words, at least."""


def width() -> int:
    """Return how many signs a line on stdout may have; 0 where that does not matter, as in a pipe.

    The variable COLUMNS of the environment decides, where it is set.
    """
    wanted = sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal()
    return shutil.get_terminal_size().columns if wanted else 0


def table(header: list[str], rows: list[list[str]], width: int = 0) -> str:
    """Return rows as a plain table: numbers to the right, words to the left.

    Parameters
    ----------
    header : list of str
    rows : list of list of str
    width : int
        Of a line, at most: long words are broken over several; 0: each row is one line.
    """
    columns = list(zip(header, *rows, strict=True))
    right = [all(_is_number(cell) for cell in column[1:]) for column in columns]
    widths = [max(map(len, column)) for column in columns]
    words = [max(len(word) for cell in column for word in cell.split()) for column in columns]
    for least in (words, [_NARROWEST] * len(widths)):  # words are broken only where they must be
        _narrow(
            widths, [s if r else low for s, r, low in zip(widths, right, least, strict=True)], width
        )
    lines = []
    for row in [header, ["-" * size for size in widths], *rows]:
        for parts in zip_longest(*map(_wrap, row, widths), fillvalue=""):
            cells = zip(parts, widths, right, strict=True)
            line = "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in cells)
            lines.append(line.rstrip())
    return "\n".join(lines)


def name_some(texts: Iterable[str], most: int, between: str = ", ") -> str:
    """Return texts in one line, each once: the first of them, and how many more there are."""
    every = list(dict.fromkeys(texts))
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return between.join(every[:most]) + more


def _narrow(widths: list[int], least: Sequence[int], width: int) -> None:
    """Take signs from the widest columns that may lose some until all of them fit."""
    while width and sum(widths) + 2 * len(widths) - 2 > width:
        spare = [i for i, size in enumerate(widths) if size > least[i]]
        if not spare:
            return
        widths[max(spare, key=lambda i: widths[i])] -= 1


def _wrap(cell: str, width: int) -> list[str]:
    """Return a cell in lines; there is one of an empty cell too."""
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width)


def _is_number(cell: str) -> bool:
    return cell.lstrip("+-").replace(".", "", 1).isdigit() or cell in ("-", "")
