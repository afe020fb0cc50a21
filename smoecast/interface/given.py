"""What the Python interface is given: files by their names, or a dataset in memory."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xarray as xr

from smoecast.config import yaml_file
from smoecast.config.run import Config
from smoecast.errors import ConfigError
from smoecast.fields.canonical.canonical import canonical
from smoecast.fields.read.netcdf.stored import in_blocks
from smoecast.tasks.inspect.inspect import find

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""Files, folders and globs."""
Given = xr.Dataset | Paths


def find_files(source: Paths) -> list[Path]:
    """Return the files that names, folders and globs mean, sorted, each once.

    Raises
    ------
    AbsentError
        One means none.
    InputError
        A folder is a Zarr group of two versions at once.
    ConfigError
        These are no names of files.
    """
    single = isinstance(source, str | os.PathLike)
    names = [source] if single else list(source) if isinstance(source, Sequence) else []
    each = [name for name in names if isinstance(name, str | os.PathLike)]
    if not each or len(each) < len(names):
        kind = type(source).__name__
        raise ConfigError(f"a {kind} names no file: give a path, or a list of paths")
    return sorted({path for name in each for path in find(os.fspath(name))})


def as_text(source: Given, name: str) -> list[str]:
    """Return what was given as a result tells it: names, or what a dataset in memory is called."""
    if isinstance(source, xr.Dataset):
        return [name]
    if isinstance(source, str | os.PathLike):
        return [os.fspath(source)]
    return [str(one) for one in source]


def take(
    source: Given,
    name: str,
    any_grid: bool = False,
    read: Callable[[xr.Dataset, str], xr.Dataset] | None = None,
) -> tuple[tuple[Path, ...], tuple[str, xr.Dataset] | None]:
    """Return files, or in their place a dataset in canonical form with what messages call it.

    Such a dataset is taken by `take_dataset`, unless another way to `read` it is named.

    Raises
    ------
    AbsentError, InputError, ConfigError
        See `find_files` and `take_dataset`.
    """
    if isinstance(source, xr.Dataset):
        return (), (name, read(source, name) if read else take_dataset(source, name, any_grid))
    return tuple(find_files(source)), None


def take_dataset(dataset: xr.Dataset, name: str, any_grid: bool = False) -> xr.Dataset:
    """Return a dataset in memory in canonical form; it is read as its file would be.

    Parameters
    ----------
    dataset : xr.Dataset
        As xarray opens a file of any maker, or canonical already. Its values are not copied before
        they are asked for.
    name : str
        What messages call it.
    any_grid : bool
        Whether a map projection may pass.

    Raises
    ------
    InputError
        See `fields.canonical.canonical.canonical`.
    """
    blocks = {
        key: in_blocks(array.variable, f"{name}: {key}")
        for key, array in dataset.data_vars.items()
        if array.chunks is None
    }
    return canonical(dataset.assign(blocks), name, any_grid)


def with_section(config: Config, section: str, changes: dict[str, Any]) -> Config:
    """Return a model's config with other values in a section, in one process.

    Raises
    ------
    ConfigError
        A value is none that the section may have.
    """
    values = config.in_one_process().model_dump(mode="json")
    values[section] |= changes
    return yaml_file.validate(values, f"smoecast.{section}")
