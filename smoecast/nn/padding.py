"""Same-size convolution on a grid of latitudes and longitudes.

One place decides what lies beyond the edge: zeros on all sides, or the far side of the globe in
longitude and zeros beyond the poles (as in Rasp & Thuerey 2021, doi:10.1029/2020MS002405), or there
the rows of the opposite meridian (as in KARINA, Cheon et al. 2024, arXiv 2403.10555).
"""

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

Padding = Literal["zeros", "periodic", "polar"]


def check_padding(padding: str, kernel_size: int) -> None:
    """Refuse an unknown padding or an even kernel.

    Raises
    ------
    ValueError
        If `padding` is none of ``zeros``, ``periodic`` and ``polar``, or `kernel_size` is even or
        below 1 (the output would not keep the grid).
    """
    if padding not in get_args(Padding):
        raise ValueError(f"padding must be 'zeros', 'periodic' or 'polar', not '{padding}'")
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
        ``zeros``, ``periodic`` or ``polar``.

    Raises
    ------
    ValueError
        The kernel would wrap around the globe more than once.

    Returns
    -------
    Tensor, tuple of int
        The field, (B, C, H, W), (B, C, H, W + kernel_size - 1) or that with as many rows more, and
        the zero padding (latitude, longitude) that the convolution or unfolding still has to add.
    """
    half = kernel_size // 2
    if padding == "zeros" or half == 0:
        return x, (half, half)
    if half > x.shape[3]:
        raise ValueError(
            f"a kernel of {kernel_size} points wraps around {x.shape[3]} longitudes more than once"
        )
    if padding == "polar":
        return _wrap(cross_poles(x, half), half), (0, 0)
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


def cross_poles(x: Tensor, rows: int) -> Tensor:
    """Continue fields beyond both poles: (B, C, H, W) to (B, C, H + 2 rows, W).

    Beyond a pole lies the opposite meridian, half the globe further east, seen from there: the row
    next to the pole comes first. A vector's components point the other way there; which of a
    network's fields are such components nobody knows, so none changes its sign.

    Parameters
    ----------
    x : Tensor
        On a grid whose first and last row are half a step from the poles.
    rows : int
        At most H; W is even.
    """
    over = torch.cat([x[:, :, :rows].flip(2), x[:, :, x.shape[2] - rows :].flip(2)], dim=2)
    over = over.roll(x.shape[3] // 2, dims=3)
    return torch.cat([over[:, :, :rows], x, over[:, :, rows:]], dim=2)


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
