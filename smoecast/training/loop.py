"""Training: one plain loop that resumes anywhere, to the bit.

The order of the samples depends on seed and epoch alone, all randomness on one saved generator;
a run that was stopped, by a signal or a crash, ends with the weights of one that was not.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smoecast.config_learning import Training
from smoecast.disk import write_atomic
from smoecast.errors import Interrupted, OutputError
from smoecast.nn.network import routing_loss
from smoecast.training.course import Course, Loss, Outcome, Samples, device_of
from smoecast.training.interrupt import Watch, watch
from smoecast.training.resume import RESUME, Ledger, Record, Run, load
from smoecast.training.state import portable
from smoecast.training.stopping import is_over, rate

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
    fresh: bool = False,
) -> Outcome:
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
        Called after each step with the share of the epoch that is done.
    fresh : bool
        Begin again, whatever the folder holds.

    Returns
    -------
    Outcome
        Best epoch and its losses; ``trained`` is False when there was nothing to do.

    Raises
    ------
    InputError
        There are no samples to train on, or none to validate with.
    ConfigError
        The folder holds a run of another identity, or the device does not exist.
    ModelError
        The saved state is damaged.
    OutputError
        The loss became infinite or not a number.
    Interrupted
        SIGTERM or SIGINT came; the state is saved.
    """
    same = json.loads(json.dumps(identity, default=str))
    course = Course(
        samples, validation, loss, settings, folder, seed, same, tick or (lambda _: None)
    )
    device = device_of(settings.device)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), watch() as signals:
        torch.manual_seed(seed)
        run = _open(model, course, device, fresh)
        trained = not run.ledger.finished
        while not run.ledger.finished:
            record = _epoch(run, course, signals)
            if report:
                report(record)
        _write_history(run.ledger, folder)
        model.load_state_dict(run.best)
    return _outcome(run.ledger, trained)


def _open(model: nn.Module, course: Course, device: torch.device, fresh: bool) -> Run:
    """Begin a run, or take up the one in the folder."""
    course.folder.mkdir(parents=True, exist_ok=True)
    saved = course.folder / RESUME
    if fresh:
        saved.unlink(missing_ok=True)
    run = Run(model, course.settings, device)
    if saved.exists():
        run.restore(*load(saved, course.identity), saved)
    return run


def _epoch(run: Run, course: Course, signals: Watch) -> Record:
    """Train, validate, note the record, save."""
    clock = _Clock(run.ledger)
    saved = time.monotonic()
    order = np.random.default_rng([course.seed, run.ledger.epoch]).permutation(len(course.samples))
    run.model.train()
    while run.ledger.step < course.steps:
        _step(run, course, order)
        clock.note()
        course.tick(run.ledger.step / course.steps)
        _stop_if_asked(run, course, signals)
        if time.monotonic() - saved > 60 * course.settings.save_minutes:
            run.save(course.folder / RESUME, course.identity)
            saved = time.monotonic()
    validation_loss = _validate(run, course, signals)
    clock.note()
    record = _close_epoch(run, course, validation_loss)
    run.save(course.folder / RESUME, course.identity)
    _write_history(run.ledger, course.folder)
    return record


class _Clock:
    """Adds the time since it was last asked to the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.last = time.monotonic()

    def note(self) -> None:
        now = time.monotonic()
        self.ledger.seconds += now - self.last
        self.last = now


def _step(run: Run, course: Course, order: NDArray[np.int64]) -> None:
    ledger, settings = run.ledger, course.settings
    size = settings.batch_size
    indices = order[ledger.step * size : (ledger.step + 1) * size]
    rates = _rates(ledger, course, ledger.step)
    for group, value in zip(run.optimizer.param_groups, rates, strict=True):
        group["lr"] = value
    inputs, targets = (part.to(run.device) for part in course.samples.batch(indices))
    run.optimizer.zero_grad(set_to_none=True)
    loss = course.loss(run.model(inputs), targets)
    value = float(loss.detach())
    _refuse_divergence(value, f"epoch {ledger.epoch + 1}, step {ledger.step + 1}")
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    if settings.clip:
        # routing scores are not clipped: their gradient comes from a loss of their own
        nn.utils.clip_grad_norm_(run.weights, settings.clip)
    run.optimizer.step()
    ledger.loss_sum += value * len(indices)
    ledger.routing_sum += routing_loss(run.model)
    ledger.step += 1


def _rates(ledger: Ledger, course: Course, step: int) -> tuple[float, float]:
    """Learning rates of weights and of routing scores at a step of the running epoch."""
    settings = course.settings
    share = (ledger.epoch + step / course.steps) / settings.epochs
    firsts = (settings.learning_rate, settings.gate_learning_rate)
    weights, gates = (rate(first, ledger.progress, share, settings) for first in firsts)
    return weights, gates


@torch.no_grad()
def _validate(run: Run, course: Course, signals: Watch) -> float:
    run.model.eval()
    size, count, total = course.settings.batch_size, len(course.validation), 0.0
    for start in range(0, count, size):
        indices = np.arange(start, min(start + size, count))
        inputs, targets = (part.to(run.device) for part in course.validation.batch(indices))
        total += float(course.loss(run.model(inputs), targets)) * len(indices)
        _stop_if_asked(run, course, signals)
    _refuse_divergence(total / count, f"the validation after epoch {run.ledger.epoch + 1}")
    return total / count


def _close_epoch(run: Run, course: Course, validation_loss: float) -> Record:
    ledger = run.ledger
    epoch = ledger.epoch + 1
    progress = ledger.progress.after(epoch, validation_loss, course.settings)
    record: Record = {
        "epoch": epoch,
        "train_loss": ledger.loss_sum / len(course.samples),
        "validation_loss": validation_loss,
        "routing_loss": ledger.routing_sum / course.steps,
        "learning_rate": _rates(ledger, course, step=0)[0],
        "seconds": round(ledger.seconds, 3),
        "best": progress.best_epoch == epoch,
    }
    if record["best"]:
        run.best = portable(run.model.state_dict())
    run.ledger = Ledger(
        epoch=epoch,
        progress=progress,
        history=[*ledger.history, record],
        finished=is_over(progress, epoch, course.settings),
    )
    return record


def _refuse_divergence(value: float, where: str) -> None:
    if not math.isfinite(value):
        raise OutputError(
            f"the loss is {value} at {where}: lower training.learning_rate, or look for missing "
            "values in the data"
        )


def _stop_if_asked(run: Run, course: Course, signals: Watch) -> None:
    if signals.signum:
        run.save(course.folder / RESUME, course.identity)
        where = f"epoch {run.ledger.epoch + 1}, step {run.ledger.step} of {course.steps}"
        raise Interrupted(signals.signum, f"{where} is saved in {course.folder}")


def _write_history(ledger: Ledger, folder: Path) -> None:
    """Write all lines at once: after a crash between two files, the saved state prevails."""
    lines = "".join(json.dumps(record) + "\n" for record in ledger.history)
    write_atomic(folder / HISTORY, lines.encode())


def _outcome(ledger: Ledger, trained: bool) -> Outcome:
    best = ledger.history[ledger.progress.best_epoch - 1]
    return Outcome(
        epochs=ledger.epoch,
        best_epoch=ledger.progress.best_epoch,
        best_loss=best["validation_loss"],
        train_loss=best["train_loss"],
        seconds=round(sum(record["seconds"] for record in ledger.history), 3),
        trained=trained,
    )
