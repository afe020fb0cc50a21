"""Where the time of a training goes, for `smoecast train --profile`.

A training says after each part of a step that it is over (`TrainingJob.mark`). Here the time since
the last such word is given to that part, so that all parts together are all of the time.
"""

import time
from typing import TypedDict

import torch

from smoecast.text_table import table

PARTS = (
    "reading", "preparing", "forward", "loss", "backward", "optimiser", "validation", "checkpoint",
    "rest",
)  # fmt: skip
"""In the order of a step, then of an epoch."""


class Part(TypedDict):
    """What one part took.

    Keys
    ----
    seconds : float
        In all steps together.
    share : float
        Of the whole, from 0 to 1.
    per_step : float
        Seconds over the number of steps.
    """

    seconds: float
    share: float
    per_step: float


class Summary(TypedDict):
    """Where the time of a training went.

    Keys
    ----
    steps : int
        Of the optimizer.
    seconds : float
        Of all parts.
    parts : dict of str to Part
        By their names in `PARTS`.
    """

    steps: int
    seconds: float
    parts: dict[str, Part]


class StepProfile:
    """Seconds of the parts of training steps.

    Parameters
    ----------
    device : torch.device
        Where steps are computed. It is waited for at the end of each part, so that its time is
        that of the part that gave it the work.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._seconds = dict.fromkeys(PARTS, 0.0)
        self._steps = 0
        self._last: float | None = None

    def start(self) -> None:
        """Leave out all until the next part is over, which is how a training gets ready."""
        self._last = None

    def mark(self, part: str) -> None:
        """Give the time since the last part to this one, which is over."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        now = time.perf_counter()
        self._seconds[part] += 0.0 if self._last is None else now - self._last
        self._last = now
        self._steps += part == "optimiser"

    def summary(self) -> Summary:
        """Return what has been gathered."""
        whole = sum(self._seconds.values())
        return {
            "steps": self._steps,
            "seconds": round(whole, 3),
            "parts": {
                name: {
                    "seconds": round(seconds, 4),
                    "share": round(seconds / whole, 4) if whole else 0.0,
                    "per_step": round(seconds / max(self._steps, 1), 7),
                }
                for name, seconds in self._seconds.items()
            },
        }


def to_text(profile: Summary) -> str:
    """Return the table that a terminal shows."""
    rows = [
        [name, f"{part['seconds']:.2f}", f"{1e3 * part['per_step']:.2f}", f"{part['share']:.1%}"]
        for name, part in profile["parts"].items()
    ]
    steps, seconds = profile["steps"], profile["seconds"]
    whole = ["all", f"{seconds:.2f}", f"{1e3 * seconds / max(steps, 1):.2f}", "100.0%"]
    head = [f"of {steps} steps", "seconds", "ms a step", "share"]
    return table(head, [*rows, whole] if steps else [])
