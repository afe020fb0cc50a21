"""Fit a network that calibrates."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import console
from smoecast.calibration.network import crps_loss
from smoecast.config.postprocess import Postprocess
from smoecast.data.ensemble_samples import EnsembleSamples, MemberDraw, Predictors
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
    is_apart,
    new_correction,
    predictors_of,
)
from smoecast.training.job import TrainingJob, device_of
from smoecast.training.loop import train as learn
from smoecast.training.model_files import of_model

VALUES = 1 << 27
"""Values of members that are in memory at once, at most, where their moments are taken."""

Cases = tuple[xr.DataArray, NDArray[np.float32]]
"""Ensembles of some starts, lazy, and their truth (N, L, D, H, W)."""


def fit_network(
    settings: Postprocess,
    training: Cases,
    validation: Cases,
    place: Grid | ProjectedGrid,
    rows: Fields,
    *,
    constants: dict[str, NDArray[np.float32]],
    source: Path,
    folder: Path,
    seed: int,
    identity: dict[str, Any],
) -> tuple[Tensors, dict[str, Any]]:
    """Fit the run's network; a run that was stopped goes on.

    Parameters
    ----------
    settings : Postprocess
    training, validation : Cases
        What it learns from, and what it is chosen by.
    place : Grid or ProjectedGrid
        Where they hold.
    rows : (H,)
        Weights.
    constants : dict of str to (H, W) float32
        Fields without time that method smoe sees.
    source : Path
        Store of the cases.
    folder : Path
        Keeps the state of a fit that is stopped.
    seed : int
    identity : dict
        What decides the weights, for a run that goes on.

    Returns
    -------
    tuple
        Tensors by name, and what else the model has to know.

    Raises
    ------
    ConfigError
        The network does not fit the grid, or needs members where mean and spread were kept, or
        more of them than there are.
    ModelError
        Method smoe is to work on a map projection.
    Interrupted
        A signal came.
    """
    with of_model(source):
        predictors = predictors_of(settings, place, constants)
    for fields, _ in (training, validation):
        check_members(settings, fields.sizes.get("number", 0), source)
    plain = settings.method != "transformer"
    samples, judges = (_samples(c, predictors, plain) for c in (training, validation))
    base = [settings.channels.index(target) for target in settings.targets]
    statistics = _statistics(samples, base)
    several, scale = range(len(samples.lead_hours)), statistics.target_scale.float()
    apart = [_statistics(samples, base, [i]) for i in several] if is_apart(settings) else []
    torch.manual_seed(seed)
    network = new_correction(settings, predictors, statistics, apart)
    device = device_of(settings.training.device)
    weights = torch.from_numpy(rows).float().to(device)
    loss = crps_loss(weights, None if apart else scale.to(device))
    units = torch.stack([s.target_scale for s in apart]).float().numpy() if apart else None
    counts = settings.advanced.member_counts
    if counts:
        draw = MemberDraw(counts, seed)
        samples, judges = (
            replace(some, fields=cases[0], draw=draw)
            for some, cases in ((samples, training), (judges, validation))
        )
    samples, judges = (replace(some, units=units) for some in (samples, judges))
    with console.progress("fitting the calibration", settings.training.epochs) as step:
        job = TrainingJob(
            samples,
            judges,
            loss,
            settings.training,
            folder=folder,
            seed=seed,
            identity=identity,
            tick=step,
        )
        outcome = learn(
            network,
            job,
            report=lambda r: step(r["epoch"], f"validation loss {r['validation_loss']:.4f}"),
        )
    stacked = np.array(list(constants.values()), np.float32).reshape(-1, *place.shape)
    tensors = {**network.state_dict(), CONSTANTS: torch.from_numpy(stacked)}
    return tensors, {"constants": tuple(constants), "training": dict(outcome)}


def read_constants(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the constants (H, W) of a run's store; none where there is no store."""
    if not path.exists():
        return {}
    with store.open_store(path) as dataset:
        return {
            str(name).removeprefix("constant_"): array.values
            for name, array in dataset.data_vars.items()
            if str(name).startswith("constant_")
        }


def _samples(cases: Cases, predictors: Predictors, plain: bool) -> EnsembleSamples:
    """Return samples of the moments of ensembles where that is all that a network sees."""
    fields, true = cases
    whole = _moments_of(fields) if plain and not is_moments(fields) else fields
    hours, starts = as_hours(fields["lead_time"].values), fields["init_time"].values
    return EnsembleSamples(whole, true, starts, hours, predictors)


def _moments_of(fields: xr.DataArray) -> NDArray[np.float32]:
    """Return mean and spread, read in blocks, for the members may be larger than memory."""
    count = len(fields)
    size = max(1, min(count, VALUES // int(np.prod(fields.shape[1:]))))
    blocks = np.array_split(np.arange(count), -(-count // size))
    return np.concatenate([moments(fields[block].values) for block in blocks])


def _statistics(
    samples: EnsembleSamples, base: list[int], leads: Sequence[int] | None = None
) -> Statistics:
    """Return statistics of the training part; targets are the channels `base`.

    Of all lead times, or of some alone, `leads`; what is beside the ensemble is counted over all.
    """
    some = slice(None) if leads is None else leads
    mean, std = mean_and_std(samples.fields[:, some], np.ones(len(samples.fields), bool))
    beside = samples.predictors.statistics(samples.lead_hours)
    # start by start, for the fields may be larger than memory
    squares = [
        ((true[some] - _means(np.asarray(fields[some]), base)) ** 2).mean(axis=(0, 2, 3))
        for true, fields in zip(samples.truth, samples.fields, strict=True)
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
