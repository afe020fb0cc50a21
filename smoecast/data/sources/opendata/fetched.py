"""Files of runs of open data that were fetched before: found by their names, removed when old."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from smoecast.data.download.manifest import Manifest
from smoecast.disk.dated import list_dated, older
from smoecast.disk.leftovers import remove
from smoecast.disk.locks import lock

_ANALYSIS = re.compile(r"opendata_(\d{10})_oper_0h_[0-9a-f]{8}\.grib2")
_ANY = re.compile(r"opendata_(\d{10})_\w+\.(grib2|index)")
"""Names that `runs` gives."""


def find_all(folder: Path, newest: Sequence[Path]) -> list[Path]:
    """Return the newest analysis and those that were fetched before it, in order of time.

    Parameters
    ----------
    folder : Path
        Of the raw files.
    newest : sequence of Path
        What `Source.find` returns.

    Returns
    -------
    list of Path
        One a start. Those that hold another number of fields were fetched for other channels.
    """
    manifest = Manifest(folder)
    fields = {p.name: e.notes.get("fields") for p in newest if (e := manifest.get(p.name))}
    found = {}
    for path in [*sorted(folder.glob("opendata_*.grib2")), *newest]:  # a start's own file is last
        entry, match = manifest.get(path.name), _ANALYSIS.fullmatch(path.name)
        if match and entry and (path in newest or entry.notes.get("fields") in fields.values()):
            found[match[1]] = path
    return [found[start] for start in sorted(found)]


def remove_old(folder: Path, needed: Iterable[Path], keep: np.timedelta64) -> list[Path]:
    """Remove the files of runs that are so much older than the newest.

    Parameters
    ----------
    folder : Path
        Of the raw files; only what its manifest knows is removed.
    needed : iterable of Path
        Files that stay, however old: those of the newest run and of what it needs.
    keep : timedelta64

    Returns
    -------
    list of Path
        What was removed.
    """
    if not folder.is_dir():
        return []
    stay = {path.name for path in needed}
    with lock(folder):
        manifest = Manifest(folder)
        gone = [
            path
            for path in older(list_dated(folder, _ANY, "%Y%m%d%H"), keep)
            if path.name not in stay and manifest.get(path.name) is not None
        ]
        for path in gone:
            remove(path)
        manifest.forget([path.name for path in gone])
    return gone
