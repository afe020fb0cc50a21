"""`smoecast.calibrate`: an ensemble calibrated by a fitted calibration."""

import os
from collections.abc import Sequence
from typing import Any

import xarray as xr

from smoecast import console
from smoecast.data.sources.files import expand
from smoecast.interface.given import Given, as_text, take, with_section
from smoecast.interface.places import find_model
from smoecast.tasks import provenance
from smoecast.tasks.descriptions import calibration_config
from smoecast.tasks.output_names import OutputName
from smoecast.tasks.postprocess.calibration import Calibrations
from smoecast.tasks.postprocess.content import tell_short
from smoecast.tasks.postprocess.run import Order, open_run
from smoecast.training.model_files import load_state

NAME = "the ensemble"
"""What messages call one in memory."""


def calibrate(
    ensemble: Given,
    model: str | os.PathLike[str],
    *,
    write: Sequence[str] | None = None,
    members: int | None = None,
    any_lead: bool | None = None,
) -> xr.Dataset:
    """Calibrate an ensemble, as ``smoecast postprocess --model`` does; nothing is fitted.

    Parameters
    ----------
    ensemble : xarray.Dataset, path, or sequence of paths
        Forecasts with members: a dataset as xarray opens it of any maker's file, or files, folders,
        globs and Zarr groups. Files are read as the calibration's own config says, a dataset as it
        is.
    model : str or path
        A fitted calibration: a name of the zoo, a run's folder, the folder of the calibration, or
        the config of a run.
    write : sequence of str, optional
        What is wanted: ``members``, ``mean``, ``std``, ``quantiles=0.1:0.5:0.9``,
        ``probabilities=t2m>273.15``. None given: what its config says.
    members : int, optional
        How many; 0: as many as came.
    any_lead : bool, optional
        Whether lead times that it was not fitted for are calibrated as the nearest that it was.

    Returns
    -------
    xarray.Dataset
        ``t2m`` along ``(init_time, lead_time, number, latitude, longitude)``, ``t2m_mean``,
        ``t2m_std``, ``t2m_quantile``, ``t2m_probability_above``: those wanted; float32, SI units,
        with the attributes that a file has.

    Raises
    ------
    ConfigError
        There is no such calibration, or an option is none.
    InputError
        The ensemble is damaged, or lacks a channel, a lead time or members.
    ModelError
        The calibration is not fitted, damaged, a forecast model, or of another grid.

    Examples
    --------
    >>> import smoecast
    >>> calm = smoecast.calibrate("ens.grib", "runs/mine", write=["mean"])  # doctest: +SKIP
    """
    folder, calibrations = find_model(model, "calibration"), Calibrations()
    calibrations.open(folder)  # says what is no calibration
    fitted = calibration_config(load_state(folder))
    wanted: dict[str, Any] = {"write": None if write is None else list(write)}
    wanted |= {"members": members, "any_lead": any_lead}
    if fitted.postprocess.reordering != "schaake":
        wanted["truth"] = []  # to which it was fitted, and which may be elsewhere
    changes = {key: value for key, value in wanted.items() if value is not None}
    config = with_section(fitted, "postprocess", changes)
    paths, given = take(ensemble, NAME, any_grid=True)
    truth = expand(config.postprocess.truth, "postprocess.truth")
    said = provenance.arguments(model=folder, inputs=as_text(ensemble, NAME))
    order = Order(config, OutputName(""), folder, paths, tuple(truth), said, False)
    with open_run(order, calibrations, given) as run:
        count = run.incoming.fields.sizes["init_time"]
        with console.progress("calibrating", count) as step:
            made = run.gather(step)
        if short := tell_short(run.calibration.record):
            console.say(short, level="warning")
        return made
