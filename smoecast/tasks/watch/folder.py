"""A folder in which other programs put files: what is in it, and which of it is whole."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from smoecast.disk.atomic import resolve
from smoecast.errors import AbsentError
from smoecast.fields.read.zarr.array import METADATA

UNFINISHED = (".part", ".tmp", ".filepart", "~")
"""Endings of names that programs give to what they are still writing."""
BESIDE = ".config.yaml"
"""Ending of what smoecast puts beside its results, which may be what is watched."""


class Mark(NamedTuple):
    """What tells one content of a file from the next without reading it."""

    size: int
    modified: int
    inode: int


class Folder:
    """What is there at each look; what is as it was at the look before counts as whole.

    Parameters
    ----------
    place : str
        A folder, or a glob of files; ``~`` is expanded. Hidden names, `UNFINISHED` ones and the
        configs beside results are never looked at, nor what lies in folders within, but for Zarr
        groups: by the ``.zmetadata`` that is written last.
    is_ours : callable
        Whether a path is the name of a result of ours.

    Attributes
    ----------
    settled : dict of Path to Mark
        What is whole, by absolute paths.
    grow : set of Path
        What is not, or not yet.
    """

    def __init__(self, place: str, is_ours: Callable[[Path], bool]) -> None:
        self.place = resolve(place).absolute()
        self._is_ours = is_ours
        self._seen: dict[Path, Mark] = {}
        self._ours: dict[Path, bool] = {}
        self.settled: dict[Path, Mark] = {}
        self.grow: set[Path] = set()

    def check(self) -> None:
        """Refuse a folder that is not there.

        Raises
        ------
        AbsentError
            It is not, or it is none.
        """
        if not self._is_glob and not self.place.is_dir():
            raise AbsentError(
                f"{self.place}: there is no such folder to watch: make it, or correct it"
            )

    @property
    def _is_glob(self) -> bool:
        return any(sign in str(self.place) for sign in "*?[") and not self.place.is_dir()

    def look(self) -> bool:
        """Look what is there; whether what is whole is not what it was.

        Raises
        ------
        OSError
            The folder is gone, or may not be read: what was known stays so.
        """
        before, seen = self.settled, dict(self._list())
        self.settled = {path: mark for path, mark in seen.items() if self._seen.get(path) == mark}
        self.grow = seen.keys() - self.settled.keys()
        self._seen = seen
        return self.settled != before

    def _list(self) -> Iterator[tuple[Path, Mark]]:
        known, self._ours = self._ours, {}
        for path in self._walk():
            name = path.name
            if name.startswith(".") or name.endswith((*UNFINISHED, BESIDE)):
                continue
            ours = self._ours[path] = known[path] if path in known else self._is_ours(path)
            if ours:
                continue
            try:
                found = path.stat()
                if stat.S_ISDIR(found.st_mode):
                    path /= METADATA  # noqa: PLW2901
                    found = path.stat()
            except OSError:
                continue  # gone meanwhile, a link that leads nowhere, or a folder of other things
            if stat.S_ISREG(found.st_mode):
                yield path, Mark(found.st_size, found.st_mtime_ns, found.st_ino)

    def _walk(self) -> Iterator[Path]:
        if not self._is_glob:
            with os.scandir(self.place) as entries:
                yield from [self.place / entry.name for entry in entries]
            return
        root = Path(self.place.anchor)
        yield from root.glob(str(self.place.relative_to(root)))
