"""Fit a network that calibrates."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.calibration.network import crps_loss
from smoecast.config.run import Config
from smoecast.data.ensemble_samples import EnsembleSamples, Predictors
from smoecast.data.members import is_moments, moments
from smoecast.data.statistics import mean_and_std
from smoecast.fields.grid import Grid, ProjectedGrid
from smoecast.fields.store import store
from smoecast.fields.times import as_hours
from smoecast.nn.normalize import Statistics
from smoecast.tasks.descriptions import CONSTANTS
from smoecast.tasks.postprocess.network import (
    Fields,
    Tensors,
    check_members,
    new_correction,
    predictors_of,
)
from smoecast.training.job import TrainingJob, device_of
from smoecast.training.loop import train as learn

Cases = tuple[xr.DataArray, NDArray[np.float32]]
"""Ensembles of some starts, lazy, and their truth (N, L, D, H, W)."""


def fit_network(
    config: Config,
    training: Cases,
    validation: Cases,
    place: Grid | ProjectedGrid,
    rows: Fields,
    identity: dict[str, Any],
) -> tuple[Tensors, dict[str, Any]]:
    """Fit the run's network; a run that was stopped goes on.

    Parameters
    ----------
    config : Config
    training, validation : Cases
        What it learns from, and what it is chosen by.
    place : Grid or Plane
        Where they hold.
    rows : (H,)
        Weights.
    identity : dict
        What decides the weights, for a run that goes on.

    Returns
    -------
    tuple
        Tensors by name, and what else the model has to know.

    Raises
    ------
    ConfigError
        The network does not fit the grid, or needs members where mean and spread were kept.
    ModelError
        Method smoe is to work on a map projection.
    Interrupted
        A signal came.
    """
    settings = config.postprocess
    constants = _constants(config) if settings.method == "smoe" else {}
    predictors = predictors_of(config, place, constants)
    samples, judges = (_samples(config, c, predictors) for c in (training, validation))
    statistics = _statistics(samples, config)
    torch.manual_seed(config.seed)
    network = new_correction(config, predictors, statistics)
    device = device_of(settings.training.device)
    weights = torch.from_numpy(rows).float().to(device)
    loss = crps_loss(weights, statistics.target_scale.float().to(device))
    with console.progress("fitting the calibration", settings.training.epochs) as step:
        job = TrainingJob(
            samples,
            judges,
            loss,
            settings.training,
            folder=config.calibration,
            seed=config.seed,
            identity=identity,
            tick=step,
        )
        outcome = learn(
            network,
            job,
            report=lambda r: step(r["epoch"], f"validation loss {r['validation_loss']:.4f}"),
        )
    fields = np.array(list(constants.values()), np.float32).reshape(-1, *place.shape)
    tensors = {**network.state_dict(), CONSTANTS: torch.from_numpy(fields)}
    return tensors, {"constants": tuple(constants), "training": dict(outcome)}


def _samples(config: Config, cases: Cases, predictors: Predictors) -> EnsembleSamples:
    fields, true = cases
    whole: NDArray[np.float32] | xr.DataArray = fields
    check_members(config, not is_moments(fields))
    if config.postprocess.method != "transformer" and not is_moments(fields):
        whole = moments(fields.values)
    hours, starts = as_hours(fields["lead_time"].values), fields["init_time"].values
    return EnsembleSamples(whole, true, starts, hours, predictors)


def _constants(config: Config) -> dict[str, NDArray[np.float32]]:
    """Return the constants of the run's store, where there is one."""
    if not config.store.exists():
        return {}
    with store.open_store(config.store) as dataset:
        return {
            str(name).removeprefix("constant_"): array.values
            for name, array in dataset.data_vars.items()
            if str(name).startswith("constant_")
        }


def _statistics(samples: EnsembleSamples, config: Config) -> Statistics:
    """Return statistics of the training part."""
    settings = config.postprocess
    mean, std = mean_and_std(samples.fields, np.ones(len(samples.fields), bool))
    beside = samples.predictors.statistics(samples.lead_hours)
    base = [settings.channels.index(t) for t in settings.targets]
    # start by start, for the fields may be larger than memory
    squares = [
        ((true - _means(np.asarray(some), base)) ** 2).mean(axis=(0, 2, 3))
        for true, some in zip(samples.truth, samples.fields, strict=True)
    ]
    return Statistics(
        input_mean=torch.from_numpy(np.concatenate([mean, beside[0]])),
        input_std=torch.from_numpy(np.concatenate([std, beside[1]])),
        target_scale=torch.from_numpy(np.sqrt(np.mean(squares, axis=0))),
        base=torch.tensor(base),
        target_mean=torch.zeros(len(base)),
    )


def _means(fields: NDArray[np.float32], base: list[int]) -> NDArray[np.float64]:
    """Return the targets' ensemble means, (L, D, H, W), from moments or members of a start."""
    own = fields[..., base, :, :].astype(np.float64)
    return np.nanmean(own, axis=1) if fields.ndim == 5 else own
