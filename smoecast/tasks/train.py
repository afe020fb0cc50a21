"""`smoecast train`: store and config to a run folder with a model."""

from typing import Any

import torch
from torch import Tensor

from smoecast import console
from smoecast.config import Config
from smoecast.configfile import dump
from smoecast.data.samples import Held, OnDevice, Samples
from smoecast.disk import lock, write_atomic
from smoecast.fields import store
from smoecast.nn.losses import weighted_mse
from smoecast.tasks.assembly import describe, inputs_of, new_network, samples_of
from smoecast.training.course import Loss, device_of
from smoecast.training.course import Samples as Batches
from smoecast.training.loop import train as learn
from smoecast.training.state import STATE, save_model


def train(config: Config, *, fresh: bool = False) -> dict[str, Any]:
    """Train the network of a run, or resume it, or find that nothing is left to do.

    Returns
    -------
    dict
        ``model`` (folder), ``parameters``, ``epochs``, ``best_epoch``, ``best_loss``, ``seconds``.

    Raises
    ------
    InputError
        The store is missing, or was made for another config.
    ConfigError
        The folder holds a run of another config.
    LockedError
        Another process is training in the same folder.
    Interrupted
        A signal came; the state is saved and the same command goes on from there.
    """
    config.model.mkdir(parents=True, exist_ok=True)
    with lock(config.model), store.open_store(config.store) as dataset:
        if fresh:
            (config.model / STATE).unlink(missing_ok=True)
        inputs = inputs_of(config, dataset)
        samples = samples_of(config, dataset, inputs)
        network = new_network(config, dataset, samples["train"])
        state = describe(config, dataset, inputs)
        identity = {"config": _learned(config), "data": state["data"]}
        write_atomic(config.model / "config.yaml", dump(config).encode())
        with console.progress("training", config.training.epochs) as step:
            outcome = learn(
                network,
                *_cached(config, samples),
                _loss(config, samples["train"]),
                config.training,
                folder=config.model,
                seed=config.seed,
                identity=identity,
                report=_reporter(step),
                fresh=fresh,
            )
        if outcome["trained"] or not (config.model / STATE).exists():
            save_model(config.model, network.state_dict(), {**state, "training": dict(outcome)})
    parameters = sum(p.numel() for p in network.parameters())
    return {"model": str(config.model), "parameters": parameters, **outcome}


def _cached(config: Config, samples: dict[str, Samples]) -> tuple[Batches, Batches]:
    """Return training and validation samples, their fields on the device if that is wished."""
    train, validation = samples["train"], samples["validation"]
    if config.training.cache != "device" or not isinstance(train.source, Held):
        return train, validation
    fields = torch.from_numpy(train.source.fields).to(device_of(config.training.device))
    return OnDevice(train, fields), OnDevice(validation, fields)


def _learned(config: Config) -> dict[str, Any]:
    """Return the keys that decide the weights: what a resumed run must agree on."""
    kept = config.model_dump(mode="json", include={"seed", "sample", "network"})
    data = config.data.model_dump(mode="json", exclude={"source", "files"})
    return {**kept, "data": data, "training": config.training.decisive()}


def _loss(config: Config, samples: Samples) -> Loss:
    """Return the latitude-weighted squared error in units of each output's own change."""
    device = device_of(config.training.device)
    rows = torch.from_numpy(samples.inputs.grid.weights()).float().to(device)
    asked = [config.training.channel_weights.get(target, 1.0) for target in config.targets]
    weights = torch.tensor(asked * len(samples.lead_steps))
    # an error is divided by its scale before it is squared, so a weight enters as its root
    scale = (torch.from_numpy(samples.change_scale).float() / weights.sqrt()).to(device)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return weighted_mse(output, target, rows, scale)

    return loss


def _reporter(step: console.Progress) -> Any:
    def report(record: dict[str, Any]) -> None:
        note = f"validation loss {record['validation_loss']:.4f}"
        step(record["epoch"], note)
        console.say(
            f"epoch {record['epoch']}: training loss {record['train_loss']:.4f}, {note}"
            f"{', best so far' if record['best'] else ''}, {console.clock(record['seconds'])}"
        )

    return report
