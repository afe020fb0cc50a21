"""Fit the calibration of a run to its ensembles and their truth."""

from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import __version__, console
from smoecast.calibration.network import crps_loss
from smoecast.config import Config
from smoecast.configfile import dump
from smoecast.data import raw
from smoecast.data.ensembles import LEAD_UNIT_HOURS, EnsembleSamples
from smoecast.data.inputs import Inputs
from smoecast.data.members import is_moments, moment_names, moments
from smoecast.data.statistics import mean_and_std
from smoecast.disk import lock, write_atomic
from smoecast.errors import ConfigError, InputError
from smoecast.fields import store
from smoecast.fields.grid import grid_of
from smoecast.fields.plane import place_of
from smoecast.fields.times import as_hours, valid_times
from smoecast.nn.normalize import Statistics
from smoecast.tasks import classical
from smoecast.tasks.assembly import CONSTANTS
from smoecast.tasks.calibrations import fitted_part, new_correction
from smoecast.training.course import device_of
from smoecast.training.loop import train as learn
from smoecast.training.state import STATE, load_state, save_model

Fields = NDArray[np.float32]
TEST = "test"
"""Part of the split whose starts rolling windows lead up to."""

_NOT_FITTED = {"source", "files", "members", "members_by", "write", "any_lead", "training"}
"""Keys of `postprocess` that say where ensembles come from and what is made of a calibration."""


def fit(config: Config) -> bool:
    """Fit the run's calibration unless the same one is there; return whether it was fitted.

    Raises
    ------
    InputError
        The ensemble store or the truth is missing, or they share no time.
    ConfigError
        The folder holds a calibration of another config, or a key is set that does nothing here.
    LockedError
        Another process is fitting in the same folder.
    Interrupted
        A signal came; the state is saved and the same command goes on from there.
    """
    _refuse_unused(config)
    folder = config.calibration
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder), store.open_store(config.ensemble_store) as ensembles:
        state = _describe(config, ensembles)
        if _is_fitted(config, state):
            return False
        truth = raw.truth_of(config)
        write_atomic(folder / "config.yaml", dump(config).encode())
        if config.postprocess.method == "smoe":
            tensors, extra = _fit_network(config, ensembles, truth, state)
        else:
            tensors, extra = _fit_classical(config, ensembles, truth)
        save_model(folder, tensors, {**state, **extra})
    return True


def _refuse_unused(config: Config) -> None:
    for key in ("start_from", "keep_statistics", "keep_last", "log"):
        if getattr(config.postprocess.training, key):
            raise ConfigError(
                f"postprocess.training.{key} does nothing for a calibration, which is fitted anew "
                "and keeps its best: leave it out"
            )


def _describe(config: Config, ensembles: xr.Dataset) -> dict[str, Any]:
    details = store.details_of(ensembles)
    settings = config.postprocess
    kept = settings.model_dump(mode="json", exclude=_NOT_FITTED)
    kept |= {"seed": config.seed, "training": settings.training.decisive()}
    return {
        "kind": config.postprocess.method,
        "smoecast": __version__,
        # where results went is no part of the calibration
        "config": config.model_dump(mode="json", exclude={"folder"}),
        "fitted": kept,
        "grid": place_of(ensembles).to_dict(),
        "data": {"identity": details["identity"], "manifest": details["manifest"]},
        "seed": config.seed,
    }


def _is_fitted(config: Config, state: dict[str, Any]) -> bool:
    if not (config.calibration / STATE).exists():
        return False
    there = load_state(config.calibration)
    return all(there.get(key) == state[key] for key in ("fitted", "data", "grid"))


def _fit_classical(
    config: Config, ensembles: xr.Dataset, truth: xr.DataArray
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    rolling = config.postprocess.window_days > 0
    fields, true = _cases(config, ensembles, truth, None if rolling else "train")
    starts, rows = ensembles["init_time"].values, place_of(ensembles).weights()[:, None]
    # what the last window is fitted to also serves the starts that come next
    after = fields["init_time"].values[-1] + fields["lead_time"].values.max()
    wanted = np.union1d(starts[ensembles[TEST].values], after)
    return classical.fit(config, fields, true, rows, wanted)


def _cases(
    config: Config, ensembles: xr.Dataset, truth: xr.DataArray, part: str | None
) -> tuple[xr.DataArray, Fields]:
    """Return the ensembles of one part, or of all, lazy, and their truth (N, L, D, H, W)."""
    fields = fitted_part(ensembles, truth, part)
    if not fields.sizes["init_time"]:
        of = f"of the {part} split " if part else ""
        raise InputError(
            f"{config.ensemble_store}: no start {of}has its truth; the truth is from "
            f"{truth['time'].values[0]} to {truth['time'].values[-1]}: bring more of it"
        )
    valid = valid_times(fields["init_time"].values, fields["lead_time"].values)
    wanted = truth.sel(channel=list(config.postprocess.targets), time=valid.ravel()).values
    # (N L, D, H, W) -> (N, L, D, H, W)
    true = wanted.reshape(*valid.shape, *wanted.shape[1:])
    return fields, true


def _samples(
    config: Config, ensembles: xr.Dataset, truth: xr.DataArray, inputs: Inputs, part: str
) -> EnsembleSamples:
    fields, true = _cases(config, ensembles, truth, part)
    hours, starts = as_hours(ensembles["lead_time"].values), fields["init_time"].values
    both = fields if is_moments(fields) else moments(fields.values)
    return EnsembleSamples(both, true, starts, hours, inputs)


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


def _statistics(samples: EnsembleSamples, config: Config) -> tuple[Statistics, torch.Tensor]:
    """Return statistics of the training part, and where each target's spread stands."""
    settings = config.postprocess
    everything = np.ones(len(samples.fields), bool)
    mean, std = samples.inputs.statistics(*mean_and_std(samples.fields, everything))
    hours = samples.lead_hours / LEAD_UNIT_HOURS
    mean, std = np.append(mean, hours.mean()), np.append(std, hours.std() or 1.0)
    base = [settings.channels.index(t) for t in settings.targets]
    # start by start, for the fields may be larger than memory
    squares = [
        ((true - np.asarray(some[:, base])).astype(np.float64) ** 2).mean(axis=(0, 2, 3))
        for true, some in zip(samples.truth, samples.fields, strict=True)
    ]
    scale = np.sqrt(np.mean(squares, axis=0))
    statistics = Statistics(
        input_mean=torch.from_numpy(mean),
        input_std=torch.from_numpy(std),
        target_scale=torch.from_numpy(scale),
        base=torch.tensor(base),
        target_mean=torch.zeros(len(base)),
    )
    return statistics, torch.tensor(base) + len(settings.channels)


def _fit_network(
    config: Config, ensembles: xr.Dataset, truth: xr.DataArray, state: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    settings, grid = config.postprocess, grid_of(ensembles)
    constants = _constants(config)
    inputs = Inputs(moment_names(settings.channels), (0,), True, constants, grid)
    samples = _samples(config, ensembles, truth, inputs, "train")
    validation = _samples(config, ensembles, truth, inputs, "validation")
    statistics, spread = _statistics(samples, config)
    torch.manual_seed(config.seed)
    network = new_correction(config, inputs, statistics, spread)
    device = device_of(settings.training.device)
    rows = torch.from_numpy(grid.weights()).float().to(device)
    loss = crps_loss(rows, statistics.target_scale.float().to(device))
    with console.progress("fitting the calibration", settings.training.epochs) as step:
        outcome = learn(
            network,
            samples,
            validation,
            loss,
            settings.training,
            folder=config.calibration,
            seed=config.seed,
            identity={"fitted": state["fitted"], "data": state["data"]},
            report=lambda r: step(r["epoch"], f"validation loss {r['validation_loss']:.4f}"),
            tick=step,
        )
    fields = np.array(list(constants.values()), np.float32).reshape(-1, *grid.shape)
    tensors = {**network.state_dict(), CONSTANTS: torch.from_numpy(fields)}
    return tensors, {"constants": tuple(constants), "training": dict(outcome)}
