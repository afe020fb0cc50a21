"""A forecast model as one thing: network, recipe for its inputs, and what it knows of itself."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import __version__
from smoecast.config.run import Config
from smoecast.data.inputs import Inputs
from smoecast.data.samples import Samples, Source, load, starts_within
from smoecast.errors import InputError, ModelError
from smoecast.fields.grid import Grid, grid_of
from smoecast.fields.store import store
from smoecast.nn.build import Forecaster, forecaster, restore
from smoecast.nn.normalize import Statistics
from smoecast.tasks.descriptions import CONSTANTS, check_inputs, constants_of, forecast_config
from smoecast.training.model_files import load_state, load_tensors, of_model


@dataclass(frozen=True, eq=False)
class Model:
    """A trained forecast model.

    Attributes
    ----------
    network : Forecaster
        (B, C, H, W) -> (B, L * D, H, W), lead by lead, SI units.
    inputs : Inputs
        The recipe for C.
    config : Config
        What it was trained under.
    state : dict
        Its ``state.json``.
    """

    network: Forecaster
    inputs: Inputs
    config: Config
    state: dict[str, Any]


def inputs_of(config: Config, dataset: xr.Dataset) -> Inputs:
    """Return the recipe for a network's inputs from a config and the store it trains on.

    Raises
    ------
    InputError
        The store was made for other channels or constants.
    """
    channels = tuple(map(str, dataset["channel"].values))
    if channels != config.data.channels:
        raise InputError(
            f"{config.store}: holds {', '.join(channels)}, the config wants "
            f"{', '.join(config.data.channels)}; run `smoecast preprocess` again"
        )
    missing = [n for n in config.data.constants if f"constant_{n}" not in dataset]
    if missing:
        raise InputError(
            f"{config.store}: holds no constant {missing[0]}; run `smoecast preprocess` again"
        )
    constants = {n: dataset[f"constant_{n}"].values for n in config.data.constants}
    return _recipe(config, constants, grid_of(dataset))


def _recipe(config: Config, constants: dict[str, NDArray[np.float32]], grid: Grid) -> Inputs:
    sample = config.sample
    return Inputs(
        config.data.channels,
        sample.history_hours,
        sample.time_features,
        constants,
        grid,
        lead=sample.lead_input,
    )


def samples_of(config: Config, dataset: xr.Dataset, inputs: Inputs) -> dict[str, Samples]:
    """Return training and validation samples, read from the store as `training.cache` says."""
    step = config.data.step_hours
    history = tuple(h // step for h in config.sample.history_hours)
    leads = tuple(h // step for h in config.sample.lead_hours)
    whole = (*leads[:-1], leads[-1] * config.training.rollout_steps)
    targets = np.array([inputs.channels.index(t) for t in config.targets])
    rows = store.rows_of(config.store)
    source: Source = rows if config.training.cache == "disk" else load(rows)
    times = dataset["time"].values
    return {
        part: Samples(
            source,
            times,
            starts_within(dataset[part].values, history, whole, part),
            inputs,
            targets,
            history,
            leads,
            config.sample.lead_input,
        )
        for part in ("train", "validation")
    }


def new_network(config: Config, dataset: xr.Dataset, samples: Samples) -> Forecaster:
    """Return a fresh forecaster, its weights drawn from the config's seed."""
    inputs = samples.inputs
    mean, std = inputs.statistics(dataset["mean"].values, dataset["std"].values)
    leads = samples.leads
    statistics = Statistics(
        input_mean=torch.from_numpy(mean),
        input_std=torch.from_numpy(std),
        target_scale=torch.from_numpy(samples.change_scale),
        base=torch.tensor(inputs.base(config.targets, leads)),
        target_mean=torch.from_numpy(np.tile(dataset["mean"].values[samples.targets], leads)),
    )
    torch.manual_seed(config.seed)
    network = forecaster(config.network, statistics, inputs.grid.shape, inputs.grid.periodic)
    # the model carries them, so that it can run where the store is not
    network.register_buffer(CONSTANTS, torch.from_numpy(_stack(inputs)))
    return network


def _stack(inputs: Inputs) -> NDArray[np.float32]:
    height, width = inputs.grid.shape
    return np.array(list(inputs.constants.values()), np.float32).reshape(-1, height, width)


def describe(config: Config, dataset: xr.Dataset, inputs: Inputs) -> dict[str, Any]:
    """Return what a model's ``state.json`` says beside its training."""
    details = store.details_of(dataset)
    return {
        "kind": "forecast",
        "smoecast": __version__,
        # where results went is no part of the model
        "config": config.model_dump(mode="json", exclude={"folder"}),
        "inputs": inputs.names,
        "channels": inputs.channels,
        "targets": config.targets,
        "constants": tuple(inputs.constants),
        "grid": inputs.grid.to_dict(),
        "statistics": {
            "mean": dict(zip(inputs.channels, dataset["mean"].values.tolist(), strict=True)),
            "std": dict(zip(inputs.channels, dataset["std"].values.tolist(), strict=True)),
        },
        "data": {"identity": details["identity"], "manifest": details["manifest"]},
        "seed": config.seed,
    }


def open_model(folder: Path) -> Model:
    """Load a trained forecast model from a run folder or the zoo.

    Raises
    ------
    ModelError
        It is missing, damaged, of another kind or another schema.
    """
    state = load_state(folder)
    if state.get("kind") != "forecast":
        raise ModelError(f"{folder}: this is a {state.get('kind')} model, no forecast model")
    with of_model(folder):
        config = forecast_config(state)
        grid = Grid.from_dict(state["grid"])
    tensors = load_tensors(folder, state)
    with of_model(folder):
        recipe = _recipe(config, constants_of(state, tensors, grid.shape), grid)
        leads = 1 if recipe.lead else len(config.sample.lead_hours)
        check_inputs(state, recipe, tensors, leads)
        network = restore(config.network, tensors, grid.shape, grid.periodic)
    return Model(network, recipe, config, state)
