"""Training: one plain loop that resumes anywhere, to the bit.

The order of the samples depends on seed and epoch alone, all randomness on one saved generator;
a run that was stopped, by a signal or a crash, ends with the weights of one that was not.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from smoecast.disk.atomic import write_atomic
from smoecast.errors import ConfigError, Interrupted
from smoecast.nn.smoe.model_layers import follow_scaler
from smoecast.signals import SignalWatcher, watch
from smoecast.training.checkpoint import RESUME, Record, TrainingProgress, load, part
from smoecast.training.job import TrainingJob, TrainingOutcome, device_of
from smoecast.training.model_files import portable
from smoecast.training.records.routing_record import ROUTING, is_noted, note_routing, write_routing
from smoecast.training.schedule import is_over
from smoecast.training.step import rates, refuse_divergence, take_step
from smoecast.training.trainer import Trainer

HISTORY = "history.jsonl"


def train(
    model: nn.Module,
    job: TrainingJob,
    *,
    report: Callable[[Record], None] | None = None,
    fresh: bool = False,
) -> TrainingOutcome:
    """Train until the epochs are done or the validation loss stops falling; resume by itself.

    A finished run of fewer epochs goes on, where `job.growing` names their number; under a cosine
    schedule it goes on at the rate that the new number has there.

    Parameters
    ----------
    model : nn.Module
        (B, C, H, W) -> (B, D, H, W); trained in place; ends with the best epoch's weights.
    job : TrainingJob
        What it learns from, how, and where.
    report : callable, optional
        Called with each epoch's record, as in ``history.jsonl``.
    fresh : bool
        Begin again, whatever the folder holds.

    Returns
    -------
    TrainingOutcome
        Best epoch and its losses; ``trained`` is False when there was nothing to do.

    Raises
    ------
    ConfigError
        The folder holds a run of another identity or number of processes, or the device does not
        exist or lacks the precision, or more epochs are asked for than a finished run can be given,
        or there is nothing to compile with.
    ModelError
        The saved state is damaged.
    OutputError
        The loss became infinite or not a number.
    Interrupted
        SIGTERM or SIGINT came; the state is saved.
    """
    device = device_of(job.settings.device)
    if job.settings.threads:
        torch.set_num_threads(job.settings.threads)
    with torch.random.fork_rng([device] if device.type == "cuda" else []), watch() as signals:
        torch.manual_seed(job.seed + job.team.rank)  # each process drops values of its own
        run = _open(model, job, device, fresh)
        if job.team.first:
            job.begin(job.folder)
        if not (run.ledger.epoch or run.ledger.step):
            run.routing = note_routing(run.judged, 0)
        if job.team.first:  # also where it was lost
            write_routing(run.routing, job.folder)
        trained = not run.ledger.finished
        while not run.ledger.finished:
            record = _train_epoch(run, job, signals)
            if report:
                report(record)
        if job.team.first:
            _write_history(run.ledger, job.folder)
        model.load_state_dict(run.best)
        follow_scaler(model, None)
    return _outcome(run, trained)


def _open(model: nn.Module, job: TrainingJob, device: torch.device, fresh: bool) -> Trainer:
    """Begin a run, or take up the one in the folder."""
    job.folder.mkdir(parents=True, exist_ok=True)
    saved = job.folder / RESUME
    if fresh and job.team.first:
        for path in (saved, job.folder / ROUTING):
            path.unlink(missing_ok=True)
    job.team.wait()  # nobody reads before that
    run = Trainer(model, job.settings, device, job.team)
    if saved.exists():
        tensors, ledger = load(saved, job.key, job.growing)
        # more epochs than before may be asked for
        over = is_over(ledger.progress, ledger.epoch, job.settings)
        if ledger.finished and not over and not part(tensors, "model."):
            raise ConfigError(
                f"{saved}: an earlier version of smoecast kept the best model alone of this run, "
                "which cannot go on: start another from it (training.initial_weights), or add "
                "--fresh to begin again"
            )
        run.restore(tensors, replace(ledger, finished=over), saved)
    return run


def _train_epoch(run: Trainer, job: TrainingJob, signals: SignalWatcher) -> Record:
    """Train, validate, note the record, save."""
    saved = time.monotonic()
    begun = saved - run.ledger.seconds
    order = np.random.default_rng([job.seed, run.ledger.epoch]).permutation(len(job.samples))
    run.network.train()
    while run.ledger.step < job.steps:
        routing = take_step(run, job, order)
        run.ledger.seconds = time.monotonic() - begun
        job.tick(run.ledger.epoch + run.ledger.step / job.steps)
        late = time.monotonic() - saved > 60 * job.settings.save_minutes
        if _agree(run, job, routing, signals, late):
            job.mark("rest")
            run.save(job.folder / RESUME, job.key)
            job.mark("checkpoint")
            saved = time.monotonic()
    job.mark("rest")
    validation_loss = _validate(run, job, signals)
    job.mark("validation")
    run.ledger.seconds = time.monotonic() - begun
    record = _close_epoch(run, job, validation_loss)
    noted = is_noted(run.ledger.epoch)
    if noted:
        run.routing |= note_routing(run.judged, run.ledger.epoch)
    if run.ledger.finished and job.team.first:
        job.last(portable(run.judged.state_dict()))
    # what may be given more epochs is kept whole
    stopped = run.ledger.progress.stale >= job.settings.patience
    may_grow = bool(job.growing) and not stopped
    job.mark("rest")
    run.save(job.folder / RESUME, job.key, whole=may_grow or not run.ledger.finished)
    if job.team.first:
        _write_history(run.ledger, job.folder)
        if noted:
            write_routing(run.routing, job.folder)
    job.mark("checkpoint")
    return record


def _agree(
    run: Trainer, job: TrainingJob, routing: float, signals: SignalWatcher, late: bool
) -> bool:
    """After a step, have all processes stop, save or go on together; return whether to save."""
    said = job.team.numbers([routing, signals.signum, late])
    run.ledger.routing_sum += float(said[:, 0].sum())
    _stop_on_signal(run, job, int(said[:, 1].max()))
    return bool(said[0, 2])


@torch.no_grad()
def _validate(run: Trainer, job: TrainingJob, signals: SignalWatcher) -> float:
    """Return the mean loss over the validation samples, batches shared out among the processes."""
    run.share_buffers()
    run.judged.eval()
    size, count, total = job.settings.batch_size, len(job.validation), 0.0
    starts = range(job.team.rank * size, count, job.team.size * size)
    mine = [np.arange(start, min(start + size, count)) for start in starts]
    for indices, then in zip(mine, [*mine[1:], None], strict=True):
        inputs, targets = run.feeder.give(job.validation, indices, then)
        output = run.judge(inputs)
        total += float(job.loss(output.to(targets.dtype), targets)) * len(indices)
        if job.team.size == 1:
            _stop_on_signal(run, job, signals.signum)
    mean = float(job.team.numbers([total]).sum()) / count
    refuse_divergence(mean, f"the validation after epoch {run.ledger.epoch + 1}")
    return mean


def _close_epoch(run: Trainer, job: TrainingJob, validation_loss: float) -> Record:
    ledger = run.ledger
    epoch = ledger.epoch + 1
    progress = ledger.progress.after(epoch, validation_loss, job.settings)
    record: Record = {
        "epoch": epoch,
        "train_loss": ledger.loss_sum / len(job.samples),
        "validation_loss": validation_loss,
        "routing_loss": ledger.routing_sum / job.steps,
        "learning_rate": rates(replace(ledger, step=0), job)[0],
        "seconds": round(ledger.seconds, 3),
        "best": progress.best_epoch == epoch,
    }
    if record["best"]:
        run.best = portable(run.judged.state_dict())
    run.ledger = TrainingProgress(
        epoch=epoch,
        progress=progress,
        history=[*ledger.history, record],
        finished=is_over(progress, epoch, job.settings),
    )
    return record


def _stop_on_signal(run: Trainer, job: TrainingJob, signum: int) -> None:
    if signum:
        run.save(job.folder / RESUME, job.key)
        where = f"epoch {run.ledger.epoch + 1}, step {run.ledger.step} of {job.steps}"
        raise Interrupted(signum, f"{where} is saved in {job.folder}")


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
