"""`smoecast train`: store and config to a run folder with a model."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from torch import Tensor, nn

from smoecast import console, run_record, zoo
from smoecast.config.run import Config
from smoecast.config.training import FineTuning, Training
from smoecast.config.yaml_file import dump
from smoecast.data.inputs import Inputs as Recipe
from smoecast.data.samples import InMemory, OnDevice, RolledSamples, Samples, load
from smoecast.data.sources.registry import request_of
from smoecast.data.store_origin import check_origin
from smoecast.data.timed_source import TimedSource
from smoecast.data.unchanged import Inputs, hold_inputs
from smoecast.disk.atomic import write_atomic
from smoecast.disk.locks import lock
from smoecast.fields.store import store
from smoecast.nn.losses import weighted_mse
from smoecast.nn.rollout import Unrolled
from smoecast.run_record import stage as spend
from smoecast.tasks.forecast_model import (
    check_filters,
    describe,
    inputs_of,
    new_network,
    samples_of,
    take_weights,
)
from smoecast.training.checkpoint import RESUME, part
from smoecast.training.distributed import ProcessGroup, join
from smoecast.training.job import Loss, TrainingJob, TrainingOutcome, device_of, ignore
from smoecast.training.job import Samples as Batches
from smoecast.training.loop import train as learn
from smoecast.training.model_files import (
    FIRST,
    STATE,
    TENSORS,
    identity_of,
    load_state,
    save_model,
)
from smoecast.training.records.loggers import open_loggers
from smoecast.training.records.profile import StepProfile

LAST = "last"
"""The folder of the last epoch's model, in that of the best one (`training.keep_last`)."""


@dataclass(frozen=True)
class _Stage:
    """One training: what was asked for, how this one learns, and where its model goes."""

    asked: Config
    config: Config
    folder: Path
    kind: str = ""
    freed_later: bool = False


def train(config: Config, *, fresh: bool = False, profile: bool = False) -> dict[str, Any]:
    """Train the network of a run, or resume it, or find that nothing is left to do.

    Under `torchrun` every process calls it; the first one holds the lock, writes and speaks.

    Returns
    -------
    dict
        ``model`` (folder), ``parameters``, ``epochs``, ``best_epoch``, ``best_loss``, ``seconds``,
        ``precision``, ``trained``; of the fine-tuning, where there is one. With `profile` also
        ``profile``, where the time of all steps went (`StepProfile.summary`).

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
    config.sample.check_step(config.data.step_hours)
    with join(config.training.device) as team:
        if not team.first:
            console.mute()
        else:
            run_record.set_folder(config.place)
        config.model.mkdir(parents=True, exist_ok=True)
        with lock(config.model) if team.first else nullcontext(), ExitStack() as opened:
            with spend("inputs"):
                held = opened.enter_context(hold_inputs(stores=[config.store]))
                dataset = opened.enter_context(store.open_store(config.store))
                run_record.add_stores([config.store])
            timing = StepProfile(device_of(config.training.device)) if profile else None
            for stage in _stages(config, fresh):
                with spend("prepare"):
                    lesson = _prepare(stage, dataset, team, fresh, held, timing)
                with spend("train"), _reporters(stage, team) as (report, tick):
                    job = replace(lesson.job, tick=tick)
                    if timing:
                        timing.start()
                    outcome = learn(lesson.learner, job, report=report, fresh=fresh)
                with spend("write"):
                    summary = _save(stage, lesson, outcome, team)
            return summary if timing is None else {**summary, "profile": timing.summary()}


def _stages(config: Config, fresh: bool) -> list[_Stage]:
    """Return the training, or that and its fine-tuning; once this has begun, it alone."""
    settings = config.training
    if not settings.fine_tuning.epochs:
        return [_Stage(config, config, config.model)]
    place = config.model / FIRST
    alone = settings.model_copy(update={"fine_tuning": FineTuning()})
    before = config.model_copy(update={"training": alone})
    tuned = {"training": settings.for_fine_tuning(str(place)), "network": config.final_network}
    after = config.model_copy(update=tuned)
    tuning = _Stage(config, after, config.model, "fine-tuning")
    if not fresh and (config.model / RESUME).exists():
        return [tuning]
    first = _Stage(before, before, place, freed_later=settings.fine_tuning.free_filters)
    return [first, tuning]


@dataclass(frozen=True)
class _Lesson:
    """What one training needs: the network, what learns of it, from what, and its description."""

    network: nn.Module
    learner: nn.Module
    job: TrainingJob
    state: dict[str, Any]
    confirm: Callable[[], None]


def _prepare(
    stage: _Stage,
    dataset: xr.Dataset,
    team: ProcessGroup,
    fresh: bool,
    held: Inputs,
    timing: StepProfile | None,
) -> _Lesson:
    """Set a network and its samples up."""
    config, folder, settings = stage.config, stage.folder, stage.config.training
    rows = store.rows_of(config.store)
    source = rows if settings.cache == "disk" else load(rows)
    inputs = inputs_of(config.data, config.sample, dataset, config.store)
    check_origin(request_of(config), dataset)
    samples = samples_of(
        config.sample, config.data.step_hours, dataset, inputs, source, settings.rollout_steps
    )
    network = new_network(config.network, config.seed, dataset, samples["train"])
    if stage.freed_later:
        check_filters(config.network, network)
    state = describe(stage.asked, dataset, inputs)
    if settings.initial_weights and (fresh or not (folder / RESUME).exists()):
        origin = zoo.locate(settings.initial_weights)
        take_weights(network, state, config.network, origin, settings.keep_statistics)
    if team.first:
        for name in (STATE, RESUME) if fresh else ():
            (config.model / name).unlink(missing_ok=True)  # also that of the fine-tuning
    if settings.cache != "disk":
        held.confirm()  # all is in memory by now

    def confirm() -> None:
        if settings.cache == "disk":
            held.confirm(folder / RESUME)

    def keep_last(tensors: dict[str, Tensor]) -> None:
        confirm()
        if settings.keep_last:
            inner = part(tensors, "network.") if learner is not network else tensors
            save_model(folder / LAST, inner, state)

    learner = _unroll(network, inputs, settings.rollout_steps)
    if timing and settings.cache == "disk":
        samples["train"] = replace(samples["train"], source=TimedSource(rows, timing.mark))
    job = TrainingJob(
        *_cache(settings, samples),
        _loss(settings, samples["train"]),
        settings,
        folder,
        config.seed,
        {"config": _decisive(stage.asked), "data": state["data"]},
        f"config.training.{'fine_tuning.' if stage.kind else ''}epochs",
        begin=lambda place: write_atomic(place / "config.yaml", dump(stage.asked).encode()),
        last=keep_last,
        team=team,
        mark=timing.mark if timing else ignore,
    )
    return _Lesson(network, learner, job, state, confirm)


def _save(
    stage: _Stage, lesson: _Lesson, outcome: TrainingOutcome, team: ProcessGroup
) -> dict[str, Any]:
    """Write the model that a training came to; return what the command says of it."""
    lesson.confirm()
    network, folder = lesson.network, stage.folder
    if team.first and (outcome["trained"] or not (folder / STATE).exists()):
        # the same also where a run was killed between its last step and this
        state = {**lesson.state, "training": {**outcome, "trained": True}}
        save_model(folder, network.state_dict(), state)
    team.wait()  # who goes on from this model finds it written
    for name in (TENSORS, STATE):
        run_record.add_output(folder / name, made=outcome["trained"])
    run_record.note(model_sha256=identity_of(load_state(folder)), training=outcome)
    parameters = sum(p.numel() for p in network.parameters())
    return {"model": str(folder), "parameters": parameters, **outcome}


def _unroll(network: nn.Module, inputs: Recipe, steps: int) -> nn.Module:
    """Return what is trained: the network, or several of its steps (`training.rollout_steps`)."""
    if steps == 1:
        return network
    sizes = {"states": len(inputs.history), "fields": len(inputs.channels)}
    return Unrolled(network, **sizes, extra=len(inputs.extra_names), steps=steps)


def _cache(settings: Training, samples: dict[str, Samples]) -> tuple[Batches, Batches]:
    """Return training and validation samples, of several steps or on the device if wished."""
    train, validation = samples["train"], samples["validation"]
    fields, steps = None, settings.rollout_steps
    if settings.cache == "device" and isinstance(train.source, InMemory):
        fields = torch.from_numpy(train.source.fields).to(device_of(settings.device))
    if steps > 1:
        return RolledSamples(train, steps, fields), RolledSamples(validation, steps, fields)
    if fields is None:
        return train, validation
    return OnDevice(train, fields), OnDevice(validation, fields)


def _decisive(config: Config) -> dict[str, Any]:
    """Return the keys that decide the weights: what a resumed run must agree on."""
    kept = config.model_dump(mode="json", include={"seed", "sample"})
    data = config.data.model_dump(mode="json", exclude={"source", "files", "run"})
    network, training = config.network.decisive(), config.training.decisive()
    return {**kept, "data": data, "network": network, "training": training}


def _loss(settings: Training, samples: Samples) -> Loss:
    """Return the latitude-weighted squared error in units of each output's own change."""
    device, inputs = device_of(settings.device), samples.inputs
    rows = torch.from_numpy(inputs.grid.weights()).float().to(device)
    targets = [inputs.channels[index] for index in samples.targets]
    asked = [settings.channel_weights.get(target, 1.0) for target in targets]
    weights = torch.tensor(asked * samples.leads)
    # an error is divided by its scale before it is squared, so a weight enters as its root
    scale = (torch.from_numpy(samples.change_scale).float() / weights.sqrt()).to(device)
    scale = scale.repeat(settings.rollout_steps)  # each step in units of the first
    return lambda output, target: weighted_mse(output, target, rows, scale)


@contextmanager
def _reporters(
    stage: _Stage, team: ProcessGroup
) -> Iterator[tuple[Callable[[dict[str, Any]], None], Callable[[float], None]]]:
    """Give what to call after each epoch, and after each step with the epochs done."""
    settings, kind, begun, words = stage.config.training, stage.kind, list[float](), [""]
    kinds = settings.log if team.first else ()
    with (
        open_loggers(kinds, stage.folder, stage.config.name) as note,
        console.progress(kind or "training", settings.epochs) as step,
    ):

        def tick(done: float) -> None:
            if not begun:
                begun.append(done)
            step(done, words[0], begun=begun[0])

        def report(record: dict[str, Any]) -> None:
            words[0] = f"validation loss {record['validation_loss']:.4f}"
            tick(record["epoch"])
            console.say(
                f"{kind and f'{kind}, '}epoch {record['epoch']}: "
                f"training loss {record['train_loss']:.4f}, {words[0]}"
                f"{', best so far' if record['best'] else ''}, {console.clock(record['seconds'])}"
            )
            note(record)

        yield report, tick
