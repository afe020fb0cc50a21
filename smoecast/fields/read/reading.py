"""How files are read that say more than is wanted, or less: what a config says of them."""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import xarray as xr

from smoecast.errors import ConfigError
from smoecast.fields.left_out import LeftOut
from smoecast.fields.read.assumption import Assumption, assume
from smoecast.fields.read.choice import choose
from smoecast.fields.read.selection import Leaving, Selection
from smoecast.fields.read.zarr.group_file import folder_of

_LEAVING = "smoecast_leaving"
"""Attribute of a dataset in memory."""


@dataclass(frozen=True)
class Reading:
    """What is selected and assumed of files, by patterns of their names.

    Attributes
    ----------
    selections : tuple of (str, Selection)
    assumptions : tuple of (str, Assumption)
    """

    selections: tuple[tuple[str, Selection], ...] = ()
    assumptions: tuple[tuple[str, Assumption], ...] = ()

    def selection_of(self, path: Path) -> Selection | None:
        """Return what is selected of a file; None: all."""
        found = [one for pattern, one in self.selections if _fits(path, pattern)]
        if not found:
            return None
        return Selection(tuple(c for one in found for c in one.conditions), found[0].key)

    def assumption_of(self, path: Path) -> Assumption | None:
        """Return what is assumed of a file.

        Raises
        ------
        ConfigError
            Two patterns mean it.
        """
        found = [(pattern, one) for pattern, one in self.assumptions if _fits(path, pattern)]
        if len(found) > 1:
            raise ConfigError(
                f"{found[0][1].key}: both {found[0][0]} and {found[1][0]} mean {path.name}: let "
                "one of them say all"
            )
        return found[0][1] if found else None

    def check_patterns(self, paths: Iterable[Path]) -> None:
        """Refuse a pattern that means none of some files, most likely a slip.

        Raises
        ------
        ConfigError
            The message names it.
        """
        paths = list(paths)
        keys = [(pattern, one.key) for pattern, one in self.selections]
        keys += [(pattern, one.key) for pattern, one in self.assumptions]
        for pattern, key in keys:
            if not any(_fits(path, pattern) for path in paths):
                there = ", ".join(dict.fromkeys(_name(path) for path in paths[:3]))
                raise ConfigError(f"{key}: no file is called {pattern}, but {there}")

    def prepare(
        self, dataset: xr.Dataset, path: Path
    ) -> tuple[xr.Dataset, list[LeftOut], tuple[Leaving, ...]]:
        """Return a decoded NetCDF file or Zarr group as it is to be read.

        Returns
        -------
        tuple
            It, what is left out, and what came of what is to be left.

        Raises
        ------
        InputError
            Nothing is selected, or what is assumed contradicts the file.
        ConfigError
            Two patterns of assumptions mean the file.
        """
        selection, assumed = self.selection_of(path), self.assumption_of(path)
        path = folder_of(path)
        left: list[LeftOut] = []
        leaving: tuple[Leaving, ...] = ()
        if selection is not None:
            dataset, left, leaving = choose(dataset, selection, path)
        dataset = dataset if assumed is None else assume(dataset, assumed, path)
        return dataset, left, leaving


def note_leaving(dataset: xr.Dataset, leaving: tuple[Leaving, ...]) -> xr.Dataset:
    """Return `dataset` with a note, in memory alone, of what came of what was to be left."""
    return dataset.assign_attrs({_LEAVING: leaving}) if leaving else dataset


def take_leaving(dataset: xr.Dataset) -> tuple[xr.Dataset, tuple[Leaving, ...]]:
    """Return `dataset` without that note, and the note."""
    bare = dataset.copy(deep=False)
    return bare, bare.attrs.pop(_LEAVING, ())


AS_IT_IS = Reading()
"""Everything is read as the file says it."""


def _fits(path: Path, pattern: str) -> bool:
    return fnmatchcase(_name(path), pattern)


def _name(path: Path) -> str:
    """Return what a file is called; a Zarr group is called as its folder."""
    return folder_of(path).name
