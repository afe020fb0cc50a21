"""Files that have a time in their name, and those of them that are much older than the newest."""

import re
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

Dated = list[tuple[Path, Any]]
"""Files, and the datetime64 of each."""


def list_dated(folder: Path, pattern: re.Pattern[str], form: str) -> Dated:
    """Return the files of a folder whose names tell a time.

    Parameters
    ----------
    folder : Path
        One that is not there has none.
    pattern : re.Pattern
        Of the whole name; its first group is the time.
    form : str
        Of the time, as `datetime.strptime` takes it.
    """
    found = []
    for path in sorted(folder.glob("*")):
        if match := pattern.fullmatch(path.name):
            with suppress(ValueError):  # digits that are no time
                found.append((path, np.datetime64(datetime.strptime(match[1], form), "s")))
    return found


def older(found: Dated, keep: np.timedelta64) -> list[Path]:
    """Return the files that are so much older than the newest of them."""
    if not found:
        return []
    newest = max(when for _, when in found)
    return [path for path, when in found if newest - when > keep]
