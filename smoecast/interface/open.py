"""`smoecast.open`: any file of fields as one canonical dataset."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import xarray as xr

from smoecast.config import yaml_file
from smoecast.data.readings import of_analyses
from smoecast.fields.channels import unpack
from smoecast.fields.left_out import ATTRIBUTE, left_out_of, to_attribute
from smoecast.fields.read.join import join
from smoecast.fields.read.open import open_each, open_file
from smoecast.fields.read.reading import Reading
from smoecast.fields.read.results import open_result, read_attributes
from smoecast.fields.read.zarr.group_file import folder_of, is_group_file
from smoecast.fields.store import store
from smoecast.interface.given import Paths, find_files


def open(  # noqa: A001  # as xarray and netCDF4 call it; it is asked for as smoecast.open
    source: Paths,
    *,
    select: Mapping[str, Any] | None = None,
    assume: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open GRIB, NetCDF or Zarr files as one canonical dataset, whose fields stay on disk.

    Whatever the file calls them: dimensions ``(time, [level], latitude, longitude)`` of analyses
    and ``(init_time, lead_time, [number], [level], latitude, longitude)`` of forecasts, latitude
    from north to south, float32 in SI units under short ECMWF names (`docs/channels.md`).

    Parameters
    ----------
    source : str, path or sequence of them
        Files, folders, globs, Zarr groups, results of smoecast or its store. Several continue each
        other in time, or have different variables of the same times, in any order.
    select : mapping, optional
        What of the files is read, as ``data.select`` of a config: ``{"typeOfLevel": "surface"}``.
    assume : mapping, optional
        What they do not say, as ``data.assume``: ``{"*.nc": {"level": 500}}``.

    Returns
    -------
    xarray.Dataset
        What is not read of the files stands in the attribute ``smoecast_left_out``, JSON of
        objects with ``name``, ``reason`` and ``file``; there is none where everything is read.

    Raises
    ------
    InputError
        A file is missing (`AbsentError`), damaged, of no known kind, or has nothing that smoecast
        knows; or several do not fit together.
    ConfigError
        `select` or `assume` is none.

    Examples
    --------
    >>> import smoecast
    >>> analyses = smoecast.open("era5.grib", select={"typeOfLevel": "isobaricInhPa"})
    >>> analyses["t"].sel(level=850)  # doctest: +SKIP
    """
    return open_paths(find_files(source), select, assume)


def open_paths(
    paths: list[Path], select: Mapping[str, Any] | None, assume: Mapping[str, Any] | None
) -> xr.Dataset:
    """Open files that were found, see `open`."""
    reading = read_wishes(select, assume)
    if len(paths) == 1 and _is_store(paths[0]):
        return _open_store(paths[0].parent)
    one = len(paths) == 1
    opener = open_result if one else partial(open_file, any_grid=True)
    opened = join(open_each(paths, partial(opener, reading=reading)))
    return say_left_out(opened)


def read_wishes(select: Mapping[str, Any] | None, assume: Mapping[str, Any] | None) -> Reading:
    """Return how files are read.

    Raises
    ------
    ConfigError
        They are not what sections ``data.select`` and ``data.assume`` of a config may be.
    """
    said = {"select": dict(select or {}), "assume": dict(assume or {})}
    return of_analyses(yaml_file.validate({"data": said}, "smoecast.open").data)


def say_left_out(dataset: xr.Dataset) -> xr.Dataset:
    """Return `dataset` with what is not read of its files as text, which any file can hold."""
    attributes = {key: value for key, value in dataset.attrs.items() if key != ATTRIBUTE}
    found = [one for one in left_out_of(dataset) if one.name not in dataset.data_vars]
    bare = dataset.copy(deep=False)
    bare.attrs = attributes | to_attribute(found)
    return bare


def _is_store(path: Path) -> bool:
    """Whether a file stands for a store that `preprocess` made."""
    return is_group_file(path) and store.DETAILS in read_attributes(folder_of(path))


def _open_store(folder: Path) -> xr.Dataset:
    """Return the fields of a store by their names, and what was not read when it was made."""
    opened = store.open_store(folder)
    kept = {key: opened.attrs[key] for key in (ATTRIBUTE,) if key in opened.attrs}
    return unpack(opened["fields"]).assign_attrs(kept)
