"""Training samples from a store: history in, fields at each lead time out."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from smoecast.data.inputs import Inputs
from smoecast.errors import ConfigError, InputError
from smoecast.fields.store.rows import Packing


class Source(Protocol):
    """Where fields come from, time by time: `fields.store.rows.Rows` of a store, or `InMemory`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C, H, W)."""

    @property
    def packing(self) -> Packing | None:
        """Offset and scale of what `read` gives, which then is float16; or None."""

    def read(self, index: int, channels: slice | NDArray[np.intp], out: NDArray[Any]) -> None:
        """Fill `out` (D, H, W), float32 or packed as float16, with channels of one time."""


@dataclass(frozen=True, eq=False)
class InMemory:
    """Fields in memory.

    Attributes
    ----------
    fields : (T, C, H, W) float32
    """

    fields: NDArray[np.float32]
    packing: Packing | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C, H, W)."""
        return self.fields.shape

    def read(self, index: int, channels: slice | NDArray[np.intp], out: NDArray[Any]) -> None:
        """Fill `out` (D, H, W) with channels of one time."""
        out[...] = self.fields[index][channels]


def load(source: Source) -> InMemory:
    """Return a source read into memory, once."""
    fields = np.empty(source.shape, np.float32)
    everything = slice(None)
    for index in range(len(fields)):
        _put(source, index, everything, fields[index])
    return InMemory(fields)


def _put(
    source: Source, index: int, channels: slice | NDArray[np.intp], out: NDArray[np.float32]
) -> None:
    """Put channels of one time into `out` (D, H, W), in SI units."""
    if source.packing is None:
        source.read(index, channels, out)
        return
    raw = np.empty(out.shape, np.float16)
    source.read(index, channels, raw)
    # PyTorch converts float16 twenty times faster than NumPy
    values = torch.from_numpy(out).copy_(torch.from_numpy(raw))
    offset, scale = (torch.from_numpy(part[channels]) for part in source.packing)
    torch.addcmul(offset, values, scale, out=values)


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples that start in one part of the split and hold wholly within it.

    Attributes
    ----------
    source : Source
        Of the fields (T, C, H, W).
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
    continuous : bool
        Whether a sample is one start and one of the lead times, which is an input then; otherwise
        all lead times are targets of every sample.
    """

    source: Source
    times: NDArray[np.datetime64]
    starts: NDArray[np.intp]
    inputs: Inputs
    targets: NDArray[np.intp]
    history_steps: tuple[int, ...]
    lead_steps: tuple[int, ...]
    continuous: bool = False

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.starts) * (len(self.lead_steps) if self.continuous else 1)

    @property
    def leads(self) -> int:
        """Lead times among the targets of one sample, L."""
        return 1 if self.continuous else len(self.lead_steps)

    def starts_and_steps(
        self, indices: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the starts (B,) and the steps ahead (B, L) of some samples."""
        steps = np.asarray(self.lead_steps)
        if not self.continuous:
            return self.starts[indices], np.broadcast_to(steps, (len(indices), len(steps)))
        start, lead = np.divmod(indices, len(steps))
        return self.starts[start], steps[lead][:, None]

    def extra(self, starts: NDArray[np.intp], steps: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the inputs that are no history: (B, X, H, W)."""
        ahead = steps[:, 0] * (self.times[1] - self.times[0]) if self.continuous else None
        return self.inputs.extra(self.times[starts], ahead)  # nosec B610

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, C_in, H, W) and targets (B, L * D, H, W), lead by lead, SI units."""
        starts, ahead = self.starts_and_steps(indices)
        channels = self.source.shape[1]
        count = len(self.history_steps) * channels
        shape = (len(starts), count + len(self.inputs.extra_names), *self.source.shape[2:])
        filled = np.empty(shape, np.float32)
        for sample, start in zip(filled, starts.tolist(), strict=True):
            for place, step in enumerate(self.history_steps):
                out = sample[place * channels : (place + 1) * channels]
                _put(self.source, start - step, slice(None), out)
        filled[:, count:] = self.extra(starts, ahead)  # nosec B610
        return torch.from_numpy(filled), torch.from_numpy(self._ahead(starts, ahead))

    def _ahead(self, starts: NDArray[np.intp], steps: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the target channels at each of the steps ahead (B, L): (B, L * D, H, W)."""
        count = len(self.targets)
        shape = (len(starts), steps.shape[1] * count, *self.source.shape[2:])
        filled = np.empty(shape, np.float32)
        for sample, rows in zip(filled, (starts[:, None] + steps).tolist(), strict=True):
            for place, row in enumerate(rows):
                out = sample[place * count : (place + 1) * count]
                _put(self.source, row, self.targets, out)
        return filled

    @cached_property
    def change_scale(self) -> NDArray[np.float64]:
        """Spread of (target at lead time) - (target at start) over the samples.

        Shape (L * D,), over all samples and points, taken in blocks; never 0. Of continuous
        samples (D,), over all lead times.
        """
        steps = np.asarray(self.lead_steps)
        total = np.zeros(len(steps) * len(self.targets))
        for starts in np.array_split(self.starts, max(1, len(self.starts) // 256)):
            now = self._ahead(starts, np.zeros((len(starts), 1), int))
            ahead = self._ahead(starts, np.broadcast_to(steps, (len(starts), len(steps))))
            change = ahead - np.tile(now, (1, len(steps), 1, 1))
            total += (change.astype(np.float64) ** 2).mean(axis=(2, 3)).sum(axis=0)
        if self.continuous:
            total = total.reshape(len(steps), -1).mean(axis=0)  # (L * D,) to (D,)
        scale: NDArray[np.float64] = np.sqrt(total / len(self.starts))
        scale[scale == 0] = 1.0
        return scale


class OnDevice:
    """Samples whose fields lie on the device that trains, so that no batch travels.

    Parameters
    ----------
    samples : Samples
        With a source in memory or in a store.
    fields : Tensor
        (T, C, H, W) on the device; shared by the parts of a run.
    """

    def __init__(self, samples: Samples, fields: torch.Tensor) -> None:
        self.samples, self.fields = samples, fields

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples)

    def batch(self, indices: NDArray[np.intp]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs (B, C_in, H, W) and targets (B, L * D, H, W) on the device."""
        samples = self.samples
        starts, ahead = samples.starts_and_steps(indices)
        history = self.fields[self._rows(starts, -np.asarray(samples.history_steps)[None, :])]
        fields = samples.extra(starts, ahead)  # nosec B610
        extra = torch.from_numpy(np.ascontiguousarray(fields))
        # (B, S, C, H, W) -> (B, S * C, H, W)
        inputs = torch.cat([history.flatten(1, 2), extra.to(self.fields.device)], dim=1)
        rows = self._rows(starts, ahead)
        channels = torch.from_numpy(samples.targets).to(self.fields.device)
        # (B, L, D, H, W) -> (B, L * D, H, W)
        return inputs, self.fields[rows[:, :, None], channels].flatten(1, 2)

    def _rows(self, starts: NDArray[np.intp], steps: NDArray[np.intp]) -> torch.Tensor:
        """Return positions in time (B, S) at steps (B or 1, S) from the starts (B,)."""
        return torch.from_numpy(starts[:, None] + steps).to(self.fields.device)


def starts_within(
    mask: NDArray[np.bool_], history_steps: tuple[int, ...], lead_steps: tuple[int, ...], part: str
) -> NDArray[np.intp]:
    """Return the starts whose targets hold inside the masked part of an evenly spaced series.

    History may reach back before the part, but not before the series.

    Raises
    ------
    ConfigError
        There is no such part.
    InputError
        The part is shorter than one sample.
    """
    position = np.flatnonzero(mask)
    if not len(position):
        raise ConfigError(
            f"training needs a {part} part, but data.split.{part} had no times when the store "
            "was made: give it some and run `smoecast preprocess` again"
        )
    first, last = history_steps[-1], len(mask) - 1 - lead_steps[-1]
    position = position[(position >= first) & (position <= last)]
    position = position[mask[position + lead_steps[-1]]]
    if not len(position):
        raise InputError(
            f"the {part} split is too short for one sample with this history and lead time; "
            "bring more data, or change data.split or sample.lead_hours"
        )
    return position


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
        return self.one.inputs.extra(self.one.times[starts])  # nosec B610
