"""Source `files`: any NetCDF, GRIB or Zarr on disk."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from smoecast.data.download.remote_file import About
from smoecast.data.sources.open import open_analyses, open_ensembles
from smoecast.data.sources.source import AnalysesRequest, EnsemblesRequest, Source
from smoecast.disk.atomic import resolve, write_atomic
from smoecast.disk.digests import digest, sha256_of, size_of
from smoecast.disk.file_state import state_from
from smoecast.disk.small_files import read_json
from smoecast.errors import AbsentError, InputError
from smoecast.fields import checksums
from smoecast.fields.read.open import format_of, read_head
from smoecast.fields.read.zarr.group_file import group_file, is_group_file
from smoecast.fields.read.zarr.metadata import group_attributes
from smoecast.fields.read.zarr.open import PART

SUFFIXES = (".nc", ".nc4", ".cdf", ".grib", ".grib1", ".grib2", ".grb", ".grb1", ".grb2")

_MOST_BYTES = 2**26
DIGESTS = ".digests.json"
"""In a run's folder: which sha256 its raw files had when they were last read."""


def expand(patterns: Sequence[str], key: str) -> list[Path]:
    """Return the files that paths, folders and globs name, sorted, each once.

    Parameters
    ----------
    patterns : sequence of str
        ``~`` is expanded; a folder stands for the weather files in it, that of a Zarr group for
        the group.
    key : str
        Config key or option that named them, for messages.

    Raises
    ------
    AbsentError
        A pattern matches no file.
    InputError
        A folder is a Zarr group of two versions at once.
    """
    found: set[Path] = set()
    for pattern in patterns:
        path = resolve(pattern)
        if group := group_file(path):
            matches = {group}
        elif path.is_dir():
            matches = _find_in(path)
        elif any(sign in pattern for sign in "*?["):
            root = Path(path.anchor) if path.is_absolute() else Path()
            named = list(root.glob(str(path.relative_to(root))))
            matches = {p for p in named if p.is_file()}
            matches |= {group for p in named if p.is_dir() and (group := group_file(p))}
        else:
            matches = {path} if path.is_file() else set()
        if not matches:
            raise AbsentError(f"{pattern}: {_explain_none(path)}; correct {key}")
        found |= matches
    return sorted(found)


def _explain_none(path: Path) -> str:
    """Say why a pattern matches no file."""
    if not path.is_dir():
        return "there is no such file"
    if not any(path.iterdir()):
        return "the folder is empty"
    return "the folder holds no GRIB, NetCDF or Zarr"


def _find_in(folder: Path) -> set[Path]:
    """Return the weather files in a folder: by their suffix, else by their first bytes.

    GFS has ``gfs.t00z.pgrb2.0p25.f000``; where some have a suffix, the others are something else.
    """
    every = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return {path for path in every if path.suffix.lower() in SUFFIXES} or {
        path for path in every if path.is_file() and _has_fields(path)
    }


def _has_fields(path: Path) -> bool:
    try:
        return bool(format_of(path, read_head(path)))
    except OSError:  # nobody may read it: not for us
        return False


def manifest(paths: Sequence[Path], memory: Path | None = None) -> list[dict[str, Any]]:
    """Return name, size and sha256 of each file, of a Zarr group those of all its files.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    memory : Path, optional
        JSON file that remembers the digests: a file that has not changed in size, times and inode
        since is not read again. The caller holds the lock on its folder (`disk.locks.lock`).
    """
    known = _recall(memory)
    marks = [_mark(path) for path in paths]
    before = [known.get(str(path.absolute()), [None]) for path in paths]
    changed = [p for p, old, mark in zip(paths, before, marks, strict=True) if old[:-1] != mark]
    with ThreadPoolExecutor() as pool:
        digests = dict(zip(changed, pool.map(digest_of, changed), strict=True))
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


def digest_of(path: Path) -> str:
    """Return the sha256 of a raw file: of a Zarr group that over all its files.

    Metadata that stand for all chunks, those of a part that was fetched and of a result, suffice.
    """
    if not is_group_file(path) or _stands_for_all(path):
        return sha256_of(path)
    return digest(path.parent)


def _stands_for_all(path: Path) -> bool:
    try:
        return (path.parent / checksums.LISTING).is_file() or PART in group_attributes(path)
    except InputError:
        return True  # its reader says what is wrong with it


def _mark(path: Path) -> list[int]:
    """Return what changes when a raw file, or any file of a Zarr group, changes: its size first."""
    if not is_group_file(path) or _stands_for_all(path):
        return list(state_from(path.stat()))
    states = (state_from(file.stat()) for file in path.parent.rglob("*") if file.is_file())
    return [size_of(path.parent), *map(sum, zip(*sorted(states), strict=True))]


def _recall(memory: Path | None) -> dict[str, Any]:
    if memory is None or not memory.is_file():
        return {}
    try:
        known = read_json(memory, _MOST_BYTES)
        return {name: mark for name, mark in known.items() if len(mark) > 1 and mark[-1]}
    except (OSError, ValueError, AttributeError, TypeError, KeyError):
        return {}


ABOUT = About(
    "files", "NetCDF, GRIB or Zarr that you have", "as you have it", "as you got it", "data.files"
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
