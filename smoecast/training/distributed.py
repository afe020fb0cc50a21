"""Several processes that train one network, started by `torchrun`.

Each takes its part of every batch, and DistributedDataParallel averages the gradients; so 2
processes with batches of b are 1 process with batches of 2 b, to rounding. The first process alone
writes and speaks. Words between processes (losses, signals, random states) go over gloo.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed

from smoecast.errors import ConfigError


@dataclass(frozen=True)
class ProcessGroup:
    """The processes of a run, and which of them this one is.

    Attributes
    ----------
    rank : int
        From 0.
    size : int
        How many there are; 1 for an ordinary run.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    def part(self, batch: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return this process' part of a batch of all; parts differ by one sample at most."""
        return np.array_split(batch, self.size)[self.rank]

    def gather(self, mine: Tensor) -> Tensor:
        """Return what every process holds, (size, ...), from a CPU tensor of equal shape in all."""
        if self.size == 1:
            return mine[None]
        everyone = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(everyone, mine)
        return torch.stack(everyone)

    def numbers(self, mine: Sequence[float]) -> NDArray[np.float64]:
        """Return the numbers of every process, (size, n); all wait here for all."""
        gathered: NDArray[np.float64] = self.gather(torch.tensor(mine, dtype=torch.float64)).numpy()
        return gathered

    def find_strays(self, mine: Sequence[Tensor]) -> list[int]:
        """Return the ranks whose tensors differ from the first process' in any bit."""
        if self.size == 1:
            return []
        total = 0
        for tensor in mine:
            total = zlib.crc32(tensor.detach().cpu().contiguous().numpy().tobytes(), total)
        totals = self.numbers([total])[:, 0]  # 32 bits are exact in a float64
        return [rank for rank in range(self.size) if totals[rank] != totals[0]]

    def wait(self) -> None:
        """Go on when all processes are here."""
        self.numbers([0.0])  # gathering nothing would not wait


@contextmanager
def join(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that `torchrun` started, if it did, until the block ends.

    Parameters
    ----------
    device : str
        `training.device`: on CUDA (or auto, where there is CUDA) each process takes the device of
        its local rank.

    Yields
    ------
    ProcessGroup
        Of one, where nothing was started beside this process.

    Raises
    ------
    ConfigError
        This PyTorch cannot, or there are more processes than CUDA devices, or one device is named
        for all.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ProcessGroup()
        return
    if not distributed.is_available():
        raise ConfigError("this PyTorch has no torch.distributed: run without torchrun")
    distributed.init_process_group(_backend(device))
    try:
        yield ProcessGroup(distributed.get_rank(), size)
    finally:
        distributed.destroy_process_group()


def _backend(device: str) -> str:
    """Choose this process' CUDA device, if any, and say what carries gradients."""
    if device.startswith("cuda:"):
        raise ConfigError(
            f"training.device: {device} is one device for several processes; use cuda or auto"
        )
    if device != "cuda" and not (device == "auto" and torch.cuda.is_available()):
        return "gloo"
    local, devices = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
    if local >= devices:
        raise ConfigError(
            f"process {local} has no CUDA device, there are {devices}: "
            f"use torchrun --nproc-per-node {max(devices, 1)}, or training.device=cpu"
        )
    torch.cuda.set_device(local)
    return "cpu:gloo,cuda:nccl"
