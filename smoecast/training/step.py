"""One step of the optimizer, from one pass or many, by one process or many.

Gradients are means over all samples of a step. A pass sees a piece of them, so its loss is weighted
with the piece's share; and so are the gradient that SMoE layers give their gates in their own
backward, and the margins they judge errors by (`LossScale.share`).
"""

import math

import numpy as np
from numpy.typing import NDArray
from torch import nn

from smoecast.errors import OutputError
from smoecast.nn.smoe.model_layers import routing_losses
from smoecast.training.checkpoint import TrainingProgress
from smoecast.training.distributed import ProcessGroup
from smoecast.training.job import TrainingJob
from smoecast.training.schedule import rate, warm_up
from smoecast.training.trainer import Trainer

Piece = tuple[NDArray[np.int64], float]
"""Samples of one pass, and their share of the step's samples."""


def take_step(run: Trainer, job: TrainingJob, order: NDArray[np.int64]) -> float:
    """Learn from the next batch of an epoch and note its loss in the ledger.

    Losses are compared before the last backward, in which the processes wait for each other: a
    process that found no number must not leave the others waiting.

    Returns
    -------
    float
        This process' part of the routing loss.

    Raises
    ------
    OutputError
        The loss is infinite or not a number, in any process.
    """
    ledger = run.ledger
    batch = order[ledger.step * job.batch : (ledger.step + 1) * job.batch]
    passes = cut_batch(batch, job.settings.batch_size, job.team)
    following = _find_following(passes, job, order, ledger.step + 1)
    run.optimizer.zero_grad(set_to_none=True)
    job.mark("rest")
    total = routing = 0.0
    for number, (indices, share) in enumerate(passes, start=1):
        final = number == len(passes)
        with run.without_sync(not final):
            inputs, targets = run.feeder.give(job.samples, indices, following[number - 1])
            job.mark("preparing")
            output = run.forward(inputs)
            job.mark("forward")
            # in float32, whatever the precision of the network
            loss = job.loss(output.to(targets.dtype), targets)
            total += share * float(loss.detach())
            if final:
                total = float(job.team.numbers([total]).sum())
                refuse_divergence(total, f"epoch {ledger.epoch + 1}, step {ledger.step + 1}")
            job.mark("loss")
            if math.isfinite(total):
                run.backward(loss, share)
            job.mark("backward")
            routing += share * routing_losses(run.model)[0]
    routing += _update(run, job)
    job.mark("optimiser")
    ledger.loss_sum += total * len(batch)
    ledger.step += 1
    return routing


def _find_following(
    passes: list[Piece], job: TrainingJob, order: NDArray[np.int64], step: int
) -> list[NDArray[np.int64] | None]:
    """Return for each pass of a step the samples of the next one, `step` being the step after."""
    later = [indices for indices, _ in passes[1:]]
    batch = order[step * job.batch : (step + 1) * job.batch]
    if not len(batch):
        return [*later, None]
    return [*later, cut_batch(batch, job.settings.batch_size, job.team)[0][0]]


def _update(run: Trainer, job: TrainingJob) -> float:
    """Move the weights along the gradients that are there; return the rest of the routing loss."""
    ledger, settings = run.ledger, job.settings
    weights, gates = rates(ledger, job)
    for group in run.optimizer.param_groups:
        group["lr"] = gates if group["gates"] else group["factor"] * weights
    run.scaler.unscale_(run.optimizer)
    routing = routing_losses(run.model)[1] / job.team.size
    if settings.clip:
        # routing scores are not clipped: their gradient comes from a loss of their own
        nn.utils.clip_grad_norm_(run.weights, settings.clip)
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.trail(settings.ema, ledger.epoch * job.steps + ledger.step)
    return routing


def cut_batch(batch: NDArray[np.int64], size: int, team: ProcessGroup) -> list[Piece]:
    """Cut this process' part of a batch into passes.

    A process without samples (in a last, short batch) takes one with a share of 0, because
    gradients are averaged over all processes.
    """
    mine = team.part(batch)
    if not len(mine):
        return [(batch[:1], 0.0)]
    cut = [mine[start : start + size] for start in range(0, len(mine), size)]
    return [(piece, len(piece) / len(batch)) for piece in cut]


def rates(ledger: TrainingProgress, job: TrainingJob) -> tuple[float, float]:
    """Learning rates of weights and of routing scores at the next step."""
    settings = job.settings
    factor, share = 1.0, (ledger.epoch + ledger.step / job.steps) / settings.epochs
    if settings.warmup_steps:
        done = ledger.epoch * job.steps + ledger.step
        factor, share = warm_up(done, settings.epochs * job.steps, settings.warmup_steps)
    firsts = (settings.learning_rate, settings.advanced.gate_learning_rate)
    weights, gates = (factor * rate(first, ledger.progress, share, settings) for first in firsts)
    return weights, gates


def refuse_divergence(value: float, where: str) -> None:
    """Stop at a loss that is no number.

    Raises
    ------
    OutputError
        Naming the place.
    """
    if not math.isfinite(value):
        raise OutputError(
            f"the loss is {value} at {where}: lower training.learning_rate, or look for missing "
            "values in the data"
        )
