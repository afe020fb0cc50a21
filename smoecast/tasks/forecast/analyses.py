"""The analyses that forecasts start from, and which file holds which of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast.data.unchanged import Inputs, describe_fields
from smoecast.fields import missing, times
from smoecast.fields.left_out import LeftOut


@dataclass(frozen=True, eq=False)
class Analyses:
    """What forecasts start from.

    Attributes
    ----------
    fields : xr.DataArray
        ``(time, channel, latitude, longitude)``, on the model's grid, lazy.
    source : str
        Names them in messages.
    held : Inputs
        The files and stores they are in.
    files : dict
        Which times each file has; none without times has what is constant.
    left_out : dict
        What is not read of each file.
    store : Path, optional
        Where they are in no files.
    stored : JSON value
        Manifest of the files that the store was made of.
    lookback : timedelta64
        By which sums that were computed reach back to earlier times.
    in_memory : bool
        Whether they are of a dataset in memory, which `files` names as if it were one.
    """

    fields: xr.DataArray
    source: str
    held: Inputs
    files: dict[Path, NDArray[np.datetime64]]
    left_out: dict[Path, tuple[LeftOut, ...]]
    store: Path | None
    stored: Any
    lookback: np.timedelta64
    in_memory: bool = False

    @property
    def times(self) -> NDArray[np.datetime64]:
        """Times of the analyses, ascending."""
        found: NDArray[np.datetime64] = self.fields["time"].values
        return found

    def describe_all(self) -> Any:
        """Return the manifest of all files, or of those that the store was made of."""
        return self.held.describe(list(self.files)) if self.store is None else self.stored

    def describe(self, needed: NDArray[np.datetime64]) -> list[dict[str, Any]]:
        """Return name, size and sha256 of what holds the analyses of some times.

        Files are told by their bytes; of a store, which grows, and of a dataset in memory it is
        the fields themselves.
        """
        if self.store is None and not self.in_memory:
            return self.held.describe(self.find_files(needed))
        name = self.store.name if self.store else self.source
        return [
            describe_fields(f"{name} {times.iso(time)}", self.fields.sel(time=time))
            for time in needed
        ]

    def find_files(self, needed: NDArray[np.datetime64]) -> list[Path]:
        """Return the files that hold the analyses of some times; none of a store."""
        return [path for path, times_ in self.files.items() if self._uses(times_, needed)]

    def _uses(self, there: NDArray[np.datetime64], needed: NDArray[np.datetime64]) -> bool:
        """Whether a file with some times is read for others; one without times always is."""
        after = needed[:, None] - there[None, :]
        reached = (after >= np.timedelta64(0, "ns")) & (after <= self.lookback)
        return not len(there) or bool(reached.any())

    def check_finite(self, needed: NDArray[np.datetime64]) -> None:
        """Refuse missing values in the analyses of some times; those of a store were checked.

        Raises
        ------
        InputError
            The message names channel, time and files.
        """
        if self.store is None:
            missing.check_finite(self.fields.sel(time=needed), list(self.files))
