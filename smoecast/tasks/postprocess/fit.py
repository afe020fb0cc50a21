"""Fit the calibration of a run to its ensembles and their truth."""

from operator import attrgetter
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import __version__
from smoecast.config.renamed import upgrade_identity
from smoecast.config.run import Config
from smoecast.config.yaml_file import dump
from smoecast.data import raw
from smoecast.data.unchanged import Inputs
from smoecast.disk.atomic import write_atomic
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError, InputError
from smoecast.fields.grid import place_of
from smoecast.fields.store import store
from smoecast.fields.times import valid_times
from smoecast.tasks.postprocess import statistical
from smoecast.tasks.postprocess.calibration import select_part
from smoecast.tasks.postprocess.fit_network import Cases, fit_network
from smoecast.tasks.postprocess.network import METHODS as NETWORKS
from smoecast.training.checkpoint import RESUME
from smoecast.training.model_files import STATE, load_state, save_model

Fields = NDArray[np.float32]
TEST = "test"
"""Part of the split whose starts rolling windows lead up to."""

_CHOICE = {"default": "validation", "ens10-paper": TEST}
"""By which part of the split a network is chosen, by protocol."""

_NOT_FITTED = {
    *("source", "files", "members", "reordering", "write", "any_lead", "network", "training"),
    *("format", "accumulation_hours"),
}
"""Keys of `postprocess` that say where ensembles come from and what is made of a calibration."""


def fit(config: Config, held: Inputs | None = None) -> bool:
    """Fit the run's calibration unless the same one is there; return whether it was fitted.

    Parameters
    ----------
    config : Config
        The run.
    held : Inputs, optional
        The inputs of the run, confirmed before the calibration is saved.

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
        truth = raw.truth_of(config.postprocess, config.store)
        write_atomic(folder / "config.yaml", dump(config).encode())
        if config.postprocess.method in NETWORKS:
            tensors, extra = _fit_network(config, ensembles, truth, state)
        else:
            tensors, extra = _fit_classical(config, ensembles, truth)
        if held is not None:
            held.confirm(folder / RESUME)
        save_model(folder, tensors, {**state, **extra})
    return True


def _refuse_unused(config: Config) -> None:
    settings = config.postprocess.training
    keys = ("initial_weights", "keep_statistics", "keep_last", "log", "fine_tuning.epochs")
    for key in keys:
        if attrgetter(key)(settings):
            raise ConfigError(
                f"postprocess.training.{key} does nothing for a calibration, which is fitted anew "
                "and keeps its best: leave it out"
            )


def _describe(config: Config, ensembles: xr.Dataset) -> dict[str, Any]:
    details = store.details_of(ensembles)
    settings = config.postprocess
    kept = settings.model_dump(mode="json", exclude=_NOT_FITTED)
    kept |= {"seed": config.seed, "training": settings.training.decisive()}
    kept["network"] = settings.network.decisive()
    if settings.protocol == "default":
        del kept["protocol"]  # as before there was any other
    return {
        "kind": settings.method,
        "protocol": settings.protocol,
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
    there = upgrade_identity(load_state(config.calibration))
    return all(there.get(key) == state[key] for key in ("fitted", "data", "grid"))


def _fit_classical(
    config: Config, ensembles: xr.Dataset, truth: xr.DataArray
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    rolling = config.postprocess.window_days > 0
    fields, true = _cases(config, ensembles, truth, None if rolling else "train")
    starts, rows = ensembles["init_time"].values, _rows(config, ensembles)[:, None]
    # what the last window is fitted to also serves the starts that come next
    after = fields["init_time"].values[-1] + fields["lead_time"].values.max()
    wanted = np.union1d(starts[ensembles[TEST].values], after)
    return statistical.fit(config, fields, true, rows, wanted)


def _cases(config: Config, ensembles: xr.Dataset, truth: xr.DataArray, part: str | None) -> Cases:
    """Return the ensembles of one part, or of all, lazy, and their truth (N, L, D, H, W)."""
    fields = select_part(ensembles, truth, part)
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


def _rows(config: Config, ensembles: xr.Dataset) -> NDArray[np.float64]:
    """Return the weight of each row, (H,), as the protocol has it."""
    weights = place_of(ensembles).weights()
    plain = config.postprocess.protocol == "ens10-paper"
    return np.ones_like(weights) if plain else weights


def _fit_network(
    config: Config, ensembles: xr.Dataset, truth: xr.DataArray, state: dict[str, Any]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    settings = config.postprocess
    choice = _CHOICE[settings.protocol]
    if getattr(settings.split, choice) == 0.0:
        raise ConfigError(
            f"postprocess.method {settings.method} is chosen by the {choice} part, but "
            f"postprocess.split.{choice} is 0: give it some starts"
        )
    training, chosen = (_cases(config, ensembles, truth, part) for part in ("train", choice))
    identity = {"fitted": state["fitted"], "data": state["data"]}
    rows = _rows(config, ensembles)
    return fit_network(config, training, chosen, place_of(ensembles), rows, identity)
