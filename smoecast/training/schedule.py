"""When the learning rate falls and when training stops: pure functions of the losses so far."""

import math
from dataclasses import dataclass, replace

from smoecast.config.training import Training


@dataclass(frozen=True)
class Progress:
    """What the losses so far amount to.

    Attributes
    ----------
    best_loss : float or None
        Lowest validation loss; None before the first epoch.
    best_epoch : int
        Its epoch, counted from 1; 0 before the first.
    stale : int
        Epochs since then.
    waited : int
        Epochs without gain since the learning rate last fell.
    falls : int
        How often the learning rate fell.
    """

    best_loss: float | None = None
    best_epoch: int = 0
    stale: int = 0
    waited: int = 0
    falls: int = 0

    def after(self, epoch: int, loss: float, settings: Training) -> "Progress":
        """Return the progress once `epoch` (from 1) ended with this validation loss."""
        if self.best_loss is None or loss < self.best_loss:
            return Progress(loss, epoch, falls=self.falls)
        waited = self.waited + 1
        if settings.schedule == "plateau" and waited >= settings.plateau_patience:
            return replace(self, stale=self.stale + 1, waited=0, falls=self.falls + 1)
        return replace(self, stale=self.stale + 1, waited=waited)


def is_over(progress: Progress, epochs_done: int, settings: Training) -> bool:
    """Whether training ends: all epochs done, or too many of them without gain."""
    return epochs_done >= settings.epochs or progress.stale >= settings.patience


def rate(first: float, progress: Progress, share: float, settings: Training) -> float:
    """Return the learning rate of a step.

    Parameters
    ----------
    first : float
        Learning rate of the first step.
    progress : Progress
        Counts the falls, for the plateau schedule.
    share : float
        Part of all steps already done, 0 to 1, for the cosine schedule.
    settings : Training
        Schedule, factor and the floor `minimum_rate`.

    Returns
    -------
    float
        Never below `minimum_rate`, unless `first` is.
    """
    if settings.schedule == "cosine":
        factor = 0.5 * (1.0 + math.cos(math.pi * share))
    else:
        factor = settings.plateau_factor**progress.falls
    return max(first * factor, min(first, settings.minimum_rate))


def warm_up(done: int, steps: int, warmup_steps: int) -> tuple[float, float]:
    """Return the factor of the warm-up on the rate, and the share of the steps after it.

    Parameters
    ----------
    done, steps : int
        Steps done, and all of them.
    warmup_steps : int
        The rate rises linearly from step 1 to this one, whose factor is 1.

    Returns
    -------
    tuple of float
        Factor, 0 to 1, and share of the remaining steps that is done, 0 to 1.
    """
    if done < warmup_steps:
        return (done + 1) / warmup_steps, 0.0
    return 1.0, (done - warmup_steps) / max(1, steps - warmup_steps)
