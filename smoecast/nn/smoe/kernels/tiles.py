"""How work is cut for a device: blocks of channels and points, and shares of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

_P = ParamSpec("_P")
_R = TypeVar("_R")
BLOCK = 1024
"""Values that a program handles at once."""
PROGRAMS = 1024
"""Programs that keep a large device busy; no more than that is won by cutting a batch further."""


@dataclass(frozen=True)
class Layout:
    """Where the values of a tensor (B, C, H, W) lie in memory, in elements.

    Attributes
    ----------
    sample, channel, point : int
        From one to the next.
    """

    sample: int
    channel: int
    point: int

    @property
    def by_channel(self) -> bool:
        """Whether the channels of a point lie side by side (channels_last)."""
        return self.channel < self.point


def lay_out(values: Tensor) -> tuple[Tensor, Layout]:
    """Return a tensor (B, C, H, W) and its layout; if points do not follow each other, a copy."""
    width = values.shape[3]
    if values.stride(2) != width * values.stride(3) and values.shape[2] > 1:
        values = values.contiguous()
    sizes = values.stride()
    return values, Layout(sizes[0], sizes[1], sizes[3] if width > 1 else sizes[2])


def new_like(values: Tensor, layout: Layout, channels: int) -> tuple[Tensor, Layout]:
    """Return an empty tensor (B, `channels`, H, W), laid out as `values` are."""
    kind = torch.channels_last if layout.by_channel else torch.contiguous_format
    shape = (len(values), channels, *values.shape[2:])
    return lay_out(torch.empty(shape, dtype=values.dtype, device=values.device, memory_format=kind))


def power_above(count: int) -> int:
    """Return the smallest power of two that is not smaller."""
    return 1 << (count - 1).bit_length()


def count_blocks(count: int, block: int) -> int:
    """Return how many blocks cover so many things."""
    return -(-count // block)


def cut_plane(channels: int, points: int, layout: Layout) -> tuple[int, int]:
    """Return the block of channels and points, long where memory is."""
    first, second = (channels, points) if layout.by_channel else (points, channels)
    long = min(power_above(first), BLOCK // 8)
    short = min(power_above(second), BLOCK // long)
    return (long, short) if layout.by_channel else (short, long)


def share_batch(samples: int, programs: int) -> int:
    """Return how many samples a program takes in turn, where `programs` cover one sample."""
    wanted = count_blocks(PROGRAMS, programs)
    return max(1, count_blocks(samples, wanted))


def on_its_device(
    function: Callable[Concatenate[Tensor, _P], _R],
) -> Callable[Concatenate[Tensor, _P], _R]:
    """Let a function run on the device of its first tensor: Triton takes the current one."""

    @wraps(function)
    def run(first: Tensor, /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        # a number below 0 changes nothing
        with torch.cuda.device(first.get_device() if first.is_cuda else -1):
            return function(first, *args, **kwargs)

    return run


def as_number(number: Tensor | float, like: Tensor) -> Tensor:
    """Return a number on the device of a tensor, without a copy that waits."""
    if isinstance(number, Tensor):
        return number.to(like.device, torch.float32)
    return torch.full((), number, dtype=torch.float32, device=like.device)
