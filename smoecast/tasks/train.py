"""`smoecast train`: store and config to a run folder with a model."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from smoecast import console, zoo
from smoecast.config.run import Config
from smoecast.config.training import FineTuning, Training
from smoecast.config.yaml_file import dump
from smoecast.data.samples import InMemory, OnDevice, RolledSamples, Samples
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.disk.atomic import write_atomic
from smoecast.disk.locks import lock
from smoecast.errors import ModelError
from smoecast.fields.store import store
from smoecast.nn.losses import weighted_mse
from smoecast.nn.rollout import Unrolled
from smoecast.tasks.forecast_model import describe, inputs_of, new_network, open_model, samples_of
from smoecast.training.checkpoint import RESUME, part
from smoecast.training.distributed import ProcessGroup, join
from smoecast.training.job import Loss, TrainingOutcome, device_of
from smoecast.training.job import Samples as Batches
from smoecast.training.loggers import journals
from smoecast.training.loop import train as learn
from smoecast.training.model_files import STATE, load_tensors, save_model
from smoecast.training.warm_start import adopt

LAST = "last"
"""The folder of the last epoch's model, in that of the best one (`training.keep_last`)."""
FIRST = "first"
"""The folder of the model before its fine-tuning, in that of the tuned one."""


@dataclass(frozen=True)
class _Stage:
    """One training: what was asked for, how this one learns, and where its model goes."""

    asked: Config
    config: Config
    folder: Path
    kind: str = ""


def train(config: Config, *, fresh: bool = False) -> dict[str, Any]:
    """Train the network of a run, or resume it, or find that nothing is left to do.

    Under `torchrun` every process calls it; the first one holds the lock, writes and speaks.

    Returns
    -------
    dict
        ``model`` (folder), ``parameters``, ``epochs``, ``best_epoch``, ``best_loss``, ``seconds``,
        ``precision``, ``trained``; of the fine-tuning, where there is one.

    Raises
    ------
    InputError
        The store is missing, or was made for another config.
    ConfigError
        The folder holds a run of another config, or what the config asks for is not there.
    ModelError
        The model to start from is missing, damaged, or another network.
    LockedError
        Another process is training in the same folder.
    OutputError
        The store changed meanwhile.
    Interrupted
        A signal came; the state is saved and the same command goes on from there.
    """
    with join(config.training.device) as team:
        if not team.first:
            console.mute()
        with (
            _alone(config, team),
            hold_inputs(stores=[config.store]) as held,
            store.open_store(config.store) as dataset,
        ):
            for stage in _stages(config, fresh):
                outcome = _train(stage, dataset, team, fresh, held)
            return outcome


def _alone(config: Config, team: ProcessGroup) -> AbstractContextManager[None]:
    config.model.mkdir(parents=True, exist_ok=True)
    return lock(config.model) if team.first else nullcontext()


def _stages(config: Config, fresh: bool) -> list[_Stage]:
    """Return the training, or that and its fine-tuning; once this has begun, it alone."""
    settings = config.training
    if not settings.fine_tuning.epochs:
        return [_Stage(config, config, config.model)]

    def learning(training: Training) -> Config:
        return config.model_copy(update={"training": training})

    place = config.model / FIRST
    before = learning(settings.model_copy(update={"fine_tuning": FineTuning()}))
    after = learning(settings.for_fine_tuning(str(place)))
    tuning = _Stage(config, after, config.model, "fine-tuning")
    if not fresh and (config.model / RESUME).exists():
        return [tuning]
    return [_Stage(before, before, place), tuning]


def _train(
    stage: _Stage, dataset: xr.Dataset, team: ProcessGroup, fresh: bool, held: Inputs
) -> dict[str, Any]:
    config, folder = stage.config, stage.folder
    inputs = inputs_of(config, dataset)
    samples = samples_of(config, dataset, inputs)
    network = new_network(config, dataset, samples["train"])
    state = describe(stage.asked, dataset, inputs)
    if fresh or not (folder / RESUME).exists():
        _start(config, network, state)
    if team.first:
        for name in (STATE, RESUME) if fresh else ():
            (config.model / name).unlink(missing_ok=True)  # also that of the fine-tuning
        folder.mkdir(exist_ok=True)
        write_atomic(folder / "config.yaml", dump(stage.asked).encode())
    reads_on = config.training.cache == "disk"
    if not reads_on:
        held.confirm()  # all is in memory by now

    def confirm() -> None:
        if reads_on:
            held.confirm(folder / RESUME)

    outcome = _learn(stage, network, samples, state, team, fresh, confirm)
    confirm()
    if team.first and (outcome["trained"] or not (folder / STATE).exists()):
        # the same also where a run was killed between its last step and this
        save_model(
            folder, network.state_dict(), {**state, "training": {**outcome, "trained": True}}
        )
    team.wait()  # who goes on from this model finds it written
    parameters = sum(p.numel() for p in network.parameters())
    return {"model": str(folder), "parameters": parameters, **outcome}


def _learn(
    stage: _Stage,
    network: nn.Module,
    samples: dict[str, Samples],
    state: Mapping[str, Any],
    team: ProcessGroup,
    fresh: bool,
    confirm: Callable[[], None],
) -> TrainingOutcome:
    def keep_last(tensors: dict[str, Tensor]) -> None:
        confirm()
        if config.training.keep_last:
            inner = part(tensors, "network.") if learner is not network else tensors
            save_model(stage.folder / LAST, inner, state)

    config = stage.config
    learner = _unroll(config, network, samples["train"])

    kinds = config.training.log if team.first else ()
    with (
        journals(kinds, stage.folder, config.name) as note,
        console.progress(stage.kind or "training", config.training.epochs) as step,
    ):
        report, tick = _reporters(step, note, stage.kind and f"{stage.kind}, ")
        return learn(
            learner,
            *_cache(config, samples),
            _loss(config, samples["train"]),
            config.training,
            folder=stage.folder,
            seed=config.seed,
            identity={"config": _identity_keys(stage.asked), "data": state["data"]},
            report=report,
            tick=tick,
            last=keep_last,
            fresh=fresh,
            team=team,
        )


def _unroll(config: Config, network: nn.Module, samples: Samples) -> nn.Module:
    """Return what is trained: the network, or several of its steps (`training.rollout_steps`)."""
    steps, inputs = config.training.rollout_steps, samples.inputs
    if steps == 1:
        return network
    sizes = {"states": len(inputs.history), "fields": len(inputs.channels)}
    return Unrolled(network, **sizes, extra=len(inputs.extra_names), steps=steps)


def _start(config: Config, network: nn.Module, state: Mapping[str, Any]) -> None:
    """Take over the weights of `training.initial_weights`, if it names a model."""
    settings = config.training
    if not settings.initial_weights:
        return
    place = zoo.locate(settings.initial_weights)
    theirs = open_model(place)
    for key in ("inputs", "targets"):
        old, new = tuple(theirs.state[key]), tuple(state[key])
        if old != new:
            raise ModelError(
                f"{place}: this model has the {key} {', '.join(old)}, the config "
                f"{', '.join(new)}: start from another model, or from none"
            )
    adopt(network, load_tensors(place, theirs.state), str(place), settings.keep_statistics)


def _cache(config: Config, samples: dict[str, Samples]) -> tuple[Batches, Batches]:
    """Return training and validation samples, of several steps or on the device if wished."""
    train, validation = samples["train"], samples["validation"]
    fields = None
    if config.training.cache == "device" and isinstance(train.source, InMemory):
        fields = torch.from_numpy(train.source.fields).to(device_of(config.training.device))
    steps = config.training.rollout_steps
    if steps > 1:
        return RolledSamples(train, steps, fields), RolledSamples(validation, steps, fields)
    if fields is None:
        return train, validation
    return OnDevice(train, fields), OnDevice(validation, fields)


def _identity_keys(config: Config) -> dict[str, Any]:
    """Return the keys that decide the weights: what a resumed run must agree on."""
    kept = config.model_dump(mode="json", include={"seed", "sample"})
    data = config.data.model_dump(mode="json", exclude={"source", "files", "run"})
    network, training = config.network.decisive(), config.training.decisive()
    return {**kept, "data": data, "network": network, "training": training}


def _loss(config: Config, samples: Samples) -> Loss:
    """Return the latitude-weighted squared error in units of each output's own change."""
    device = device_of(config.training.device)
    rows = torch.from_numpy(samples.inputs.grid.weights()).float().to(device)
    asked = [config.training.channel_weights.get(target, 1.0) for target in config.targets]
    weights = torch.tensor(asked * samples.leads)
    # an error is divided by its scale before it is squared, so a weight enters as its root
    scale = (torch.from_numpy(samples.change_scale).float() / weights.sqrt()).to(device)
    scale = scale.repeat(config.training.rollout_steps)  # each step in units of the first

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return weighted_mse(output, target, rows, scale)

    return loss


def _reporters(
    step: console.Progress, note: Callable[[Mapping[str, Any]], None], kind: str
) -> tuple[Callable[[dict[str, Any]], None], Callable[[float], None]]:
    """Return what to call after each epoch, and after each step with the epochs done."""
    begun: list[float] = []
    words = [""]

    def tick(done: float) -> None:
        if not begun:
            begun.append(done)
        step(done, words[0], begun=begun[0])

    def report(record: dict[str, Any]) -> None:
        words[0] = f"validation loss {record['validation_loss']:.4f}"
        tick(record["epoch"])
        console.say(
            f"{kind}epoch {record['epoch']}: training loss {record['train_loss']:.4f}, {words[0]}"
            f"{', best so far' if record['best'] else ''}, {console.clock(record['seconds'])}"
        )
        note(record)

    return report, tick
