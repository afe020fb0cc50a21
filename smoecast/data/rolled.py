"""Samples for training on several steps of a model's own output."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from smoecast.data.samples import OnDevice, Samples


class RolledSamples:
    """Samples whose targets are all steps of a rollout, and whose inputs serve all of them.

    Parameters
    ----------
    samples : Samples
        Of one lead time, a multiple of which each step reaches; every start holds all of them.
    steps : int
        N.
    fields : Tensor, optional
        (T, C, H, W) on the device that trains, see `samples.OnDevice`.
    """

    def __init__(self, samples: Samples, steps: int, fields: torch.Tensor | None = None) -> None:
        self.one, self.steps = samples, steps
        (lead,) = samples.lead_steps
        ahead = replace(samples, lead_steps=tuple(lead * n for n in range(1, steps + 1)))
        self.ahead = ahead if fields is None else OnDevice(ahead, fields)

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.one)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, S * C + N * X, H, W) and targets (B, N * D, H, W), step by step."""
        inputs, targets = self.ahead.batch(indices)
        (lead,), starts = self.one.lead_steps, self.one.starts[indices]
        later = [
            torch.from_numpy(np.ascontiguousarray(self._extra(starts + lead * step)))
            for step in range(1, self.steps)
        ]
        return torch.cat([inputs, *(part.to(inputs.device) for part in later)], dim=1), targets

    def _extra(self, starts: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.one.inputs.extra(self.one.times[starts])
