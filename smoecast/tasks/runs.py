"""`smoecast runs`: the records of runs, and whether what they made is still as they made it.

A record comes from a file that anyone may have written: what it says is shown and compared, and
nothing is written or removed by it.
"""

import json
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from smoecast.disk.digests import digest
from smoecast.disk.small_files import read_small
from smoecast.errors import InputError, OutputError
from smoecast.run_record import FOLDER, LISTINGS, NAME

MOST_BYTES = 2**26
"""Of a record; a larger file is none."""

WRONG = ("changed", "unreadable", "unknown")
"""States of a result that is not as its newest record says."""

_TYPES: dict[str, Any] = {
    **dict.fromkeys(("verb", "run", "start", "end", "host", "folder", "results"), str),
    **dict.fromkeys(("inputs", "outputs", "command"), list),
    **dict.fromkeys(("stages", "notes", "versions"), dict),
    **dict.fromkeys(("exit_code", "pid", "peak_memory_bytes"), int),
    **dict.fromkeys(("seconds", "cpu_seconds"), (int, float)),
    "error": (str, type(None)),
}

Record = dict[str, Any]


def list_runs(folder: Path, *, failed: bool = False, last: int | None = None) -> dict[str, Any]:
    """Return the records of the runs into a folder, newest last.

    Parameters
    ----------
    folder : Path
        Of the results.
    failed : bool
        Those alone that did not end with 0.
    last : int, optional
        So many of the newest.

    Returns
    -------
    dict
        ``runs``: the records, each with ``record``, its path; ``damaged``: sentences on files that
        have the name of a record and are none.

    Raises
    ------
    InputError
        The folder is not there.
    """
    damaged: list[str] = []
    found = [r for r in _read_all(folder, damaged) if r["exit_code"] or not failed]
    return {
        "runs": found if last is None else found[max(0, len(found) - last) :],
        "damaged": damaged,
    }


def show_run(place: Path) -> Record:
    """Return one record, with its path as ``record``; of a folder, that of the newest run.

    Raises
    ------
    InputError
        It is not there, or is no record.
    """
    if not place.is_dir():
        return _read(place)
    found = list(_read_all(place, []))
    if not found:
        raise _without_records(place)
    return found[-1]


def verify_runs(place: Path) -> dict[str, Any]:
    """Hold what runs made, and what they read, against their records.

    Parameters
    ----------
    place : Path
        A record; or the folder of the results, where each is held against the record of the run
        that made it last, and what these runs read too.

    Returns
    -------
    dict
        ``checked``: of each file ``path``, ``kind`` (``output`` or ``input``), ``record``,
        ``state`` (``whole``, ``replaced``, ``gone``, or one of `WRONG`) and ``words``;
        ``damaged``: sentences on files that have the name of a record and are none; ``exit_code``:
        5 if a result is not as its newest record says, or a record is damaged, else 0.

    Raises
    ------
    InputError
        There are no records.
    """
    folder = (place if place.is_dir() else place.parent.parent).absolute()
    damaged: list[str] = []
    known = list(_read_all(folder, damaged))
    asked = known if place.is_dir() else [_read(place.absolute())]
    if not asked:
        raise _without_records(place)
    newest = {_where(entry, r): r["record"] for r in [*asked, *known] for entry in _list_made(r)}
    checked: list[dict[str, Any]] = []
    for record in asked:
        outputs = {_where(entry, record): entry for entry in _list_made(record)}
        current = [path for path in outputs if newest[path] == record["record"]]
        for path in outputs if asked is not known else current:
            by = newest[path] if path not in current else ""
            state = (
                ("replaced", f"replaced by {by}") if by else _look_at_output(outputs[path], path)
            )
            checked.append(_tell("output", path, record, state))
        for entry in _with_place(record["inputs"]) if current or asked is not known else ():
            path = _where(entry, record)
            if not any(c["path"] == str(path) for c in checked):  # a result of another run
                checked.append(_tell("input", path, record, _look_at(entry, path)))
    wrong = any(c["kind"] == "output" and c["state"] in WRONG for c in checked)
    code = OutputError.exit_code if wrong or damaged else 0
    return {"checked": checked, "damaged": damaged, "exit_code": code}


def _read(path: Path) -> Record:
    try:
        said = json.loads(read_small(path, MOST_BYTES))
    except OSError as problem:
        raise InputError(
            f"{path}: the record cannot be read ({problem.strerror}): `smoecast runs list FOLDER` "
            "names those that are there"
        ) from None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict) or not _is_record(said):
        raise InputError(f"{path}: is no record of a run: name one that `smoecast runs list` shows")
    return {**said, "record": str(path)}


def _read_all(folder: Path, damaged: list[str]) -> Iterator[Record]:
    """Yield the records of a folder, oldest first; note what is damaged."""
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder: name the folder of a run")
    names = (path for path in (folder / FOLDER).glob("*.json") if NAME.fullmatch(path.name))
    found = []
    for path in sorted(names):
        try:
            found.append(_read(path))
        except InputError as problem:
            damaged.append(str(problem))
    yield from sorted(found, key=lambda record: (record["start"], record["record"]))


def _without_records(folder: Path) -> InputError:
    return InputError(f"{folder / FOLDER}: there are no records: name the folder of the results")


def _is_record(said: dict[str, Any]) -> bool:
    """Whether what a file says has the form of a record."""
    if not all(isinstance(said.get(key), kind) for key, kind in _TYPES.items()):
        return False
    entries = [*said["inputs"], *said["outputs"], *said["stages"].values()]
    return all(isinstance(entry, dict) for entry in entries)


def _with_place(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the entries that say where a file is and what is in it."""
    return [e for e in entries if all(isinstance(e.get(key), str) for key in ("path", "sha256"))]


def _list_made(record: Record) -> list[dict[str, Any]]:
    return [entry for entry in _with_place(record["outputs"]) if entry.get("made") is True]


def _where(entry: dict[str, Any], record: Record) -> Path:
    """Return where a file is; those in the folder of the results are where that is now."""
    path, folder = Path(entry["path"]), record["results"]
    if folder and path.is_relative_to(folder) and ".." not in path.parts:
        return Path(record["record"]).parent.parent / path.relative_to(folder)
    return path


def _tell(kind: str, path: Path, record: Record, state: tuple[str, str]) -> dict[str, Any]:
    about = {"path": str(path), "kind": kind, "record": record["record"]}
    return {**about, "state": state[0], "words": state[1]}


def _look_at(entry: dict[str, Any], path: Path) -> tuple[str, str]:
    """Compare a file, or the listing of a store, with the digest in a record."""
    listing = entry.get("listing") or ""
    if listing not in ("", *LISTINGS):
        return "unknown", "is no store whose files are listed"
    place = path / listing
    try:
        mode = place.stat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return "unknown", "is neither a file nor a folder"
        there = digest(place)
    except (FileNotFoundError, NotADirectoryError):
        return "gone", "is gone"
    except (OSError, ValueError) as problem:
        return "unreadable", f"cannot be read ({problem})"
    if there != entry["sha256"]:
        return "changed", "has other content than it had"
    return "whole", "its list of checksums is as it was" if listing else "is as it was"


def _look_at_output(entry: dict[str, Any], path: Path) -> tuple[str, str]:
    """Compare a result with its record, and open it again."""
    from smoecast.tasks.verify import check, kind_of  # noqa: PLC0415  # loads readers of results

    found = _look_at(entry, path)
    if found[0] != "whole":
        return found
    try:
        kind = kind_of(path)
        if kind in ("result", "store"):
            check(path, kind)
            return "whole", "is as it was"
    except InputError:
        return found  # it carries no checksums of its own
    except (OutputError, OSError) as problem:
        return "changed", str(problem)
    return found
