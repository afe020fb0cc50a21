"""Training samples from a store: history in, fields at each lead time out."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from smoecast.data.inputs import Inputs
from smoecast.errors import InputError


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples that start in one part of the split and hold wholly within it.

    Attributes
    ----------
    fields : (T, C, H, W) float32
        The store's fields, in memory.
    times : (T,) datetime64
        Evenly spaced.
    starts : (N,) int
        Position in `times` of each sample's start.
    inputs : Inputs
        The recipe for network inputs.
    targets : (D,) int
        Positions of the target channels.
    history_steps, lead_steps : tuple of int
        Hours over the spacing of the store.
    """

    fields: NDArray[np.float32]
    times: NDArray[np.datetime64]
    starts: NDArray[np.intp]
    inputs: Inputs
    targets: NDArray[np.intp]
    history_steps: tuple[int, ...]
    lead_steps: tuple[int, ...]

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.starts)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, C_in, H, W) and targets (B, L * D, H, W), lead by lead, SI units."""
        starts = self.starts[indices]
        back = starts[:, None] - np.asarray(self.history_steps)[None, :]
        network_inputs = self.inputs.assemble(self.fields[back], self.times[starts])
        return torch.from_numpy(network_inputs), torch.from_numpy(self._targets(starts))

    def _targets(self, starts: NDArray[np.intp]) -> NDArray[np.float32]:
        ahead = starts[:, None] + np.asarray(self.lead_steps)[None, :]
        truth = self.fields[ahead[:, :, None], self.targets[None, None, :]]
        batch, leads, channels, height, width = truth.shape
        # (B, L, D, H, W) -> (B, L * D, H, W)
        flat: NDArray[np.float32] = truth.reshape(batch, leads * channels, height, width)
        return flat

    def change_scale(self) -> NDArray[np.float64]:
        """Return the spread of (target at lead time) - (target at start) over the samples.

        Shape (L * D,), over all samples and points, taken in blocks; never 0.
        """
        total = np.zeros(len(self.lead_steps) * len(self.targets))
        for starts in np.array_split(self.starts, max(1, len(self.starts) // 256)):
            now = self.fields[starts[:, None], self.targets[None, :]]
            change = self._targets(starts) - np.tile(now, (1, len(self.lead_steps), 1, 1))
            total += (change.astype(np.float64) ** 2).mean(axis=(2, 3)).sum(axis=0)
        scale: NDArray[np.float64] = np.sqrt(total / len(self.starts))
        scale[scale == 0] = 1.0
        return scale


def starts_within(
    mask: NDArray[np.bool_], history_steps: tuple[int, ...], lead_steps: tuple[int, ...], part: str
) -> NDArray[np.intp]:
    """Return the starts whose targets hold inside the masked part of an evenly spaced series.

    History may reach back before the part, but not before the series.

    Raises
    ------
    InputError
        The part is shorter than one sample.
    """
    position = np.flatnonzero(mask)
    first, last = history_steps[-1], len(mask) - 1 - lead_steps[-1]
    position = position[(position >= first) & (position <= last)]
    position = position[mask[position + lead_steps[-1]]]
    if not len(position):
        raise InputError(
            f"the {part} split is too short for one sample with this history and lead time; "
            "bring more data or change data.split"
        )
    return position
