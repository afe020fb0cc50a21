"""Training: one plain loop that resumes anywhere, to the bit.

The order of the samples depends on seed and epoch alone, all randomness on one saved generator;
a run that was stopped, by a signal or a crash, ends with the weights of one that was not.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoecast.config.training import Training
from smoecast.disk.atomic import write_atomic
from smoecast.errors import Interrupted
from smoecast.nn.smoe.model_layers import follow_scaler
from smoecast.training.checkpoint import RESUME, Record, TrainingProgress, load
from smoecast.training.distributed import ProcessGroup
from smoecast.training.job import Loss, Samples, TrainingJob, TrainingOutcome, device_of
from smoecast.training.model_files import portable
from smoecast.training.schedule import is_over
from smoecast.training.signals import SignalWatcher, watch
from smoecast.training.step import loss_of, rates, refuse_divergence, take_step
from smoecast.training.trainer import Trainer

HISTORY = "history.jsonl"


def train(
    model: nn.Module,
    samples: Samples,
    validation: Samples,
    loss: Loss,
    settings: Training,
    *,
    folder: Path,
    seed: int,
    identity: Mapping[str, Any],
    report: Callable[[Record], None] | None = None,
    tick: Callable[[float], None] | None = None,
    last: Callable[[dict[str, Tensor]], None] | None = None,
    fresh: bool = False,
    team: ProcessGroup | None = None,
) -> TrainingOutcome:
    """Train until the epochs are done or the validation loss stops falling; resume by itself.

    Parameters
    ----------
    model : nn.Module
        (B, C, H, W) -> (B, D, H, W); trained in place; ends with the best epoch's weights.
    samples, validation : Samples
        To learn from, and to choose the epoch by.
    loss : callable
        (output, target) -> scalar, on the device of `device_of(settings.device)`.
    settings : Training
        Section `training` of the config.
    folder : Path
        Run folder: ``resume.safetensors`` and ``history.jsonl``, one line per epoch.
    seed : int
        Of the order of samples and of dropout. The weights are drawn before, by the caller.
    identity : mapping
        Config and data as JSON values; a run resumes under the same identity only.
    report : callable, optional
        Called with each epoch's record, as in ``history.jsonl``.
    tick : callable, optional
        Called after each step with the epochs that are done, a fraction included.
    last : callable, optional
        Called once, at the end, with the last epoch's tensors.
    fresh : bool
        Begin again, whatever the folder holds.
    team : Team, optional
        The processes of this run, from `distributed.join`; all call this function alike.

    Returns
    -------
    Outcome
        Best epoch and its losses; ``trained`` is False when there was nothing to do.

    Raises
    ------
    InputError
        There are no samples to train on, or none to validate with.
    ConfigError
        The folder holds a run of another identity or number of processes, or the device does not
        exist or lacks the precision.
    ModelError
        The saved state is damaged.
    OutputError
        The loss became infinite or not a number.
    Interrupted
        SIGTERM or SIGINT came; the state is saved.
    """
    team = team or ProcessGroup()
    same = json.loads(json.dumps(identity, default=str))
    if team.size > 1:
        same["processes"] = team.size
    calls = (tick or _ignore, last or _ignore)
    course = TrainingJob(samples, validation, loss, settings, folder, seed, same, *calls, team)
    device = device_of(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), watch() as signals:
        torch.manual_seed(seed + team.rank)  # each process drops values of its own
        run = _open(model, course, device, fresh)
        trained = not run.ledger.finished
        while not run.ledger.finished:
            record = _epoch(run, course, signals)
            if report:
                report(record)
        if team.first:
            _write_history(run.ledger, folder)
        model.load_state_dict(run.best)
        follow_scaler(model, None)
    return _outcome(run, trained)


def _ignore(_: object) -> None:
    """Stand for a callback that nobody gave."""


def _open(model: nn.Module, course: TrainingJob, device: torch.device, fresh: bool) -> Trainer:
    """Begin a run, or take up the one in the folder."""
    course.folder.mkdir(parents=True, exist_ok=True)
    saved = course.folder / RESUME
    if fresh and course.team.first:
        saved.unlink(missing_ok=True)
    course.team.wait()  # nobody reads before that
    run = Trainer(model, course.settings, device, course.team)
    if saved.exists():
        run.restore(*load(saved, course.identity), saved)
    return run


def _epoch(run: Trainer, course: TrainingJob, signals: SignalWatcher) -> Record:
    """Train, validate, note the record, save."""
    clock = _Clock(run.ledger)
    saved = time.monotonic()
    order = np.random.default_rng([course.seed, run.ledger.epoch]).permutation(len(course.samples))
    run.network.train()
    while run.ledger.step < course.steps:
        routing = take_step(run, course, order)
        clock.note()
        course.tick(run.ledger.epoch + run.ledger.step / course.steps)
        late = time.monotonic() - saved > 60 * course.settings.save_minutes
        if _agree(run, course, routing, signals, late):
            run.save(course.folder / RESUME, course.identity)
            saved = time.monotonic()
    validation_loss = _validate(run, course, signals)
    clock.note()
    record = _close_epoch(run, course, validation_loss)
    if run.ledger.finished and course.team.first:
        course.last(portable(run.judged.state_dict()))
    run.save(course.folder / RESUME, course.identity)
    if course.team.first:
        _write_history(run.ledger, course.folder)
    return record


def _agree(
    run: Trainer, course: TrainingJob, routing: float, signals: SignalWatcher, late: bool
) -> bool:
    """After a step, have all processes stop, save or go on together; return whether to save."""
    said = course.team.numbers([routing, signals.signum, late])
    run.ledger.routing_sum += float(said[:, 0].sum())
    _stop_on_signal(run, course, int(said[:, 1].max()))
    return bool(said[0, 2])


class _Clock:
    """Adds the time since it was last asked to the ledger."""

    def __init__(self, ledger: TrainingProgress) -> None:
        self.ledger = ledger
        self.last = time.monotonic()

    def note(self) -> None:
        now = time.monotonic()
        self.ledger.seconds += now - self.last
        self.last = now


@torch.no_grad()
def _validate(run: Trainer, course: TrainingJob, signals: SignalWatcher) -> float:
    """Return the mean loss over the validation samples, batches shared out among the processes."""
    run.share_buffers()
    run.judged.eval()
    size, count, total = course.settings.batch_size, len(course.validation), 0.0
    for start in range(course.team.rank * size, count, course.team.size * size):
        indices = np.arange(start, min(start + size, count))
        loss = loss_of(run, course, run.judged, course.validation.batch(indices))
        total += float(loss) * len(indices)
        if course.team.size == 1:
            _stop_on_signal(run, course, signals.signum)
    mean = float(course.team.numbers([total]).sum()) / count
    refuse_divergence(mean, f"the validation after epoch {run.ledger.epoch + 1}")
    return mean


def _close_epoch(run: Trainer, course: TrainingJob, validation_loss: float) -> Record:
    ledger = run.ledger
    epoch = ledger.epoch + 1
    progress = ledger.progress.after(epoch, validation_loss, course.settings)
    record: Record = {
        "epoch": epoch,
        "train_loss": ledger.loss_sum / len(course.samples),
        "validation_loss": validation_loss,
        "routing_loss": ledger.routing_sum / course.steps,
        "learning_rate": rates(replace(ledger, step=0), course)[0],
        "seconds": round(ledger.seconds, 3),
        "best": progress.best_epoch == epoch,
    }
    if record["best"]:
        run.best = portable(run.judged.state_dict())
    run.ledger = TrainingProgress(
        epoch=epoch,
        progress=progress,
        history=[*ledger.history, record],
        finished=is_over(progress, epoch, course.settings),
    )
    return record


def _stop_on_signal(run: Trainer, course: TrainingJob, signum: int) -> None:
    if signum:
        run.save(course.folder / RESUME, course.identity)
        where = f"epoch {run.ledger.epoch + 1}, step {run.ledger.step} of {course.steps}"
        raise Interrupted(signum, f"{where} is saved in {course.folder}")


def _write_history(ledger: TrainingProgress, folder: Path) -> None:
    """Write all lines at once: after a crash between two files, the saved state prevails."""
    lines = "".join(json.dumps(record) + "\n" for record in ledger.history)
    write_atomic(folder / HISTORY, lines.encode())


def _outcome(run: Trainer, trained: bool) -> TrainingOutcome:
    ledger = run.ledger
    best = ledger.history[ledger.progress.best_epoch - 1]
    return TrainingOutcome(
        epochs=ledger.epoch,
        best_epoch=ledger.progress.best_epoch,
        best_loss=best["validation_loss"],
        train_loss=best["train_loss"],
        seconds=round(sum(record["seconds"] for record in ledger.history), 3),
        precision=run.precision,
        trained=trained,
    )
