"""What the store of a run is made of, and the truth of its ensembles."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from smoecast.config.postprocess import Postprocess
from smoecast.data import time_selection
from smoecast.data.sources.files import expand
from smoecast.data.sources.registry import source_of
from smoecast.data.sources.source import Request
from smoecast.fields.channels import pack
from smoecast.fields.left_out import left_out_of, tell
from smoecast.fields.missing import name_files
from smoecast.fields.read.open import open_files
from smoecast.fields.read.reading import AS_IT_IS, Reading
from smoecast.fields.store.store import open_store

_opened: list[tuple[Request, str, xr.Dataset]] = []
"""What was opened last in this process."""


def content(asked: Request, identity: str) -> xr.Dataset:
    """Return what a store holds, lazily; opened once in each process.

    Parameters
    ----------
    asked : AnalysesRequest or EnsemblesRequest
        What is wanted, of which source.
    identity : str
        Of the request and the raw files: what was opened of another is not given again.

    Returns
    -------
    xr.Dataset
        ``fields`` (time or init_time, ..., channel, latitude, longitude), a mask of each part of
        the split, and ``constant_*``.

    Raises
    ------
    InputError
        A raw file is missing, damaged or incomplete, or has no channel of that name.
    """
    if not _opened or _opened[0][:2] != (asked, identity):
        _opened[:] = [(asked, identity, _open(asked))]
    return _opened[0][2]


def _open(asked: Request) -> xr.Dataset:
    source = source_of(asked)
    paths = source.find(asked)
    dataset = source.open(paths, asked)
    along = str(dataset["fields"].dims[0])
    masks = time_selection.split_times(dataset[along].values, asked.wanted.split, name_files(paths))
    return dataset.assign({part: (along, mask) for part, mask in masks.items()})


def truth_of(settings: Postprocess, store: Path, reading: Reading = AS_IT_IS) -> xr.DataArray:
    """Return the analyses that ensembles are fitted to and scored against.

    Parameters
    ----------
    settings : Postprocess
        Names files of the truth, if it is not the run's store.
    store : Path
        Of the run's analyses.
    reading : Reading
        How files of the truth are read.

    Returns
    -------
    xr.DataArray
        ``(time, channel, latitude, longitude)``.
    """
    if not settings.truth:
        return open_store(store)["fields"]
    return open_truth(expand(settings.truth, "postprocess.truth"), settings.targets, reading)


def open_truth(
    paths: Sequence[Path], channels: Sequence[str], reading: Reading = AS_IT_IS
) -> xr.DataArray:
    """Return analyses of files, ``(time, channel, latitude, longitude)``, lazy.

    Raises
    ------
    InputError
        One is damaged, or lacks a channel, or they are forecasts.
    """
    source = name_files(paths)
    opened = open_files(paths, any_grid=True, reading=reading)
    tell(left_out_of(opened), paths)
    return pack(time_selection.as_analyses(opened, source), channels, source)
