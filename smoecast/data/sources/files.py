"""Source `files`: any NetCDF or GRIB on disk."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smoecast.data.download.remote_file import About
from smoecast.data.sources.open import open_analyses, open_ensembles
from smoecast.data.sources.source import AnalysesRequest, EnsemblesRequest, Source
from smoecast.disk.atomic import resolve, write_atomic
from smoecast.disk.digests import sha256_of
from smoecast.disk.file_state import state_from
from smoecast.disk.small_files import read_json
from smoecast.errors import AbsentError

SUFFIXES = (".nc", ".nc4", ".cdf", ".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2")

_MOST_BYTES = 2**26
DIGESTS = ".digests.json"
"""In a run's folder: which sha256 its raw files had when they were last read."""


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
    AbsentError
        A pattern matches no file.
    """
    found: set[Path] = set()
    for pattern in patterns:
        path = resolve(pattern)
        if path.is_dir():
            matches = {p for p in path.iterdir() if p.suffix.lower() in SUFFIXES}
        elif any(sign in pattern for sign in "*?["):
            root = Path(path.anchor) if path.is_absolute() else Path()
            matches = {p for p in root.glob(str(path.relative_to(root))) if p.is_file()}
        else:
            matches = {path} if path.is_file() else set()
        if not matches:
            raise AbsentError(f"{pattern}: there is no such file; correct {key}")
        found |= matches
    return sorted(found)


def manifest(paths: Sequence[Path], memory: Path | None = None) -> list[dict[str, Any]]:
    """Return name, size and sha256 of each file.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    memory : Path, optional
        JSON file that remembers the digests: a file that has not changed in size, times and inode
        since is not read again. The caller holds the lock on its folder (`disk.locks.lock`).
    """
    known = _recall(memory)
    marks = [list(state_from(path.stat())) for path in paths]
    before = [known.get(str(path.absolute()), [None]) for path in paths]
    changed = [p for p, old, mark in zip(paths, before, marks, strict=True) if old[:-1] != mark]
    with ThreadPoolExecutor() as pool:
        digests = dict(zip(changed, pool.map(sha256_of, changed), strict=True))
    entries, seen = [], {}
    for path, old, mark in zip(paths, before, marks, strict=True):
        digest = digests.get(path, old[-1])
        seen[str(path.absolute())] = [*mark, digest]
        entries.append({"file": path.name, "bytes": mark[0], "sha256": digest})
    together = known | seen
    if memory and together != known:
        memory.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(memory, json.dumps(together, indent=1).encode())
    return entries


def _recall(memory: Path | None) -> dict[str, Any]:
    if memory is None or not memory.is_file():
        return {}
    try:
        known = read_json(memory, _MOST_BYTES)
        return {name: mark for name, mark in known.items() if len(mark) > 1 and mark[-1]}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}


ABOUT = About(
    "files", "NetCDF or GRIB that you have", "as you have it", "as you got it", "data.files"
)
SOURCE: Source[AnalysesRequest] = Source(
    ABOUT, lambda asked: expand(asked.wanted.files, "data.files"), open_analyses
)
ENSEMBLES: Source[EnsemblesRequest] = Source(
    ABOUT,
    lambda asked: expand(asked.wanted.files, "postprocess.files"),
    open_ensembles,
    has_any=lambda asked: bool(asked.wanted.files),
)
