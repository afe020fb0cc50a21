"""Same-size convolution on a grid of latitudes and longitudes.

One place decides what lies beyond the edge: zeros on all sides, or the far side of the globe in
longitude and zeros beyond the poles (as in Rasp & Thuerey 2021, doi:10.1029/2020MS002405).
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Padding = Literal["zeros", "periodic"]


def check_padding(padding: str, kernel_size: int) -> None:
    """Refuse an unknown padding or an even kernel.

    Raises
    ------
    ValueError
        If `padding` is neither ``zeros`` nor ``periodic``, or `kernel_size` is even or below 1
        (the output would not keep the grid).
    """
    if padding not in get_args(Padding):
        raise ValueError(f"padding must be 'zeros' or 'periodic', not '{padding}'")
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd to keep the grid, not {kernel_size}")


def wrap(x: Tensor, kernel_size: int, padding: str) -> tuple[Tensor, tuple[int, int]]:
    """Add the far side of the globe where the padding asks for it; leave zeros to the operator.

    Parameters
    ----------
    x : Tensor
        (B, C, H, W).
    kernel_size : int
        Odd.
    padding : str
        ``zeros`` or ``periodic``.

    Raises
    ------
    ValueError
        The kernel would wrap around the globe more than once.

    Returns
    -------
    Tensor, tuple of int
        The field, (B, C, H, W) or (B, C, H, W + kernel_size - 1), and the zero padding
        (latitude, longitude) that the convolution or unfolding still has to add.
    """
    half = kernel_size // 2
    if padding == "zeros" or half == 0:
        return x, (half, half)
    if half > x.shape[3]:
        raise ValueError(
            f"a kernel of {kernel_size} points wraps around {x.shape[3]} longitudes more than once"
        )
    return _wrap(x, half), (half, 0)


class _Wrap(torch.autograd.Function):
    """(B, C, H, W) to (B, C, H, W + 2 n), as `pad` in mode circular, whose backward is slow."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, count: int) -> Tensor:
        ctx.count = count
        return torch.cat((x[..., -count:], x, x[..., :count]), dim=3)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        count = ctx.count
        inner = grad[..., count:-count].clone(memory_format=torch.contiguous_format)
        inner[..., -count:] += grad[..., :count]
        inner[..., :count] += grad[..., -count:]
        return inner, None


_wrap: Callable[[Tensor, int], Tensor] = _Wrap.apply


def pad_same(x: Tensor, kernel_size: int, padding: str) -> Tensor:
    """Surround (B, C, H, W) by all that lies beyond: (B, C, H + k - 1, W + k - 1)."""
    wrapped, (rows, columns) = wrap(x, kernel_size, padding)
    return functional.pad(wrapped, (columns, columns, rows, rows))


def conv2d_same(x: Tensor, weight: Tensor, bias: Tensor | None, padding: str) -> Tensor:
    """Convolve (B, C, H, W) with weights (D, C, k, k) into (B, D, H, W)."""
    wrapped, zeros = wrap(x, weight.shape[-1], padding)
    return functional.conv2d(wrapped, weight, bias, padding=zeros)


def unfold_same(x: Tensor, kernel_size: int, padding: str) -> Tensor:
    """Return the neighbourhood of every point: (B, C, H, W) to (B, C k k, H W)."""
    wrapped, zeros = wrap(x, kernel_size, padding)
    columns: Tensor = functional.unfold(wrapped, kernel_size, padding=zeros)
    return columns


def coordinates(grid: tuple[int, int], *, like: Tensor) -> Tensor:
    """Return row and column of every point, each from -1 to 1: (2, H, W)."""
    rows, columns = (torch.linspace(-1, 1, n, dtype=like.dtype, device=like.device) for n in grid)
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
