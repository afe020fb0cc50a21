"""What the files of a folder hold: opened once each, for as long as they stay as they are."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.data import time_selection
from smoecast.errors import InputError
from smoecast.fields.channels import channels_of
from smoecast.fields.read.open import open_file
from smoecast.fields.read.opened import OpenedFiles
from smoecast.fields.read.reading import Reading
from smoecast.fields.times import as_hours
from smoecast.tasks.watch.attempts import Attempt, Failure
from smoecast.tasks.watch.folder import Folder, Mark

Time = np.datetime64


@dataclass(frozen=True)
class Contents:
    """What a file holds.

    Attributes
    ----------
    mark : Mark
        Of the file.
    times : frozenset of datetime64
        Of its analyses, or starts of its ensembles.
    channels : frozenset of str
    lead_hours : frozenset of int
        Of ensembles.
    """

    mark: Mark
    times: frozenset[Time]
    channels: frozenset[str]
    lead_hours: frozenset[int] = frozenset()


def read_analyses(opened_files: OpenedFiles, reading: Reading, path: Path, mark: Mark) -> Contents:
    """Return which analyses a file holds.

    Raises
    ------
    InputError
        It cannot be opened, or holds none.
    """
    dataset = time_selection.on_step(opened_files.open(path, reading), 1, str(path))
    return Contents(mark, _set_of(dataset["time"]), frozenset(channels_of(dataset)))


def read_ensembles(reading: Reading, path: Path, mark: Mark) -> Contents:
    """Return which ensembles a file holds.

    Raises
    ------
    InputError
        It cannot be opened, or holds none.
    """
    dataset = open_file(path, any_grid=True, reading=reading)
    if not {"init_time", "lead_time"} <= set(dataset.dims):
        raise InputError(
            f"{path}: holds no forecasts (init_time, lead_time), which an ensemble is made of"
        )
    hours: NDArray[np.int64] = as_hours(dataset["lead_time"].values).round().astype(int)
    leads = frozenset(hours.tolist())
    return Contents(mark, _set_of(dataset["init_time"]), frozenset(channels_of(dataset)), leads)


def _set_of(times: xr.DataArray) -> frozenset[Time]:
    return frozenset(times.values.astype("datetime64[ns]"))


class Arrivals:
    """The files of a folder and what they hold.

    Parameters
    ----------
    folder : Folder
    read : callable
        `read_analyses` or `read_ensembles`.
    attempt : Attempt
        Around every reading.
    """

    def __init__(
        self, folder: Folder, read: Callable[[Path, Mark], Contents], attempt: Attempt
    ) -> None:
        self.folder, self._read, self._attempt = folder, read, attempt
        self._known: dict[Path, Contents] = {}
        self._refused: dict[Path, Mark] = {}
        self._lost = False

    @property
    def files(self) -> Mapping[Path, Contents]:
        """Every whole file that could be read."""
        return self._known

    def look(self) -> bool:
        """Look what has come and gone, and read what has come; whether anything has.

        What cannot be read is told once, and read again only when it has changed.
        """
        looked = self._attempt(self.folder.look)
        if isinstance(looked, Failure):
            if not self._lost:
                console.fail(f"{looked.sentence} (it is looked for again and again)")
            self._lost = True
            return False
        if self._lost:
            console.say(f"{self.folder.place}: is there again")
        self._lost = False
        if not looked:
            return False
        there = self.folder.settled
        # a file that is being written again is not what it was, yet it may soon be
        kept = there.keys() | self.folder.grow
        self._refused = {p: mark for p, mark in self._refused.items() if p in kept}
        self._known = {p: known for p, known in self._known.items() if there.get(p) == known.mark}
        for path, mark in sorted(there.items()):
            if path in self._known or self._refused.get(path) == mark:
                continue
            found = self._attempt(partial(self._read, path, mark))
            if not isinstance(found, Failure):
                self._known[path] = found
            elif path.exists():  # else it went just now, and may come again as it was
                console.warn(f"{found.sentence} (left alone until it changes)")
                self._refused[path] = mark
        return True
