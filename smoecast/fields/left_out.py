"""What a file has that is not read, and why."""

from collections.abc import Iterable
from dataclasses import dataclass

import xarray as xr

_ATTRIBUTE = "smoecast_left_out"


@dataclass(frozen=True)
class LeftOut:
    """A variable of a NetCDF or Zarr file, or a kind of GRIB message, that is not read.

    Attributes
    ----------
    name : str
        As the file has it: ``swvl1``, ``pres on maxWind``.
    reason : str
        Why, in a few words; empty where smoecast has no name for it.
    channel : str
        The channel of ours that it nearly is, whose absence it explains: ``sp``.
    """

    name: str
    reason: str = ""
    channel: str = ""

    def __str__(self) -> str:
        """Return the name, and the reason where there is one."""
        return f"{self.name} ({self.reason})" if self.reason else self.name


def left_out_of(dataset: xr.Dataset) -> tuple[LeftOut, ...]:
    """Return what is not read of the files of which `dataset` was opened."""
    found: tuple[LeftOut, ...] = dataset.attrs.get(_ATTRIBUTE, ())
    return found


def note_left_out(dataset: xr.Dataset, left_out: Iterable[LeftOut]) -> xr.Dataset:
    """Return `dataset` with a note, in memory alone, of what is not read of its files."""
    return dataset.assign_attrs({_ATTRIBUTE: tuple(dict.fromkeys(left_out))})


def describe(left_out: Iterable[LeftOut]) -> str:
    """Return what is not read in one line."""
    return ", ".join(map(str, left_out))
