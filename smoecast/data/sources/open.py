"""What a store holds of raw files that `fields.read.open` opens."""

from collections.abc import Sequence
from pathlib import Path

import xarray as xr

from smoecast.config.data import Data
from smoecast.data import time_selection
from smoecast.data.readings import of_analyses, of_ensembles
from smoecast.data.sources.source import AnalysesRequest, EnsemblesRequest
from smoecast.errors import InputError
from smoecast.fields import channels
from smoecast.fields.canonical.canonical import KEPT_ATTRIBUTES
from smoecast.fields.derived import derive
from smoecast.fields.left_out import left_out_of, note_left_out, tell
from smoecast.fields.missing import name_files, trim_leading
from smoecast.fields.read.open import open_files
from smoecast.fields.regrid import grid_by_name, regrid

SUMS = {"tp6h", "lntp6h"}
"""Made of every hour's precipitation."""


def open_analyses(
    paths: Sequence[Path],
    asked: AnalysesRequest,
    *,
    groups: Sequence[Sequence[Path]] = (),
    trim_start: bool = False,
) -> xr.Dataset:
    """Return what a store holds of files of analyses, see `Source.open`.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    asked : AnalysesRequest
    groups : sequence of sequence of Path
        The same, apart where their times differ; none given: all together.
    trim_start : bool
        Whether some variables begin later than the rest.

    Raises
    ------
    InputError
        A file is damaged or incomplete, or none has a channel of that name.
    ConfigError
        There is no grid of the name that is wanted.
    """
    wanted, source = asked.wanted, name_files(paths)
    of_analyses(wanted).check_patterns(paths)
    parts = [_at_step(group, wanted, trim_start) for group in groups or [paths] if group]
    left_out = [left for part in parts for left in left_out_of(part)]
    tell(left_out, paths)
    dataset = xr.merge(parts, join="inner", combine_attrs="override")
    dataset = time_selection.evenly(dataset, wanted.step_hours, source)
    if wanted.grid:
        dataset = regrid(dataset, grid_by_name(wanted.grid), wanted.regrid)
    dataset = derive(dataset, wanted.channels, wanted.constants, source)
    packed = xr.Dataset(
        {"fields": channels.pack(dataset, wanted.channels, source, "data.channels")}
    )
    for name in wanted.constants:
        packed[f"constant_{name}"] = _constant(dataset, name, source)
    return note_left_out(packed, left_out)


def _at_step(paths: Sequence[Path], wanted: Data, trim_start: bool) -> xr.Dataset:
    """Open files and keep the times of the store; sums are made before the others go."""
    source = name_files(paths)
    dataset = open_files(paths, trim_start=trim_start, reading=of_analyses(wanted))
    if SUMS & set(wanted.channels) and channels.has_field(dataset, "tp"):
        dataset = derive(dataset, ["tp6h"], (), source)
    dataset = trim_leading(dataset, (*wanted.channels, "tp6h"), source)
    return time_selection.evenly(dataset, wanted.step_hours, source)


def _constant(dataset: xr.Dataset, name: str, source: str) -> xr.DataArray:
    """Return a field without time, in memory."""
    field = channels.field(dataset, name, source, "data.constants")
    extra = [d for d in field.dims if d not in ("latitude", "longitude")]
    field = field.isel(dict.fromkeys(extra, 0), drop=True)
    values = field.drop_vars([n for n in field.coords if n not in field.dims]).astype("float32")
    loaded: xr.DataArray = values.compute(scheduler="synchronous")
    if not bool(loaded.notnull().all()):
        raise InputError(
            f"{source}: the constant {name} has missing values: leave it out (data.constants)"
        )
    return loaded


def open_ensembles(
    paths: Sequence[Path], asked: EnsemblesRequest, *, licence: str = ""
) -> xr.Dataset:
    """Return what a store holds of files of ensembles, see `Source.open`.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    asked : EnsemblesRequest
    licence : str
        Of the source, where the files do not say it.

    Raises
    ------
    InputError
        A file is damaged, or none has a channel or a lead time that is wanted.
    """
    source = name_files(paths)
    reading = of_ensembles(asked.wanted)
    reading.check_patterns(paths)
    opened = open_files(paths, any_grid=True, reading=reading)
    tell(left_out_of(opened), paths)
    dataset = time_selection.leads(opened, asked.wanted.lead_hours, source)
    fields = stack_ensemble(dataset, asked.wanted.channels, source)
    packed = xr.Dataset({"fields": fields.assign_attrs({"license": licence} if licence else {})})
    return note_left_out(packed, left_out_of(opened))


def stack_ensemble(dataset: xr.Dataset, names: Sequence[str], source: str) -> xr.DataArray:
    """Stack channels of an ensemble; what its files say of themselves comes along as attributes.

    Returns
    -------
    xr.DataArray
        ``(init_time, lead_time, [number,] channel, latitude, longitude)``, or the axes of a
        projection, which then comes along too.

    Raises
    ------
    InputError
        A channel is not there.
    """
    fields = channels.pack(dataset, names, source, "postprocess.channels")
    leading = [d for d in ("init_time", "lead_time", "number") if d in fields.dims]
    fields = fields.transpose(*leading, ...)
    return fields.assign_attrs({k: dataset.attrs[k] for k in KEPT_ATTRIBUTES if k in dataset.attrs})
