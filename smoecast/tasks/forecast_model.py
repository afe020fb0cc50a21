"""A forecast model as one thing: network, recipe for its inputs, and what it knows of itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray

from smoecast import __version__
from smoecast.config.data import Data
from smoecast.config.network import Network
from smoecast.config.run import Config
from smoecast.config.training import Sample
from smoecast.data.inputs import Inputs
from smoecast.data.samples import Samples, Source, starts_within
from smoecast.data.time_selection import offset_of
from smoecast.errors import ConfigError, InputError, ModelError
from smoecast.fields.grid import Grid, grid_of
from smoecast.fields.store.store import details_of
from smoecast.nn.build import Forecaster, forecaster, restore
from smoecast.nn.normalize import Statistics
from smoecast.nn.smoe.model_layers import extend_plain, freeze_tensors, smoe_layers
from smoecast.tasks.descriptions import (
    CONSTANTS,
    OFFSET,
    check_inputs,
    constants_of,
    read_description,
)
from smoecast.training.model_files import load_tensors, of_model
from smoecast.training.warm_start import adopt


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


def inputs_of(data: Data, sample: Sample, dataset: xr.Dataset, store: Path) -> Inputs:
    """Return the recipe for a network's inputs from a config and the store it trains on.

    Parameters
    ----------
    data, sample
        Sections of the config.
    dataset : xr.Dataset
        The store, opened.
    store : Path
        Where it is, for the message.

    Raises
    ------
    InputError
        The store was made for other channels or constants.
    """
    channels = tuple(map(str, dataset["channel"].values))
    if channels != data.channels:
        raise InputError(
            f"{store}: holds {', '.join(channels)}, the config wants "
            f"{', '.join(data.channels)}; run `smoecast preprocess` again"
        )
    missing = [n for n in data.constants if f"constant_{n}" not in dataset]
    if missing:
        raise InputError(
            f"{store}: holds no constant {missing[0]}; run `smoecast preprocess` again"
        )
    constants = {n: dataset[f"constant_{n}"].values for n in data.constants}
    return _recipe(channels, sample, constants, grid_of(dataset))


def _recipe(
    channels: tuple[str, ...], sample: Sample, constants: dict[str, NDArray[np.float32]], grid: Grid
) -> Inputs:
    history, lead = sample.history_hours, sample.lead_input
    return Inputs(channels, history, sample.time_features, constants, grid, lead)


def samples_of(
    sample: Sample,
    step_hours: int,
    dataset: xr.Dataset,
    inputs: Inputs,
    source: Source,
    rollout_steps: int = 1,
) -> dict[str, Samples]:
    """Return training and validation samples.

    Parameters
    ----------
    sample : Sample
        Section of the config.
    step_hours : int
        Spacing of the store.
    dataset : xr.Dataset
        The store, opened: times and parts of the split.
    inputs : Inputs
        From `inputs_of`.
    source : Source
        Of the fields of the store.
    rollout_steps : int
        So many lead times must lie within a part.
    """
    history = tuple(h // step_hours for h in sample.history_hours)
    leads = tuple(h // step_hours for h in sample.lead_hours)
    whole = (*leads[:-1], leads[-1] * rollout_steps)
    targets = np.array([inputs.channels.index(t) for t in sample.targets or inputs.channels])
    return {
        part: Samples(
            source,
            dataset["time"].values,
            starts_within(dataset[part].values, history, whole, part),
            inputs,
            targets,
            history,
            leads,
            sample.lead_input,
        )
        for part in ("train", "validation")
    }


def new_network(settings: Network, seed: int, dataset: xr.Dataset, samples: Samples) -> Forecaster:
    """Return a fresh forecaster for these samples of a store, its weights drawn from the seed."""
    inputs, leads = samples.inputs, samples.leads
    mean, std = inputs.statistics(dataset["mean"].values, dataset["std"].values)
    statistics = Statistics(
        input_mean=torch.from_numpy(mean),
        input_std=torch.from_numpy(std),
        target_scale=torch.from_numpy(samples.change_scale),
        base=torch.from_numpy(np.tile(samples.targets, leads)),
        target_mean=torch.from_numpy(np.tile(dataset["mean"].values[samples.targets], leads)),
    )
    torch.manual_seed(seed)
    network = forecaster(settings, statistics, inputs.grid.shape, inputs.grid.periodic)
    # the model carries them, so that it can run where the store is not
    fields = np.array(list(inputs.constants.values()), np.float32).reshape(-1, *inputs.grid.shape)
    network.register_buffer(CONSTANTS, torch.from_numpy(fields))
    return network


def describe(config: Config, dataset: xr.Dataset, inputs: Inputs) -> dict[str, Any]:
    """Return what a model's ``state.json`` says beside its training."""
    details = details_of(dataset)
    offset = offset_of(dataset["time"].values, config.data.step_hours)
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
    } | ({OFFSET: int(offset / np.timedelta64(1, "s"))} if offset else {})


def open_model(folder: Path) -> Model:
    """Load a trained forecast model from a run folder or the zoo.

    Raises
    ------
    ModelError
        It is missing, damaged, of another kind or another schema.
    """
    said = read_description(folder)
    state, config, grid = said.state, said.config, said.grid
    tensors = load_tensors(folder, state)
    with of_model(folder):
        recipe = _recipe(
            config.data.channels,
            config.sample,
            constants_of(state, tensors, grid.shape),
            grid,
        )
        leads = 1 if recipe.lead else len(config.sample.lead_hours)
        check_inputs(state, recipe, tensors, leads)
        network = restore(config.final_network, tensors, grid.shape, grid.periodic)
    return Model(network, recipe, config, state)


def take_weights(
    network: Forecaster,
    state: Mapping[str, Any],
    settings: Network,
    place: Path,
    keep_statistics: bool,
) -> None:
    """Begin with the weights of another model (`training.initial_weights`).

    Parameters
    ----------
    network : Forecaster
        Changed in place.
    state : mapping
        What the new model's ``state.json`` will say: inputs and targets must be the other's.
    settings : Network
        What `network` was made from. Where it has filters of points and the other model SMoE
        layers, these are frozen first; what a plain model lacks is added to it (`extend_plain`).
    place : Path
        The other model's folder.
    keep_statistics : bool
        Take over its normalisation too.

    Raises
    ------
    ModelError
        It is missing or damaged, has other inputs, targets or weights, or cannot be frozen.
    """
    theirs = open_model(place)
    for key in ("inputs", "targets"):
        old, new = tuple(theirs.state[key]), tuple(state[key])
        if old != new:
            raise ModelError(
                f"{place}: this model has the {key} {', '.join(old)}, the config "
                f"{', '.join(new)}: start from another model, or from none"
            )
    tensors, routed = theirs.network.state_dict(), smoe_layers(theirs.network)
    if settings.convolution == "frozen" and routed:
        try:
            tensors = freeze_tensors(theirs.network)
        except ValueError as error:
            raise ModelError(f"{place}: there is nothing to freeze: {error}") from None
    elif not routed:
        tensors = extend_plain(network, tensors)
    adopt(network, tensors, str(place), keep_statistics)


def check_filters(settings: Network, network: Forecaster) -> None:
    """Refuse what `fine_tuning.free_filters` would find nothing in, before a long training.

    Raises
    ------
    ConfigError
        There are neither plain layers at `smoe.layers` nor experts that can be added up.
    """
    if settings.convolution == "plain" and settings.smoe.layers != "none":
        return  # each point begins with the filter of all
    try:
        freeze_tensors(network)
    except ValueError as error:
        raise ConfigError(
            f"training.fine_tuning.free_filters: there is nothing to free: {error}"
        ) from None
