"""Files of fields that stay open for the next who reads them, while they are the same."""

from contextlib import suppress
from pathlib import Path

import dask
import xarray as xr

from smoecast.disk.file_state import FileState, state_of
from smoecast.errors import SmoecastError
from smoecast.fields.read.open import open_file
from smoecast.fields.read.reading import AS_IT_IS, Reading

MOST, SMALL = 16, 32_000_000
"""Files that are kept, and bytes of one whose values are kept too."""


class OpenedFiles:
    """Files that were opened of late.

    Who reads one sees to it that it does not change meanwhile (`data.unchanged`): here it is asked
    only when a file is opened.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[Path, Reading], tuple[FileState, xr.Dataset]] = {}

    def open(self, path: Path, reading: Reading = AS_IT_IS, *, load: bool = False) -> xr.Dataset:
        """Return what `open_file` does, or did when the file was the same.

        Parameters
        ----------
        path : Path
        reading : Reading
            What of it is selected, and what is assumed.
        load : bool
            Whether the values of a small file are wanted in memory.

        Raises
        ------
        InputError
            See `open_file`.
        """
        state = state_of(path)
        before = self._kept.pop((path, reading), None)
        same = before is not None and state and before[0] == state
        dataset = before[1] if before is not None and same else open_file(path, reading=reading)
        if load and dataset.nbytes <= SMALL:
            # in this thread: netCDF-C is not asked from several
            alone = dask.config.set(scheduler="synchronous")
            # what cannot be read fails those alone who need it
            with alone, suppress(SmoecastError, OSError, RuntimeError, ValueError):
                dataset.load()
        self._kept[path, reading] = state, dataset
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]
        return dataset
