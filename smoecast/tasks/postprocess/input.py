"""The ensemble that comes to be calibrated: opened, checked, and held against the calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import dask
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.config.postprocess import Postprocess
from smoecast.data import time_selection
from smoecast.data.members import check_sizes, is_moments, over_land, with_members
from smoecast.data.readings import of_ensembles
from smoecast.data.sources.open import stack_ensemble
from smoecast.data.unchanged import Inputs, describe_fields
from smoecast.errors import ModelError
from smoecast.fields import missing, times
from smoecast.fields.grid import place_of, same_place
from smoecast.fields.left_out import LeftOut, left_out_of, tell
from smoecast.fields.read.join import join
from smoecast.fields.read.open import open_each, open_file
from smoecast.fields.store import store
from smoecast.tasks.postprocess.calibration import Calibration

QUANTILES = 10
"""Members made from mean and spread where the config does not say how many."""

KEPT = 500_000_000
"""Bytes of an ensemble from files that memory holds whole: one of ENS-10 has 115 million."""

PART = "test"
"""What is calibrated where no input is given."""


@dataclass(frozen=True, eq=False)
class EnsembleInput:
    """An ensemble to calibrate.

    Attributes
    ----------
    fields : xr.DataArray
        ``(init_time, lead_time, number, channel, latitude, longitude)``, or the axes of a
        projection; lazy; its attributes are what its files say of themselves.
    source : str
        Names it in messages.
    manifest : JSON value
        Name, bytes and sha256 of its files.
    held : Inputs
        These files.
    files : dict
        Which starts each of them has; none: the ensemble is in a store.
    left_out : dict
        What is not read of each of them.
    """

    fields: xr.DataArray
    source: str
    manifest: Any
    held: Inputs
    files: dict[Path, NDArray[np.datetime64]]
    left_out: dict[Path, tuple[LeftOut, ...]]

    @property
    def lead_hours(self) -> tuple[int, ...]:
        """Its lead times."""
        hours = times.as_hours(self.fields["lead_time"].values)
        return tuple(int(hour) for hour in hours.round())

    def describe(self, starts: NDArray[np.datetime64]) -> list[dict[str, Any]]:
        """Return name, size and sha256 of what holds the ensembles of some starts.

        Files are told by their bytes; of a store, which grows, it is the fields themselves.
        """
        if self.files:
            return self.held.describe(self.find_files(starts))
        return _describe_fields(self.source, self.fields, starts)

    def find_files(self, starts: NDArray[np.datetime64]) -> list[Path]:
        """Return the files that hold the ensembles of some starts; none of a store."""
        return [path for path, there in self.files.items() if np.isin(there, starts).any()]

    def find_gaps(self, fields: xr.DataArray) -> bool:
        """Tell whether a member of some of the fields is missing: NaN throughout a field.

        Raises
        ------
        InputError
            A file lacks part of a field.
        """
        if self.files:
            with dask.config.set(scheduler="synchronous"):
                return missing.check_finite(fields, list(self.files), gaps=True)
        corner = fields.isel(dict.fromkeys(fields.dims[-2:], 0))  # a missing field is so throughout
        return bool(corner.isnull().any())


def open_input(
    settings: Postprocess,
    calibration: Calibration,
    ensemble_store: Path,
    paths: Sequence[Path],
    held: Inputs,
    given: tuple[str, xr.Dataset] | None = None,
) -> EnsembleInput:
    """Open what is to be calibrated.

    Parameters
    ----------
    settings : Postprocess
        Says which lead times.
    calibration : Calibration
        What will be applied.
    ensemble_store : Path
        Of the run.
    paths : sequence of Path
        Files; none: the test part of that store.
    held : Inputs
        The files and the store.
    given : tuple of str and xr.Dataset, optional
        A canonical dataset in memory in the place of files, with its name for messages.

    Raises
    ------
    InputError
        It is missing, damaged, or lacks a channel, a lead time or all but one of its members.
    ModelError
        It has no members, lies on another grid, or the calibration was not fitted for a lead time.
    """
    if given:
        source, dataset = given
        opened = _take_given(settings, calibration, source, dataset, held)
    elif paths:
        source = missing.name_files(paths)
        opened = _open_files(settings, calibration, paths, held)
    else:
        source = str(ensemble_store)
        opened = _open_store(ensemble_store, settings.members or QUANTILES, held)
    fields = opened.fields
    if "number" not in fields.dims:
        raise ModelError(f"{source}: holds no ensemble members (dimension number)")
    check_sizes(fields, source)
    here, there = place_of(fields), calibration.grid
    if there is not None and not same_place(there, here):
        raise ModelError(
            f"{source}: the ensemble is on {here.describe()}, the calibration on "
            f"{there.describe()}; fit one on this grid"
        )
    if not settings.any_lead:
        _check_leads(opened.lead_hours, calibration, source)
    return opened


def _open_files(
    settings: Postprocess, calibration: Calibration, paths: Sequence[Path], held: Inputs
) -> EnsembleInput:
    source = missing.name_files(paths)
    each = open_each(paths, partial(open_file, any_grid=True, reading=of_ensembles(settings)))
    starts = {path: _starts_of(dataset) for path, dataset in each}
    left_out = {path: left_out_of(dataset) for path, dataset in each}
    tell(chain.from_iterable(left_out.values()), paths)
    fields = _select_fields(settings, calibration, join(each), source)
    return EnsembleInput(fields, source, held.manifest[: len(paths)], held, starts, left_out)


def _take_given(
    settings: Postprocess,
    calibration: Calibration,
    source: str,
    dataset: xr.Dataset,
    held: Inputs,
) -> EnsembleInput:
    """Take a dataset in memory as if it were a file: its fields stand for its bytes."""
    fields = _select_fields(settings, calibration, dataset, source)
    starts = {Path(source): _starts_of(dataset)}
    left_out = {Path(source): left_out_of(dataset)}
    manifest = _describe_fields(source, fields, fields["init_time"].values)
    return EnsembleInput(fields, source, manifest, held, starts, left_out)


def _describe_fields(
    source: str, fields: xr.DataArray, starts: NDArray[np.datetime64]
) -> list[dict[str, Any]]:
    return [
        describe_fields(f"{source} {times.iso(start)}", fields.sel(init_time=start))
        for start in starts
    ]


def _select_fields(
    settings: Postprocess, calibration: Calibration, dataset: xr.Dataset, source: str
) -> xr.DataArray:
    """Return the channels and lead times that are calibrated, in memory where they are few."""
    opened = over_land(dataset)
    if "lead_time" in opened.dims and not settings.any_lead:
        there = times.as_hours(opened["lead_time"].values).round().astype(int).tolist()
        if not set(there) & set(calibration.lead_hours):
            _check_leads(there, calibration, source)
    if "lead_time" not in opened.dims or not settings.any_lead:  # it refuses analyses
        opened = time_selection.leads(opened, settings.lead_hours, source)
    fields = stack_ensemble(opened, calibration.channels, source)
    if fields.nbytes <= KEPT:  # its files are read once, not to check and again to calibrate
        # in this thread: netCDF-C is not asked from several
        with dask.config.set(scheduler="synchronous"):
            fields = fields.load()
    return fields


def _starts_of(dataset: xr.Dataset) -> NDArray[np.datetime64]:
    none = np.array([], "datetime64[ns]")
    return dataset["init_time"].values if "init_time" in dataset.dims else none


def _check_leads(hours: Sequence[int], calibration: Calibration, source: str) -> None:
    strange = [hour for hour in hours if hour not in calibration.lead_hours]
    if strange:
        raise ModelError(
            f"{source}: the calibration was fitted for lead times of "
            f"{', '.join(map(str, calibration.lead_hours))} h, not for {strange[0]} h: fit one for "
            "it, or say --any-lead to take it for the nearest of these"
        )


def _open_store(path: Path, members: int, held: Inputs) -> EnsembleInput:
    dataset = store.open_store(path)
    fields = dataset["fields"].isel(init_time=np.flatnonzero(dataset[PART].values))
    if is_moments(fields):
        console.say(f"{path}: mean and spread; members are quantiles at each point")
        fields = with_members(fields, members)
    return EnsembleInput(fields, path.name, store.details_of(dataset)["manifest"], held, {}, {})
