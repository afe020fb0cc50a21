"""What `--keep` removes: what smoecast made here, and what is so much older than the newest.

Ages are counted from the newest of the same kind and not from the clock of this machine: one that
goes wrong removes nothing, and the newest always stays.
"""

import re
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from smoecast import console
from smoecast.data.download.manifest import Manifest
from smoecast.disk.leftovers import remove
from smoecast.disk.locks import lock, lock_output
from smoecast.disk.read_locks import unread
from smoecast.errors import ConfigError, LockedError
from smoecast.fields.read.results import read_attributes
from smoecast.run_record import FOLDER
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.provenance import IDENTITY, config_beside

Found = list[tuple[Path, Any]]
"""Files, and the datetime64 of each."""

_RECORD = re.compile(r"(\d{8}T\d{6}Z)_[a-z]+_[0-9a-f]{6}\.json")
_OPEN_DATA = re.compile(r"opendata_(\d{10})_\w+\.(grib2|index)")


def check_keep(name: OutputName, keep: np.timedelta64 | None) -> None:
    """Refuse to remove results that have no names of their own.

    Raises
    ------
    ConfigError
        All starts stand in one file.
    """
    if keep is not None and not name.is_pattern:
        raise ConfigError(
            f"{name.text}: --keep removes the files of old starts, but here all are in one: name "
            "it as fc_{init_time:%Y%m%d%H}.nc"
        )


def remove_results(name: OutputName, keep: np.timedelta64) -> list[Path]:
    """Remove results whose start is so much older than that of the newest one.

    Parameters
    ----------
    name : OutputName
        A pattern. What has such a name and is no result of smoecast stays, as does one that is
        being read or made.
    keep : timedelta64

    Returns
    -------
    list of Path
        What was removed; the config beside each went with it.
    """
    found = [(path, start) for path, start in name.find() if IDENTITY in read_attributes(path)]
    removed = []
    for path in _older(found, keep):
        try:
            with lock_output(path):
                if path.is_dir():
                    with unread(path):
                        remove(path)
                else:
                    remove(path)
                remove(config_beside(path))
        except LockedError:
            continue
        removed.append(path)
    return removed


def remove_records(folder: Path, keep: np.timedelta64) -> list[Path]:
    """Remove the records of runs that began so much earlier than the newest; return which."""
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s")
    found = _list_dated(folder / FOLDER, _RECORD, "%Y%m%dT%H%M%SZ")
    # what a clock that went ahead has dated makes nothing old
    return _remove(_older([(path, when) for path, when in found if when <= now], keep))


def remove_open_data(folder: Path, keep: np.timedelta64, needed: Iterable[Path]) -> list[Path]:
    """Remove fetched files of runs of open data that are so much older than the newest.

    Parameters
    ----------
    folder : Path
        Of the raw files; only what its manifest knows is removed.
    keep : timedelta64
    needed : iterable of Path
        Files that stay, however old: those of the newest analysis and of what it needs.
    """
    if not folder.is_dir():
        return []
    with lock(folder):
        manifest, stay = Manifest(folder), {path.name for path in needed}
        found = _list_dated(folder, _OPEN_DATA, "%Y%m%d%H")
        gone = _remove(
            [
                path
                for path in _older(found, keep)
                if path.name not in stay and manifest.get(path.name) is not None
            ]
        )
        manifest.forget([path.name for path in gone])
    return gone


def tell(removed: list[Path], keep: np.timedelta64) -> None:
    """Say how many files went."""
    if removed:
        days = keep / np.timedelta64(1, "D")
        console.say(f"{len(removed)} files older than {days:g} days removed (--keep)")


def _older(found: Found, keep: np.timedelta64) -> list[Path]:
    if not found:
        return []
    newest = max(when for _, when in found)
    return [path for path, when in found if newest - when > keep]


def _remove(paths: list[Path]) -> list[Path]:
    for path in paths:
        remove(path)
    return paths


def _list_dated(folder: Path, pattern: re.Pattern[str], form: str) -> Found:
    """Return the files of a pattern whose name begins with a time, or has one, and that time."""
    found = []
    for path in sorted(folder.glob("*")):
        if match := pattern.fullmatch(path.name):
            with suppress(ValueError):  # digits that are no time
                found.append((path, np.datetime64(datetime.strptime(match[1], form), "s")))
    return found
