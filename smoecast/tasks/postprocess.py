"""`smoecast postprocess`: ensemble in, calibrated ensemble out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from dask.delayed import delayed
from numpy.typing import NDArray

from smoecast import console
from smoecast.config import Config
from smoecast.data import channels, checks, files, series
from smoecast.data.members import is_moments, over_land, with_members
from smoecast.disk import lock
from smoecast.errors import ModelError
from smoecast.fields import store, times
from smoecast.fields.grid import grid_of
from smoecast.fields.netcdf import write_netcdf
from smoecast.fields.reader import open_files
from smoecast.tasks.calibrations import Calibration, open_calibration, raw_calibration
from smoecast.tasks.fitting import fit
from smoecast.tasks.results import attributes, is_there, save_config

BATCH, VALUES = 16, 1 << 26
"""Starts calibrated together, and values of their members, at most."""

QUANTILES = 10
"""Members made from mean and spread where the config does not say how many."""

PART = "test"
"""What is calibrated where no input is given."""


def postprocess(
    config: Config,
    *,
    model: Path | None = None,
    inputs: Sequence[str] = (),
    output: Path | None = None,
) -> dict[str, Any]:
    """Calibrate an ensemble; fit first where the run has no calibration yet.

    Parameters
    ----------
    config : Config
        Its `postprocess` section says how.
    model : Path, optional
        Folder of a fitted calibration; then nothing is fitted.
    inputs : sequence of str
        Ensemble files, folders or globs; none: the test part of the run's ensemble store.
    output : Path, optional
        Default: ``calibrated.nc`` in the run's folder.

    Returns
    -------
    dict
        ``output``, ``written``, ``starts``, ``first``, ``last``, ``what``.

    Raises
    ------
    InputError
        The ensemble or its truth is missing, damaged, or lacks a channel or lead time.
    ModelError
        The calibration does not fit the ensemble.
    OutputError
        The file could not be written whole.
    """
    path = output or config.place / "calibrated.nc"
    path.parent.mkdir(parents=True, exist_ok=True)
    calibration = _calibration(config, model)
    fields, manifest = _ensemble(config, calibration, inputs)
    count = config.postprocess.members or fields.sizes["number"]
    starts = fields["init_time"].values
    made_from = {
        "starts": starts.astype(str).tolist(),
        "leads": calibration.lead_hours,
        "targets": calibration.targets,
        "members": count,
        "seed": config.seed,
    }
    described = attributes(config, "postprocess", calibration.sha256, manifest, made_from)
    leads = ", ".join(f"{h} h" for h in calibration.lead_hours)
    summary = {
        "output": str(path),
        "starts": len(starts),
        "first": times.iso(starts[0]),
        "last": times.iso(starts[-1]),
        "what": f"{', '.join(calibration.targets)} at {leads}, {count} members",
    }
    with lock(path.parent):
        if is_there(path, described):
            return {**summary, "written": False}
        with console.progress("calibrating", len(starts)) as step:
            dataset = _lazy(config, calibration, fields, count, step)
            write_netcdf(dataset.assign_attrs(described), path)
        save_config(config, path)
    return {**summary, "written": True}


def _calibration(config: Config, model: Path | None) -> Calibration:
    if model is not None:
        return open_calibration(model)
    if config.postprocess.method == "raw":
        return raw_calibration(config)
    fit(config)
    return open_calibration(config.calibration)


def _ensemble(
    config: Config, calibration: Calibration, inputs: Sequence[str]
) -> tuple[xr.DataArray, Any]:
    """Return (init_time, lead_time, number, channel, latitude, longitude), lazy, and manifest."""
    if inputs:
        paths = files.expand(inputs, "--input")
        source, manifest = checks.named(paths), files.manifest(paths)
        opened = series.leads(over_land(open_files(paths)), calibration.lead_hours, source)
        fields = channels.pack(opened, calibration.channels, source)
        checks.check_finite(fields, paths)
    else:
        dataset = store.open_store(config.ensemble_store)
        source, manifest = str(config.ensemble_store), store.details_of(dataset)["manifest"]
        fields = dataset["fields"].isel(init_time=np.flatnonzero(dataset[PART].values))
        if is_moments(fields):
            console.say(f"{source}: mean and spread; members are quantiles at each point")
            fields = with_members(fields, config.postprocess.members or QUANTILES)
    if "number" not in fields.dims:
        raise ModelError(f"{source}: holds no ensemble members (dimension number)")
    if calibration.grid is not None and not calibration.grid.matches(grid_of(fields)):
        raise ModelError(
            f"{source}: the ensemble is on {grid_of(fields).describe()}, the calibration on "
            f"{calibration.grid.describe()}; fit one on this grid"
        )
    order = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")
    return fields.transpose(*order), manifest


def _together(fields: xr.DataArray) -> int:
    """Return how many starts are calibrated together: fewer where fields are large."""
    return max(1, min(BATCH, VALUES // int(np.prod(fields.shape[1:]))))


def _lazy(
    config: Config,
    calibration: Calibration,
    fields: xr.DataArray,
    count: int,
    step: console.Progress,
) -> xr.Dataset:
    """Return members, mean and spread as a dataset whose blocks are made when written."""
    starts, leads = fields["init_time"].values, fields.sizes["lead_time"]
    targets, many = calibration.targets, _together(fields)

    def block(begin: int) -> NDArray[np.float32]:
        some = fields.isel(init_time=slice(begin, begin + many)).values
        rng = np.random.default_rng([config.seed, begin])
        members, mean, std = calibration.apply(some, starts[begin : begin + many], count, rng)
        step(min(begin + many, len(starts)))
        return np.concatenate([members, mean[:, :, None], std[:, :, None]], axis=2).astype("f4")

    blocks = []
    for begin in range(0, len(starts), many):
        size = min(many, len(starts) - begin)
        shape = (size, leads, count + 2, len(targets), *fields.shape[4:])
        blocks.append(da.from_delayed(delayed(block)(begin), shape, dtype=np.float32))
    coordinates = {
        "init_time": starts,
        "lead_time": fields["lead_time"].values,
        "channel": list(targets),
        "latitude": fields["latitude"].values,
        "longitude": fields["longitude"].values,
    }
    dims = ("init_time", "lead_time", "number", "channel", "latitude", "longitude")
    stacked = xr.DataArray(da.concatenate(blocks), dims=dims, coords=coordinates)
    numbers = fields["number"].values if count == fields.sizes["number"] else np.arange(count)
    members = stacked.isel(number=slice(count)).assign_coords(number=numbers)
    mean = channels.unpack(stacked.isel(number=count))
    std = channels.unpack(stacked.isel(number=count + 1))
    return channels.unpack(members).assign(
        {f"{n}_mean": _moment(v, "mean", "mean") for n, v in mean.data_vars.items()}
        | {
            f"{n}_std": _moment(v, "standard deviation", "standard_deviation")
            for n, v in std.items()
        }
    )


def _moment(field: xr.DataArray, words: str, method: str) -> xr.DataArray:
    """Say in CF's words that a field is a moment over members."""
    long_name = f"{words} of {field.attrs['long_name']}"
    return field.assign_attrs(long_name=long_name, cell_methods=f"realization: {method}")
