"""Fit the calibration of a run to its ensembles and their truth."""

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from smoecast import __version__
from smoecast.config.postprocess import DEFAULT, ENS10_PAPER, NETWORKS, Postprocess
from smoecast.config.renamed import upgrade_identity
from smoecast.config.run import Config
from smoecast.config.training import Training
from smoecast.config.yaml_file import dump
from smoecast.data import raw
from smoecast.data.members import check_sizes
from smoecast.data.readings import of_analyses
from smoecast.data.sources.registry import request_of
from smoecast.data.store_origin import check_origin
from smoecast.data.unchanged import Inputs
from smoecast.disk.atomic import write_atomic
from smoecast.disk.locks import lock
from smoecast.errors import ConfigError, InputError
from smoecast.fields.grid import Grid, ProjectedGrid, place_of
from smoecast.fields.store import store
from smoecast.fields.times import valid_times
from smoecast.tasks.postprocess.calibration import select_part
from smoecast.training.model_files import STATE, load_state, save_model

if TYPE_CHECKING:
    from smoecast.tasks.postprocess.fit_network import Cases

Fields = NDArray[np.float32]
TRAIN, TEST = "train", "test"
"""Part of the split that is fitted to, and that whose starts rolling windows lead up to."""

_CHOICE = {DEFAULT: "validation", ENS10_PAPER: TEST}
"""By which part of the split a network is chosen, by protocol."""

_NOT_FITTED = {
    *("source", "files", "members", "reordering", "write", "any_lead", "network", "training"),
    *("format", "layout", "accumulation_hours", "output"),
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
    settings, folder, source = config.postprocess, config.calibration, config.ensemble_store
    _refuse_unused(settings.training)
    _refuse_no_training(settings)
    folder.mkdir(parents=True, exist_ok=True)
    with lock(folder), store.open_store(source) as ensembles:
        check_sizes(ensembles, str(source))
        check_origin(request_of(config, "ensembles"), ensembles)
        # where results went is no part of the calibration
        whole = config.model_dump(mode="json", exclude={"folder"})
        state = _describe(settings, config.seed, whole, ensembles)
        if _is_fitted(folder, state):
            return False
        # only what is to be fitted needs PyTorch, which takes longer to load than all else here
        from smoecast.tasks.postprocess import statistical  # noqa: PLC0415
        from smoecast.tasks.postprocess.fit_network import (  # noqa: PLC0415
            fit_network,
            read_constants,
        )
        from smoecast.training.checkpoint import RESUME  # noqa: PLC0415

        truth = raw.truth_of(config.postprocess, config.store, of_analyses(config.data))
        place = place_of(ensembles)
        rows = _weigh_rows(settings.protocol, place)
        if settings.method in NETWORKS:
            training, chosen = (
                _cases(settings.targets, source, ensembles, truth, part)
                for part in (TRAIN, _choice(settings))
            )
            identity = {"fitted": state["fitted"], "data": state["data"]}
            tensors, extra = fit_network(
                settings,
                training,
                chosen,
                place,
                rows,
                constants=read_constants(config.store) if settings.method == "smoe" else {},
                source=source,
                folder=folder,
                seed=config.seed,
                identity=identity,
            )
        else:
            part = None if settings.window_days else TRAIN
            fields, true = _cases(settings.targets, source, ensembles, truth, part)
            ends = _window_ends(ensembles, fields)
            tensors, extra = statistical.fit(settings, source, fields, true, rows[:, None], ends)
        if held is not None:
            held.confirm(folder / RESUME)
        write_atomic(folder / "config.yaml", dump(config).encode())
        save_model(folder, tensors, {**state, **extra})
    return True


def _refuse_unused(training: Training) -> None:
    keys = ("initial_weights", "keep_statistics", "keep_last", "log", "fine_tuning.epochs")
    for key in keys:
        if attrgetter(key)(training):
            raise ConfigError(
                f"postprocess.training.{key} does nothing for a calibration, which is fitted anew "
                "and keeps its best: leave it out"
            )


def _refuse_no_training(settings: Postprocess) -> None:
    if settings.split.train == 0.0 and not settings.window_days:
        raise ConfigError(
            f"postprocess.method {settings.method} is fitted to the train part, but "
            "postprocess.split.train is 0: give it some starts, or a fitted calibration by --model"
        )


def _describe(
    settings: Postprocess, seed: int, whole: dict[str, Any], ensembles: xr.Dataset
) -> dict[str, Any]:
    """Return what a calibration's state says of it; `whole` is the config of the run."""
    details = store.details_of(ensembles)
    kept = settings.model_dump(mode="json", exclude=_NOT_FITTED)
    kept |= {"seed": seed, "training": settings.training.decisive()}
    kept["network"] = settings.network.decisive()
    read = {k: whole["data"][k] for k in ("select", "assume") if k in whole["data"]}
    if settings.truth and read:
        kept["truth_read"] = read
    if settings.protocol == "default":
        del kept["protocol"]  # as before there was any other
    if settings.opendata == type(settings.opendata)():
        del kept["opendata"]  # likewise
    return {
        "kind": settings.method,
        "protocol": settings.protocol,
        "smoecast": __version__,
        "config": whole,
        "fitted": kept,
        "grid": place_of(ensembles).to_dict(),
        "data": {"identity": details["identity"], "manifest": details["manifest"]},
        "seed": seed,
    }


def _is_fitted(folder: Path, state: dict[str, Any]) -> bool:
    if not (folder / STATE).exists():
        return False
    there = upgrade_identity(load_state(folder))
    return all(there.get(key) == state[key] for key in ("fitted", "data", "grid"))


def _window_ends(ensembles: xr.Dataset, fields: xr.DataArray) -> NDArray[np.datetime64]:
    """Return the starts before which a rolling window ends: those tested, and the next one."""
    after = fields["init_time"].values[-1] + fields["lead_time"].values.max()
    return np.union1d(ensembles["init_time"].values[ensembles[TEST].values], after)


def _cases(
    targets: Sequence[str],
    source: Path,
    ensembles: xr.Dataset,
    truth: xr.DataArray,
    part: str | None,
) -> "Cases":
    """Return the ensembles of one part, or of all, lazy, and their truth (N, L, D, H, W)."""
    fields = select_part(ensembles, truth, part)
    if not fields.sizes["init_time"]:
        of = f"of the {part} split " if part else ""
        raise InputError(
            f"{source}: no start {of}has its truth; the truth is from "
            f"{truth['time'].values[0]} to {truth['time'].values[-1]}: bring more of it"
        )
    valid = valid_times(fields["init_time"].values, fields["lead_time"].values)
    wanted = truth.sel(channel=list(targets), time=valid.ravel()).values
    # (N L, D, H, W) -> (N, L, D, H, W)
    true = wanted.reshape(*valid.shape, *wanted.shape[1:])
    return fields, true


def _weigh_rows(protocol: str, place: Grid | ProjectedGrid) -> NDArray[np.float64]:
    """Return the weight of each row, (H,), as the protocol has it."""
    weights = place.weights()
    return np.ones_like(weights) if protocol == ENS10_PAPER else weights


def _choice(settings: Postprocess) -> str:
    """Return the part of the split by which a network is chosen."""
    choice = _CHOICE[settings.protocol]
    if getattr(settings.split, choice) == 0.0:
        raise ConfigError(
            f"postprocess.method {settings.method} is chosen by the {choice} part, but "
            f"postprocess.split.{choice} is 0: give it some starts"
        )
    return choice
