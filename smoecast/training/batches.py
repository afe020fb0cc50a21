"""Batches on their way to the device: read one ahead, and copied while the device computes.

Reading draws nothing at random, so a batch is the same whenever it is read.
"""

from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoecast.training.job import Samples

Batch = tuple[Tensor, Tensor]
"""Inputs and targets."""


class BatchFeeder:
    """Reads batches and brings them to a device.

    On CUDA another thread reads the next batch meanwhile, into memory that is pinned, from which a
    copy waits for nobody. On the CPU it would only compete with the network.

    Parameters
    ----------
    device : torch.device
        Where the batches go.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._pool = ThreadPoolExecutor(1) if reads_ahead(device) else None
        self._next: tuple[Samples, NDArray[np.int64], Future[Batch]] | None = None

    def give(
        self, samples: Samples, indices: NDArray[np.int64], then: NDArray[np.int64] | None = None
    ) -> Batch:
        """Return a batch on the device.

        Parameters
        ----------
        samples : Samples
            Where it is read from.
        indices : array of int
            Which samples.
        then : array of int, optional
            Which will be asked for next; they are read meanwhile.
        """
        batch = self._take(samples, indices)
        if self._pool is not None and then is not None:
            self._next = samples, then, self._pool.submit(self._read, samples, then)
        inputs, targets = (part.to(self.device, non_blocking=True) for part in batch)
        return inputs, targets

    def _take(self, samples: Samples, indices: NDArray[np.int64]) -> Batch:
        """Return what was read ahead, if it is that; else read."""
        ahead, self._next = self._next, None
        if ahead is not None:
            read = ahead[2].result()  # two threads never read at once
            if ahead[0] is samples and np.array_equal(ahead[1], indices):
                return read
        return self._read(samples, indices)

    def _read(self, samples: Samples, indices: NDArray[np.int64]) -> Batch:
        inputs, targets = samples.batch(indices)
        return pin(inputs, self.device), pin(targets, self.device)


def reads_ahead(device: torch.device) -> bool:
    """Whether batches for this device are read ahead."""
    return device.type == "cuda"


def pin(values: Tensor, device: torch.device) -> Tensor:
    """Return values in pinned memory, if they are on the CPU and go to CUDA; else as they are."""
    if device.type != "cuda" or values.device.type != "cpu":
        return values
    return values.pin_memory()
