"""Source `files`: any NetCDF or GRIB on disk."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smoecast.errors import InputError

SUFFIXES = (".nc", ".nc4", ".cdf", ".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2")


def expand(patterns: Sequence[str], key: str) -> list[Path]:
    """Return the files that paths, folders and globs name, sorted, each once.

    Parameters
    ----------
    patterns : sequence of str
        ``~`` is expanded; a folder stands for the weather files in it.
    key : str
        Config key or option that named them, for messages.

    Raises
    ------
    InputError
        A pattern matches no file.
    """
    found: set[Path] = set()
    for pattern in patterns:
        path = Path(pattern).expanduser()
        if path.is_dir():
            matches = {p for p in path.iterdir() if p.suffix.lower() in SUFFIXES}
        elif any(sign in pattern for sign in "*?["):
            root = Path(path.anchor) if path.is_absolute() else Path()
            matches = {p for p in root.glob(str(path.relative_to(root))) if p.is_file()}
        else:
            matches = {path} if path.is_file() else set()
        if not matches:
            raise InputError(f"{pattern}: there is no such file; correct {key}")
        found |= matches
    return sorted(found)


def manifest(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return name, size and sha256 of each file."""
    entries = []
    for path in paths:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        entries.append({"file": path.name, "bytes": path.stat().st_size, "sha256": digest})
    return entries
